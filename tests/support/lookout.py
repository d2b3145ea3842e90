"""Statements by which tests arrange and look, over one connection that is kept for the next of them.

Most tests ask the same warehouse again and again, and logging in takes longer than the answer. Only what tests ask for
themselves goes this way, never what is tested.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

import psycopg2

from kinbridge.warehouse.connection import Dsn, connect

# By it those who count the sessions of a database know that this is none of theirs.
APPLICATION = "kinbridge lookout"


class _Kept(threading.local):
    """The connection of this thread, and whose it is: a fork must not use its parent's."""

    owner: tuple[int, Dsn] | None = None
    connection: Any = None


_kept = _Kept()


def rows(
    dsn: Dsn, statement: Any, parameters: tuple[object, ...] | dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """What one statement in a transaction of its own gives."""
    connection = _connection(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def _connection(dsn: Dsn) -> Any:
    """The kept connection if it leads there and lives, else a new one in its place."""
    owner = (os.getpid(), dsn)
    if _kept.owner == owner and _lives(_kept.connection):
        return _kept.connection
    if _kept.owner is not None and _kept.owner[0] == os.getpid():
        with contextlib.suppress(psycopg2.Error):
            _kept.connection.close()
    _kept.owner = None
    _kept.connection = connect(dsn)
    with _kept.connection, _kept.connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", (APPLICATION,))
    _kept.owner = owner
    return _kept.connection


def _lives(connection: Any) -> bool:
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True
