"""One run at a time works on a feed: advisory locks in Postgres, freed by the database when the run dies.

Three locks: one for collecting a feed's files, one for changing what the record says by them, and one of all feeds for
those of which the record has nothing yet.
"""

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
    with _held(dsn, f"kinbridge.collect {feed}", feed, wait_seconds) as connection:
        yield connection


@contextmanager
def load_lock(dsn: Dsn, feed: str, *, wait_seconds: float = 600.0) -> Iterator[Any]:
    """Hold off loads of the feed, and give the connection that does. KB-D20 as for `feed_lock`."""
    with _held(dsn, _load_key(feed), feed, wait_seconds) as connection:
        yield connection


def lock_load(cursor: Any, feed: str) -> None:
    """Wait for other loads of the feed to end, and hold off more until the cursor's transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_load_key(feed),))


def lock_first_file(cursor: Any) -> None:
    """Wait for first files of other feeds to be loaded, and hold off more until the cursor's transaction ends.

    Each has looked into the table of the rows without a part of their own before it has to lock that table: two at once
    would wait for each other for ever.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('kinbridge first file', 0))")


def _load_key(feed: str) -> str:
    return f"load {feed}"


@contextmanager
def _held(dsn: Dsn, key: str, feed: str, wait_seconds: float) -> Iterator[Any]:
    with explained(dsn.database):
        connection = connect(dsn)
        try:
            connection.autocommit = True
            _acquire(connection, key, feed, wait_seconds)
            yield connection
        finally:
            connection.close()


def _acquire(connection: Any, key: str, feed: str, wait_seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int(wait_seconds * 1000)}ms",))
        try:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (key,))
        except psycopg2.errors.LockNotAvailable:
            raise KinbridgeError("KB-D20", feed=feed, seconds=f"{wait_seconds:g}") from None
        cursor.execute("SELECT set_config('lock_timeout', '0', false)")
