"""Failure cases 28 to 31 and a full database disk: databases and connections that fail under a step, on two Postgres.

The bundled server and one as Debian packages it. Case 27 is in `test_cases_failpoints.py`; `test_killed_workers.py`
kills workers and the bundled server in the middle of larger loads.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from tests.support import packaged_postgres, workers
from tests.support.agency import agency_site
from tests.support.cases import JUNE, MAY, Casework
from tests.support.deliveries import TODAY, Intake
from tests.support.proxy import proxied
from tests.support.state import state_of

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.receive import load as load_step
from kinbridge.receive import stage as stage_step
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.staging import stage as staging
from kinbridge.warehouse import migrate, roles
from kinbridge.warehouse.connection import Dsn, connect

ACCOUNT = "snap"


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with agency_site(tmp_path_factory.mktemp("site")) as folder:
        yield folder


@pytest.fixture(scope="module", params=["bundled", "packaged"])
def store(request: pytest.FixtureRequest) -> Any:
    """A warehouse on one of the two servers."""
    return request.getfixturevalue({"bundled": "new_warehouse", "packaged": "new_packaged_warehouse"}[request.param])()


@pytest.fixture
def agency(include: Path, store: Any, sftp_server: Any, tmp_path: Path) -> Iterator[Casework]:
    yield (agency := Casework(store, sftp_server, ACCOUNT, Intake(store, tmp_path)))
    agency.leave()


@pytest.fixture
def clean(agency: Casework, tmp_path: Path) -> dict[str, str]:
    """The state that this server is in after a clean run; it is empty again then."""
    agency.put()
    agency.receive()
    state = state_of(agency.warehouse.superuser)
    agency.passes(state)
    agency.leave()
    return state


def last_one_ready(agency: Casework) -> int:
    """May is loaded, June is validated: its delivery."""
    agency.put(MAY)
    agency.receive()
    agency.put(JUNE)
    [delivery] = agency.collect().new
    agency.intake.judge(delivery)
    return delivery


def stopping_before(module: Any, name: str) -> Any:
    """For a worker: stops itself (SIGSTOP) when it first comes to this function of the module."""
    original, met = getattr(module, name), []

    def stopping(*arguments: Any, **options: Any) -> Any:
        if not met:
            met.append(1)
            os.kill(os.getpid(), signal.SIGSTOP)
        return original(*arguments, **options)

    return stopping


def wait_until_stopped(worker: workers.Worker) -> None:
    _, status = os.waitpid(worker.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


@pytest.mark.case(29)
def test_a_worker_that_wakes_up_when_its_retry_has_finished_changes_nothing(
    agency: Casework, clean: dict[str, str]
) -> None:
    delivery = last_one_ready(agency)

    def step() -> None:
        load_step.locked = stopping_before(load_step, "locked")  # its last look before it takes the delivery
        load_delivery(agency.warehouse.pipeline, delivery, TODAY)

    late = workers.start(step)
    wait_until_stopped(late)
    assert load_delivery(agency.warehouse.pipeline, delivery, TODAY) is not None
    agency.passes(clean)
    late.signal(signal.SIGCONT)
    assert late.wait() == workers.OK
    agency.passes(clean)


@pytest.mark.case(30)
def test_two_runs_with_the_same_files_do_it_once(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()
    with workers.locked(agency.warehouse.superuser, "ledger.delivery"):
        pair = [workers.start(agency.receive) for _ in range(2)]
        workers.wait_for_blocked(agency.warehouse.superuser)
    assert [worker.wait() for worker in pair] == [workers.OK] * 2
    agency.passes(clean)


@pytest.mark.case(31)
@pytest.mark.parametrize("step", ["stage", "load"])
def test_a_connection_that_is_lost_just_after_the_commit_is_no_second_load(
    agency: Casework, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The server commits, its answer never arrives: the worker has to believe in a failure, and its retry finds out."""
    if step == "load":
        delivery, module, last = last_one_ready(agency), load_step, "forget_landed"
    else:
        agency.put(MAY)
        agency.receive()
        agency.put(JUNE)
        [delivery] = agency.collect().new
        module, last = stage_step, "set_state"
    before = agency.delivery(delivery).state
    work = {"load": load_delivery, "stage": stage_delivery}[step]
    original = getattr(module, last)
    pipeline: Dsn = agency.warehouse.pipeline
    with proxied(pipeline.port) as proxy:

        def then_swallow(*arguments: Any) -> None:
            original(*arguments)
            proxy.swallow_answer_to(b"COMMIT")

        with monkeypatch.context() as patch:
            patch.setattr(module, last, then_swallow)
            with pytest.raises(KinbridgeError, match="KB-S20") as caught:
                work(replace(pipeline, port=proxy.port), delivery, TODAY)
        agency.said.append(str(caught.value))
    assert agency.delivery(delivery).state is not before
    work(pipeline, delivery, TODAY)
    if step == "stage":
        agency.work_off(delivery)
    agency.collect(stray_after_seconds=0)  # what was to be removed after the commit
    agency.passes(clean)


class OwnServer:
    """A packaged Postgres that a test may kill and fill, with a migrated warehouse."""

    def __init__(self, server: packaged_postgres.PackagedPostgres, folder: Path) -> None:
        self.server = server
        self.dsns = roles.provision(server.dsn(), folder)
        migrate.migrate(self.dsns[roles.OWNER])
        self.pipeline = self.dsns[roles.PIPELINE]
        self.superuser = server.dsn(self.pipeline.database)

    def query(self, statement: Any, parameters: tuple[object, ...] | None = None) -> list[tuple[Any, ...]]:
        """One statement as the superuser."""
        connection = connect(self.superuser)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with packaged_postgres.running() as server:
        yield OwnServer(server, tmp_path_factory.mktemp("own roles"))


@pytest.fixture
def own(include: Path, own_server: OwnServer, sftp_server: Any, tmp_path: Path) -> Iterator[Casework]:
    """The agency, with a server of its own."""
    yield (agency := Casework(own_server, sftp_server, ACCOUNT, Intake(own_server, tmp_path)))
    agency.leave()


@pytest.mark.case(28)
def test_postgres_killed_within_a_copy_and_before_a_load_leaves_no_partial_row(
    own: Casework, own_server: OwnServer
) -> None:
    own.put()
    own.receive()
    clean = state_of(own_server.superuser)
    own.leave()
    own.put(MAY)
    own.receive()
    own.put(JUNE)
    [delivery] = own.collect().new

    def step() -> None:
        read = staging._Stream.read
        met: list[int] = []

        def stopping(self: Any, size: int) -> bytes:
            # The first part has been handed to Postgres, the next one is asked for.
            met.append(1)
            if len(met) == 2:
                os.kill(os.getpid(), signal.SIGSTOP)
            return read(self, size)

        staging._Stream.read = stopping  # type: ignore[method-assign]
        stage_delivery(own_server.pipeline, delivery, TODAY)

    worker = workers.start(step)
    wait_until_stopped(worker)
    own_server.server.kill()
    own_server.server.start()
    worker.signal(signal.SIGCONT)
    assert worker.wait() == workers.REFUSED
    assert own.delivery(delivery).state is State.COLLECTED
    assert own_server.query("SELECT FROM pg_tables WHERE schemaname = 'landing'") == []

    own.intake.judge(delivery)
    own_server.server.kill()
    own_server.server.start()
    # Landing tables are unlogged: the crash emptied them, and the load stages again by itself.
    [(table,)] = own_server.query(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'landing' AND tablename LIKE '%%__d' || %s", (delivery,)
    )
    assert own_server.query(sql.SQL("SELECT 1 FROM landing.{}").format(sql.Identifier(table))) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_step, "validate_delivery", lambda _, one, __: own.intake.judge(one))
        load_delivery(own_server.pipeline, delivery, TODAY)
    own.passes(clean)


@pytest.fixture
def small_disk(own_server: OwnServer) -> Iterator[Path]:
    """A tablespace of 64 KiB, where the pipeline makes its tables."""
    folder = Path(tempfile.mkdtemp(prefix="kinbridge-small-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("needs the right to mount a small disk")
    place = folder / "tablespace"
    place.mkdir(mode=0o700)
    shutil.chown(place, own_server.server.account)
    role = sql.Identifier(roles.PIPELINE)
    try:
        own_server.query(f"CREATE TABLESPACE small LOCATION '{place}'")
        own_server.query(sql.SQL("GRANT CREATE ON TABLESPACE small TO {}").format(role))
        own_server.query(sql.SQL("ALTER ROLE {} SET default_tablespace = 'small'").format(role))
        yield folder
    finally:
        own_server.query(sql.SQL("ALTER ROLE {} RESET default_tablespace").format(role))
        own_server.query("DROP TABLESPACE small")
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.case(14)
def test_a_full_database_disk_leaves_nothing_and_is_resumed(
    own: Casework, own_server: OwnServer, small_disk: Path
) -> None:
    own.put(MAY)
    [delivery] = own.collect().new
    with pytest.raises(KinbridgeError, match="KB-S24") as caught:
        stage_delivery(own_server.pipeline, delivery, TODAY)
    own.said.append(str(caught.value))
    assert own.delivery(delivery).state is State.COLLECTED
    assert own_server.query("SELECT FROM pg_tables WHERE schemaname = 'landing'") == []
    own_server.query(sql.SQL("ALTER ROLE {} RESET default_tablespace").format(sql.Identifier(roles.PIPELINE)))
    own.work_off(delivery)
    own.passes({})
    assert own.intake.current("count(*)") == [(200,)]
