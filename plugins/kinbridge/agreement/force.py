"""Whether an agreement is in force on a day, and if not, for which of its clauses. Pure.

It is in force when the day lies within its dates, every party that must sign has signed with an authority, its text is
the one that was approved, the memorandum under which it stands is in force, and no amendment has replaced it. It fails
closed: what cannot be shown is not in force.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property

from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.decision.approvals import Approvals
from kinbridge.declaration.clause import Clause
from kinbridge.errors import KinbridgeError

KIND = "agreement"  # of decisions on agreements


class State(StrEnum):
    """What an agreement is on a day; the first that applies, in the order in which they are asked."""

    IN_FORCE = "in force"
    REPLACED = "replaced"
    NOT_YET = "not yet in force"
    EXPIRED = "expired"
    UNSIGNED = "not signed"
    UNAPPROVED = "not approved"
    REJECTED = "rejected"
    CHANGED = "changed since it was approved"
    NO_MEMORANDUM = "its memorandum is not in force"


CODES = {
    State.REPLACED: "KB-A10",
    State.NOT_YET: "KB-A02",
    State.EXPIRED: "KB-A03",
    State.UNSIGNED: "KB-A04",
    State.UNAPPROVED: "KB-A07",
    State.REJECTED: "KB-A16",
    State.CHANGED: "KB-A08",
    State.NO_MEMORANDUM: "KB-A09",
}
_DECIDED = {"missing": State.UNAPPROVED, "rejected": State.REJECTED, "changed": State.CHANGED}


@dataclass(frozen=True)
class Standing:
    """One agreement on one day: its state, the clause that decides it, and what messages say beside the clause."""

    agreement: Agreement
    state: State
    clause: Clause
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def in_force(self) -> bool:
        """Whether it counts."""
        return self.state is State.IN_FORCE

    def refusal(self, subject: str) -> KinbridgeError:
        """Why it does not allow `subject`: a feed, or releases to somebody."""
        one = self.agreement
        return KinbridgeError(
            CODES[self.state],
            feed=subject,
            agreement=one.id,
            version=one.version,
            clause=str(self.clause),
            **self.facts,
        )


@dataclass(frozen=True)
class Force:
    """All agreements with all decisions, asked for one day at a time."""

    agreements: tuple[Agreement, ...]
    approvals: Approvals

    def standing(self, agreement: Agreement, day: date) -> Standing:
        """How this agreement stands on that day."""
        own = self._own(agreement, day)
        if own.in_force and agreement.under:
            return self._memorandum(agreement, day) or own
        return own

    def successor(self, agreement: Agreement, day: date) -> Agreement | None:
        """The amendment that has replaced the agreement by that day; the newest, if there were several.

        Once an amendment was in force, what it replaced stays replaced: neither its end nor a later change of its text
        brings the older terms back.
        """
        replacing = [
            other
            for other in self.versions(agreement)
            if agreement.version in self.ancestors(other) and self.took_effect(other, day)
        ]
        return max(replacing, key=lambda other: (other.effective, other.version), default=None)

    def versions(self, agreement: Agreement) -> tuple[Agreement, ...]:
        """Every agreement with this one's id, itself included, oldest first."""
        return self.of(agreement.id)

    def of(self, agreement_id: str) -> tuple[Agreement, ...]:
        """Every version of the agreement with this id, oldest first."""
        return self._by_id.get(agreement_id, ())

    def related(self, one: Agreement, other: Agreement) -> bool:
        """Whether one of the two amends the other, directly or over versions between them."""
        return one.id == other.id and (other.version in self.ancestors(one) or one.version in self.ancestors(other))

    def approved(self, agreement: Agreement, day: date) -> str:
        """What was decided on exactly this text by that day: approved, rejected, changed or missing.

        An approval in which a contributor's own representative took no part is none.
        """
        own = agreement.contributors
        return self.approvals.standing(KIND, agreement.id, agreement.version, agreement.digest, day=day, partners=own)

    def _own(self, agreement: Agreement, day: date) -> Standing:
        successor = self.successor(agreement, day)
        if successor is not None:
            facts = {"successor": successor.version, "since": successor.effective.isoformat()}
            return Standing(agreement, State.REPLACED, successor.clause("amends"), facts)
        if day < agreement.effective:
            facts = {"effective": agreement.effective.isoformat()}
            return Standing(agreement, State.NOT_YET, agreement.clause("effective"), facts)
        if day > agreement.expires:
            facts = {"expires": agreement.expires.isoformat()}
            return Standing(agreement, State.EXPIRED, agreement.clause("expires"), facts)
        unsigned = agreement.unsigned(day)
        if unsigned:
            facts = {"parties": ", ".join(party.name for party in unsigned)}
            return Standing(agreement, State.UNSIGNED, agreement.clause("signatures"), facts)
        decided = self.approved(agreement, day)
        if decided != "approved":
            return Standing(agreement, _DECIDED[decided], agreement.clause("version"))
        return Standing(agreement, State.IN_FORCE, agreement.clause("effective"))

    def _memorandum(self, agreement: Agreement, day: date) -> Standing | None:
        """How the agreement stands when its memorandum does not hold for its contributor; None when it does."""
        why = "there is none of that name"
        for memorandum in self.of(agreement.under or ""):
            if memorandum.kind is not AgreementKind.MEMORANDUM:
                continue
            own = self._own(memorandum, day)
            if own.in_force and agreement.contributor.code in {party.code for party in memorandum.parties}:
                return None
            why = f"{agreement.contributor.code} is no party of it" if own.in_force else own.state.value
        facts = {"memorandum": agreement.under or "", "why": why}
        return Standing(agreement, State.NO_MEMORANDUM, agreement.clause("under"), facts)

    def took_effect(self, agreement: Agreement, day: date) -> bool:
        """Whether it has been in force by that day, as far as its first day, signatures and approval tell.

        Also where its text was changed, or a later decision rejected it, since.
        """
        signed = [one.signed for one in agreement.signatures if one.signed is not None and one.counts(day)]
        if agreement.effective > day or agreement.unsigned(day):
            return False
        begun = max([agreement.effective, *signed])
        later = {
            one.effective
            for one in self.approvals.decisions
            if (one.kind, one.subject, one.version) == (KIND, agreement.id, agreement.version)
        }
        days = [day, *(on for on in {begun, *later} if begun <= on < day)]
        return any(self.approved(agreement, on) in {"approved", "changed"} for on in days)

    def ancestors(self, agreement: Agreement, *, itself: bool = False) -> set[str]:
        """The versions that it replaces: the one it amends, what that one amends, and so on.

        Where versions amend each other in a circle it would be among them; it is given only when `itself` is wanted.
        """
        found: set[str] = set()
        waiting = [agreement.amends]
        while waiting:
            version = waiting.pop()
            if version is not None and version not in found:
                found.add(version)
                waiting.extend(one.amends for one in self.versions(agreement) if one.version == version)
        return found if itself else found - {agreement.version}

    @cached_property
    def _by_id(self) -> dict[str, tuple[Agreement, ...]]:
        grouped: dict[str, list[Agreement]] = {}
        for one in sorted(self.agreements, key=lambda one: (one.effective, one.expires, one.version)):
            grouped.setdefault(one.id, []).append(one)
        return {name: tuple(found) for name, found in grouped.items()}


def force(agreements: Iterable[Agreement], approvals: Approvals) -> Force:
    """The agreements with the decisions."""
    return Force(tuple(agreements), approvals)
