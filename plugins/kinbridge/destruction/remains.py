"""What remains after a destruction, and why: read from the ledger and the declarations, in words for certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinbridge.destruction.batch import Batch
from kinbridge.retention.due import RETENTION
from kinbridge.retention.term import Term

_NAMES = {"ledger": "The ledger", "mart": "Published figures"}


def remains_of(
    connection: Any, batch: Batch, kept: Mapping[str, str], backups: Term, consents: int
) -> tuple[tuple[str, str], ...]:
    """What is left of a batch's data. `kept` are the office's reasons, `consents` statements on consent that stay."""
    found = [(_NAMES.get(name, name), why) for name, why in kept.items()]
    with connection.cursor() as cursor:
        cursor.execute(_RELEASES, {"feed": batch.feed, "partner": batch.partner})
        for name, recipient, state, told, acknowledged in cursor.fetchall():
            said = (
                "has confirmed" if acknowledged else "was told, and has not confirmed" if told else "was not told yet"
            )
            found.append((f"Release {name}", f"With {recipient} ({state}), who {said}. The accounting of it stays."))
        cursor.execute("SELECT count(*) FROM ledger.backup WHERE made_at < clock_timestamp()")
        (copies,) = cursor.fetchone()
    if consents:
        why = "They still hold for the same persons' records of other partners or feeds."
        found.append((f"{consents:,} statements on consent", why))
    if batch.cause == RETENTION and copies:
        why = f"Backups that were made before are readable for up to {backups.days} days more ({backups.clause})."
        found.append(("Backups", why))
    found.append(
        (
            "The server's log",
            "Postgres's write-ahead log, and its archive where the site keeps one, hold earlier writes until they are "
            "overwritten or removed.",
        )
    )
    return tuple(found)


# Grain: one row per release that was made of the feed's (or the partner's) data and left the house.
_RELEASES = """
SELECT
    r.name,
    r.recipient_name,
    r.state,
    bool_or(c.told_at IS NOT NULL),
    coalesce(bool_and(c.acknowledged_at IS NOT NULL) FILTER (WHERE c.recall_id IS NOT NULL), FALSE)
FROM ledger.release AS r
LEFT JOIN ledger.recall AS c USING (release_id)
WHERE r.state IN ('sending', 'issued')
    AND EXISTS (
        SELECT
        FROM ledger.disclosure AS d
        WHERE d.release_id = r.release_id
            AND (d.feed = %(feed)s OR %(feed)s IS NULL AND split_part(d.feed, '/', 1) = %(partner)s)
    )
GROUP BY r.release_id, r.name, r.recipient_name, r.state
ORDER BY r.release_id
"""
