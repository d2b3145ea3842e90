"""What absence and deletion mean: snapshots that close, within their scope, and deltas that delete. In any order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from tests.support.declared import column, contract, site_of, write_agreement, write_feed
from tests.support.deliveries import TODAY, Intake, fates

from kinbridge.ledger.states import State
from kinbridge.receive.decide import hold_of
from kinbridge.receive.load import load_delivery

SNAPSHOT, DELTA = "atlas/places_v1", "atlas/changes_v1"
COLUMNS = (
    column("id", "string", "required: true", "primaryKey: true"),
    column("child", "string", "required: true"),
    column("program", "string", "required: true"),
    column("begin", "date", "required: true", "logicalTypeOptions: { format: yyyy-MM-dd }"),
)
TRANSFORM = """\
-- target: program_enrollment
SELECT
    line_no,
    id AS source_enrollment_id,
    child AS source_person_id,
    program,
    begin AS entry_date
FROM source;
"""
PERSONS = """
-- target: person
SELECT DISTINCT ON (child)
    line_no,
    child AS source_person_id
FROM source
ORDER BY
    child,
    line_no;
"""
MAY, JUNE, JULY = date(2026, 5, 31), date(2026, 6, 30), date(2026, 7, 9)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with site_of(tmp_path_factory.mktemp("site")) as include:
        snapshot = "0.5, shrinkBelow: 0, kind: snapshot, absence: closed, scope: [program], maxClosedShare: 0.5"
        delta = "0.5, kind: delta, change: { column: op, delete: [D] }"
        files = "{{ filePattern: '^{}_(?P<period>\\d{{6}})\\.csv$' }}"
        write_feed(
            include,
            SNAPSHOT,
            contract(SNAPSHOT, *COLUMNS, share=snapshot, delivery=files.format("places")),
            TRANSFORM + PERSONS,
        )
        changes = (*COLUMNS[:1], *(text.replace("required: true", "required: false") for text in COLUMNS[1:]))
        write_feed(
            include,
            DELTA,
            contract(DELTA, *changes, column("op"), share=delta, delivery=files.format("changes")),
            TRANSFORM,
        )
        names = ["id", "child", "program", "begin"]
        write_agreement(include, "atlas", {SNAPSHOT: names, DELTA: [*names, "op"]})
        yield


@pytest.fixture
def places(declared: None, warehouse: Any, tmp_path: Path) -> Iterator[Intake]:
    yield (intake := Intake(warehouse, tmp_path, SNAPSHOT, "id,child,program,begin"))
    intake.empty()


@pytest.fixture
def changes(declared: None, warehouse: Any, tmp_path: Path) -> Iterator[Intake]:
    yield (intake := Intake(warehouse, tmp_path, DELTA, "id,child,program,begin,op"))
    intake.empty()


def place(number: int, program: str = "hv", begin: str = "2026-01-01") -> str:
    return f"E{number},C{number},{program},{begin}"


def now(intake: Intake) -> list[str]:
    """The enrollments that are current."""
    return [row[0] for row in intake.current("source_enrollment_id", "program_enrollment")]


def test_what_a_snapshot_no_longer_holds_is_closed_and_kept_as_history(places: Intake) -> None:
    places.load(place(1), place(2), place(3), as_of=MAY)
    assert fates(places.load(place(1), place(3), as_of=JUNE)) == (2, 0, 2, 0, 0)
    assert now(places) == ["E1", "E3"]
    assert places.warehouse.query(
        "SELECT source_enrollment_id FROM record.program_enrollment WHERE known_to IS NOT NULL"
    ) == [("E2",)]


def test_absence_counts_only_for_programs_that_the_file_speaks_of(places: Intake) -> None:
    places.load(place(1), place(2), place(3, "ei"), as_of=MAY)
    places.load(place(1), as_of=JUNE)
    assert now(places) == ["E1", "E3"]


def test_a_table_without_the_scope_is_left_alone(places: Intake) -> None:
    places.load(place(1), place(2), as_of=MAY)
    places.load(place(1), as_of=JUNE)
    assert places.current("source_person_id", "person") == [("C1",), ("C2",)]


def test_a_refused_row_is_not_absent(places: Intake) -> None:
    places.load(place(1), place(2), place(3), as_of=MAY)
    account = places.load(place(1), "E2,C2,hv,someday", place(3), as_of=JUNE)
    assert account.quarantined == 1
    assert now(places) == ["E1", "E2", "E3"]


def test_a_snapshot_that_would_close_too_much_is_held(places: Intake) -> None:
    places.load(*(place(n) for n in range(10)), as_of=MAY)
    delivery = places.judge(places.deliver(*(place(n) for n in range(4)), as_of=JUNE))
    assert places.state(delivery) is State.HELD
    hold = hold_of(places.warehouse.pipeline, delivery)
    assert hold is not None
    assert "current rows of `program_enrollment` that the file no longer holds, and would close: 6 of 10" in hold.body
    assert "held by: file.closed_share" in hold.body
    assert len(now(places)) == 10
    half = places.judge(places.deliver(*(place(n) for n in range(5)), as_of=JUNE))
    assert places.state(half) is State.VALIDATED
    load_delivery(places.warehouse.pipeline, half, TODAY)
    assert len(now(places)) == 5


SNAPSHOTS = {
    MAY: [place(1), place(2), place(4), place(6)],
    JUNE: [place(1), place(3), place(4, begin="2026-02-02"), place(7, "ei")],
    JULY: [place(1), place(2), place(4, begin="2026-02-02"), place(6)],
}


@pytest.mark.parametrize("order", list(permutations(SNAPSHOTS)))
def test_snapshots_come_to_the_same_in_any_order(places: Intake, order: tuple[date, ...]) -> None:
    for as_of in order:
        places.load(*SNAPSHOTS[as_of], as_of=as_of)
    said = places.current("source_enrollment_id, entry_date::text", "program_enrollment")
    assert said == [
        ("E1", "2026-01-01"),
        ("E2", "2026-01-01"),
        ("E4", "2026-02-02"),
        ("E6", "2026-01-01"),
        ("E7", "2026-01-01"),
    ]


def test_a_snapshot_sent_twice_changes_nothing(places: Intake) -> None:
    places.load(place(1), place(2), as_of=MAY)
    places.load(place(1), place(3), as_of=JUNE)
    before = places.current("source_enrollment_id, known_from", "program_enrollment")
    assert fates(places.load(place(1), place(3), as_of=JUNE)) == (2, 0, 2, 0, 0)
    assert places.current("source_enrollment_id, known_from", "program_enrollment") == before


def test_a_delta_deletes_by_its_key_alone(changes: Intake) -> None:
    changes.load(place(1) + ",I", place(2) + ",I", as_of=MAY)
    assert fates(changes.load("E1,,,,D", place(2, begin="2026-03-03") + ",U", as_of=JUNE)) == (2, 2, 0, 0, 0)
    assert changes.current("source_enrollment_id, entry_date::text", "program_enrollment") == [("E2", "2026-03-03")]


def test_to_delete_what_is_not_there_changes_nothing(changes: Intake) -> None:
    assert fates(changes.load("E9,,,,D", place(1) + ",I", as_of=MAY)) == (2, 1, 1, 0, 0)


def test_rows_that_a_delta_does_not_mention_stay(changes: Intake) -> None:
    changes.load(place(1) + ",I", place(2) + ",I", as_of=MAY)
    changes.load(place(3) + ",I", as_of=JUNE)
    assert now(changes) == ["E1", "E2", "E3"]


DELTAS = {
    MAY: [place(1) + ",I", place(2) + ",I", place(3) + ",I"],
    JUNE: ["E1,,,,D", place(2, begin="2026-03-03") + ",U", "E3,,,,D"],
    JULY: [place(3) + ",I", "E4,,,,D"],
}


@pytest.mark.parametrize("order", list(permutations(DELTAS)))
def test_deltas_come_to_the_same_in_any_order(changes: Intake, order: tuple[date, ...]) -> None:
    for as_of in order:
        changes.load(*DELTAS[as_of], as_of=as_of)
    said = changes.current("source_enrollment_id, entry_date::text", "program_enrollment")
    assert said == [("E2", "2026-03-03"), ("E3", "2026-01-01")]
