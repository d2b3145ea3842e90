"""Erasing what is no row of the record: landed files, landing tables; and writing tables anew, so that no deleted row
is left in their files.

Deleted rows stay in a table's file until VACUUM; VACUUM FULL writes a new file. Postgres's write-ahead log keeps what
was written until its segments are overwritten; docs/retention.md says what that means and what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kinbridge.contract.sql import ident
from kinbridge.warehouse.connection import Dsn, connect, explained

LOCK_WAIT = "10min"


def erase_files(connection: Any, feed: str, cutoff: datetime, *, everything: bool) -> dict[str, int]:
    """Remove the landed files of a feed that were collected before `cutoff` (all if `everything`); their count."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                delivery_id,
                landed_path
            FROM ledger.delivery
            WHERE feed = %s AND landed_path IS NOT NULL AND (%s OR collected_at < %s)
            FOR UPDATE
            """,
            (feed, everything, cutoff),
        )
        found = cursor.fetchall()
        for _, path in found:
            Path(path).unlink(missing_ok=True)
        cursor.execute(
            "UPDATE ledger.delivery SET landed_path = NULL WHERE delivery_id = ANY(%s)", ([one for one, _ in found],)
        )
    return {"files": len(found)}


def erase_staged(connection: Any, feed: str, cutoff: datetime, *, everything: bool) -> dict[str, int]:
    """Drop the landing tables of the feed's deliveries that were collected before `cutoff`; their count."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                c.relname,
                c.relkind
            FROM pg_class AS c
            INNER JOIN ledger.delivery AS d
                ON d.delivery_id = substring(c.relname FROM '__d([0-9]+)(_[a-z]+)?$')::bigint
            WHERE c.relnamespace = 'landing'::regnamespace
                AND c.relkind IN ('r', 'v')
                AND d.feed = %s
                AND (%s OR d.collected_at < %s)
            ORDER BY c.relkind = 'r', c.relname
            """,
            (feed, everything, cutoff),
        )
        found = cursor.fetchall()
        for name, kind in found:
            # What hangs on what was dropped before is gone by now.
            cursor.execute(f"DROP {'VIEW' if kind == 'v' else 'TABLE'} IF EXISTS landing.{ident(name)} CASCADE")
    return {"tables": sum(kind == "r" for _, kind in found)}


def rewrite(dsn: Dsn, relations: Iterable[str]) -> int:
    """Write these tables and their statistics anew without what was deleted; how many were. Safe to repeat."""
    count = 0
    with explained(dsn.database):
        connection = connect(dsn)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{LOCK_WAIT}'")
                for relation in relations:
                    cursor.execute(f"VACUUM (FULL, ANALYZE) {relation}")
                    count += 1
        finally:
            connection.close()
    return count


@dataclass(frozen=True)
class Flushed:
    """How many segments the write-ahead log had, and whether the server uses segments again (`wal_recycle`)."""

    segments: int
    recycles: bool


def flush(administrator: Dsn) -> Flushed:
    """Write the catalogue's statistics anew, and have the server give up its whole write-ahead log.

    Where no segment is used again, those that are over are removed at the checkpoint, and nothing of them is left in
    the log's folder. Elsewhere they are written over; one that the last checkpoints have not set free may hold old
    values. Segments that a replication slot or `wal_keep_size` holds stay, and where the log is archived, the archive
    has to be seen to by itself. For an administrator.
    """
    with explained(administrator.database):
        connection = connect(administrator)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("VACUUM (FULL) pg_catalog.pg_statistic")
                cursor.execute("CHECKPOINT")
                cursor.execute("SELECT count(*), current_setting('wal_recycle')::boolean FROM pg_ls_waldir()")
                flushed = Flushed(*cursor.fetchone())
                # Twice: the segment in use, and that of the checkpoint before, are free only then.
                for _ in range(2):
                    for _ in range(flushed.segments + 1):
                        # A switch needs something to have been written since the last one.
                        cursor.execute("SELECT pg_logical_emit_message(FALSE, 'kinbridge', '')")
                        cursor.execute("SELECT pg_switch_wal()")
                    cursor.execute("CHECKPOINT")
                return flushed
        finally:
            connection.close()
