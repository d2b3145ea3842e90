"""Sends what is to be told, each thing once, and writes it into the ledger.

Mail and ledger cannot be one transaction. The ledger's rows are written first, the mail is sent, then they are
committed: what could not be sent is told at the next run, and a run that dies between sending and committing sends the
same mail with the same message id again. A lock for each partner keeps two runs apart. Without a mail connection the
message is kept as not sent, and nothing fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial
from typing import Any

from kinbridge.calendar.alert import Alert, alerts
from kinbridge.calendar.read import PartnerCalendar
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.accounts import read as read_account
from kinbridge.ledger.deliveries import Delivery, get
from kinbridge.ledger.states import SETTLED, State
from kinbridge.notice.message import Addresses, Mail, Sender, Told, alert_mail, delivery_mail
from kinbridge.partner.profile import office_contact, office_email, read_profile
from kinbridge.warehouse.connection import Dsn, transaction

log = logging.getLogger("kinbridge")
SENT, NOT_SENT = "sent", "not sent: no mail connection"
DELIVERY = "delivery"
# How far back deliveries are looked for that nobody was told of: a new installation does not tell old news.
TELL_WITHIN_DAYS = 7


def post_alerts(dsn: Dsn, calendars: Iterable[PartnerCalendar], send: Sender | None) -> int:
    """Tell each partner what its calendar gives to tell and has not been told; one mail for each partner at most.

    Returns how many things were told. Raises KB-E08 at the end when a mail could not be sent: those partners are told
    at the next run.
    """
    todo = [
        (calendar.partner, alerts(calendar.expectations, calendar.as_of, calendar.days_before))
        for calendar in calendars
        if calendar.pause is None
    ]
    return each_of([partial(_post_alerts, dsn, partner, found, send) for partner, found in todo if found])


def post_deliveries(dsn: Dsn, send: Sender | None) -> int:
    """Tell partners of held deliveries, and of settled ones whose receipt was sent, of the last days.

    Returns how many were told. Raises KB-E08 like `post_alerts`.
    """
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT d.delivery_id
            FROM ledger.delivery AS d
            WHERE
                coalesce(d.settled_at, d.collected_at) > clock_timestamp() - make_interval(days => %s)
                AND (
                    d.state = 'held'
                    OR d.state = ANY(%s) AND EXISTS (
                        SELECT 1
                        FROM ledger.event AS e
                        WHERE
                            e.delivery_id = d.delivery_id
                            AND e.what = 'receipt sent'
                            AND e.facts ->> 'state' = d.state
                    )
                )
                AND NOT EXISTS (
                    SELECT 1
                    FROM ledger.notice AS n
                    WHERE n.delivery_id = d.delivery_id AND n.state = d.state
                )
            ORDER BY d.delivery_id
            """,
            (TELL_WITHIN_DAYS, sorted(state.value for state in SETTLED)),
        )
        untold = [delivery_id for (delivery_id,) in cursor.fetchall()]
    return each_of([partial(post_delivery, dsn, delivery_id, send) for delivery_id in untold])


def post_delivery(dsn: Dsn, delivery_id: int, send: Sender | None) -> int:
    """Tell the partner what became of one delivery, once for each state: 1 when it was told now, 0 otherwise.

    Only held and settled deliveries are told of. Raises KB-E08 when the mail could not be sent.
    """
    with transaction(dsn) as connection:
        delivery = get(connection, delivery_id)
        if not (delivery.state.settled or delivery.state is State.HELD):
            return 0
        lock_partner(connection, delivery.partner)
        key = (DELIVERY, delivery.feed, None, delivery_id, delivery.state.value)
        if key in _told(connection, delivery.partner, [key]):
            return 0
        mail = delivery_mail(addresses_of(delivery.partner), _told_of(connection, delivery))
        _post(connection, mail, [key], send)
    return 1


def addresses_of(partner: str) -> Addresses:
    """The partner's contacts and our office. Raises KB-C40 and KB-C41."""
    profile = read_profile(partner)
    contacts = tuple(dict.fromkeys(contact.email for contact in profile.contacts))
    return Addresses(profile.name, contacts, office_email(), office_contact())


Key = tuple[str, str | None, Any, int | None, str | None]


def _post_alerts(dsn: Dsn, partner: str, found: Sequence[Alert], send: Sender | None) -> int:
    with transaction(dsn) as connection:
        lock_partner(connection, partner)
        keys: dict[Key, Alert] = {(one.kind.value, one.feed, one.period.first, None, None): one for one in found}
        for key in _told(connection, partner, list(keys)):
            del keys[key]
        if keys:
            mail = alert_mail(partner, addresses_of(partner), list(keys.values()))
            _post(connection, mail, list(keys), send)
    return len(keys)


def _post(connection: Any, mail: Mail, keys: Sequence[Key], send: Sender | None) -> None:
    """Write the mail and what it tells, and send it; the caller commits."""
    mail_id = _write(connection, mail, send)
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*keys, strict=True)]
        cursor.execute(
            """
            INSERT INTO ledger.notice (mail_id, partner, kind, feed, period, delivery_id, state)
            SELECT
                %s,
                %s,
                told.*
            FROM unnest(%s::text [], %s::text [], %s::date [], %s::bigint [], %s::text []) AS told
            """,
            (mail_id, mail.partner, *columns),
        )
    _send(mail, send)


def post_mail(connection: Any, mail: Mail, send: Sender | None) -> None:
    """Write a mail into the ledger and send it; the caller has written what it tells, and commits. Raises KB-E08."""
    _write(connection, mail, send)
    _send(mail, send)


def _write(connection: Any, mail: Mail, send: Sender | None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.mail (partner, subject, body, recipients, outcome)
            VALUES (%s, %s, %s, %s, %s)
            RETURNING mail_id
            """,
            (mail.partner, mail.subject, mail.body, len(mail.to + mail.cc), NOT_SENT if send is None else SENT),
        )
        return int(cursor.fetchone()[0])


def _send(mail: Mail, send: Sender | None) -> None:
    if send is None:
        log.info("not sent, there is no mail connection: %s (%s)", mail.subject, mail.partner)
    else:
        send(mail)
        log.info("sent to %d addresses of %s: %s", len(mail.to + mail.cc), mail.partner, mail.subject)


def _told(connection: Any, partner: str, keys: Sequence[Key]) -> set[Key]:
    """Those of the keys that have been told."""
    kinds = sorted({key[0] for key in keys})
    deliveries = sorted({key[3] for key in keys if key[3] is not None})
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                kind,
                feed,
                period,
                delivery_id,
                state
            FROM ledger.notice
            WHERE
                partner = %s
                AND kind = ANY(%s)
                AND (delivery_id IS NULL OR delivery_id = ANY(%s::bigint []))
            """,
            (partner, kinds, deliveries),
        )
        return {tuple(row) for row in cursor.fetchall()} & set(keys)


def lock_partner(connection: Any, partner: str) -> None:
    """Keep two runs that tell one partner something apart, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('kinbridge.notice ' || %s, 0))",
            (partner,),
        )


def _told_of(connection: Any, delivery: Delivery) -> Told:
    return Told(
        delivery_id=delivery.delivery_id,
        partner=delivery.partner,
        feed=delivery.feed,
        file_name=delivery.file_name,
        period=f"period {delivery.period:%Y-%m}" if delivery.period else f"as of {delivery.as_of}",
        state=delivery.state,
        account=read_account(connection, delivery.delivery_id),
        receipt=f"{delivery.file_name}.d{delivery.delivery_id}.receipt.html",
    )


def each_of(work: Iterable[Callable[[], int]]) -> int:
    """Do every piece of work, and sum what each told; one that fails does not keep the others.

    Raises at the end: KB-E08, or what was worse.
    """
    told, failed = 0, []
    for one in work:
        try:
            told += one()
        except KinbridgeError as error:
            failed.append(error)
    worse = [error for error in failed if error.code != "KB-E08"]
    if worse:
        raise worse[0]
    if failed:
        raise KinbridgeError("KB-E08", count=len(failed), cause=failed[0].facts["cause"])
    return told


def told_so_far(dsn: Dsn, partners: Iterable[str]) -> dict[tuple[str, str | None, date | int], list[tuple[str, str]]]:
    """What was told of each (partner, feed, first day of the period or number of the delivery), oldest first.

    Each as what was told ("overdue", "12 held") and its outcome.
    """
    found: dict[tuple[str, str | None, date | int], list[tuple[str, str]]] = {}
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                n.partner,
                n.feed,
                n.period,
                n.delivery_id,
                coalesce(n.delivery_id || ' ' || replace(n.state, '_', ' '), n.kind) AS what,
                m.outcome
            FROM ledger.notice AS n
            INNER JOIN ledger.mail AS m USING (mail_id)
            WHERE n.partner = ANY(%s)
            ORDER BY n.notice_id
            """,
            (list(partners),),
        )
        for partner, feed, period, delivery_id, what, outcome in cursor.fetchall():
            found.setdefault((partner, feed, period or delivery_id), []).append((what, outcome))
    return found
