"""What may be used for what on a day: the feeds that serve each approved use case, and what may go to whom. Pure.

Used where records are linked, figures published and extracts released. It fails closed: a use case that is not
approved is served by no feed, and a feed serves only the use cases that its agreement in force names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from kinbridge.agreement.force import Force, force
from kinbridge.agreement.gate import agreement_for, the_one
from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.decision.approvals import Approvals
from kinbridge.declaration.clause import Clause
from kinbridge.errors import KinbridgeError
from kinbridge.use_case.model import UseCase

APPROVED = "approved"
KIND = "use_case"  # of decisions on use cases
_DECIDED = {
    "missing": "not approved by any decision",
    "rejected": "rejected",
    "changed": "changed since it was approved",
}


@dataclass(frozen=True)
class Uses:
    """One day's answer to: which feeds may serve which use case, with which columns, and which may be linked."""

    day: date
    all_of_them: Force
    use_cases: Mapping[str, UseCase]

    def approved(self) -> tuple[str, ...]:
        """The use cases that may be served that day, sorted."""
        return tuple(sorted(self._served))

    def feeds_of(self, use_case: str) -> dict[str, Clause]:
        """The feeds that may serve the use case, each with the clause by which its agreement names it."""
        return dict(self._served.get(use_case, {}))

    def columns_of(self, use_case: str, feed: str) -> frozenset[str]:
        """The contract columns of the feed that may serve the use case; none when it may not serve it."""
        return self.columns(feed) if feed in self._served.get(use_case, {}) else frozenset()

    def columns(self, feed: str) -> frozenset[str]:
        """The contract columns of the feed that may be used at all; none when no agreement over it is in force."""
        agreement = self._in_force.get(feed)
        if agreement is None:
            return frozenset()
        return agreement.feeds[feed] - self.all_of_them.approvals.rejected_elements(feed, self.day)

    def agreement_of(self, feed: str) -> Agreement | None:
        """The one agreement in force over the feed."""
        return self._in_force.get(feed)

    def linkable(self) -> frozenset[str]:
        """The feeds whose records may be linked: those that serve an approved use case and are not barred.

        With which others, `comparable.why_not_compared` says.
        """
        return frozenset(feed for feed in self._serving if self._bar(feed) is None)

    def linked_for(self, feed: str) -> frozenset[str]:
        """The approved use cases for which the feed's records may be linked."""
        return frozenset(name for name in self._served if self.why_not_linked_for(feed, name) is None)

    def why_not_linked_for(self, feed: str, use_case: str) -> KinbridgeError | None:
        """Why the feed may not be linked for the use case, naming the clause; None when it may."""
        if feed not in self._served.get(use_case, {}):
            return self.why_not(feed, use_case)
        linkage = self._in_force[feed].linkage
        if not linkage.allowed:
            return self._barred(feed, "with nothing", "allowed")
        if linkage.use_cases is not None and use_case not in linkage.use_cases:
            return self._barred(feed, f"for {use_case}", "use_cases")
        return None

    def why_not(self, feed: str, use_case: str) -> KinbridgeError | None:
        """Why the feed may not serve the use case, naming the clause; None when it may."""
        refused = self.why_not_served(use_case)
        if refused is not None:
            return refused
        try:
            agreement = agreement_for(feed, self.day, self.all_of_them)
        except KinbridgeError as error:
            return error
        if use_case in agreement.use_cases:
            return None
        clause = str(agreement.clause("use_cases"))
        return KinbridgeError(
            "KB-A12", feed=feed, agreement=agreement.id, version=agreement.version, use_case=use_case, clause=clause
        )

    def why_not_served(self, use_case: str) -> KinbridgeError | None:
        """Why nothing may serve the use case: it is unknown (KB-A18) or not approved (KB-A11). None when it may be."""
        found = self.use_cases.get(use_case)
        if found is None:
            return KinbridgeError("KB-A18", name=use_case, known=", ".join(sorted(self.use_cases)) or "none")
        state = found.status
        if state == APPROVED:
            decided = self.all_of_them.approvals.standing(KIND, found.id, found.version, found.digest, day=self.day)
            if decided == APPROVED:
                return None
            state = _DECIDED[decided]
        return KinbridgeError("KB-A11", use_case=use_case, state=state, clause=str(found.clause("status")))

    def why_not_linked(self, feed: str) -> KinbridgeError | None:
        """Why the feed may not be linked, naming the clause; None when it may."""
        if feed in self._serving:
            return self._bar(feed)
        reasons = [self.why_not(feed, use_case) for use_case in sorted(self.use_cases)]
        # That the agreement is not in force says more than that this or that use case is not served.
        reasons.sort(key=lambda error: error is not None and error.code in {"KB-A11", "KB-A12", "KB-A18"})
        return next((error for error in reasons if error is not None), None) or KinbridgeError(
            "KB-A11", use_case="(none is declared)", state="missing", clause="include/use_cases"
        )

    def _bar(self, feed: str) -> KinbridgeError | None:
        reasons = [self.why_not_linked_for(feed, name) for name, feeds in sorted(self._served.items()) if feed in feeds]
        return None if None in reasons else reasons[0]

    def _barred(self, feed: str, why: str, clause: str) -> KinbridgeError:
        agreement = self._in_force[feed]
        return KinbridgeError(
            "KB-A13",
            feed=feed,
            agreement=agreement.id,
            version=agreement.version,
            why=why,
            clause=str(agreement.clause("linkage", clause)),
        )

    @cached_property
    def _in_force(self) -> dict[str, Agreement]:
        found = {}
        for feed in sorted({feed for agreement in self.all_of_them.agreements for feed in agreement.feeds}):
            try:
                found[feed] = agreement_for(feed, self.day, self.all_of_them)
            except KinbridgeError:
                continue  # why, `why_not` says
        return found

    @cached_property
    def _served(self) -> dict[str, dict[str, Clause]]:
        return {
            use_case: {
                feed: agreement.clause("use_cases", agreement.use_cases.index(use_case))
                for feed, agreement in self._in_force.items()
                if use_case in agreement.use_cases
            }
            for use_case in self.use_cases
            if self.why_not_served(use_case) is None
        }

    @cached_property
    def _serving(self) -> frozenset[str]:
        return frozenset(feed for feeds in self._served.values() for feed in feeds)


def uses(day: date, agreements: Iterable[Agreement], use_cases: Iterable[UseCase], approvals: Approvals) -> Uses:
    """What may be used for what on that day."""
    return Uses(day, force(agreements, approvals), {one.id: one for one in use_cases})


@dataclass(frozen=True)
class ReleasePermit:
    """What a release agreement in force allows for one use case.

    `elements` are names of the common schema or of `integrated`. `feeds` are those whose agreements serve the use case
    and allow rows to be given to this recipient, each with that clause; `left_out` says of every other feed of the use
    case why it is not among them. `small_cell_minimum` is the largest of all agreements that touch the release.
    `encrypted_to` are full fingerprints. `keep_days` is how long the recipient may keep it, the shortest of all that
    touch it. `clauses` has the clause for each: elements, small_cell_minimum, encrypted_to, outbox, keep_days.
    """

    agreement: Agreement
    use_case: UseCase
    elements: tuple[str, ...]
    feeds: Mapping[str, Clause]
    left_out: Mapping[str, KinbridgeError]
    small_cell_minimum: int
    encrypted_to: tuple[str, ...]
    outbox: str
    keep_days: int
    expires: date
    clauses: Mapping[str, Clause]


def release_permit(  # noqa: PLR0917 - what goes to whom for what, and all that was declared
    recipient: str,
    use_case: str,
    day: date,
    agreements: Iterable[Agreement],
    use_cases: Iterable[UseCase],
    approvals: Approvals,
) -> ReleasePermit:
    """What may go to the recipient for the use case on that day.

    Raises `KinbridgeError`: KB-A11 and KB-A18 the use case is not approved, or unknown; KB-A14 no release agreement
    names both; KB-A02 to KB-A10 and KB-A16 it is not in force; KB-A15 no feed of the use case may be given to the
    recipient.
    """
    answer = uses(day, agreements, use_cases, approvals)
    refused = answer.why_not_served(use_case)
    if refused is not None:
        raise refused
    naming = [
        one
        for one in answer.all_of_them.agreements
        if one.kind is AgreementKind.RELEASE and one.recipient.code == recipient and use_case in one.releases
    ]
    if not naming:
        raise KinbridgeError("KB-A14", recipient=recipient, use_case=use_case)
    subject = f"releases to {recipient} for {use_case}"
    chosen = the_one(subject, day, naming, answer.all_of_them, ("releases", use_case))
    return _permit(chosen, answer, recipient, use_case)


def _permit(chosen: Agreement, answer: Uses, recipient: str, use_case: str) -> ReleasePermit:
    given: dict[str, Clause] = {}
    left_out: dict[str, KinbridgeError] = {}
    touching = [chosen]
    for feed in answer.feeds_of(use_case):
        agreement = answer.agreement_of(feed)
        assert agreement is not None  # it serves the use case
        clause = agreement.clause("redisclosure")
        if recipient in agreement.redisclosure.recipients:
            given[feed] = clause
            touching.append(agreement)
        else:
            left_out[feed] = KinbridgeError(
                "KB-A15",
                feed=feed,
                agreement=agreement.id,
                version=agreement.version,
                recipient=recipient,
                clause=str(clause),
            )
    if not given:
        raise next(iter(left_out.values()), None) or KinbridgeError("KB-A14", recipient=recipient, use_case=use_case)
    strictest = max(touching, key=lambda one: one.small_cell_minimum)
    limited = [one for one in touching if one.retention.releases_days is not None]
    shortest = min(limited, key=lambda one: one.retention.releases_days or 0)
    return ReleasePermit(
        agreement=chosen,
        use_case=answer.use_cases[use_case],
        elements=chosen.releases[use_case],
        feeds=given,
        left_out=left_out,
        small_cell_minimum=strictest.small_cell_minimum,
        encrypted_to=chosen.transmission.encrypted_to,
        outbox=chosen.transmission.outbox,
        keep_days=shortest.retention.releases_days or 0,
        expires=min(one.expires for one in touching),
        clauses={
            "elements": chosen.clause("releases", use_case, "elements"),
            "small_cell_minimum": strictest.clause("small_cells", "minimum"),
            "encrypted_to": chosen.clause("transmission", "openpgp", "encrypted_to"),
            "outbox": chosen.clause("transmission", "outbox"),
            "keep_days": shortest.clause("retention", "releases_days"),
        },
    )
