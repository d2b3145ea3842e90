"""Proposals, ballots and standings, as plain values. Nothing here decides anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Choice(StrEnum):
    """What a ballot says. Who recuses takes no part: neither vote nor quorum counts them."""

    APPROVE = "approve"
    REJECT = "reject"
    ABSTAIN = "abstain"
    RECUSE = "recuse"


class State(StrEnum):
    """Where a proposal stands. A lapsed one was not decided in time, and is no approval."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    LAPSED = "lapsed"


# These say why, so that minutes do.
WITH_REASON = frozenset({Choice.REJECT, Choice.RECUSE})


@dataclass(frozen=True)
class Proposal:
    """What somebody proposes: one text of a `subject`, known by version and digest.

    `options` are what was weighed, the proposed one first; `reasons` what it is for. `partners` are those whose own
    representative has to approve where the charter asks for it. `effective` is the first day on which an approval may
    count, None for the day of the decision.
    """

    kind: str
    subject: str
    version: str
    digest: str
    title: str
    reasons: str
    proposed_by: str
    partners: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    effective: date | None = None

    @property
    def concerned(self) -> tuple[str, ...]:
        """The partners that it concerns. An element is always its feed's partner's, whether that is named or not."""
        owner = self.subject.partition("/")[0]
        return self.partners if self.kind != "element" or owner in self.partners else (*self.partners, owner)


@dataclass(frozen=True)
class Question:
    """What counting needs to know of a proposal: who made it, whom it concerns, who was asked, and until when."""

    proposed_by: str
    partners: tuple[str, ...]
    asked: tuple[str, ...]
    closes_on: date


@dataclass(frozen=True)
class Ballot:
    """One member's answer, on a day."""

    member: str
    choice: Choice
    on: date
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """Where a proposal stands on a day.

    `missing` are those asked who have not answered; `rule` is the charter's, and `why` what decided, in words. The
    names are ids of members.
    """

    state: State
    rule: str
    why: str
    missing: tuple[str, ...] = ()
    approving: tuple[str, ...] = ()
    rejecting: tuple[str, ...] = ()
    abstaining: tuple[str, ...] = ()
    recused: tuple[str, ...] = ()
    effective: date | None = None


@dataclass(frozen=True)
class Cast:
    """How a ballot came in: when, who entered it, and for one cast in a room the evidence of it."""

    at: datetime
    recorded_by: str
    evidence: str | None = None
