"""The policy of decisions: who may decide, how ballots are counted, and what follows for what the pipeline may use.

The charter says which body decides on a kind of proposal and by which rule. Nobody decides on their own proposal, and
one person has one voice. A partner's own agreement or element is not approved without that partner. What was not
approved, with exactly the text that it has, from the day on which the approval takes effect, is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.support.charters import (
    CLOSES,
    DAY,
    LATER,
    TWO_PEOPLE,
    asked,
    ballots,
    charter,
    counted,
    member,
    need,
)
from tests.support.declared import column, contract, site_of, write_agreement, write_feed

from kinbridge.agreement.gate import permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.check.declarations import check
from kinbridge.contract.odcs import feeds
from kinbridge.decision.approvals import Approvals, Decided, read_approvals
from kinbridge.decision.standard import refuse_undecided_standard, standard
from kinbridge.declaration.document import Problem
from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import PARTNERS, SIMPLE_MAJORITY, UNANIMOUS, Charters

FEED = "atlas/visits_v1"
TODAY = date(2026, 3, 2)
EVERYBODY = ("ada", "ben", "cleo", "dan")


def refused(code: str) -> pytest.RaisesExc[KinbridgeError]:
    """The refusal with this code."""
    return pytest.raises(KinbridgeError, match=f"^{code}:")


# Who may vote


def test_nobody_decides_on_their_own_proposal() -> None:
    with refused("KB-G13"):
        counted(asked(*EVERYBODY, by="ada"), ballots(ada="approve"))


def test_nor_under_another_name_or_in_another_seat() -> None:
    second = member("ada_too", "medicaid", "ada")
    for name in ("Ada", "ada@example.org", "ADA"):
        with refused("KB-G13"):
            counted(asked(*EVERYBODY, "ada_too", by=name), ballots(ada_too="approve"), by=charter(second))


def test_only_who_was_asked_has_a_ballot() -> None:
    with refused("KB-G11"):
        counted(asked("ada", "ben", "cleo"), ballots(dan="approve"))


def test_whose_term_is_over_has_none() -> None:
    former = member("fay", "snap", last=DAY - timedelta(days=1))
    with refused("KB-G11"):
        counted(asked(*EVERYBODY, "fay"), ballots(fay="approve"), by=charter(former))


def test_a_ballot_is_not_changed() -> None:
    twice = ballots(ada="approve") + ballots(ada="reject")
    with refused("KB-G12"):
        counted(asked(*EVERYBODY), twice)


def test_who_rejects_or_recuses_says_why() -> None:
    for choice in ("reject", "recuse"):
        with refused("KB-G17"):
            counted(asked(*EVERYBODY), tuple(replace(b, reason=" ") for b in ballots(ada=choice)))


# How ballots are counted


def test_two_thirds_are_of_the_votes_cast_and_abstentions_are_none() -> None:
    two_to_one = ballots(ada="approve", ben="approve", cleo="reject", dan="abstain")
    one_to_one = ballots(ada="approve", ben="reject", cleo="abstain", dan="abstain")
    assert counted(asked(*EVERYBODY), two_to_one).state == "approved"
    assert counted(asked(*EVERYBODY), one_to_one).state == "rejected"


def test_a_simple_majority_is_more_for_than_against() -> None:
    rule = need(SIMPLE_MAJORITY)
    tie = ballots(ada="approve", ben="approve", cleo="reject", dan="reject")
    assert counted(asked(*EVERYBODY), tie, wants=rule).state == "rejected"
    assert counted(asked(*EVERYBODY), (*tie[:3], *ballots(dan="abstain")), wants=rule).state == "approved"


def test_one_vote_against_is_enough_where_all_must_agree() -> None:
    rule = need(UNANIMOUS)
    assert counted(asked(*EVERYBODY), ballots(ada="approve", ben="approve"), wants=rule).state == "open"
    assert counted(asked(*EVERYBODY), ballots(ada="reject"), wants=rule).state == "rejected"


def test_without_its_quorum_a_proposal_lapses() -> None:
    two = ballots(ada="approve", ben="approve")
    assert counted(asked(*EVERYBODY), two, day=CLOSES).state == "open"
    assert counted(asked(*EVERYBODY), two, day=LATER).state == "lapsed"


def test_who_recuses_counts_neither_for_the_vote_nor_for_the_quorum() -> None:
    two_and_two = ballots(ada="approve", ben="approve", cleo="recuse", dan="recuse")
    assert counted(asked(*EVERYBODY), two_and_two).state == "lapsed"
    assert counted(asked(*EVERYBODY), (*two_and_two[:3], *ballots(dan="abstain"))).state == "approved"


def test_it_is_decided_as_soon_as_nobody_could_change_it_and_not_before() -> None:
    three = ballots(ada="approve", ben="approve", cleo="approve")
    assert counted(asked(*EVERYBODY), three[:2]).state == "open"
    assert counted(asked(*EVERYBODY), three).state == "approved"
    assert counted(asked(*EVERYBODY), ballots(ada="reject", ben="reject")).state == "rejected"


def test_two_approvals_are_those_of_two_people() -> None:
    again = member("ada_too", "medicaid", "ada")
    everybody = asked(*EVERYBODY, "ada_too")
    by = charter(again, quorum=1)
    with refused("KB-G12"):
        counted(everybody, ballots(ada="approve", ada_too="approve"), wants=TWO_PEOPLE, by=by)
    assert counted(everybody, ballots(ada="approve", ben="approve"), wants=TWO_PEOPLE, by=by).state == "approved"


def test_one_person_in_two_seats_does_not_count_twice_even_when_both_ballots_are_there() -> None:
    from kinbridge.decision.tally import tally

    again = member("ada_too", "medicaid", "ada")
    question, by = asked("ada", "ada_too", "ben"), charter(again, quorum=1)
    both = ballots(ada="approve", ada_too="approve")
    assert tally(by, TWO_PEOPLE, question, both, LATER).state == "lapsed"


def test_approvals_of_different_partners_are_not_those_of_one_partner() -> None:
    rule = replace(TWO_PEOPLE, different=PARTNERS)
    colleague = member("gus", "snap")
    question, by = asked(*EVERYBODY, "gus"), charter(colleague, quorum=1)
    assert counted(question, ballots(ada="approve", gus="approve"), wants=rule, by=by).state == "open"
    assert counted(question, ballots(ada="approve", ben="approve"), wants=rule, by=by).state == "approved"


def test_a_partners_own_representative_must_be_among_those_who_approve() -> None:
    rule = need(own_partner=True)
    question = asked(*EVERYBODY, partners=("snap",))
    without = ballots(ben="approve", cleo="approve", dan="approve")
    assert counted(question, without, wants=rule).state == "open"
    assert counted(question, (*without, *ballots(ada="abstain")), wants=rule).state == "lapsed"
    assert counted(question, (*without, *ballots(ada="reject")), wants=rule).state == "rejected"
    assert counted(question, (*without, *ballots(ada="approve")), wants=rule).state == "approved"


def test_families_are_heard_or_have_had_their_days() -> None:
    rule = need(families=True)
    question = asked(*EVERYBODY, "eve")
    all_for = ballots(ada="approve", ben="approve", cleo="approve", dan="approve")
    assert counted(question, all_for, wants=rule, day=CLOSES).state == "open"
    assert counted(question, all_for, wants=rule, met=True).state == "open"
    assert counted(question, (*all_for, *ballots(eve="reject")), wants=rule).state == "approved"
    assert counted(question, all_for, wants=rule, day=LATER).state == "approved"


# What follows from a decision

TEXT = Decided("agreement", "dsa", "1", "text", approved=True, effective=DAY, decided_on=DAY, place="minutes")


def found(*decisions: Decided, day: date = DAY, digest: str = "text") -> str:
    return Approvals(decisions).standing("agreement", "dsa", "1", digest, day=day)


def test_what_nobody_decided_on_is_not_approved() -> None:
    assert found() == "missing"
    assert found(replace(TEXT, subject="another")) == "missing"
    assert found(replace(TEXT, kind="use_case")) == "missing"
    assert found(replace(TEXT, version="2")) == "missing"


def test_a_changed_text_needs_a_new_decision() -> None:
    assert found(TEXT, digest="another text") == "changed"
    assert found(TEXT, replace(TEXT, digest="another text"), digest="another text") == "approved"


def test_an_approval_counts_from_its_first_day_on() -> None:
    assert found(replace(TEXT, effective=LATER)) == "missing"
    assert found(replace(TEXT, effective=LATER), day=LATER) == "approved"


def test_the_last_decision_counts() -> None:
    refused_later = replace(TEXT, approved=False, decided_on=LATER, effective=LATER)
    assert found(TEXT, refused_later) == "approved"
    assert found(TEXT, refused_later, day=LATER) == "rejected"
    assert found(replace(TEXT, approved=False), replace(TEXT, decided_on=LATER, effective=LATER), day=LATER) == (
        "approved"
    )


def test_the_charter_of_the_day_decides_and_not_a_later_one() -> None:
    old, new = charter(), replace(charter(quorum=1), version="2", effective=LATER)
    charters = Charters((new, old))
    assert charters.on(DAY) is old
    assert charters.on(LATER) is new
    assert charters.on(date(2025, 1, 1)) is None


# What the pipeline does about it


@pytest.fixture
def include(tmp_path: Path) -> Iterator[Path]:
    """A site with one feed, whose agreement and use case were approved by the partner's representative."""
    with site_of(tmp_path) as folder:
        columns = (column("id", "string", "primaryKey: true"), column("income"))
        write_feed(folder, FEED, contract(FEED, *columns))
        write_agreement(folder, "atlas", {FEED: ["id", "income"]})
        yield folder
    feeds.cache_clear()


def columns_read() -> frozenset[str]:
    return permit(FEED, TODAY, read_agreements(), read_approvals(None, day=TODAY)).columns


def paper_of(include: Path, kind: str) -> Path:
    [path] = (include / "governance" / "decisions").glob(f"{kind}_*.yaml")
    return path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def problems(code: str) -> list[Problem]:
    return [problem for problem in check() if problem.code == code]


def test_an_approved_agreement_lets_its_elements_in(include: Path) -> None:
    assert columns_read() == {"id", "income"}


def test_without_the_decision_it_lets_nothing_in_and_the_check_says_what_to_write(include: Path) -> None:
    paper_of(include, "agreement").unlink()
    with refused("KB-A07"):
        columns_read()
    [problem] = problems("KB-G04")
    assert (problem.path.name, problem.line) == ("atlas.yaml", 2)
    assert "kinbridge decision draft agreement dsa-atlas" in problem.text


def test_an_agreement_that_was_changed_since_lets_nothing_in(include: Path) -> None:
    edit(include / "agreements" / "atlas.yaml", "files_days: 30", "files_days: 365")
    with refused("KB-A08"):
        columns_read()
    assert len(problems("KB-G05")) == 1


def test_a_comment_or_a_late_signature_changes_nothing(include: Path) -> None:
    agreement = include / "agreements" / "atlas.yaml"
    edit(agreement, "signed: 2024-12-02", "signed: 2024-12-20")
    agreement.write_text(f"# Looked at again.\n{agreement.read_text(encoding='utf-8')}", encoding="utf-8")
    assert columns_read() == {"id", "income"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("proposed_by: A Tester", "proposed_by: of_atlas"),
        ("{ member: of_atlas, choice: approve }", "{ member: of_atlas, choice: abstain }"),
        ("{ member: of_atlas, choice: approve }", "{ member: chair, choice: approve }"),
        ("ballots:", "ballots:\n  - { member: chair, choice: approve }"),
        ("{ member: chair, choice: approve }", "{ member: chair, choice: approve, day: 2019-02-01 }"),
        ("{ member: chair, choice: approve }", "{ member: chair, choice: reject }"),
        ("asked: [chair, of_atlas]", "asked: [of_atlas]"),
        ("body: board", "body: another"),
        ("partners: [atlas]", "partners: [data_office]"),
        ("effective: 2019-01-01", "effective: 2018-12-31"),
        ("proposed_on: 2019-01-01", "proposed_on: 2018-12-31"),
        ("outcome: approved", "outcome: lapsed"),
    ],
    ids=[
        "own proposal",
        "partner abstains",
        "no partner",
        "votes twice",
        "other day",
        "no reason",
        "not asked",
        "body",
        "partner",
        "past",
        "charter",
        "lapsed",
    ],
)
def test_a_paper_approval_that_the_charter_does_not_bear_out_is_none(include: Path, old: str, new: str) -> None:
    edit(paper_of(include, "agreement"), old, new)
    with refused("KB-A07"):
        columns_read()
    assert {problem.code for problem in check()} >= {"KB-G04"}


REJECTION = """\
id: income
kind: element
subject: {feed}.income
digest: sha256:0
title: Reading income
options: [Read it, Leave it]
reasons: Nobody needs it.
proposed_by: A Tester
proposed_on: 2026-01-05
body: board
asked: [chair, of_atlas]
ballots:
  - {{ member: of_atlas, choice: {choice}, reason: No question needs it. }}
  - {{ member: chair, choice: {choice}, reason: No question needs it. }}
outcome: {outcome}
decided_on: {day}
effective: {day}
recorded_by: A Tester
evidence: None, it is fictional
"""


def decide_on_income(include: Path, outcome: str, day: str, choice: str) -> None:
    text = REJECTION.format(feed=FEED, outcome=outcome, day=day, choice=choice).replace("id: income", f"id: {outcome}")
    (include / "governance" / "decisions" / f"{outcome}.yaml").write_text(text, encoding="utf-8")


def test_a_rejected_element_stays_unread_even_where_an_agreement_lists_it(include: Path) -> None:
    decide_on_income(include, "rejected", "2026-01-06", "reject")
    assert columns_read() == {"id"}
    [problem] = problems("KB-G06")
    assert "income of atlas/visits_v1 was rejected on 2026-01-06" in problem.text


def test_a_rejection_counts_even_when_it_was_written_down_carelessly(include: Path) -> None:
    decide_on_income(include, "rejected", "2026-01-06", "approve")
    assert columns_read() == {"id"}
    assert len(problems("KB-G03")) == 1


def test_a_later_approval_lets_the_element_in_again(include: Path) -> None:
    decide_on_income(include, "rejected", "2026-01-06", "reject")
    decide_on_income(include, "approved", "2026-02-06", "approve")
    assert columns_read() == {"id", "income"}


def test_by_a_standard_on_which_nobody_decided_nothing_is_staged_or_loaded(include: Path) -> None:
    refuse_undecided_standard(None, TODAY)
    paper_of(include, "standard").unlink()
    with refused("KB-G20"):
        refuse_undecided_standard(None, TODAY)
    assert len(problems("KB-G04")) == 1


def test_nor_by_one_that_was_changed_since(include: Path) -> None:
    edit(paper_of(include, "standard"), standard().digest, f"sha256:{'0' * 64}")
    with refused("KB-G21"):
        refuse_undecided_standard(None, TODAY)


def test_a_charter_or_decision_that_cannot_be_read_stops_everything(include: Path) -> None:
    edit(paper_of(include, "use_case"), "outcome: approved", "outcome: perhaps")
    with refused("KB-G01"):
        columns_read()
    assert [problem.path.name for problem in problems("KB-G01")] == [paper_of(include, "use_case").name]
