"""A feed's own part of a table of the record: made for its first file, filled, then indexed, then attached.

To sort a million keys once and write an index from them takes half the time of a million insertions into it, and far
less than half where the index no longer fits into memory. The functions called here belong to the owner, who alone may
make tables of the record; `warehouse/migrations/0013_feed_partitions.sql` has them, and what they refuse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kinbridge.load.target import Target


def opened(cursor: Any, target: Target, feed_id: str) -> str | None:
    """Make the feed's own table, empty and without indexes; its name, quoted.

    None when the record has rows of the feed, or has had: then it is loaded as any other delivery.
    """
    cursor.execute("SELECT record.open_feed(%s, %s)", (target.name, feed_id))
    name = cursor.fetchone()[0]
    return None if name is None else str(name)


def index(cursor: Any, target: Target, feed_id: str) -> None:
    """Build the indexes of the filled table. Raises `psycopg2.IntegrityError` when two of its rows have one key."""
    cursor.execute("SELECT record.index_feed(%s, %s)", (target.name, feed_id))


def attach(cursor: Any, names: Iterable[str], feed_id: str) -> None:
    """Make the filled tables parts of these tables of the record.

    One after the other by name, whatever order the transform has: each takes a lock until the end of the transaction,
    and two first files at once must not wait for each other.
    """
    for name in sorted(names):
        cursor.execute("SELECT record.attach_feed(%s, %s)", (name, feed_id))
