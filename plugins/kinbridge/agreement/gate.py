"""The gate: may this feed be read on this day, and which of its columns.

Pure. It fails closed: whatever it does not find allowed is an error, and no connection is made. It never
guesses between two agreements. Every refusal names the clause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from kinbridge.agreement.force import Force, Standing, State, force
from kinbridge.agreement.model import Agreement, AgreementKind, OpenPgp, Role
from kinbridge.decision.approvals import Approvals
from kinbridge.declaration.clause import Clause
from kinbridge.errors import KinbridgeError


@dataclass(frozen=True)
class Permit:
    """What an agreement in force allows of one feed: `columns` are contract names; `expires` is the last
    day; `openpgp` is how its files are protected, None where they come as they are. `clause` is where the
    agreement lists the feed's elements; `intermediaries` are the parties, by code, that may send for the
    contributor."""

    agreement_id: str
    version: str
    feed: str
    columns: frozenset[str]
    expires: date
    openpgp: OpenPgp | None = None
    clause: Clause | None = None
    intermediaries: frozenset[str] = frozenset()


def permit(feed: str, day: date, agreements: Iterable[Agreement], approvals: Approvals) -> Permit:
    """What may be read of the feed on that day: the elements of the one agreement in force, without those that a
    decision rejected.

    An agreement counts only when its contributor is the feed's own partner: nobody can give what is
    another's.

    Raises `KinbridgeError`: KB-A01 no agreement names the feed; KB-A02 not yet in force; KB-A03 expired;
    KB-A04 a signature is missing; KB-A05 more than one agreement is in force; KB-A07 not approved; KB-A08 changed
    since it was approved; KB-A09 its memorandum is not in force; KB-A10 an amendment left the feed out; KB-A16
    rejected. When several agreements fall short, the newest one is named.
    """
    chosen = agreement_for(feed, day, force(agreements, approvals))
    return Permit(
        chosen.id,
        chosen.version,
        feed,
        chosen.feeds[feed] - approvals.rejected_elements(feed, day),
        chosen.expires,
        chosen.openpgp,
        chosen.clause("feeds", feed, "elements"),
        frozenset(party.code for party in chosen.others if party.role == Role.INTERMEDIARY),
    )


def refuse_unnamed(granted: Permit, intermediary: str | None) -> None:
    """Let nobody send for the contributor whom the agreement does not name as an intermediary.

    `intermediary` is the code of who sends, None for the contributor itself. Raises `KinbridgeError` KB-A21.
    """
    if intermediary is not None and intermediary not in granted.intermediaries:
        raise KinbridgeError(
            "KB-A21",
            feed=granted.feed,
            intermediary=intermediary,
            agreement=granted.agreement_id,
            version=granted.version,
            clause=str(granted.clause),
        )


def agreement_for(feed: str, day: date, all_of_them: Force) -> Agreement:
    """The one agreement by which the feed may be read on that day. Raises like `permit`."""
    partner = feed.split("/", 1)[0]
    naming = [
        a
        for a in all_of_them.agreements
        if a.kind is AgreementKind.DATA_USE and feed in a.feeds and a.contributor.code == partner
    ]
    if not naming:
        raise KinbridgeError("KB-A01", feed=feed, partner=partner)
    return the_one(feed, day, naming, all_of_them, ("feeds", feed))


def the_one(
    subject: str, day: date, naming: Sequence[Agreement], all_of_them: Force, where: tuple[str, ...]
) -> Agreement:
    """The one of these agreements that is in force on that day. `where` is the clause by which they name the subject.

    Raises `KinbridgeError` KB-A02 to KB-A10 and KB-A16 when there is none, or more than one.
    """
    found = sorted(
        (all_of_them.standing(agreement, day) for agreement in naming),
        key=lambda s: (s.agreement.effective, s.agreement.expires, s.agreement.id, s.agreement.version),
    )
    in_force = [standing.agreement for standing in found if standing.in_force]
    if len(in_force) > 1:
        clauses = "; ".join(str(agreement.clause(*where)) for agreement in in_force)
        raise KinbridgeError("KB-A05", feed=subject, agreements=clauses)
    if not in_force:
        raise _newest(found).refusal(subject)
    return in_force[0]


def _newest(found: list[Standing]) -> Standing:
    """What people have to look at: what was replaced is history while anything else names the subject; of agreements
    between whose dates the day falls, their first day is what is waited for."""
    standing = [one for one in found if one.state is not State.REPLACED] or found
    current = [one for one in standing if one.state not in {State.NOT_YET, State.EXPIRED}]
    return (current or standing)[-1]
