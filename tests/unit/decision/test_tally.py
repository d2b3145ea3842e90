"""Counting ballots: what is decided early is what would have come of it anyway; and two corners of the counting."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from tests.support.charters import DAY, LATER, TWO_PEOPLE, asked, ballots, charter, member, need

from kinbridge.decision.model import Choice
from kinbridge.decision.tally import reachable, tally
from kinbridge.governance.charter import PARTNERS, SIMPLE_MAJORITY, UNANIMOUS, Need

VOTERS = ("ada", "ben", "cleo", "dan")
RULES = [
    need(),
    need(SIMPLE_MAJORITY),
    need(UNANIMOUS),
    TWO_PEOPLE,
    replace(TWO_PEOPLE, different=PARTNERS),
    need(own_partner=True),
]


@pytest.mark.parametrize("quorum", [2, 3])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.rule} {rule.different} {rule.own_partner}")
def test_no_ballot_to_come_changes_what_was_decided_early(rule: Need, quorum: int) -> None:
    by, question = charter(quorum=quorum), asked(*VOTERS, partners=("snap",))
    whole = {
        choices: tally(by, rule, question, ballots(**dict(zip(VOTERS, choices, strict=True))), DAY).state
        for choices in itertools.product(Choice, repeat=len(VOTERS))
    }
    early = 0
    for some in itertools.product((None, *Choice), repeat=len(VOTERS)):
        cast = {voter: choice for voter, choice in zip(VOTERS, some, strict=True) if choice}
        state = tally(by, rule, question, ballots(**cast), DAY).state
        ends = {
            whole[choices] for choices in itertools.product(*([choice] if choice else list(Choice) for choice in some))
        }
        if state == "approved":
            assert ends == {"approved"}, cast
        elif state in {"rejected", "lapsed"}:
            assert "approved" not in ends, cast
        else:
            assert "approved" in ends, cast
        early += state != "open" and None in some
    assert early > 50


def test_whose_term_ends_while_the_others_vote_is_not_waited_for() -> None:
    leaving = member("dan", "data_office", last=DAY)
    by, question = charter(leaving, quorum=3), asked(*VOTERS)
    two_to_one = ballots(ada="approve", ben="approve", cleo="reject")
    assert tally(by, need(), question, two_to_one, DAY).state == "open"
    assert tally(by, need(), question, two_to_one, LATER.replace(day=4)).state == "approved"


def test_a_ballot_of_the_one_who_proposed_counts_for_nothing_wherever_it_came_from() -> None:
    three = ballots(ada="approve", ben="approve", cleo="approve")
    assert tally(charter(), need(), asked(*VOTERS), three, LATER).state == "approved"
    assert tally(charter(), need(), asked(*VOTERS, by="Ada"), three, LATER).state == "lapsed"


def test_what_nobody_could_approve_is_said_beforehand() -> None:
    by = charter()
    assert reachable(by, need(own_partner=True), asked(*VOTERS, partners=("snap",)), DAY) is None
    assert "snap" in str(reachable(by, need(own_partner=True), asked("ben", "cleo", "dan", partners=("snap",)), DAY))
    assert "3 people" in str(reachable(by, need(), asked("ada", "ben"), DAY))
    assert reachable(by, replace(TWO_PEOPLE, approvals=5), asked(*VOTERS), DAY) is not None


def test_people_who_sit_for_two_partners_are_matched_to_as_many_partners_as_they_can_be() -> None:
    rule = replace(TWO_PEOPLE, approvals=2, different=PARTNERS)
    second = member("ada_too", "medicaid", "ada")
    by, question = charter(second, quorum=1), asked(*VOTERS, "ada_too")
    # Ada for snap or medicaid, Ben for medicaid: two partners. Ada alone is one person, whatever her seats.
    both = ballots(ada="approve", ada_too="approve", ben="approve")
    assert tally(by, rule, question, both, DAY).state == "approved"
    assert tally(by, rule, question, both[:2], LATER).state == "lapsed"
