"""Workers that can be killed: forked children that do one step of a delivery and nothing else of the test.

A fork has everything imported already, as the LocalExecutor's workers have. It leaves by `os._exit`, so that it runs
none of the test's own endings.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support import lookout

from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, connect

OK, REFUSED, BROKEN = 0, 3, 4


@dataclass
class Worker:
    """A forked child; `wait` gives its exit code, negative for a signal."""

    pid: int
    ended: int | None = None

    def wait(self, seconds: float = 60.0) -> int:
        deadline = time.monotonic() + seconds
        while self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                raise AssertionError("the worker does not end")
            else:
                time.sleep(0.005)
        return self.ended

    def running(self) -> bool:
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended = os.waitstatus_to_exitcode(status)
        return self.ended is None

    def signal(self, number: signal.Signals) -> None:
        if self.running():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Fine when it ended before."""
        self.signal(signal.SIGKILL)
        self.wait()


def start(step: Callable[[], Any]) -> Worker:
    """Do `step` in a child: exit code 0 when it ends, 3 for a KinbridgeError, 4 for any other failure."""
    pid = os.fork()
    if pid:
        return Worker(pid)
    code = BROKEN
    try:
        step()
        code = OK
    except KinbridgeError as error:
        sys.__stderr__.write(f"worker: {error}\n")  # type: ignore[union-attr]
        code = REFUSED
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        sys.__stderr__.flush()  # type: ignore[union-attr]
        os._exit(code)


def run(step: Callable[[], Any]) -> int:
    """Do `step` in a child and wait for it."""
    return start(step).wait()


@contextmanager
def locked(superuser: Dsn, table: str) -> Iterator[None]:
    """Hold a table so that nobody else can even read it."""
    connection = connect(superuser)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20s'")
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        connection.rollback()
        connection.close()


def wait_for_blocked(superuser: Dsn, count: int = 1, seconds: float = 60.0) -> None:
    """Until `count` sessions of the database wait for a lock."""
    connection = connect(superuser)
    connection.autocommit = True
    try:
        deadline = time.monotonic() + seconds
        with connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if cursor.fetchone()[0] >= count:
                    return
                time.sleep(0.01)
    finally:
        connection.close()
    raise AssertionError("nobody waits for the lock")


def wait_until_alone(superuser: Dsn, seconds: float = 30.0) -> None:
    """Until the sessions of killed workers are gone: the server notices a dead client when it next writes to it."""
    connection = connect(superuser)
    connection.autocommit = True
    try:
        deadline = time.monotonic() + seconds
        with connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                    "AND backend_type = 'client backend' AND application_name <> %s",
                    (lookout.APPLICATION,),
                )
                if cursor.fetchone()[0] == 0:
                    return
                time.sleep(0.01)
    finally:
        connection.close()
    raise AssertionError("a dead worker's session lives on")
