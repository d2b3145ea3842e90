"""Statements by which tests arrange and look, over one connection that is kept for the next of them.

Most tests ask the same warehouse again and again, and logging in takes longer than the answer. Only what tests ask for
themselves goes this way, never what is tested.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from kinbridge.warehouse.connection import Dsn, connect

# By it those who count the sessions of a database know that this is none of theirs.
APPLICATION = "kinbridge lookout"


# Enough for a warehouse and what a test compares it with.
MOST = 2


class _Kept(threading.local):
    """The connections of this thread, those used last at the end; and whose they are: a fork must not use them."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.connections: dict[Dsn, Any] = {}


_kept = _Kept()


def rows(
    dsn: Dsn, statement: Any, parameters: tuple[object, ...] | dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """What one statement in a transaction of its own gives."""
    with looking(dsn) as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def looking(dsn: Dsn) -> Iterator[Any]:
    """A cursor for several statements in one transaction."""
    connection = _connection(dsn)
    with connection, connection.cursor() as cursor:
        yield cursor


def leave() -> None:
    """Close what is kept, for a database that nobody may be connected to."""
    while _kept.process == os.getpid() and _kept.connections:
        _kept.connections.popitem()[1].close()


def _connection(dsn: Dsn) -> Any:
    """The kept connection if it lives, else a new one."""
    if _kept.process != os.getpid():
        _kept.process, _kept.connections = os.getpid(), {}
    connection = _kept.connections.pop(dsn, None)
    if connection is None or not _lives(connection):
        connection = connect(dsn)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', %s, false)", (APPLICATION,))
    _kept.connections[dsn] = connection
    while len(_kept.connections) > MOST:
        _kept.connections.pop(next(iter(_kept.connections))).close()
    return connection


def _lives(connection: Any) -> bool:
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True
