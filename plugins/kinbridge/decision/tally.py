"""Counts ballots by the charter. Pure: the charter, the question, the ballots and a day give the standing.

One person has one voice, whatever seats they hold. A proposal is decided as soon as no ballot still to come could
change it; when the days to answer are over, by the ballots that came. It fails closed: what lacks its quorum lapses.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil

from kinbridge.decision.model import Ballot, Choice, Question, Standing, State
from kinbridge.governance.charter import (
    APPROVALS,
    FAMILIES,
    PARTNERS,
    SIMPLE_MAJORITY,
    TWO_THIRDS,
    UNANIMOUS,
    Body,
    Charter,
    Member,
    Need,
)


def tally(
    charter: Charter, need: Need, question: Question, ballots: Sequence[Ballot], day: date, *, met: bool = False
) -> Standing:
    """Where the question stands on that day.

    `met` says that the body met and is done: no further vote is waited for. Ballots are taken to be those of entitled
    members; `entitlement.refuse` sees to it when they are cast.
    """
    count = _Count(charter, need, charter.bodies[need.body], question)
    box = _Box.of(ballots, count.voters(question.asked))
    left = count.left(question.asked, ballots, day)
    over = day > question.closes_on
    state, why = _over(count, box) if over or met or not left else _early(count, box, [m.id for m in left])
    # A meeting is quick to end; families keep their days to answer.
    if state is not State.OPEN and not over and count.families_wanted(question.asked, ballots, day):
        state, why = State.OPEN, "families have not answered yet"
    return Standing(
        state=state,
        rule=need.in_words,
        why=why,
        missing=tuple(one for one in question.asked if one not in {ballot.member for ballot in ballots}),
        approving=box.approving,
        rejecting=box.rejecting,
        abstaining=box.abstaining,
        recused=tuple(b.member for b in ballots if b.choice is Choice.RECUSE),
    )


def reachable(charter: Charter, need: Need, question: Question, day: date) -> str | None:
    """Why no ballots whatever could approve the question, or None when they could."""
    count = _Count(charter, need, charter.bodies[need.body], question)
    everybody = tuple(m.id for m in count.left(question.asked, (), day))
    return count.shortfall(_Box(approving=everybody))


@dataclass(frozen=True)
class _Box:
    """The ballots of those who have a vote, by choice."""

    approving: tuple[str, ...] = ()
    rejecting: tuple[str, ...] = ()
    abstaining: tuple[str, ...] = ()

    @classmethod
    def of(cls, ballots: Sequence[Ballot], voters: Collection[str]) -> _Box:
        def those(choice: Choice) -> tuple[str, ...]:
            return tuple(b.member for b in ballots if b.choice is choice and b.member in voters)

        return cls(those(Choice.APPROVE), those(Choice.REJECT), those(Choice.ABSTAIN))


@dataclass(frozen=True)
class _Count:
    """The charter's rule, applied to one question."""

    charter: Charter
    need: Need
    body: Body
    question: Question

    def voters(self, asked: Sequence[str]) -> frozenset[str]:
        """Those asked who have a vote. The one who proposed has none, in no seat."""
        proposer = self.charter.person(self.question.proposed_by)
        seats = frozenset(self.body.members)
        return frozenset(one for one in asked if one in seats and self.charter.person(one) != proposer)

    def left(self, asked: Sequence[str], ballots: Sequence[Ballot], day: date) -> list[Member]:
        """The voters who have not answered and are still in office."""
        cast = {ballot.member for ballot in ballots}
        people = {self.charter.person(ballot.member) for ballot in ballots if ballot.choice is not Choice.RECUSE}
        return [
            member
            for name in sorted(self.voters(asked) - cast)
            if (member := self.charter.members[name]).in_office(day) and self.charter.person(name) not in people
        ]

    def families_wanted(self, asked: Sequence[str], ballots: Sequence[Ballot], day: date) -> bool:
        """Whether families have to be heard, and none of their representatives has answered."""
        if not self.need.families:
            return False
        members = [self.charter.members[name] for name in asked]
        speaking = {m.id for m in members if m.represents == FAMILIES and m.in_office(day)}
        return not speaking & {ballot.member for ballot in ballots}

    def people(self, members: Sequence[str]) -> frozenset[str]:
        """The different people among them."""
        return frozenset(self.charter.person(one) for one in members)

    def present(self, box: _Box) -> int:
        """How many people take part."""
        return len(self.people([*box.approving, *box.rejecting, *box.abstaining]))

    def satisfied(self, box: _Box) -> bool:
        """Whether these votes are enough by the rule, quorum and partners aside."""
        against = self.people(box.rejecting)
        # Who votes both ways, in two seats, has not approved.
        approving = [one for one in box.approving if self.charter.person(one) not in against]
        ayes, noes = len(self.people(approving)), len(against)
        if self.need.rule == SIMPLE_MAJORITY:
            return ayes > noes
        if self.need.rule == TWO_THIRDS:
            return ayes > 0 and ayes >= ceil((ayes + noes) * 2 / 3)
        if self.need.rule == UNANIMOUS:
            return ayes > 0 and noes == 0
        assert self.need.rule == APPROVALS
        return (self._partners(approving) if self.need.different == PARTNERS else ayes) >= self.need.approvals

    def shortfall(self, box: _Box) -> str | None:
        """What is missing to an approval by these votes, or None."""
        present = self.present(box)
        if present < self.body.quorum:
            return f"{present} of the {self.body.quorum} people that {self.body.name} needs took part"
        if not self.satisfied(box):
            return f"the votes do not come to {self.need.in_words}"
        for partner in self.unapproved(box):
            return f"no representative of {partner} is among those who approve"
        return None

    def unapproved(self, box: _Box) -> list[str]:
        """The partners concerned that have not approved themselves."""
        if not self.need.own_partner:
            return []
        own = {self.charter.members[one].partner for one in box.approving}
        return [partner for partner in self.question.partners if partner not in own]

    def refused_by_partner(self, box: _Box) -> bool:
        """Whether a partner concerned voted against, and not for."""
        against = {self.charter.members[one].partner for one in box.rejecting}
        return any(partner in against for partner in self.unapproved(box))

    def _partners(self, approving: Sequence[str]) -> int:
        """For how many different partners different people approve: a largest matching (Kuhn's method)."""
        choices: dict[str, list[str]] = {}
        for one in approving:
            choices.setdefault(self.charter.person(one), []).append(self.charter.members[one].speaks_for)
        taken: dict[str, str] = {}

        def place(person: str, seen: set[str]) -> bool:
            for partner in choices[person]:
                if partner not in seen:
                    seen.add(partner)
                    if partner not in taken or place(taken[partner], seen):
                        taken[partner] = person
                        return True
            return False

        return sum(place(person, set()) for person in choices)


def _over(count: _Count, box: _Box) -> tuple[State, str]:
    """The state when nobody is waited for any more."""
    short = count.shortfall(box)
    if short is None:
        return State.APPROVED, "the ballots that came are enough"
    if count.present(box) < count.body.quorum:
        return State.LAPSED, short
    if count.satisfied(box):
        return (State.REJECTED if count.refused_by_partner(box) else State.LAPSED), short
    # Too few approvals and nobody against: time ran out. Otherwise the votes went against it.
    lapsed = count.need.rule == APPROVALS and not box.rejecting
    return (State.LAPSED if lapsed else State.REJECTED), short


def _early(count: _Count, box: _Box, left: Sequence[str]) -> tuple[State, str]:
    """The state while some have not answered: decided when they could not change it."""
    worst = _Box(box.approving, (*box.rejecting, *left), box.abstaining)
    if count.present(box) >= count.body.quorum and count.satisfied(worst) and not count.unapproved(box):
        return State.APPROVED, "the ballots still to come cannot change it"
    best = _Box((*box.approving, *left), box.rejecting, box.abstaining)
    short = count.shortfall(best)
    if short is None:
        return State.OPEN, "ballots are still to come"
    against = not count.satisfied(best) or count.refused_by_partner(best)
    enough = count.present(best) >= count.body.quorum
    return (State.REJECTED if enough and against else State.LAPSED), short
