"""One run at a time works on a feed: an advisory lock in Postgres, freed by the database when the run dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.errors

from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, connect, explained


@contextmanager
def feed_lock(dsn: Dsn, feed: str, *, wait_seconds: float = 60.0) -> Iterator[Any]:
    """Hold the feed's lock, and give the connection that holds it. That connection is in autocommit: no transaction
    stays open while files are fetched. KB-D20 when another run has held it for `wait_seconds`.
    """
    with explained(dsn.database):
        connection = connect(dsn)
        try:
            connection.autocommit = True
            _acquire(connection, feed, wait_seconds)
            yield connection
        finally:
            connection.close()


def _acquire(connection: Any, feed: str, wait_seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int(wait_seconds * 1000)}ms",))
        try:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('kinbridge.collect ' || %s, 0))", (feed,))
        except psycopg2.errors.LockNotAvailable:
            raise KinbridgeError("KB-D20", feed=feed, seconds=f"{wait_seconds:g}") from None
        cursor.execute("SELECT set_config('lock_timeout', '0', false)")
