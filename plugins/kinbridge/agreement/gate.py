"""The gate: may this feed be read on this day, and which of its columns.

Pure. It fails closed: whatever it does not find allowed is an error, and no connection is made. It never
guesses between two agreements.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from kinbridge.agreement.model import Agreement, OpenPgp
from kinbridge.errors import KinbridgeError


@dataclass(frozen=True)
class Permit:
    """What an agreement in force allows of one feed: `columns` are contract names; `expires` is the last
    day; `openpgp` is how its files are protected, None where they come as they are."""

    agreement_id: str
    version: str
    feed: str
    columns: frozenset[str]
    expires: date
    openpgp: OpenPgp | None = None


def permit(feed: str, day: date, agreements: Iterable[Agreement]) -> Permit:
    """What may be read of the feed on that day.

    An agreement counts only when its contributor is the feed's own partner: nobody can give what is
    another's.

    Raises `KinbridgeError`: KB-A01 no agreement names the feed; KB-A02 not yet in force; KB-A03 expired;
    KB-A04 a signature is missing; KB-A05 more than one agreement is in force. When several agreements fall
    short, the newest one is named.
    """
    partner = feed.split("/", 1)[0]
    naming = sorted(
        (a for a in agreements if feed in a.feeds and a.contributor.code == partner),
        key=lambda a: (a.effective, a.expires, a.id, a.version),
    )
    if not naming:
        raise KinbridgeError("KB-A01", feed=feed, partner=partner)
    current = [a for a in naming if a.effective <= day <= a.expires]
    in_force = [a for a in current if not a.unsigned(day)]
    if len(in_force) > 1:
        names = ", ".join(f"{a.id} {a.version}" for a in in_force)
        raise KinbridgeError("KB-A05", feed=feed, agreements=names)
    if not in_force:
        raise _refusal(feed, day, current, naming)
    chosen = in_force[0]
    return Permit(chosen.id, chosen.version, feed, chosen.feeds[feed], chosen.expires, chosen.openpgp)


def _refusal(feed: str, day: date, current: list[Agreement], naming: list[Agreement]) -> KinbridgeError:
    newest = (current or naming)[-1]
    facts = {"feed": feed, "agreement": newest.id, "version": newest.version}
    if current:
        parties = ", ".join(p.name for p in newest.unsigned(day))
        return KinbridgeError("KB-A04", parties=parties, **facts)
    if newest.effective > day:
        # An older one may have run out meanwhile; what people wait for is the newest one's first day.
        return KinbridgeError("KB-A02", effective=newest.effective.isoformat(), **facts)
    return KinbridgeError("KB-A03", expires=newest.expires.isoformat(), **facts)
