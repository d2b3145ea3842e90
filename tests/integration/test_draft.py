"""Drafts of files that agencies send: the contract is right; once a person has decided, it checks and preflights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.approving import approve
from tests.support.declared import USE_CASE, site_of

from kinbridge.check.declarations import check
from kinbridge.check.suites import compile_suites
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import feeds, read_feed
from kinbridge.draft.unsigned import Written
from kinbridge.draft.write import write_draft
from kinbridge.ledger.states import State
from kinbridge.preflight.run import check_file
from kinbridge.preflight.sandbox import Sandbox, own_suites
from kinbridge.simulator import simulate

TODAY = date(2026, 8, 9)
# Feed, its file, and columns whose numbers a sample cannot tell from others of their kind.
SIMULATED = {
    "home_visiting/enrollments_v1": "home_visiting/enrollments_202607.csv",
    "home_visiting/visits_v1": "home_visiting/visits_202607.csv",
    "home_visiting/referrals_v1": "home_visiting/referrals_202607.csv",
    "medicaid/eligibility_v1": "medicaid/eligibility_202607.txt",
    "snap/participation_v1": "snap/participation_202607.tsv",
    "early_intervention/services_v1": "early_intervention/ei_services_202607.csv",
}
SHARED = {
    "census/decennial_v1": ("pseudopeople/feeds/decennial_census.csv", {"date_of_birth": "MM/dd/yyyy"}, "row_id"),
    "ssa/numident_v1": (
        "pseudopeople/feeds/social_security.csv",
        {"date_of_birth": "yyyyMMdd", "event_date": "yyyyMMdd"},
        "row_id",
    ),
    "wic/participants_v1": (
        "pseudopeople/feeds/women_infants_and_children.csv",
        {"date_of_birth": "MMddyyyy"},
        "row_id",
    ),
    "clinic/patients_v1": (
        "synthea/csv_dbt_synthea/patients.csv",
        {"birthdate": "yyyy-MM-dd", "deathdate": "yyyy-MM-dd"},
        "id",
    ),
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, 300, 5, 1, held=None)
    return folder


@pytest.fixture
def include(tmp_path: Path) -> Iterator[Path]:
    with site_of(tmp_path) as folder:
        (folder / "use_cases").mkdir()
        (folder / "use_cases" / "counts.yaml").write_text(USE_CASE, encoding="utf-8")
        approve(folder)
        yield folder


def contract(include: Path, feed_id: str) -> Feed:
    partner, name = feed_id.split("/")
    return read_feed(include / "partners" / partner / "feeds" / name / "contract.odcs.yaml")


def decide(written: Written) -> None:
    """What a person does who agrees with everything: each mark is taken out of its comment or note."""
    for path in {problem.path for problem in written.decisions}:
        text = path.read_text(encoding="utf-8")
        ending = {".csv": r"DECIDE:[^\n]*", ".sql": r"--[^\n]*DECIDE:[^\n]*\n", ".yaml": r"[ ]*# DECIDE:[^\n]*"}
        path.write_text(re.sub(ending[path.suffix], "", text), encoding="utf-8")


@pytest.mark.parametrize("feed_id", SIMULATED)
def test_a_draft_says_what_the_real_contract_says(feed_id: str, include: Path, simulated: Path) -> None:
    write_draft(feed_id, simulated / SIMULATED[feed_id], out=include, today=TODAY)
    found, partner, name = contract(include, feed_id), *feed_id.split("/")
    real = read_feed(home_contract(partner, name))
    ours = {column.header: column for column in found.columns}
    assert list(ours) == [column.header for column in real.columns]
    for column in real.columns:
        drafted = ours[column.header]
        assert drafted.date_format == column.date_format, column.header
        # Whole dollars look like whole numbers.
        types = {"number", "integer"} if column.logical_type == "number" else {column.logical_type}
        assert drafted.logical_type in types, column.header
        if column.codes and drafted.codes and not (drafted.code_set or "").startswith("standard/"):
            assert set(drafted.codes) <= {*column.codes, *drafted.placeholders}, column.header
        if column.placeholders and drafted.placeholders:
            assert column.name not in {"ssn"} or set(drafted.placeholders) & set(column.placeholders)
    dialect, wanted = found.dialect, real.dialect
    assert (dialect.delimiter, dialect.encoding, dialect.header) == (wanted.delimiter, wanted.encoding, wanted.header)
    assert dialect.file_pattern == wanted.file_pattern
    assert set(found.key) <= {*real.key, "member_id", "individual_id", "enrollment_id", "child_id"}


def home_contract(partner: str, name: str) -> Path:
    """The project's own contract, also where a site of the test's own is in place."""
    root = Path(__file__).parents[2]
    return root / "include" / "partners" / partner / "feeds" / name / "contract.odcs.yaml"


@pytest.mark.parametrize("feed_id", ["medicaid/eligibility_v1", "early_intervention/services_v1"])
def test_decided_it_checks_and_the_file_can_be_preflighted(
    feed_id: str, include: Path, simulated: Path, new_warehouse: Callable[[], Any], tmp_path: Path
) -> None:
    sample = simulated / SIMULATED[feed_id]
    assert_a_person_can_finish(feed_id, sample, include, new_warehouse, tmp_path)


@pytest.mark.shared_data
@pytest.mark.parametrize("feed_id", SHARED)
def test_files_that_nobody_here_wrote(
    feed_id: str, include: Path, shared_data: Path, new_warehouse: Callable[[], Any], tmp_path: Path
) -> None:
    path, formats, key = SHARED[feed_id]
    assert_a_person_can_finish(feed_id, shared_data / path, include, new_warehouse, tmp_path)
    found = contract(include, feed_id)
    assert {c.name: c.date_format for c in found.columns if c.date_format} == formats
    assert found.key == (key,)


def assert_a_person_can_finish(
    feed_id: str, sample: Path, include: Path, new_warehouse: Callable[[], Any], folder: Path
) -> None:
    written = write_draft(feed_id, sample, out=include, today=TODAY)
    problems = check()
    assert {problem.code for problem in problems} == {"KB-P10"}
    assert sorted((p.path, p.line) for p in problems) == sorted((p.path, p.line) for p in written.decisions)
    decide(written)
    assert {problem.code for problem in check()} == {"KB-C38"}
    compile_suites()
    assert check() == []
    feeds.cache_clear()
    with own_suites(folder / "gx"):
        place = Sandbox(folder, new_warehouse().pipeline)
        result = check_file(place, feeds()[feed_id], sample, as_of=None, today=TODAY)
    # The transform maps the person alone as yet: lines that say more of one person are left over.
    assert result.state in {State.ACCEPTED, State.ACCEPTED_WITH_FINDINGS, State.PARTLY_ACCEPTED, State.HELD}
    assert result.account.source_rows > 20
    assert result.account.loaded + result.account.undecided > 0.9 * result.account.source_rows
