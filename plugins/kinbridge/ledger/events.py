"""Events in the ledger: what happened, when, by whom. Appended, never changed.

Facts are names, counts and codes; never a value from a partner's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg2.extras import Json

Facts = Mapping[str, Any]


def record_event(
    connection: Any,
    delivery_id: int | None,
    actor: str,
    what: str,
    facts: Facts | None = None,
    *,
    feed: str | None = None,
) -> None:
    """Append one event about a delivery, or about a `feed` where there is no delivery (yet)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.event (delivery_id, feed, actor, what, facts)
            SELECT
                %(delivery_id)s,
                COALESCE(%(feed)s, (SELECT feed FROM ledger.delivery WHERE delivery_id = %(delivery_id)s)),
                %(actor)s,
                %(what)s,
                %(facts)s
            """,
            {"delivery_id": delivery_id, "feed": feed, "actor": actor, "what": what, "facts": Json(dict(facts or {}))},
        )


def latest_facts(connection: Any, delivery_id: int, what: str) -> dict[str, Any] | None:
    """The facts of the newest event of this kind about a delivery, or None when there was none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT facts
            FROM ledger.event
            WHERE
                delivery_id = %s
                AND what = %s
            ORDER BY event_id DESC
            LIMIT 1
            """,
            (delivery_id, what),
        )
        row = cursor.fetchone()
    return row[0] if row else None


def record_once(connection: Any, feed: str, actor: str, what: str, facts: Facts) -> bool:
    """Append an event about a feed unless the very same one is there. Whether it was new.

    For things that stay as they are and are met at every run, such as a misnamed file in an inbox.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.event (feed, actor, what, facts)
            SELECT
                %(feed)s,
                %(actor)s,
                %(what)s,
                %(facts)s
            WHERE NOT EXISTS (
                SELECT 1
                FROM ledger.event
                WHERE
                    delivery_id IS NULL
                    AND feed = %(feed)s
                    AND what = %(what)s
                    AND facts = %(facts)s::jsonb
            )
            """,
            {"feed": feed, "actor": actor, "what": what, "facts": Json(dict(facts))},
        )
        return bool(cursor.rowcount)
