"""What people are shown of agreements: states, differences, and why a column is read; and a new one begun."""

import re
from datetime import date
from pathlib import Path

import pytest
from tests.support.agreements import AGREEMENT, FEED, LONG_AGO, approved, version
from typer.testing import CliRunner

from kinbridge.agreement.difference import difference, removed_elements
from kinbridge.agreement.force import force
from kinbridge.agreement.shown import explain, table
from kinbridge.check.declarations import check
from kinbridge.cli.main import app
from kinbridge.contract.odcs import feed_of
from kinbridge.decision.approvals import Approvals, Decided
from kinbridge.load.origin import filled_by, origins_of

DAY = date(2026, 11, 1)
NARROWER = version(
    "1.1.0", amends="1.0.0", effective=date(2026, 7, 1), feeds={FEED: frozenset({"member_id", "sex"})}, under="mou"
)


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_each_state_is_said_in_words() -> None:
    unsigned = version("3.0.0", signatures=())
    later = version("4.0.0", effective=date(2027, 1, 1), expires=date(2028, 1, 1))
    gone = version("0.9.0", effective=date(2024, 1, 1), expires=date(2024, 12, 31))
    every = force([AGREEMENT, unsigned, later, gone, version("5.0.0")], approved(AGREEMENT, unsigned, later, gone))
    said = {line.split()[1]: line for line in table(every, DAY)}
    assert "in force until 2026-12-31, expires in 60 days" in said["1.0.0"]
    assert "not signed by Medicaid Agency, Data Office" in said["3.0.0"]
    assert "not yet in force, from 2027-01-01" in said["4.0.0"]
    assert "expired on 2024-12-31" in said["0.9.0"]
    assert "not approved" in said["5.0.0"]


def test_a_difference_names_elements_first_and_every_clause_that_changed() -> None:
    assert [change.text for change in difference(AGREEMENT, NARROWER)] == [
        f"{FEED}: no longer read: dob",
        f"{FEED}: read from now on: sex",
        "first day: 2025-01-01 becomes 2026-07-01",
        "stands under: (nothing) becomes mou",
    ]
    assert difference(AGREEMENT, AGREEMENT) == []
    assert removed_elements(AGREEMENT, NARROWER) == {FEED: {"dob"}}
    assert removed_elements(AGREEMENT, version("2", feeds={})) == {FEED: {"member_id", "dob"}}


def test_an_explanation_names_the_clause_for_and_against() -> None:
    feed = feed_of(FEED)
    rejected = Decided("element", f"{FEED}.sex", "", "", False, LONG_AGO, LONG_AGO, "minutes.yaml:7")
    plain = version("1.1.0", amends="1.0.0", effective=date(2026, 7, 1), feeds=NARROWER.feeds)
    approvals = Approvals((*approved(AGREEMENT, plain).decisions, rejected))
    lines = {
        column: "\n".join(explain(feed, column, DAY, force([AGREEMENT, plain], approvals), origins_of(feed)))
        for column in ("member_id", "dob", "sex", "shoe_size")
    }
    assert "member_id: read; dsa-medicaid 1.1.0" in lines["member_id"]
    assert "person.source_person_id" in lines["member_id"]
    assert "dob: not read; dsa-medicaid 1.1.0" in lines["dob"]
    assert "listed by dsa-medicaid 1.0.0" in lines["dob"]
    assert "replaced by 1.1.0 since 2026-07-01" in lines["dob"]
    assert f"rejected it ({rejected.place})" in lines["sex"]
    assert "has no such column" in lines["shoe_size"]
    shut = "\n".join(explain(feed, "dob", DAY, force([AGREEMENT], Approvals()), ()))
    assert "KB-A07" in shut
    assert "no agreement over" in shut


def test_the_record_columns_of_a_column_are_told_by_the_transform() -> None:
    feed = feed_of("medicaid/eligibility_v1")
    found = {(one.element, one.column) for one in origins_of(feed)}
    assert ("person.birth_date", "dob") in found
    # By a crosswalk, and put together of several.
    assert ("person.race_ethnicity", "race_cd") in found
    assert {("program_enrollment.source_enrollment_id", name) for name in ("member_id", "elig_beg")} <= found
    # What only decides which row is taken is not held.
    assert "program_enrollment.program" in filled_by(feed)
    assert not [one for one in origins_of(feed) if one.element == "program_enrollment.program"]


def test_our_own_amendment_is_shown() -> None:
    assert "replaced by 1.1.0" in run("agreement", "show", "dsa-home-visiting", "--day", "2026-09-01")
    assert "no longer read: duration_minutes" in run("agreement", "diff", "dsa-home-visiting", "1.0.0", "1.1.0")
    assert "include/agreements/snap.yaml:" in run("agreement", "explain", "snap/participation_v1.dob")


@pytest.mark.parametrize(
    "words",
    [
        ["memorandum"],
        ["data_use_agreement", "--feed", "snap/participation_v1"],
        ["release_agreement", "--recipient", "college", "--use-case", "who_and_where"],
    ],
)
def test_a_new_agreement_holds_but_for_its_marks(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agreements" / "new.yaml"
    said = run("agreement", "new", *words, "--id", "dsa-new", "--out", str(path))
    marks = path.read_text(encoding="utf-8").count("DECIDE:")
    assert f"{marks} decision(s) to take" in said
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    problems = [problem for problem in check() if problem.path == path]
    # Nobody has decided on it either.
    assert {problem.code for problem in problems} - {"KB-G04"} == {"KB-P10"}
    assert sum(problem.code == "KB-P10" for problem in problems) == marks
    done = CliRunner().invoke(app, ["agreement", "new", *words, "--id", "dsa-new", "--out", str(path)])
    assert "KB-A19" in str(done.exception)


def test_a_new_version_of_what_there_is_begins_when_the_old_one_ends(tmp_path: Path) -> None:
    path = tmp_path / "snap.yaml"
    run(
        "agreement",
        "new",
        "data_use_agreement",
        "--id",
        "dsa-snap",
        "--feed",
        "snap/participation_v1",
        "--out",
        str(path),
    )
    text = path.read_text(encoding="utf-8")
    assert "version: 2.0.0" in text
    assert "effective: 2029-01-01" in text
    # What was agreed before, and not what the contract has beside.
    assert "      - dob\n" in text
    assert "benefit_amount" not in text


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    done = CliRunner().invoke(app, ["agreement", "show", "dsa-nobody"])
    assert re.search(r"KB-A17.*dsa-medicaid", str(done.exception))
    done = CliRunner().invoke(app, ["usecase", "worksheet", "nothing"])
    assert re.search(r"KB-A18.*who_and_where", str(done.exception))
