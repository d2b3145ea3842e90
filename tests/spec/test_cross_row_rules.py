"""What rows come to together: overlapping spells, contradictions, keys of the same file, names; and changed keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from tests.support.declared import column, contract, site_of, write_agreement, write_feed
from tests.support.deliveries import Intake, fates
from tests.support.replays import CONTRACT, loaded, mended, replay

from kinbridge.contract.odcs import feed_of
from kinbridge.ledger.states import State

MEMBERS, DELTA, VISITS = "atlas/members_v1", "atlas/changes_v1", "atlas/visits_v1"
DAY = "logicalTypeOptions: { format: yyyy-MM-dd }"
TABLE = """\
    customProperties:
      - property: spells
        value: [{ subject: [member], begins: begin, ends: end }]
      - property: consistent
        value: [{ by: [household], columns: [county, head] }]
      - property: references
        value: [{ feed: atlas/members_v1, columns: { head: member } }]
"""
MEMBER = (
    column("row_id", "string", "required: true", "primaryKey: true"),
    column("member", "string", "required: true"),
    column("household"),
    column("head"),
    column("county"),
    column("begin", "date", DAY),
    column("end", "date", DAY),
    column("first", "string", "customProperties: [{ property: personName, value: first }]"),
    column("last", "string", "authoritativeDefinitions: [{ url: 'http://ceds.ed.gov/terms#P000172', type: term }]"),
    column("reason", "string", "customProperties: [{ property: noNames, value: true }]"),
)
MEMBER_SQL = """\
-- target: person
SELECT
    line_no,
    row_id AS source_person_id,
    reason AS middle_name
FROM source;
"""
CHANGE_SQL = """\
-- target: person
SELECT
    line_no,
    id AS source_person_id,
    name AS first_name
FROM source;
-- target: family_member
SELECT
    line_no,
    'F' || family AS source_family_id,
    id AS source_person_id,
    'Child' AS family_role
FROM source;
"""
VISIT_SQL = """\
-- target: person
SELECT
    line_no,
    child AS source_person_id,
    'Visited' AS middle_name
FROM source;
"""
# A name in small letters is refused, until the contract is mended.
CAPITAL, ANY = "'^[A-Z][a-z]+$'", "'^[A-Za-z]+$'"
STRICT = "customProperties: [{ property: severity, value: { format: critical } }]"
MAY, JUNE, JULY = date(2026, 5, 31), date(2026, 6, 30), date(2026, 7, 9)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with site_of(tmp_path_factory.mktemp("site")) as include:
        files = "{{ filePattern: '^{}_(?P<period>\\d{{6}})\\.csv$' }}"
        text = contract(MEMBERS, *MEMBER, table=TABLE, delivery=files.format("members"))
        write_feed(include, MEMBERS, text, MEMBER_SQL)
        change = "0.5, kind: delta, change: { column: op, delete: [D], rekey: [K], formerKey: { id: old } }"
        columns = (
            column("id", "string", "required: true", "primaryKey: true"),
            column("old"),
            column("name", "string", f"logicalTypeOptions: {{ pattern: {CAPITAL} }}", STRICT),
            column("family"),
            column("op"),
        )
        folder = write_feed(
            include,
            DELTA,
            contract(DELTA, *columns, share=change, delivery=files.format("changes")),
            CHANGE_SQL,
        )
        visit = (column("visit", "string", "required: true", "primaryKey: true"), column("child"))
        write_feed(include, VISITS, contract(VISITS, *visit, delivery=files.format("visits")), VISIT_SQL)
        write_agreement(
            include,
            "atlas",
            {
                MEMBERS: [c.name for c in feed_columns(MEMBERS)],
                DELTA: ["id", "old", "name", "family", "op"],
                VISITS: ["visit", "child"],
            },
        )
        yield folder


def feed_columns(feed_id: str) -> tuple[Any, ...]:
    return feed_of(feed_id).columns


@pytest.fixture
def members(declared: Path, warehouse: Any, tmp_path: Path) -> Iterator[Intake]:
    header = "row_id,member,household,head,county,begin,end,first,last,reason"
    yield (intake := Intake(warehouse, tmp_path, MEMBERS, header))
    intake.empty()


@pytest.fixture
def changes(declared: Path, warehouse: Any, tmp_path: Path) -> Iterator[Intake]:
    yield (intake := Intake(warehouse, tmp_path, DELTA, "id,old,name,family,op"))
    intake.empty()


def found(intake: Intake) -> set[tuple[str, int]]:
    """The findings of all deliveries: rule and line."""
    return set(intake.warehouse.query("SELECT rule, line_no FROM ledger.finding"))


def spell(number: int, begin: str, end: str, member: str = "M1") -> str:
    return f"R{number},{member},,,,2026-{begin},{f'2026-{end}' if end else ''},,,"


def test_the_later_of_two_overlapping_spells_is_named_and_both_are_taken(members: Intake) -> None:
    rows = [
        spell(1, "03-01", "03-31"),
        spell(2, "01-01", "02-28"),
        spell(3, "02-28", "02-28"),
        spell(4, "04-01", "03-01"),
        spell(5, "02-01", "03-31", "M2"),
        spell(6, "04-02", ""),
        spell(7, "12-01", ""),
    ]
    delivery = members.judge(members.deliver(*rows))
    assert found(members) == {("begin__end.overlap", 4), ("begin__end.overlap", 8)}
    assert members.state(delivery) is State.VALIDATED
    assert members.quarantined(delivery) == {}


def test_a_long_spell_overlaps_those_that_come_long_after_a_short_one(members: Intake) -> None:
    rows = [spell(1, "01-01", "12-31"), spell(2, "01-02", "01-02"), spell(3, "11-01", "11-30")]
    members.judge(members.deliver(*rows))
    assert found(members) == {("begin__end.overlap", 3), ("begin__end.overlap", 4)}


def test_the_row_that_differs_from_most_is_named_or_all_where_none_leads(members: Intake) -> None:
    rows = [
        *(f"R{n},M{n},H1,,Polk,,,,," for n in range(3)),
        "R4,M4,H1,,Linn,,,,,",
        "R5,M5,H1,,,,,,,",
        "R6,M6,H2,,Polk,,,,,",
        "R7,M7,H2,,Linn,,,,,",
        "R8,M8,,,Polk,,,,,",
        "R9,M9,,,Linn,,,,,",
    ]
    account = members.load(*rows)
    assert found(members) == {("household__county.consistent", line) for line in (5, 7, 8)}
    assert fates(account) == (9, 9, 0, 0, 0)


def test_a_key_of_the_same_file_is_known_and_one_that_came_before(members: Intake) -> None:
    rows = ["R1,M1,,M1,,,,,,", "R2,M2,,M1,,,,,,", "R3,M3,,,,,,,,", "R4,M4,,M9,,,,,,"]
    assert fates(members.load(*rows, as_of=MAY)) == (4, 3, 0, 1, 0)
    assert found(members) == {("head.reference", 5)}
    # M4 was refused, so it was not delivered; M1 was.
    assert fates(members.load("R5,M5,,M1,,,,,,", "R6,M6,,M4,,,,,,", as_of=JUNE)) == (2, 1, 0, 1, 0)


def test_a_row_may_refer_to_one_of_its_file_that_waits_for_correction(members: Intake) -> None:
    """Else one bad row would take its whole household with it."""
    account = members.load("R1,M1,,M7,,,,,,", "R2,M2,,M1,,,,,,", "R3,M3,,M2,,,,,,")
    assert fates(account) == (3, 2, 0, 1, 0)
    assert found(members) == {("head.reference", 2)}


def test_a_feed_that_refers_to_itself_does_not_wait_for_itself(declared: Path) -> None:
    assert feed_of(MEMBERS).references
    assert feed_of(MEMBERS).siblings == ()


def test_a_name_is_left_out_and_nothing_else_of_the_row(members: Intake) -> None:
    rows = [
        "R1,M1,,,,,,Zebedee,Canaryfield,left with Zebedee",
        "R2,M2,,,,,,Will,Do,will do so",
        "R3,M3,,,,,,An,Le,an answer",
        "R4,M4,,,,,,An,Le,AN LE",
        "R5,M5,,,,,,Ana,Smith,moved away",
        "R6,M6,,,,,,,,by Mrs. Canaryfield",
    ]
    assert fates(members.load(*rows)) == (6, 6, 0, 0, 0)
    assert found(members) == {("reason.personal_name", line) for line in (2, 3, 5, 7)}
    said = members.current("source_person_id, middle_name", "person")
    assert said == [("R1", None), ("R2", None), ("R3", "an answer"), ("R4", None), ("R5", "moved away"), ("R6", None)]
    assert members.holding("Canaryfield") == []


def persons(intake: Intake) -> Any:
    return intake.current("source_person_id, first_name", "person")


def test_a_changed_key_closes_the_former_and_loads_the_row(changes: Intake) -> None:
    changes.load("A,,Ana,1,I", "B,,Ben,1,I", as_of=MAY)
    account = changes.load("C,A,Ana,1,K", as_of=JUNE)
    assert fates(account) == (1, 1, 0, 0, 0)
    assert persons(changes) == [("B", "Ben"), ("C", "Ana")]
    assert changes.current("source_family_id, source_person_id", "family_member") == [("F1", "B"), ("F1", "C")]
    assert found(changes) == set()
    change = "SELECT partner, source_person_id, became, as_of FROM record.person_key_change"
    assert changes.warehouse.query(change) == [("atlas", "A", "C", JUNE)]


def test_an_unknown_or_missing_former_key_is_named_and_the_row_is_loaded(changes: Intake) -> None:
    changes.load("A,,Ana,1,I", as_of=MAY)
    account = changes.load("C,X,Cy,1,K", "D,,Dee,1,K", "E,A,Ana,1,K", "F,Y,Fay,1,U", as_of=JUNE)
    assert fates(account) == (4, 4, 0, 0, 0)
    assert found(changes) == {("old.former_key", 2), ("old.former_key", 3)}
    assert [name for name, _ in persons(changes)] == ["C", "D", "E", "F"]


def test_keys_may_be_swapped_or_handed_on_in_one_delivery(changes: Intake) -> None:
    changes.load("A,,Ana,1,I", "B,,Ben,1,I", "C,,Cy,1,I", as_of=MAY)
    changes.load("B,A,Ana,1,K", "A,B,Ben,1,K", as_of=JUNE)
    assert persons(changes) == [("A", "Ben"), ("B", "Ana"), ("C", "Cy")]
    changes.load("C,A,Ben,1,K", "D,C,Cy,1,K", as_of=JULY)
    assert persons(changes) == [("B", "Ana"), ("C", "Ben"), ("D", "Cy")]
    assert found(changes) == set()


def test_the_other_half_of_a_swap_may_be_replayed(changes: Intake, declared: Path) -> None:
    changes.load("A,,Ana,1,I", "B,,Ben,1,I", as_of=MAY)
    delivery = loaded(changes, "B,A,Ana,1,K", "A,B,ben,1,K", as_of=JUNE)
    assert persons(changes) == [("B", "Ana")]
    with mended(declared, (CONTRACT, CAPITAL, ANY)):
        replay(changes, delivery)
    assert persons(changes) == [("A", "ben"), ("B", "Ana")]


def test_a_key_that_is_given_and_changed_in_one_delivery(changes: Intake) -> None:
    """Policy: a key may be given out and changed in one delivery: both rows are taken, and neither is a mistake."""
    assert fates(changes.load("A,,Ana,1,I", "B,A,Ana,1,K", as_of=MAY)) == (2, 2, 0, 0, 0)
    assert found(changes) == set()


DELTAS = {
    MAY: ["A,,Ana,1,I", "B,,Ben,1,I", "G,,Gil,1,I", "H,,Hal,1,I"],
    JUNE: ["C,A,Ana,1,K", "D,B,Ben,1,K", "H,G,Gil,1,K", "I,H,Hal,1,K"],
    JULY: ["A,,Abe,3,I", "D,,,1,D", "E,C,Ana,1,K"],
}


@pytest.mark.parametrize("order", list(permutations(DELTAS)))
def test_changed_keys_come_to_the_same_in_any_order(changes: Intake, order: tuple[date, ...]) -> None:
    for as_of in order:
        changes.load(*DELTAS[as_of], as_of=as_of)
    assert persons(changes) == [("A", "Abe"), ("E", "Ana"), ("H", "Gil"), ("I", "Hal")]
    said = changes.current("source_person_id, source_family_id", "family_member")
    assert said == [("A", "F3"), ("E", "F1"), ("H", "F1"), ("I", "F1")]
