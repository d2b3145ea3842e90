"""Destroying keys: of backups that are old enough to go, and of everything that a partner's destroyed data are in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any

from kinbridge.backup.keys import KeyFolder
from kinbridge.backup.part import concerns
from kinbridge.ledger.events import record_event
from kinbridge.retention.term import Term

EXPIRED = "backup expired"
_NAMED = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}$")


def destroy_partner_keys(
    connection: Any, keys: KeyFolder, partner: str, feed: str | None, *, destruction_id: int, by: str
) -> int:
    """Destroy the keys of every backup's parts that hold rows of the feed, or of the partner; how many are destroyed.

    A backup that was broken off has keys too, and they are destroyed with the others. Repeating it is safe: what an
    earlier try destroyed is taken down now.
    """
    reason = f"destruction {destruction_id}"
    count = 0
    for group in keys.groups():
        for part in {*keys.parts(group), *keys.marked(group)}:
            if concerns(part, partner, feed):
                keys.destroy(group, part, reason)
                if keys.destroyed(group, part) == reason:
                    count += 1
                    _note(connection, group, part, reason, by, destruction_id=destruction_id)
    return count


def expire_backups(connection: Any, keys: KeyFolder, term: Term, day: date, by: str) -> list[str]:
    """Destroy all keys of the backups that were made before the term's first day; the backups' ids.

    A backup is a copy: what it was made of is still there, or was destroyed with a certificate. So nobody is asked.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT backup_id FROM ledger.backup WHERE made_at < %s ORDER BY made_at",
            (datetime.combine(term.cutoff(day), time(), UTC),),
        )
        old = [backup_id for (backup_id,) in cursor.fetchall()]
    # One that was broken off stands in no ledger, but it has keys, and its name tells its day.
    cutoff = f"{term.cutoff(day):%Y%m%d}"
    old += [group for group in keys.groups() if _NAMED.match(group) and group[:8] < cutoff and group not in old]
    expired = []
    for backup_id in old:
        parts = keys.parts(backup_id)
        for part in parts:
            keys.destroy(backup_id, part, f"expired: {term.clause}")
            _note(connection, backup_id, part, f"expired: {term.clause}", by)
        if parts:
            expired.append(backup_id)
            record_event(connection, None, by, EXPIRED, {"backup": backup_id, "keys": len(parts)})
    return expired


def _note(
    connection: Any, backup_id: str, part: str, reason: str, by: str, *, destruction_id: int | None = None
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.backup_key_destroyed (backup_id, part, destruction_id, reason, destroyed_by)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            (backup_id, part, destruction_id, reason, by),
        )
