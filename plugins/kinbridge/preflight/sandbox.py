"""A private place for one preflight: a bundled Postgres with the warehouse in it, and a folder for suites and results.

Everything lies in one temporary folder that only this user can read, and is gone afterwards: also after Ctrl-C and
SIGTERM, and, when the process was killed outright, at the next preflight. It must never touch the project's own state.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kinbridge.bundled import postgres, process
from kinbridge.bundled.cluster import Cluster
from kinbridge.settings import great_expectations_folder
from kinbridge.validation.expectations import project
from kinbridge.warehouse.connection import Dsn
from kinbridge.warehouse.migrate import migrate
from kinbridge.warehouse.roles import OWNER, PIPELINE, provision

PREFIX = "kinbridge-preflight-"
LOCK = "lock"
GX = "KINBRIDGE_GX"


@dataclass(frozen=True)
class Sandbox:
    """A running private warehouse: the pipeline's way in, and the folder where copies of files may lie."""

    folder: Path
    dsn: Dsn


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Start it, and remove it at the end, whatever happens. Raises KB-S01 to KB-S27 when Postgres cannot be started."""
    sweep()
    with _interruptible():
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            with _claim(folder), own_suites(folder / "gx"):
                server = postgres.start(folder / "postgres", durable=False)
                dsns = provision(server.dsn(), folder / "roles")
                migrate(dsns[OWNER])
                yield Sandbox(folder, dsns[PIPELINE])
        finally:
            with _undisturbed():
                _remove(folder)


def sweep() -> int:
    """Remove what preflights that were killed outright left behind; returns how many there were.

    A living one holds the lock in its folder. Folders of other users are not ours to touch.
    """
    count = 0
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            with (folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
                count += 1
    return count


def _remove(folder: Path) -> None:
    """Stop Postgres the quick way, since its data is thrown away, and remove everything."""
    server = process.read_pid_file(Cluster(folder / "postgres").pid_file)
    if server is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGQUIT)
    postgres.stop(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _claim(folder: Path) -> Iterator[IO[bytes]]:
    """Hold the folder's lock. It gets its name only when it is locked, so that a sweep never finds it open."""
    with (folder / f"{LOCK}.new").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / f"{LOCK}.new").rename(folder / LOCK)
        yield lock


@contextlib.contextmanager
def own_suites(folder: Path) -> Iterator[None]:
    """A Great Expectations project of its own: settings of the real one, suites and results of this preflight."""
    (folder / "expectations").mkdir(parents=True, mode=0o700)
    shutil.copy(great_expectations_folder() / "great_expectations.yml", folder)
    before = os.environ.get(GX)
    os.environ[GX] = str(folder)
    project.cache_clear()
    try:
        yield
    finally:
        os.environ.pop(GX, None)
        if before is not None:
            os.environ[GX] = before
        project.cache_clear()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal end the preflight as Ctrl-C does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not stop the tidying up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
