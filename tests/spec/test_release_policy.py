"""What leaves the house.

A release is a named extract that was declared, approved by two people, and made coarse. Nobody in it can be told by
what it says: every combination of quasi-identifiers is shared by enough persons, over the whole file, a person with
several rows counting with all of them. Dates, places and ages are as coarse as they were declared, whatever the SELECT
gives. Rows may need more consent than figures, and then it is the stricter rule that decides who is in the file. A
person's code tells nothing of the person.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extras import execute_values
from tests.support.consents import person_id
from tests.support.gates import open_gates
from tests.support.releases import Study, study

from kinbridge.errors import KinbridgeError
from kinbridge.release.consent import ReleaseConsent, kept_consent, stricter
from kinbridge.release.documents import share_withheld, withheld_in_words
from kinbridge.release.elements import ElementKind
from kinbridge.release.forms import Form, expression
from kinbridge.release.groups import Kept, audit_groups, withhold_small_groups
from kinbridge.release.requests import two_people
from kinbridge.warehouse.connection import connect

MINIMUM = 11
Rows = list[tuple[str, str | None, str | None]]


@pytest.fixture
def cursor(warehouse: Any) -> Iterator[Any]:
    """As the role that builds releases, rolled back afterwards."""
    connection = connect(warehouse.linkage)
    yield connection.cursor()
    connection.close()


def given(cursor: Any, rows: Rows) -> None:
    cursor.execute("DROP TABLE IF EXISTS pg_temp.extract_row, pg_temp.extract_group")
    cursor.execute("CREATE TEMP TABLE extract_row (person_id uuid, birth text, county text)")
    execute_values(cursor, "INSERT INTO extract_row VALUES %s", [(person_id(who), *values) for who, *values in rows])


def left(cursor: Any) -> Rows:
    cursor.execute("SELECT person_id::text, birth, county FROM extract_row")
    return list(cursor.fetchall())


@pytest.mark.parametrize("seed", range(12))
def test_every_combination_is_shared_by_enough_persons_over_the_whole_file(cursor: Any, seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        (f"p{person}", chance.choice(["2020", "2021", None]), chance.choice(["99001", "99003", ""]))
        for person in range(chance.randrange(20, 400))
        for _ in range(chance.choice([1, 1, 1, 2]))
    ]
    given(cursor, rows)
    kept = withhold_small_groups(cursor, ["birth", "county"], MINIMUM)
    audit_groups(cursor, "x", ["birth", "county"], MINIMUM)
    of_person: dict[str, list[str]] = defaultdict(list)
    for person, *values in left(cursor):
        of_person[person].append(repr(values))
    alike = Counter(tuple(sorted(values)) for values in of_person.values())
    assert all(persons >= MINIMUM for persons in alike.values())
    persons_of_row = defaultdict(set)
    for person, values in of_person.items():
        for value in values:
            persons_of_row[value].add(person)
    assert all(len(persons) >= MINIMUM for persons in persons_of_row.values())
    assert (kept.persons, kept.persons + kept.withheld) == (len(of_person), len({who for who, *_ in rows}))


def test_a_group_of_one_less_than_the_smallest_is_withheld_whole(cursor: Any) -> None:
    given(cursor, [(f"a{n}", "2020", "99001") for n in range(11)] + [(f"b{n}", "2021", "99001") for n in range(10)])
    assert withhold_small_groups(cursor, ["birth", "county"], MINIMUM) == Kept(persons=11, rows=11, withheld=10)


def test_a_person_with_two_rows_is_told_by_both_together(cursor: Any) -> None:
    """Each row by itself is shared by many, and the two together are one person's alone."""
    rows: Rows = [(f"a{n}", "2020", "99001") for n in range(20)] + [(f"b{n}", "2021", "99003") for n in range(20)]
    given(cursor, [*rows, ("both", "2020", "99001"), ("both", "2021", "99003")])
    assert withhold_small_groups(cursor, ["birth", "county"], MINIMUM).withheld == 1


def test_without_quasi_identifiers_a_file_of_few_persons_is_withheld(cursor: Any) -> None:
    given(cursor, [(f"a{n}", "2020", "99001") for n in range(10)])
    assert withhold_small_groups(cursor, [], MINIMUM).persons == 0


@pytest.mark.parametrize(
    "rows",
    [
        [(f"a{n}", "2020", "99001") for n in range(10)],
        [(f"a{n}", "2020", "99001") for n in range(11)] + [("b", "2020", None)],
        [(f"a{n}", "2020", "99001") for n in range(11)] + [("a1", "2020", "99001")],
    ],
)
def test_a_second_query_finds_what_the_first_would_have_let_through(cursor: Any, rows: Rows) -> None:
    given(cursor, rows)
    with pytest.raises(KinbridgeError, match="KB-T15"):
        audit_groups(cursor, "x", ["birth", "county"], MINIMUM)


def test_how_many_were_withheld_is_not_told_when_they_are_few() -> None:
    assert withheld_in_words(0, MINIMUM) == "0"
    assert withheld_in_words(3, MINIMUM) == "fewer than 11"
    assert withheld_in_words(30, MINIMUM) == "30"
    assert share_withheld(Kept(97, 97, 3), MINIMUM) == "less than 11 %"
    assert share_withheld(Kept(70, 70, 30), MINIMUM) == "30 %"


@pytest.mark.parametrize(
    ("kind", "form", "raw", "shown"),
    [
        (ElementKind.BIRTH, Form("year"), "DATE '2021-05-01'", "2021"),
        (ElementKind.DATE, Form("quarter"), "DATE '2021-05-17'", "2021-Q2"),
        (ElementKind.DATE, Form("month"), "DATE '2021-05-17'", "2021-05"),
        (ElementKind.DATE, Form("exact"), "DATE '2021-05-17'", "2021-05-17"),
        (ElementKind.GEOGRAPHY, Form("state"), "'99001'::text", "99"),
        (ElementKind.GEOGRAPHY, Form("county"), "'99001'::text", "99001"),
        (ElementKind.BIRTH, Form("age", (0, 1, 3, 6), date(2026, 8, 1)), "DATE '2026-08-01'", "0"),
        (ElementKind.BIRTH, Form("age", (0, 1, 3, 6), date(2026, 8, 1)), "DATE '2025-09-01'", "0"),
        (ElementKind.BIRTH, Form("age", (0, 1, 3, 6), date(2026, 8, 1)), "DATE '2025-08-01'", "1-2"),
        (ElementKind.BIRTH, Form("age", (0, 1, 3, 6), date(2026, 8, 1)), "DATE '1990-08-01'", "6+"),
        (ElementKind.BIRTH, Form("age", (1, 3), date(2026, 8, 1)), "DATE '2026-08-01'", "withheld"),
        (ElementKind.NUMBER, Form("ranges", (0, 1, 5)), "4", "1-4"),
        (ElementKind.NUMBER, Form("ranges", (0, 1, 5)), "500", "5+"),
        (ElementKind.CODE, Form("code"), "'=cmd()'::text", "'=cmd()"),
        (ElementKind.CODE, Form("code"), "'Female'::text", "Female"),
        (ElementKind.DATE, Form("month"), "NULL::date", None),
        (ElementKind.BIRTH, Form("age", (0, 1), date(2026, 8, 1)), "NULL::date", None),
    ],
)
def test_a_column_is_given_in_its_form_whatever_the_select_gives(
    cursor: Any, kind: ElementKind, form: Form, raw: str, shown: str | None
) -> None:
    cursor.execute(sql.SQL("SELECT {}").format(expression(sql.SQL(raw), kind, form, None)))
    assert cursor.fetchone() == (shown,)


def test_births_that_would_tell_an_age_above_the_top_code_are_withheld(cursor: Any) -> None:
    oldest = date(1936, 11, 1)
    for raw, shown in (("DATE '1936-10-01'", "withheld"), ("DATE '1936-11-01'", "1936")):
        cursor.execute(sql.SQL("SELECT {}").format(expression(sql.SQL(raw), ElementKind.BIRTH, Form("year"), oldest)))
        assert cursor.fetchone() == (shown,)


def test_two_people_approve_and_the_one_who_asks_is_neither() -> None:
    seats = {"ada at home": "ada"}

    def person(name: str) -> str:
        return seats.get(name, name)

    assert two_people("cleo", ("ada", "ben"), person) == ("ada", "ben")
    assert two_people("cleo", ("ada",), person) is None
    assert two_people("cleo", ("ada", "ada at home"), person) is None
    assert two_people("ben", ("ada", "ben"), person) is None


def test_rows_may_need_more_consent_than_figures_and_never_less() -> None:
    gates = open_gates(rules={"medicaid": "opt_out", "snap": "written"})
    found = stricter(gates, "who_and_where", ["medicaid/eligibility_v1", "snap/participation_v1"], WRITTEN)
    rules = {(rule.use_case, rule.feed): rule.rule for rule in found.rules}
    assert rules["who_and_where", "medicaid/eligibility_v1"] == "written"
    assert rules["unduplicated_counts", "medicaid/eligibility_v1"] == "opt_out"
    assert rules["who_and_where", "home_visiting/enrollments_v1"] == "not_required"
    looser = stricter(gates, "who_and_where", ["snap/participation_v1"], ReleaseConsent("opt_out", "a clause"))
    assert looser == gates
    # What the ledger does not say is taken to be the strictest.
    assert kept_consent({}).rule == "written"


WRITTEN = ReleaseConsent("written", "a clause")


@pytest.fixture(scope="module")
def reach(new_warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with study(new_warehouse(), tmp_path_factory.mktemp("study")) as one:
        one.clear()
        one.children("ann", 12, born="2023-04-09", county="99001")
        yield one


def test_where_a_release_stands_on_authorisations_nobody_is_in_it_who_signed_none(reach: Study) -> None:
    """45 CFR 164.508: the agreement stands on it, and so every person must have signed. Figures stay as they were."""
    reach.declare("agreements/university.yaml", "45 CFR 164.514(e)", "45 CFR 164.508")
    release = reach.approved()
    with pytest.raises(KinbridgeError, match="KB-T13"):
        reach.build(release)
    assert reach.warehouse.query("SELECT FROM release.member") == []
    reach.declare("agreements/university.yaml", "45 CFR 164.508", "45 CFR 164.514(e)")
    assert reach.build(reach.approved()).persons == 12
    rules = reach.warehouse.query("SELECT DISTINCT rule FROM identity.consent_rule WHERE use_case = 'reach'")
    assert rules == [("opt_out",)]


def test_a_code_is_of_version_4_and_of_nobody_elses_making(reach: Study) -> None:
    reach.build(reach.approved())
    codes = [str(code) for (code,) in reach.warehouse.query("SELECT code FROM release.member")]
    assert all(code[14] == "4" for code in codes)
    assert len(codes) == len(set(codes))
