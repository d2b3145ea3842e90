"""Pauses of a partner: who, when, why, and until when. Kept in the ledger.

While a partner is paused the gate refuses before any connection is made. Files stay in the inbox, and are collected
when it is resumed. Days are those of the partner's own time zone. Functions take a psycopg2 connection and work inside
its transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2.errors

from kinbridge.calendar.status import Break
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.partner.profile import partners
from kinbridge.partner.reminders import reminders_of

LONGEST_REASON = 500


@dataclass(frozen=True)
class Pause:
    """One row of `ledger.pause`. `until` is its last day, if one was said."""

    partner: str
    reason: str
    paused_by: str
    paused_at: datetime
    until: date | None
    resumed_by: str | None
    resumed_at: datetime | None

    def days(self, timezone: ZoneInfo) -> Break:
        """The days that it covers. The day on which it is resumed is no longer one of them."""
        ends = [self.until + timedelta(days=1)] if self.until else []
        if self.resumed_at is not None:
            ends.append(self.resumed_at.astimezone(timezone).date())
        return Break(self.paused_at.astimezone(timezone).date(), min(ends, default=None))

    def in_force(self, moment: datetime, timezone: ZoneInfo) -> bool:
        """Whether the partner is paused at that moment."""
        if self.resumed_at is not None and moment >= self.resumed_at:
            return False
        return self.paused_at <= moment and (self.until is None or moment.astimezone(timezone).date() <= self.until)

    @property
    def ends(self) -> str:
        """Its end in words."""
        return f"until {self.until}" if self.until else "until it is resumed"


def pause(connection: Any, partner: str, reason: str, by: str, moment: datetime, *, until: date | None = None) -> Pause:
    """Pause the partner from `moment` on.

    Raises KB-E06 (no such partner), KB-E07 (no reason, or `until` is over) and KB-E04 (it is paused already).
    """
    timezone = _timezone(partner)
    text = " ".join(reason.split())
    if not text or len(text) > LONGEST_REASON:
        raise KinbridgeError("KB-E07", partner=partner, problem=f"the reason needs 1 to {LONGEST_REASON} characters")
    if until is not None and until < moment.astimezone(timezone).date():
        raise KinbridgeError("KB-E07", partner=partner, problem=f"{until} is over")
    earlier = _open(connection, partner)
    if earlier is not None:
        if earlier.in_force(moment, timezone):
            raise _paused_already(earlier)
        # Its last day is over: it ended by itself, and is closed to make room.
        _close(connection, partner, earlier.paused_by, moment)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO ledger.pause (partner, reason, paused_by, paused_at, until)
                VALUES (%s, %s, %s, %s, %s)
                """,
                (partner, text, by, moment, until),
            )
    except psycopg2.errors.UniqueViolation:
        # Another person was faster by a moment.
        raise KinbridgeError("KB-E04", partner=partner, since="a moment ago", reason="see the list") from None
    record_event(connection, None, by, "partner paused", {"partner": partner, "until": str(until or "")})
    return Pause(partner, text, by, moment, until, None, None)


def resume(connection: Any, partner: str, by: str, moment: datetime) -> Pause:
    """End the partner's pause; returns it. Raises KB-E06 (no such partner) and KB-E05 (it is not paused)."""
    timezone = _timezone(partner)
    found = _open(connection, partner)
    if found is None or not found.in_force(moment, timezone):
        raise KinbridgeError("KB-E05", partner=partner)
    _close(connection, partner, by, moment)
    record_event(connection, None, by, "partner resumed", {"partner": partner})
    return found


def refuse_paused(connection: Any, partner: str, moment: datetime) -> None:
    """Raise KB-E03, which names the pause and its reason, when the partner is paused at that moment."""
    found = _open(connection, partner)
    if found is not None and found.in_force(moment, reminders_of(partner).timezone):
        since = f"{found.paused_at.astimezone(reminders_of(partner).timezone):%Y-%m-%d}"
        raise KinbridgeError("KB-E03", partner=partner, since=since, ends=found.ends, reason=found.reason)


def pauses(connection: Any, names: Iterable[str]) -> dict[str, list[Pause]]:
    """All pauses of these partners, oldest first; each partner is a key."""
    found: dict[str, list[Pause]] = {name: [] for name in names}
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + " WHERE partner = ANY(%s) ORDER BY pause_id", (list(found),))
        for row in cursor.fetchall():
            found[row[0]].append(Pause(*row))
    return found


_SELECT = "SELECT partner, reason, paused_by, paused_at, until, resumed_by, resumed_at FROM ledger.pause"


def _open(connection: Any, partner: str) -> Pause | None:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + " WHERE partner = %s AND resumed_at IS NULL", (partner,))
        row = cursor.fetchone()
    return Pause(*row) if row else None


def _close(connection: Any, partner: str, by: str, moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE ledger.pause
            SET
                resumed_by = %s,
                resumed_at = greatest(%s, paused_at)
            WHERE partner = %s AND resumed_at IS NULL
            """,
            (by, moment, partner),
        )


def _timezone(partner: str) -> ZoneInfo:
    if partner not in partners():
        raise KinbridgeError("KB-E06", partner=partner, partners=", ".join(partners()))
    return reminders_of(partner).timezone


def _paused_already(earlier: Pause) -> KinbridgeError:
    return KinbridgeError(
        "KB-E04", partner=earlier.partner, since=f"{earlier.paused_at:%Y-%m-%d}", reason=earlier.reason
    )
