"""Failpoints: every instant at which a step makes something last, found by watching it, and a kill just before each.

Nothing in the product knows of them. A forked child runs the step with its commits, its renamed, made and removed
files, its uploads and its mails watched; each is named by what happens and by the function of ours that does it
(`receive.load.load_delivery: commit`). In a second run the child is killed (SIGKILL) just before the one that is asked
for. Between two of them nothing lasts, so that a kill at any other instant comes to the same as one of these.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paramiko
import psycopg2
from tests.support import workers

from kinbridge.settings import HOME

OURS = str(HOME / "plugins" / "kinbridge") + os.sep
# They commit for others: the function that opened the transaction gives the name.
GO_BETWEENS = (f"{OURS}warehouse{os.sep}connection.py", f"{OURS}ledger{os.sep}events.py")
WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|CREATE|DROP)\b")


@dataclass
class Watch:
    """The child's side: tells of each failpoint, and dies before the one at place `kill_at` (None: of none)."""

    pipe: int
    kill_at: int | None
    met: int = 0

    def point(self, what: str) -> None:
        """A failpoint is reached. What happens outside of our own functions is none."""
        place = _place()
        if place is None:
            return
        os.write(self.pipe, f"{place}: {what}\n".encode())
        if self.met == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.met += 1

    def install(self) -> None:
        """Watch this process, for good."""
        watch = self

        class Cursor(psycopg2.extensions.cursor):  # type: ignore[misc, name-defined]
            def execute(self, query: Any, parameters: Any = None) -> None:
                if self.connection.autocommit and WRITES.search(str(query)):
                    watch.point("commit")
                super().execute(query, parameters)

        class Connection(psycopg2.extensions.connection):  # type: ignore[misc, name-defined]
            def cursor(self, *arguments: Any, **options: Any) -> Any:
                options.setdefault("cursor_factory", Cursor)
                return super().cursor(*arguments, **options)

            def commit(self) -> None:
                if self.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS and _wrote(self):
                    watch.point("commit")
                super().commit()

        connect = psycopg2.connect
        psycopg2.connect = lambda **options: connect(**options, connection_factory=Connection)
        self._watch_files()
        for name, what in (("posix_rename", "rename there"), ("rename", "rename there"), ("remove", "remove there")):
            self._before(paramiko.SFTPClient, name, what)
        self._before(paramiko.SFTPClient, "open", "make there", lambda _, __, mode="r", *rest: "w" in mode)
        self._before(subprocess, "run", "run a process")

    def _watch_files(self) -> None:
        for name, what in (("rename", "rename"), ("replace", "rename"), ("symlink", "link"), ("link", "link")):
            self._before(os, name, what)
        for name in ("unlink", "remove"):
            self._before(os, name, "remove", lambda path, *_, **__: os.path.lexists(path))
        self._before(os, "open", "make", lambda _, flags, *__, **___: bool(flags & os.O_CREAT))
        self._before(
            io, "open", "make", lambda path, mode="r", *_, **__: isinstance(path, str) and set(mode) & set("wxa")
        )

    def _before(self, owner: Any, name: str, what: str, lasts: Callable[..., object] = lambda *_, **__: True) -> None:
        original = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            if lasts(*arguments, **options):
                self.point(what)
            return original(*arguments, **options)

        setattr(owner, name, watched)


# What a step calls to tell of something that lasts elsewhere, such as a mail; nothing where nobody watches.
_current: list[Watch] = []


def happens(what: str) -> None:
    """A failpoint of a test's own making: what a step gives to the outside by a function of the test."""
    for watch in _current:
        watch.point(what)


def names_of(step: Callable[[], Any]) -> list[str]:
    """Do the step in a child, undisturbed: the failpoints that it met, in order."""
    names, ended = _run(step, None)
    assert ended == workers.OK
    return names


def kill_before(step: Callable[[], Any], number: int) -> str:
    """Do the step in a child that is killed just before its failpoint `number`, counted from 0; that one's name."""
    names, ended = _run(step, number)
    assert ended == -signal.SIGKILL, f"failpoint {number} was not reached: {names}"
    return names[-1]


def _run(step: Callable[[], Any], kill_at: int | None) -> tuple[list[str], int]:
    reader, writer = os.pipe()

    def watched() -> None:
        watch = Watch(writer, kill_at)
        _current.append(watch)
        watch.install()
        step()

    worker = workers.start(watched)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as told:
        names = told.read().splitlines()
    return names, worker.wait()


def _wrote(connection: Any) -> bool:
    with psycopg2.extensions.cursor(connection) as cursor:
        cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        return bool(cursor.fetchone()[0])


def _place() -> str | None:
    """The nearest function of ours on the stack, as `package.module.function`; a go-between if there is no other."""
    frame, between = sys._getframe(2), None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS):
            found = f"{name.removeprefix(OURS).removesuffix('.py').replace(os.sep, '.')}.{frame.f_code.co_name}"
            if name not in GO_BETWEENS:
                return found
            between = between or found
        frame = frame.f_back  # type: ignore[assignment]
    return between


@contextmanager
def without_gx() -> Iterator[None]:
    """Validation and replay without the second opinion of Great Expectations, which takes a second each time."""
    import pytest

    from kinbridge.quarantine import replay
    from kinbridge.receive import validate
    from kinbridge.validation.expectations import Outcome

    with pytest.MonkeyPatch.context() as patch:
        for module in (replay, validate):
            patch.setattr(module, "run_suite", lambda *_: Outcome({}, None))
            patch.setattr(module, "keep_result", lambda *_: None)
        yield
