"""Rules over several rows on simulated families, at size, and what a changed key means to linkage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.gates import open_gates

from kinbridge.consent.linkable import note_linkable
from kinbridge.contract.model import Consistency, Feed, Reference, Spells
from kinbridge.contract.odcs import feed_of
from kinbridge.contract.person_names import given_names
from kinbridge.contract.rules import fault_rules, rules
from kinbridge.linkage.known_as import LINK_FORMER, LINKS
from kinbridge.linkage.ledger.persons import current_persons
from kinbridge.simulator import simulate
from kinbridge.staging.landing import Landing
from kinbridge.staging.stage import stage
from kinbridge.validation.findings import find
from kinbridge.warehouse.connection import transaction

FILES = {
    "home_visiting/enrollments_v1": "home_visiting/enrollments_202608.csv",
    "home_visiting/visits_v1": "home_visiting/visits_202608.csv",
    "medicaid/eligibility_v1": "medicaid/eligibility_202608.txt",
    "snap/participation_v1": "snap/participation_202608.tsv",
    "early_intervention/services_v1": "early_intervention/ei_services_202608.csv",
}
# Of a person whose rows stand in one file: what holds in every month.
SPELLS = {
    "medicaid/eligibility_v1": Spells(("member_id",), (), "elig_beg", "elig_end"),
    "snap/participation_v1": Spells(("individual_id",), ("case_number",), "benefit_start", "benefit_end"),
    "home_visiting/enrollments_v1": Spells(("child_id",), ("model",), "entry_date", "exit_date"),
}
SAME = {
    "medicaid/eligibility_v1": Consistency(("member_id",), ("case_id", "dob", "last_name", "first_name", "sex")),
    "snap/participation_v1": Consistency(("individual_id",), ("case_number", "dob", "first_name")),
    "home_visiting/enrollments_v1": Consistency(("child_id",), ("family_id", "child_birth_date", "child_first_name")),
    "home_visiting/visits_v1": Consistency(("enrollment_id",), ("family_id",)),
}
# Places are named for people, so no name is looked for in them.
NAMED_FOR_PEOPLE = re.compile(r"name|street|addr|city|email|county")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, 250, 3, 2)
    return folder


def strict(feed: Feed) -> Feed:
    """The feed with every rule over several rows that its data should keep."""
    columns = tuple(
        replace(c, no_names=True, listed_names=given_names())
        if c.logical_type == "string" and not NAMED_FOR_PEOPLE.search(c.name)
        else c
        for c in feed.columns
    )
    return replace(
        feed,
        columns=columns,
        spells=tuple(s for name, s in SPELLS.items() if name == feed.id),
        consistencies=tuple(c for name, c in SAME.items() if name == feed.id),
    )


@pytest.mark.parametrize("feed_id", FILES)
def test_simulated_families_break_none_of_them_but_where_a_row_is_spoilt(
    simulated: Path, pipeline: Any, feed_id: str
) -> None:
    """Spoilt rows are refused by rules of their own; of the others none may be found."""
    feed = strict(feed_of(feed_id))
    chosen = rules(feed, feed.columns)
    cross = {rule.id for rule in fault_rules(feed, feed.columns)}
    assert len(cross) > 4
    with pipeline.cursor() as cursor:
        staged = stage(cursor, simulated / FILES[feed_id], feed, feed.columns, 71)
        find(cursor, Landing(feed, feed.columns, 71), chosen, date(2026, 8, 31))
        cursor.execute(
            "SELECT f.rule, f.line_no FROM ledger.finding AS f WHERE f.rule = ANY(%(cross)s) AND f.delivery_id = 71 "
            "AND NOT EXISTS (SELECT FROM ledger.finding AS other WHERE other.delivery_id = 71 "
            "AND other.line_no = f.line_no AND other.rule <> ALL(%(cross)s))",
            {"cross": list(cross)},
        )
        found = cursor.fetchall()
    pipeline.rollback()
    assert staged.rows > 50
    assert found == []


def test_a_contract_without_such_rules_has_no_table_of_faults() -> None:
    feed = feed_of("medicaid/eligibility_v1")
    landing = Landing(feed, feed.columns, 1)
    assert landing.create_fault() is None
    assert "fault" not in landing.create_view()


def test_one_subject_with_very_many_spells_is_no_square(pipeline: Any, tmp_path: Path) -> None:
    """30,000 spells of one member, of which each but the first overlaps all before it."""
    feed = feed_of("medicaid/eligibility_v1")
    columns = tuple(feed.column(name) for name in ("member_id", "case_id", "elig_beg", "elig_end"))
    feed = replace(
        feed,
        columns=columns,
        spells=(SPELLS[feed.id],),
        consistencies=(Consistency(("member_id",), ("case_id",)),),
        references=(Reference(feed.id, ("case_id",), ("member_id",)),),
        date_orders=(),
    )
    number = 30_000
    rows = (f"M1|C{n}|20260101|2026{1 + n % 12:02}28\n" for n in range(number))
    path = tmp_path / "rows.txt"
    path.write_text("|".join(c.header for c in columns) + "\n" + "".join(rows), encoding="cp1252")
    with pipeline.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '60s'")
        stage(cursor, path, feed, columns, 72)
        found = find(cursor, Landing(feed, columns, 72), rules(feed, columns), date(2026, 12, 31))
    pipeline.rollback()
    assert found["elig_beg__elig_end.overlap"] == number - 1
    assert found["member_id__case_id.consistent"] == found["case_id.reference"] == number


@pytest.fixture
def changed(warehouse: Any) -> Iterator[Any]:
    """A delta feed of people, and a feed of visits that still has former ids. Emptied after each test."""
    for feed in ("atlas/people_v1", "atlas/visits_v1"):
        warehouse.query(
            "INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, as_of, contract_version, "
            "agreement_id, agreement_version) VALUES ('atlas', %s, 'f', 1, %s, '2026-06-30', '1', 'a', '1')",
            (feed, feed),
        )
    yield warehouse
    warehouse.query("TRUNCATE ledger.delivery, record.person, identity.run, identity.person CASCADE")


def person(warehouse: Any, feed: str, number: str, name: str, *, current: bool = True) -> None:
    warehouse.query(
        "INSERT INTO record.person (source_person_id, first_name, partner, feed, delivery_id, line_no, "
        "contract_version, as_of, known_from, known_to) SELECT %s, %s, 'atlas', feed, delivery_id, 2, '1', "
        "as_of, now(), CASE WHEN NOT %s THEN now() END FROM ledger.delivery WHERE feed = %s",
        (number, name, current, feed),
    )


def change(warehouse: Any, former: str, became: str) -> None:
    warehouse.query(
        "INSERT INTO record.person_key_change SELECT 'atlas', %s, %s, feed, as_of, delivery_id "
        "FROM ledger.delivery WHERE feed = 'atlas/people_v1'",
        (former, became),
    )


def current(warehouse: Any) -> list[tuple[str, str]]:
    """What linkage reads: ids and first names."""
    with transaction(warehouse.linkage) as connection, connection.cursor() as cursor:
        note_linkable(cursor, open_gates({"atlas/people_v1", "atlas/visits_v1"}))
        rows = current_persons(cursor).to_pylist()
    return sorted((row["source_person_id"], row["first_name"]) for row in rows)


def test_linkage_sees_one_person_under_the_newest_id(changed: Any) -> None:
    """B was A, then became C; a feed of visits still says A, and one link of A is there from an earlier run."""
    person(changed, "atlas/people_v1", "A", "Ana", current=False)
    person(changed, "atlas/people_v1", "C", "Ana")
    person(changed, "atlas/people_v1", "D", "Dee")
    person(changed, "atlas/visits_v1", "A", "Ana")
    assert current(changed) == [("A", "Ana"), ("C", "Ana"), ("D", "Dee")]
    change(changed, "A", "B")
    change(changed, "B", "C")
    assert current(changed) == [("C", "Ana"), ("D", "Dee")]
    [(run,)] = changed.query("INSERT INTO identity.run (model_version) VALUES ('m') RETURNING run_id")
    ana = "00000000-0000-4000-8000-00000000000a"
    changed.query("INSERT INTO identity.person (person_id, first_run_id) VALUES (%s, %s)", (ana, run))
    changed.query("INSERT INTO identity.person_link VALUES ('atlas', 'A', %s, %s)", (ana, run))
    with transaction(changed.linkage) as connection, connection.cursor() as cursor:
        cursor.execute(LINKS)
        assert sorted(cursor.fetchall()) == [("atlas", "A", ana), ("atlas", "C", ana)]
        cursor.execute("INSERT INTO identity.person_link VALUES ('atlas', 'C', %s, %s)", (ana, run))
        cursor.execute(LINK_FORMER, {"run_id": run})
        cursor.execute("SELECT source_person_id, person_id FROM identity.person_link")
        assert sorted(cursor.fetchall()) == [("A", ana), ("B", ana), ("C", ana)]


def test_an_id_that_was_given_again_is_its_own_and_a_circle_has_no_end(changed: Any) -> None:
    for number, name in (("A", "Abe"), ("C", "Ana")):
        person(changed, "atlas/people_v1", number, name)
    for number, name in (("A", "Abe"), ("X", "Xia"), ("Y", "Yul")):
        person(changed, "atlas/visits_v1", number, name)
    change(changed, "A", "C")
    change(changed, "X", "Y")
    change(changed, "Y", "X")
    assert current(changed) == [("A", "Abe"), ("C", "Ana"), ("X", "Xia"), ("Y", "Yul")]
    # Abe left the feed of people; the feed of visits still speaks of him.
    changed.query("UPDATE record.person SET known_to = now(), as_of = '2026-07-31' WHERE feed = 'atlas/people_v1'")
    assert current(changed) == [("A", "Abe"), ("X", "Xia"), ("Y", "Yul")]
