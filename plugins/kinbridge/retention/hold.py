"""Legal holds: while one stands, nothing of its feed is destroyed, whatever is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event

PLACED, LIFTED = "legal hold placed", "legal hold lifted"


@dataclass(frozen=True)
class Hold:
    """A hold that stands: on which feed, why, by whom, since when."""

    feed: str
    reason: str
    placed_by: str
    placed_at: datetime


def place_hold(connection: Any, feed: str, reason: str, by: str) -> None:
    """Hold a feed. Raises `KinbridgeError` KB-U10 when it is held already, KB-U07 without a reason."""
    if not reason.strip():
        raise KinbridgeError("KB-U07", what="a hold")
    if any(hold.feed == feed for hold in holds(connection)):
        raise KinbridgeError("KB-U10", feed=feed, state="held already")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger.legal_hold (feed, reason, placed_by) VALUES (%s, %s, %s)", (feed, reason.strip(), by)
        )
    record_event(connection, None, by, PLACED, {}, feed=feed)


def lift_hold(connection: Any, feed: str, by: str) -> None:
    """Lift the hold of a feed. Raises `KinbridgeError` KB-U10 when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE ledger.legal_hold
            SET lifted_by = %s, lifted_at = clock_timestamp()
            WHERE feed = %s AND lifted_at IS NULL
            """,
            (by, feed),
        )
        if cursor.rowcount == 0:
            raise KinbridgeError("KB-U10", feed=feed, state="not held")
    record_event(connection, None, by, LIFTED, {}, feed=feed)


def holds(connection: Any) -> list[Hold]:
    """The holds that stand, by feed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                feed,
                reason,
                placed_by,
                placed_at
            FROM ledger.legal_hold
            WHERE lifted_at IS NULL
            ORDER BY feed
            """
        )
        return [Hold(*row) for row in cursor.fetchall()]


def held(standing: list[Hold], partner: str, feed: str | None) -> Hold | None:
    """The hold that keeps this; what is of a whole partner is kept by a hold on any of its feeds."""
    own = (hold for hold in standing if hold.feed == feed or (feed is None and hold.feed.split("/", 1)[0] == partner))
    return next(own, None)
