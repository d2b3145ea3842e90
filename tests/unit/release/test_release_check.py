"""What `kinbridge check` says of declared extracts: each mistake with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.releases import change, study_site, write_declarations

from kinbridge.contract.odcs import feeds
from kinbridge.release.check import release_problems

EXTRACT, SQL = "releases/reach_study.yaml", "sql/release/reach_study.sql"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with study_site(tmp_path_factory.mktemp("site")) as include:
        yield include


@pytest.fixture
def include(site: Path) -> Path:
    write_declarations(site, approved=False)
    return site


def told(include: Path) -> set[tuple[str, str, int]]:
    """Code, file name and line of each mistake."""
    return {(p.code, p.path.name, p.line) for p in release_problems(feeds(), [include])}


def test_what_is_declared_well_has_no_mistake(include: Path) -> None:
    assert told(include) == set()


@pytest.mark.parametrize(
    ("what", "old", "new", "expected"),
    [
        (EXTRACT, "form: year", "form: decade", ("KB-T11", "reach_study.yaml", 14)),
        (EXTRACT, "form: county", "form: exact", ("KB-T11", "reach_study.yaml", 16)),
        (EXTRACT, "form: year, quasi_identifier: true", "form: year", ("KB-T11", "reach_study.yaml", 13)),
        (EXTRACT, "element: person.county_fips", "element: person.ssn", ("KB-T11", "reach_study.yaml", 15)),
        (EXTRACT, "element: person.county_fips", "element: person.person_id", ("KB-T11", "reach_study.yaml", 15)),
        (EXTRACT, "element: person.county_fips", "element: person.sex", ("KB-T06", "reach_study.yaml", 15)),
        (EXTRACT, "codes: random", "codes: hashed", ("KB-T01", "reach_study.yaml", 9)),
        (EXTRACT, "grain: person", "grain: family", ("KB-T01", "reach_study.yaml", 8)),
        (EXTRACT, "recipient: state_university", "recipient: nobody", ("KB-T03", "reach_study.yaml", 4)),
        (EXTRACT, "use_case: reach", "use_case: other", ("KB-T08", "reach_study.yaml", 5)),
        (EXTRACT, "agreement: dra-university", "agreement: dsa-medicaid", ("KB-T08", "reach_study.yaml", 6)),
        (EXTRACT, "medicaid/eligibility_v1", "snap/participation_v1", ("KB-T10", "reach_study.yaml", 10)),
        (EXTRACT, "medicaid/eligibility_v1", "nobody/nothing_v1", ("KB-T10", "reach_study.yaml", 10)),
        (EXTRACT, "population: reach_study.sql", "population: ../mart/x.sql", ("KB-T01", "reach_study.yaml", 11)),
        (EXTRACT, "until: 2027-12-31", "untill: 2027-12-31", ("KB-T01", "reach_study.yaml", 17)),
        (SQL, "    person.county_fips AS county", "    person.language AS county", ("KB-T09", "reach_study.sql", 6)),
        (SQL, "person.birth_month >= DATE '2020-01-01'", "person.language = 'x'", ("KB-T09", "reach_study.sql", 8)),
        (SQL, "    person.person_id,\n", "    person.sex AS person_id,\n", ("KB-T06", "reach_study.sql", 1)),
        (SQL, "person.county_fips AS county", "person.county_fips AS place", ("KB-T06", "reach_study.sql", 1)),
        (
            "agreements/medicaid.yaml",
            "{ recipients: [state_university], what: To the study. }",
            "To nobody.",
            ("KB-T10", "reach_study.yaml", 10),
        ),
        ("agreements/university.yaml", "person.county_fips, ", "", ("KB-T09", "reach_study.sql", 6)),
        ("use_cases/reach.yaml", "  - person.birth_date\n", "", ("KB-T09", "reach_study.sql", 5)),
        (
            "recipients/state_university.yaml",
            "address: 1 Campus Way, Jefferson\n",
            "",
            ("KB-T03", "state_university.yaml", 1),
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(
    include: Path, what: str, old: str, new: str, expected: tuple[str, str, int]
) -> None:
    change(include / what, old, new)
    assert expected in told(include)


def test_a_key_that_is_not_pinned_is_a_mistake(include: Path) -> None:
    (include / "keys" / "state_university.asc").unlink()
    assert {("KB-H16", "university.yaml")} == {(code, name) for code, name, _ in told(include)}
