"""The bundled Postgres: starts anywhere, comes back after a crash, opens nothing, stops alone."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from kinbridge.bundled import cluster, launcher, postgres, process
from kinbridge.bundled.postgres import PostgresService
from kinbridge.errors import KinbridgeError
from kinbridge.settings import home
from kinbridge.warehouse import migrate
from kinbridge.warehouse.connection import Dsn, connect

CANARY = "canary-100009868"
CAP_DAC_READ_SEARCH_ONLY = f"{1 << launcher.CAP_DAC_READ_SEARCH:016x}"
NO_CAPABILITY = f"{0:016x}"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cluster for this module, in a path with a space, started and stopped at will."""
    path = tmp_path_factory.mktemp("a folder") / "of ours" / "postgres"
    yield path
    postgres.stop(path)


@pytest.fixture
def service(folder: Path) -> PostgresService:
    return postgres.start(folder, durable=False)


def run(dsn: Dsn, statement: str) -> Any:
    connection = connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def postmaster(service: PostgresService) -> int:
    return int((service.data / "postmaster.pid").read_text().split()[0])


def status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name + ":"))


def test_a_second_start_returns_the_running_server(folder: Path, service: PostgresService) -> None:
    pid = postmaster(service)
    assert postgres.start(folder) == service
    assert postgres.running(folder) == service
    assert postmaster(service) == pid


def test_two_starts_at_once_make_one_server(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from kinbridge.bundled import postgres;"
        "print(postgres.start(pathlib.Path(sys.argv[1]), durable=False).port)"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "pg")],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(home() / "plugins")},
        )
        for _ in range(2)
    ]
    ports = {start.communicate(timeout=60)[0] for start in starts}
    assert [start.returncode for start in starts] == [0, 0]
    assert len(ports) == 1
    # Whoever started it, anybody with the folder can stop it.
    assert postgres.stop(tmp_path / "pg")


def test_settings_hold_and_nobody_is_trusted(service: PostgresService) -> None:
    expected = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_min_messages": "fatal",
        "log_statement": "none",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "jit": "off",
        "allow_alter_system": "off",
        "max_connections": "200",
        "shared_buffers": "1GB",
    }
    for name, value in expected.items():
        assert run(service.dsn(), f"SHOW {name}") == [(value,)], name
    assert run(service.dsn(), "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [("scram-sha-256",)]
    assert run(service.dsn(), "SELECT lower('ÉCOLE'), 'a' < 'B'") == [("école", False)]
    with pytest.raises(psycopg2.OperationalError, match="password"):
        connect(Dsn(service.host, service.port, "postgres", "postgres", "wrong"))


def test_a_durable_server_keeps_its_word(tmp_path: Path) -> None:
    service = postgres.start(tmp_path / "pg")
    try:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert run(service.dsn(), f"SHOW {name}") == [("on",)]
    finally:
        postgres.stop(tmp_path / "pg")


def test_secrets_are_private_and_in_no_command_line(service: PostgresService) -> None:
    password = service.password_file.read_text().strip()
    assert stat.S_IMODE(service.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(service.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(service.data.stat().st_mode) == 0o700
    for pid in process.processes():
        with contextlib.suppress(OSError):
            assert password not in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
            assert password not in Path(f"/proc/{pid}/environ").read_text(errors="replace")
    assert password not in repr(service)
    assert password not in repr(service.dsn())


def test_the_log_quotes_no_data(service: PostgresService) -> None:
    run(service.dsn(), "CREATE TABLE IF NOT EXISTS quoted (ssn text PRIMARY KEY, n integer)")
    for statement in (
        f"INSERT INTO quoted VALUES ('{CANARY}', 1), ('{CANARY}', 2)",
        f"INSERT INTO quoted VALUES ('1', '{CANARY}'::text::integer)",
        f"DO $$ BEGIN RAISE WARNING '{CANARY}'; RAISE EXCEPTION '{CANARY}'; END $$",
    ):
        with pytest.raises(psycopg2.Error, match=CANARY):
            run(service.dsn(), statement)
    assert CANARY not in service.log.read_text()


def test_the_port_is_kept_over_a_restart_and_given_up_when_taken(folder: Path, service: PostgresService) -> None:
    assert postgres.stop(folder)
    assert postgres.running(folder) is None
    assert postgres.start(folder, durable=False).port == service.port
    assert postgres.stop(folder)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((process.HOST, service.port))
        stranger.listen()
        moved = postgres.start(folder, durable=False)
        assert moved.port != service.port
        assert run(moved.dsn(), "SELECT 1") == [(1,)]


def test_what_was_committed_survives_kill_9(folder: Path, service: PostgresService) -> None:
    # A server for tests answers before the commit is in its log; this commit waits, as in a durable one.
    statement = "SET synchronous_commit = on; CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n"
    run(service.dsn(), statement)
    open_transaction = connect(service.dsn())
    open_transaction.cursor().execute("INSERT INTO kept SELECT generate_series(1, 100000)")
    os.kill(postmaster(service), signal.SIGKILL)
    again = postgres.start(folder, durable=False)
    assert again.port == service.port
    assert run(again.dsn(), "SELECT count(*) FROM kept") == [(1000,)]
    open_transaction.close()


def test_a_session_that_outlives_the_server_is_ended_before_a_new_one(folder: Path, service: PostgresService) -> None:
    connection = connect(service.dsn())
    backend = connection.info.backend_pid
    # A stopped process notices nothing, as one that waits for a disk.
    os.kill(backend, signal.SIGSTOP)
    os.kill(postmaster(service), signal.SIGKILL)
    again = postgres.start(folder, durable=False)
    assert process.describe(backend) is None
    assert run(again.dsn(), "SELECT 1") == [(1,)]
    connection.close()


def test_a_stale_lock_file_with_the_pid_of_a_stranger_is_seen_through(folder: Path, service: PostgresService) -> None:
    lock = service.data / "postmaster.pid"
    lines = lock.read_text().splitlines()
    owner = lock.stat()
    os.kill(postmaster(service), signal.SIGKILL)
    stranger = subprocess.Popen(
        ["sleep", "60"], **({"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {})
    )
    try:
        assert process.wait_while(lambda: postgres.running(folder) is not None, timeout=10)
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        os.chown(lock, owner.st_uid, owner.st_gid)
        assert run(postgres.start(folder, durable=False).dsn(), "SELECT 1") == [(1,)]
        assert postgres.stop(folder)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_without_a_record_is_found_and_stopped(folder: Path, service: PostgresService) -> None:
    pid = postmaster(service)
    (folder / "postgres.pid").unlink()
    assert postgres.start(folder, durable=False) == service
    assert postmaster(service) == pid
    (folder / "postgres.pid").unlink()
    assert postgres.stop(folder)
    assert process.describe(pid) is None


def test_stop_is_quick_with_clients_and_harmless_twice(folder: Path, service: PostgresService) -> None:
    connection = connect(service.dsn())
    assert postgres.stop(folder)
    assert not postgres.stop(folder)
    assert not postgres.stop(folder / "nowhere")
    connection.close()


@as_root
def test_no_permission_outside_is_changed_and_one_capability_opens_closed_folders(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    parents = [*closed.parents, closed, Path(sys.prefix), cluster.binaries(), *cluster.binaries().parents]
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in parents]
    service = postgres.start(closed / "pg", durable=False)
    try:
        assert [(path, path.stat().st_mode, path.stat().st_uid) for path in parents] == before
        pid = postmaster(service)
        assert status(pid, "Uid") != "0"
        for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            assert status(pid, name) == CAP_DAC_READ_SEARCH_ONLY
    finally:
        postgres.stop(closed / "pg")


@as_root
def test_no_capability_is_kept_where_folders_are_open() -> None:
    if any(not parent.stat().st_mode & stat.S_IXOTH for parent in cluster.binaries().parents):
        pytest.skip("the programs themselves are in a closed folder")
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)
        service = postgres.start(Path(temporary) / "pg", durable=False)
        try:
            pid = postmaster(service)
            assert status(pid, "Uid") != "0"
            for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                assert status(pid, name) == NO_CAPABILITY
        finally:
            postgres.stop(Path(temporary) / "pg")


@as_root
def test_the_launcher_never_runs_a_command_as_root(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(launcher.__file__), "--user", "0:0", "--", "/bin/touch", str(tmp_path / "x")]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    assert not (tmp_path / "x").exists()


ORDINARY = """
import os, pathlib, sys
from kinbridge.bundled import postgres, sftp
from kinbridge.warehouse import migrate, roles
assert os.geteuid() != 0
folder = pathlib.Path(sys.argv[1])
service = postgres.start(folder / "pg", durable=False)
dsns = roles.provision(service.dsn(), folder / "state")
print(migrate.migrate(dsns["kb_owner"]))
print(len(sftp.start(folder / "sftp", ["snap"]).keys))
print(sftp.stop(folder / "sftp"), postgres.stop(folder / "pg"))
"""


@as_root
def test_everything_works_as_an_ordinary_user_in_a_path_with_a_space() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "a b 100% 'c'"
        place.mkdir(mode=0o700)
        os.chown(temporary, 65534, 65534)
        os.chown(place, 65534, 65534)
        result = subprocess.run(
            [
                *(sys.executable, "-I", str(launcher.__file__), "--user", "65534:65534"),
                *("--needs", os.path.realpath(sys.executable), "--needs", str(home()), "--"),
                *(sys.executable, "-c", ORDINARY, str(place)),
            ],
            env={"PYTHONPATH": str(home() / "plugins"), "PATH": os.environ["PATH"], "HOME": str(place)},
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.split() == [migrate.newest(), "1", "True", "True"]
        # Root finds the folder of an ordinary user, and runs its server as that user.
        service = postgres.start(place / "pg", durable=False)
        assert status(postmaster(service), "Uid") == "65534"
        assert postgres.stop(place / "pg")


@as_root
def test_another_users_data_folder_is_refused_plainly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.start(folder, durable=False)
    postgres.stop(folder)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(KinbridgeError, match="KB-S06"):
        postgres.start(folder)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: (data / "global" / "pg_control").unlink(), "KB-S04"),
        (lambda data: shutil.rmtree(data / "pg_wal"), "KB-S04"),
        (lambda data: (data / "PG_VERSION").write_text("17\n"), "KB-S05"),
        (lambda data: (data.parent / "superuser.password").unlink(), "KB-S07"),
        (lambda data: (data / "global" / "pg_control").write_bytes(bytes(8192)), "KB-S02"),
    ],
)
def test_a_damaged_folder_is_named_and_left_as_it_is(folder: Path, tmp_path: Path, damage: Any, code: str) -> None:
    postgres.start(folder, durable=False)
    postgres.stop(folder)
    copy = tmp_path / "pg"
    subprocess.run(["cp", "-a", str(folder), str(copy)], check=True)
    damage(copy / "data")
    before = sorted(path.name for path in (copy / "data").rglob("*"))
    with pytest.raises(KinbridgeError) as caught:
        postgres.start(copy, durable=False)
    assert caught.value.code == code
    assert postgres.running(copy) is None
    assert sorted(path.name for path in (copy / "data").rglob("*")) == before


def test_a_full_disk_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(0, 0, 10 * cluster.MEBIBYTE))
    with pytest.raises(KinbridgeError) as caught:
        postgres.start(tmp_path / "pg")
    assert caught.value.code == "KB-S01"
    assert not (tmp_path / "pg" / "data").exists()


def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "pg" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    service = postgres.start(tmp_path / "pg", durable=False)
    assert run(service.dsn(), "SELECT 1") == [(1,)]
    assert not half.exists()
    postgres.stop(tmp_path / "pg")
