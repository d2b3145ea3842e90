"""A feed's own part of a table of the record: made for its first file, filled, then indexed, then attached.

To sort a million keys once and write an index from them takes half the time of a million insertions into it, and far
less than half where the index no longer fits into memory. The functions called here belong to the owner, who alone may
make tables of the record; `warehouse/migrations/0013_feed_partitions.sql` has them, and what they refuse.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psycopg2.errors

from kinbridge.ledger.locks import lock_first_file
from kinbridge.load.target import Target

# Shorter than the second after which Postgres looks for a deadlock.
LOCK_TIMEOUT = "200ms"
AGAIN_SECONDS = 0.3
# Linkage of everything takes minutes; who has waited so long waits for something that will not end.
PATIENCE_SECONDS = 3600.0


def opened(cursor: Any, target: Target, feed_id: str) -> str | None:
    """Make the feed's own table, empty and without indexes; its name, quoted.

    None when the record has rows of the feed, or has had: then it is loaded as any other delivery. Until the end of
    the transaction no other feed can open one.
    """
    lock_first_file(cursor)
    cursor.execute("SELECT record.open_feed(%s, %s)", (target.name, feed_id))
    name = cursor.fetchone()[0]
    return None if name is None else str(name)


def index(cursor: Any, target: Target, feed_id: str) -> None:
    """Build the indexes of the filled table. Raises `psycopg2.IntegrityError` when two of its rows have one key."""
    cursor.execute("SELECT record.index_feed(%s, %s)", (target.name, feed_id))


def attach(cursor: Any, names: Iterable[str], feed_id: str) -> None:
    """Make the filled tables parts of these tables of the record; waits until nobody reads what Postgres has to lock.

    To attach a part locks the table of the rows that have no part of their own, and linkage reads it for minutes. Who
    waited for such a lock in Postgres would have everybody wait that comes after, and two who wait for each other
    would be a deadlock. So all the locks are had at once or given back, and asked for again a little later.

    Raises `psycopg2.errors.LockNotAvailable` after `PATIENCE_SECONDS`.
    """
    tables = sorted(names)
    if not tables:
        return
    cursor.execute("SELECT current_setting('lock_timeout')")
    (usual,) = cursor.fetchone()
    until = time.monotonic() + PATIENCE_SECONDS
    while not _attached(cursor, tables, feed_id, last=time.monotonic() > until):
        time.sleep(AGAIN_SECONDS)
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (usual,))


def _attached(cursor: Any, tables: list[str], feed_id: str, *, last: bool) -> bool:
    """Attach all of them now, or none; at the `last` try the failure is raised."""
    cursor.execute("SAVEPOINT attaching")
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
    try:
        for name in tables:
            cursor.execute("SELECT record.attach_feed(%s, %s)", (name, feed_id))
    except psycopg2.errors.LockNotAvailable:
        if last:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT attaching")
        return False
    cursor.execute("RELEASE SAVEPOINT attaching")
    return True
