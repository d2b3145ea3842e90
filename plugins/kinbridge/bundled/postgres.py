"""The bundled Postgres: start it, find it running, recover it after a crash, stop it.

For demo and tests on one machine, as an ordinary user or as root; production uses a Postgres of its own. Nothing is
opened to others: see `cluster` for passwords, the address and the log.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from kinbridge.bundled import cluster as cluster_module
from kinbridge.bundled import process
from kinbridge.bundled.cluster import SERVICE, SUPERUSER, Cluster
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, connect

START_SECONDS = 120.0
ATTEMPTS = 3


@dataclass(frozen=True)
class PostgresService:
    """A running bundled Postgres."""

    host: str
    port: int
    user: str
    password_file: Path
    data: Path
    log: Path

    def dsn(self, database: str = "postgres") -> Dsn:
        """The superuser's way in; for provisioning only, never for tasks."""
        password = self.password_file.read_text(encoding="ascii").strip()
        return Dsn(self.host, self.port, database, self.user, password, sslmode="disable")


def start(folder: Path, *, durable: bool = True) -> PostgresService:
    """Start the Postgres of this folder, or return it when it runs already.

    A new folder is made into a new cluster. After a crash the server recovers by itself. `durable=False` is for tests:
    faster, and data may be lost when the machine stops. Raises KB-S01 to KB-S13, each with its remedy.
    """
    # Others may pass through (the server's own user must), but see no names; every file in it is closed.
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    cluster = Cluster(folder.resolve())
    with process.locked(cluster.folder, SERVICE):
        daemon = _running(cluster)
        if daemon is None or not process.serves(
            lambda: _answers(cluster), daemon=daemon, service=SERVICE, log=cluster.log, timeout=START_SECONDS
        ):
            _start(cluster, durable=durable)
    return _service(cluster)


def running(folder: Path) -> PostgresService | None:
    """The Postgres of this folder if it runs."""
    cluster = Cluster(folder.resolve())
    return _service(cluster) if folder.is_dir() and _running(cluster) is not None else None


def stop(folder: Path) -> bool:
    """Stop the Postgres of this folder: open transactions are rolled back. Returns whether it was running."""
    if not folder.is_dir():
        return False
    cluster = Cluster(folder.resolve())
    with process.locked(cluster.folder, SERVICE):
        if _running(cluster) is None:
            return process.stop(cluster.pid_file, service=SERVICE)
        # Postgres reads SIGTERM as "wait for the last client"; SIGINT stops now and cleanly, SIGQUIT at once.
        return process.stop(cluster.pid_file, service=SERVICE, signals=(signal.SIGINT, signal.SIGQUIT), grace=60.0)


def _start(cluster: Cluster, *, durable: bool) -> None:
    account = cluster_module.prepare(cluster, durable=durable)
    crashed = _clear_after_crash(cluster)
    for attempt in range(1, ATTEMPTS + 1):
        port = process.free_port(cluster.port())
        cluster_module.write_settings(cluster, account, port, durable=durable)
        daemon = process.spawn(
            cluster_module.server_command(cluster, account),
            service=SERVICE,
            pid_file=cluster.pid_file,
            log=cluster.log,
            folder=cluster.folder,
        )
        try:
            process.wait_until_ready(
                lambda: _answers(cluster), daemon=daemon, service=SERVICE, log=cluster.log, timeout=START_SECONDS
            )
            break
        except KinbridgeError:
            process.stop(cluster.pid_file, service=SERVICE, signals=(signal.SIGINT, signal.SIGQUIT))
            # Another program may have taken the port since we looked; then try another one. And Postgres 18 may need a
            # second recovery when a transaction that made an unlogged table died with the server: the first one stops
            # at the emptied file that the dying session left ("could not create file: File exists").
            if attempt == ATTEMPTS or (process.free_port(port) == port and not (crashed and attempt == 1)):
                raise
    _close_to_public(cluster)


def _answers(cluster: Cluster) -> bool:
    """Whether the server lets us in with our password; a stranger on the same port cannot pass for it (scram)."""
    try:
        connect(_service(cluster).dsn()).close()
    except psycopg2.OperationalError:
        return False
    return True


def _close_to_public(cluster: Cluster) -> None:
    """Take from PUBLIC the right, given by default, to enter any database and to fill it with temporary tables."""
    connection = connect(_service(cluster).dsn())
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for name in ("postgres", "template1"):
                cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    finally:
        connection.close()


def _service(cluster: Cluster) -> PostgresService:
    port = cluster.port()
    if port is None:
        raise KinbridgeError("KB-S04", folder=cluster.folder, missing=cluster.port_file.name)
    return PostgresService(process.HOST, port, SUPERUSER, cluster.password_file, cluster.data, cluster.log)


def _running(cluster: Cluster) -> process.Daemon | None:
    """Our server, also when it was started without a record of ours (the record is then written)."""
    recorded = process.read_pid_file(cluster.pid_file)
    if recorded is not None:
        return recorded
    found = _postmaster(cluster)
    if found is not None:
        process.write_pid_file(cluster.pid_file, found)
    return found


def _postmaster(cluster: Cluster) -> process.Daemon | None:
    """The live server that the data folder's own lock file names; None when that is stale or names a stranger."""
    try:
        pid = int((cluster.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return process.describe(pid) if pid in _workers(cluster) else None


def _workers(cluster: Cluster) -> list[int]:
    """Every process of a Postgres server on this data folder: they all work in it."""
    return [pid for pid in process.processes() if _works_in(pid, cluster.data)]


def _works_in(pid: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
        return command == "postgres" and Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:
        return False


def _clear_after_crash(cluster: Cluster) -> bool:
    """Remove the lock file of a server that is gone; whether there was one, so that the server has to recover.

    Postgres takes a stale lock file for a live server when the pid in it belongs to another program of the same user
    by now. Sessions that outlive a killed server would spoil the data of a new one, so they are waited for, and ended.
    """
    if not process.wait_while(lambda: bool(_workers(cluster)), timeout=2.0):
        for number in (signal.SIGQUIT, signal.SIGKILL):
            for pid in _workers(cluster):
                os.kill(pid, number)
            if process.wait_while(lambda: bool(_workers(cluster)), timeout=2.0):
                break
    lock = cluster.data / "postmaster.pid"
    crashed = lock.exists()
    lock.unlink(missing_ok=True)
    return crashed
