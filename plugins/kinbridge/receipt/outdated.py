"""Which receipts no longer say how things stand: rows of their deliveries left quarantine after they were sent."""

from __future__ import annotations

from typing import Any

from kinbridge.ledger.states import ACCEPTED
from kinbridge.load.correction import CORRECTED

SENT, REPLAYED = "receipt sent", "replayed"


def outdated(connection: Any, feed: str) -> list[int]:
    """The feed's deliveries that were replayed, or had rows corrected, since their last receipt; oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT delivery.delivery_id
            FROM ledger.delivery AS delivery
            INNER JOIN ledger.event AS event
                ON delivery.delivery_id = event.delivery_id
            WHERE
                delivery.feed = %(feed)s
                AND delivery.state = ANY(%(states)s)
                AND event.what = ANY(%(changed)s || %(sent)s::text)
            GROUP BY delivery.delivery_id
            HAVING
                max(event.event_id) FILTER (WHERE event.what = ANY(%(changed)s))
                > max(event.event_id) FILTER (WHERE event.what = %(sent)s)
            ORDER BY delivery.delivery_id
            """,
            {
                "feed": feed,
                "states": [state.value for state in ACCEPTED],
                "changed": [REPLAYED, CORRECTED],
                "sent": SENT,
            },
        )
        return [delivery_id for (delivery_id,) in cursor.fetchall()]
