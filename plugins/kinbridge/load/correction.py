"""Resolves what older deliveries left in quarantine, once a newer one brings a sound row of the same key.

The key is the contract's. Of the old row it is read from the content that was kept, trimmed as a landed row is; a row
without a whole key is never matched, and stays open. Older is who came earlier and speaks of no later day: a file of an
earlier month that comes late corrects nothing of a newer one.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from kinbridge.contract.sql import WHITE_SPACE, ident, literal
from kinbridge.staging.landing import Landing

CORRECTED = "rows corrected"


def resolve_corrected(cursor: Any, landing: Landing, as_of: date) -> int:
    """Resolve open rows of older deliveries whose key stands in the landed rows that are not in `refused`.

    Part of the load's transaction. Each older delivery gets an event with the count. Returns how many were resolved.
    """
    if not landing.feed.key or not {c.name for c in landing.columns}.issuperset(landing.feed.key):
        return 0
    _set_waiting(cursor, landing, as_of)
    if cursor.rowcount == 0:
        cursor.execute("DROP TABLE waiting")
        return 0
    ours = ", ".join(f"w.key_{n}" for n, _ in enumerate(landing.feed.key))
    theirs = ", ".join(f"t.{ident(k)}" for k in landing.feed.key)
    cursor.execute("ANALYZE waiting")
    cursor.execute(
        f"""
        WITH resolved AS (
            UPDATE quarantine.source_row AS q
            SET resolved_by = %(delivery_id)s, resolved_at = clock_timestamp()
            FROM waiting AS w
            WHERE
                q.delivery_id = w.delivery_id
                AND q.line_no = w.line_no
                AND ({ours}) IN (
                    SELECT {theirs}
                    FROM {landing.view} AS t
                    WHERE NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = t.line_no)
                )
            RETURNING q.delivery_id
        ),

        counted AS (
            SELECT delivery_id, count(*) AS number
            FROM resolved
            GROUP BY delivery_id
        ),

        noted AS (
            INSERT INTO ledger.event (delivery_id, feed, actor, what, facts)
            SELECT
                delivery_id,
                %(feed)s,
                'load',
                %(what)s,
                jsonb_build_object('rows', number, 'by', %(delivery_id)s::bigint)
            FROM counted
        )

        SELECT coalesce(sum(number), 0)
        FROM counted
        """,
        {"delivery_id": landing.delivery_id, "feed": landing.feed.id, "what": CORRECTED},
    )
    resolved = int(cursor.fetchone()[0])
    cursor.execute("DROP TABLE waiting")
    return resolved


def _set_waiting(cursor: Any, landing: Landing, as_of: date) -> None:
    """The temporary table `waiting`: the open rows of older deliveries of the feed, by their keys."""
    values = ", ".join(
        f"NULLIF(btrim(q.content ->> {literal(k)}, {WHITE_SPACE}), '') AS key_{n}"
        for n, k in enumerate(landing.feed.key)
    )
    cursor.execute(
        f"""
        CREATE TEMP TABLE waiting ON COMMIT DROP AS
        SELECT q.delivery_id, q.line_no, {values}
        FROM quarantine.source_row AS q
        INNER JOIN ledger.delivery AS d ON d.delivery_id = q.delivery_id
        WHERE
            d.feed = %(feed)s
            AND d.delivery_id < %(delivery_id)s
            AND d.as_of <= %(as_of)s
            AND q.resolved_by IS NULL
        """,
        {"feed": landing.feed.id, "delivery_id": landing.delivery_id, "as_of": as_of},
    )
