"""Which agreements are about to end, and telling so: 90, 30 and 7 days before, and when one has ended.

`warnings` is pure. Nothing is told of an agreement that something follows: an amendment or a renewal that is signed and
approved and begins no later than the day after. `warn` tells each warning once; the ledger's events remember which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from psycopg2.extras import Json

from kinbridge.agreement.force import Force, force
from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.agreement.reader import read_agreements
from kinbridge.decision.approvals import Approvals, read_approvals
from kinbridge.declaration.clause import Clause
from kinbridge.notice.message import Addresses, Mail, Sender
from kinbridge.notice.post import addresses_of, each_of, lock_partner, post_mail
from kinbridge.partner.profile import office_contact, office_email, partners
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "agreement.expiry"
EXPIRING, ENDED = "agreement expiring", "agreement ended"
# Days before the last day on which people are warned. 0: it has ended.
STEPS = (90, 30, 7)
# What ended longer ago than this is old news: a new installation does not tell of it.
TOLD_WITHIN = 62


@dataclass(frozen=True)
class Expiry:
    """One agreement that ends, or has ended, with nothing after it.

    `step` is 90, 30 or 7, or 0 when it has ended. `stops` are the feeds (or releases) that nothing else covers then;
    `partners` the codes of those to tell.
    """

    agreement: str
    version: str
    title: str
    expires: date
    step: int
    stops: tuple[str, ...]
    partners: tuple[str, ...]
    clause: Clause

    @property
    def what(self) -> str:
        """The ledger's name for it."""
        return EXPIRING if self.step else ENDED

    def days_left(self, day: date) -> int:
        """Days until the last day; negative when it is over."""
        return (self.expires - day).days


def warnings(agreements: Iterable[Agreement], approvals: Approvals, day: date) -> list[Expiry]:
    """What is to be told at the end of that day, the soonest first."""
    every = force(agreements, approvals)
    found = [expiry for agreement in every.agreements for expiry in _of(agreement, every, day)]
    return sorted(found, key=lambda one: (one.expires, one.agreement, one.version))


def _of(agreement: Agreement, every: Force, day: date) -> Iterator[Expiry]:
    left = (agreement.expires - day).days
    if left > max(STEPS) or left < -TOLD_WITHIN:
        return
    if not every.standing(agreement, min(day, agreement.expires)).in_force:
        return
    after = max(day, agreement.expires + timedelta(days=1))
    stops = tuple(one for one in _subjects(agreement) if not _followed(agreement, one, every, after))
    if stops:
        step = 0 if left < 0 else min(step for step in STEPS if step >= left)
        told = agreement.contributors if agreement.kind is not AgreementKind.RELEASE else ()
        yield Expiry(
            agreement.id,
            agreement.version,
            agreement.title,
            agreement.expires,
            step,
            stops,
            tuple(dict.fromkeys(told)),
            agreement.clause("expires"),
        )


def _subjects(agreement: Agreement) -> tuple[str, ...]:
    """What an agreement carries: its feeds, its releases, or what stands under it."""
    if agreement.kind is AgreementKind.MEMORANDUM:
        return (f"what stands under {agreement.id}",)
    return tuple(sorted(agreement.feeds)) or tuple(
        f"releases to {agreement.recipient.code} for {use_case}" for use_case in sorted(agreement.releases)
    )


def _followed(agreement: Agreement, subject: str, every: Force, after: date) -> bool:
    return any(
        other is not agreement
        and other.kind is agreement.kind
        and other.contributor.code == agreement.contributor.code
        and subject in _subjects(other)
        and every.standing(other, after).in_force
        for other in every.agreements
    )


def warn(dsn: Dsn, day: date, send: Sender | None) -> int:
    """Tell the contributors of what ends, with a copy to our office, each warning once; returns how many were told.

    Raises `KinbridgeError` KB-A06 and KB-G01 (declarations), KB-E08 at the end when a mail could not be sent.
    """
    with transaction(dsn) as connection:
        approvals = read_approvals(connection, day=day)
    found = warnings(read_agreements(), approvals, day)
    return each_of(
        partial(_warn, dsn, one, partner, day, send)
        for one in found
        for partner in (one.partners or ("",))  # nobody's but our office's
    )


def _warn(dsn: Dsn, one: Expiry, partner: str, day: date, send: Sender | None) -> int:
    with transaction(dsn) as connection:
        lock_partner(connection, partner)
        if not _note_once(connection, one, partner):
            return 0
        post_mail(connection, expiry_mail(one, partner, _addresses(partner), day), send)
    return 1


def _note_once(connection: Any, one: Expiry, partner: str) -> bool:
    """Append the event unless the same was told to this partner before. Whether it was new."""
    facts = {
        "agreement": one.agreement,
        "version": one.version,
        "expires": one.expires.isoformat(),
        "step": one.step,
        "partner": partner,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.event (actor, what, facts)
            SELECT
                %(actor)s,
                %(what)s,
                %(facts)s::jsonb || %(more)s::jsonb
            WHERE NOT EXISTS (
                SELECT 1
                FROM ledger.event
                WHERE
                    what = %(what)s
                    AND facts @> %(facts)s::jsonb
            )
            """,
            {
                "actor": ACTOR,
                "what": one.what,
                "facts": Json(facts),
                "more": Json({"stops": list(one.stops), "clause": str(one.clause)}),
            },
        )
        return bool(cursor.rowcount)


def _addresses(partner: str) -> Addresses:
    """The contacts of a partner that has a profile; our office alone otherwise."""
    if partner in partners():
        return addresses_of(partner)
    return Addresses("our office", (office_email(),), office_email(), office_contact())


def expiry_mail(one: Expiry, partner: str, addresses: Addresses, day: date) -> Mail:
    """The mail that tells one warning. Pure."""
    name = f"{one.agreement} {one.version}"
    if one.step:
        left = one.days_left(day)
        when = "today is its last day" if left == 0 else f"{left} day{'s' * (left != 1)} from now"
        subject = f"Agreement {name} ends on {one.expires}"
        first = f"The agreement {name} ({one.title}) ends on {one.expires}, {when}. Nothing follows it yet."
        then = "From the day after, these stop:"
    else:
        subject = f"Agreement {name} has ended"
        first = f"The agreement {name} ({one.title}) ended on {one.expires}, and nothing follows it."
        then = "These have stopped; files that are sent stay unread in the inbox:"
    parts = [
        f"To {addresses.partner_name}.",
        first,
        "\n".join([then, *(f"- {subject_}" for subject_ in one.stops)]),
        "To go on, an amendment or a renewal has to be signed and approved.",
        f"Clause: {one.clause}.",
        f"Questions: {addresses.office}. This message was sent by a program.",
    ]
    key = f"{partner}\n{one.what} {name} {one.expires} {one.step}"
    copy = tuple(address for address in (addresses.office_email,) if address not in addresses.contacts)
    return Mail(partner or one.agreement, addresses.contacts, copy, subject, "\n\n".join(parts) + "\n", key)
