"""A Postgres as Debian packages it, for tests: another build and another version than the bundled one.

The warehouse needs 16 or later. The server runs on a free port of 127.0.0.1, in a folder of its own below the system's
temporary folder (Postgres refuses root, and an account without rights must reach it), with a password for everybody.
It may be killed and started again.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest

from kinbridge.bundled import process
from kinbridge.warehouse.connection import Dsn, connect

OLDEST = 16
FIRST_BUILTIN_LOCALE = 17
# The folder of `postgres` and `initdb`, where it is not Debian's usual one.
PLACE = "KINBRIDGE_TEST_POSTGRES"
# Set where everything has to be tested, so that a missing server fails instead of being passed over.
REQUIRED = "KINBRIDGE_REQUIRE_POSTGRES"
SETTINGS = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
password_encryption = scram-sha-256
fsync = off
full_page_writes = off
log_min_messages = fatal
log_min_error_statement = panic
log_error_verbosity = terse
shared_buffers = 64MB
max_connections = 50
jit = off
"""


@dataclass
class PackagedPostgres:
    """A running server; to a test it looks like the bundled one."""

    binaries: Path
    folder: Path
    port: int
    password: str = field(repr=False)
    account: str | None = None
    host: str = process.HOST
    _server: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "log"

    def dsn(self, database: str = "postgres") -> Dsn:
        """The superuser's way in."""
        return Dsn(self.host, self.port, database, "postgres", self.password, sslmode="disable")

    def create(self) -> None:
        """Make the data folder."""
        secret = self.folder / "password"
        secret.write_text(self.password, encoding="ascii")
        if self.account:
            shutil.chown(self.folder, self.account)
            shutil.chown(secret, self.account)
        # Upper and lower case of all of Unicode, as the bundled one has it.
        builtin = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        locale = builtin if _version(self.binaries) >= FIRST_BUILTIN_LOCALE else ["--locale=C.UTF-8"]
        options = ["--username=postgres", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        self._run("initdb", f"--pgdata={self.folder / 'data'}", *options, *locale)
        secret.unlink()
        with (self.folder / "data" / "postgresql.conf").open("a", encoding="ascii") as settings:
            settings.write(SETTINGS.format(host=self.host, port=self.port))

    def start(self, seconds: float = 60.0) -> None:
        """Start it, or start it again after a kill: it then recovers first."""
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.folder / "data")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=process.bare_environment(),
                user=self.account,
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._server.poll() is None:
            try:
                connect(self.dsn()).close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.02)
        raise AssertionError("Postgres does not answer; its log:\n" + self.log.read_text(encoding="utf-8"))

    def kill(self) -> None:
        """SIGKILL to the server and all of its processes at once, as when a machine dies.

        A session that outlives its server by a moment rolls back and takes its files away, but nobody is left to write
        that to the log; the recovery may then find a file where it is about to make one, and gives up.
        """
        assert self._server is not None
        data = self.folder / "data"
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in [pid for pid in process.processes() if _works_in(pid, data)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        self._server.wait(30)
        _wait_until_alone(data)

    def stop(self) -> None:
        """Stop it now, open transactions are rolled back."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(60)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.binaries / program), *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            env=process.bare_environment(),
            user=self.account,
        )


def binaries() -> Path:
    """The newest packaged server that the warehouse can use; skips without one, or fails where there has to be one."""
    named = os.environ.get(PLACE)
    places = [Path(named)] if named else list(Path("/usr/lib/postgresql").glob("*/bin"))
    found = {_version(place): place for place in places if (place / "postgres").is_file()}
    newest = max(found, default=0)
    if newest < OLDEST:
        reason = f"no packaged Postgres {OLDEST} or later is installed (the newest one is {newest or 'none'})"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    return found[newest]


@contextmanager
def running() -> Iterator[PackagedPostgres]:
    """Run a server of one's own until the block ends."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="kinbridge packaged postgres "))
    account = "postgres" if os.geteuid() == 0 and _known("postgres") else "nobody" if os.geteuid() == 0 else None
    server = PackagedPostgres(programs, folder, process.free_port(None), secrets.token_urlsafe(24), account)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _version(place: Path) -> int:
    said = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(number[1]) if number else 0


def _known(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _wait_until_alone(data: Path, seconds: float = 20.0) -> None:
    """Until no session of a killed server is left: they would spoil the data of a new one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(_works_in(pid, data) for pid in process.processes()):
            return
        time.sleep(0.02)
    raise AssertionError("sessions outlive their server")


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:
        return False
