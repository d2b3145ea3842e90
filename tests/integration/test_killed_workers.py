"""Workers that die at their work, at known points and at random ones, and databases that die under them.

After a retry the state equals that of a run that nobody disturbed. Known points need no failpoint in the code: the test
holds a lock that the worker runs into in the middle of its transaction, and kills it there.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from tests.support import lookout, workers
from tests.support.intake import SETTLE_SECONDS, drop
from tests.support.places import copy_of_gx
from tests.support.state import state_of, unbalanced

from kinbridge.bundled import postgres as bundled_postgres
from kinbridge.bundled import process
from kinbridge.bundled import sftp as bundled_sftp
from kinbridge.contract.odcs import feed_of
from kinbridge.delivery.landing import feed_folder, sweep
from kinbridge.demo.services import endpoint_of
from kinbridge.receive import load as load_step
from kinbridge.receive.collect import collect_feed, gate
from kinbridge.receive.decide import APPROVE, REJECT, record_decision
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery
from kinbridge.settings import landing_folder
from kinbridge.simulator import simulate
from kinbridge.validation.expectations import project
from kinbridge.warehouse import migrate, roles
from kinbridge.warehouse.connection import Dsn, connect

FEED = "early_intervention/services_v1"
TODAY = datetime.now(UTC).date()
RANDOM_KILLS = {"stage": 12, "validate": 3, "load": 20}
NUMBERS = count(1)


@dataclass(frozen=True)
class Place:
    """One copy of the warehouse at a known moment: the first month is loaded, the second (`delivery`) is under way."""

    superuser: Dsn
    pipeline: Dsn
    delivery: int
    landed: Path

    def step(self, name: str) -> Callable[[], Any]:
        return STEPS[name](self)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return lookout.rows(self.superuser, statement)

    @property
    def state(self) -> str:
        [(state,)] = self.query(f"SELECT state FROM ledger.delivery WHERE delivery_id = {self.delivery}")
        return str(state)


STEPS: dict[str, Callable[[Place], Callable[[], Any]]] = {
    "stage": lambda place: lambda: stage_delivery(place.pipeline, place.delivery, TODAY),
    "validate": lambda place: lambda: validate_delivery(place.pipeline, place.delivery, TODAY),
    "load": lambda place: lambda: load_delivery(place.pipeline, place.delivery, TODAY),
}
ORDER = list(STEPS)


@dataclass
class Workshop:
    """Databases at the moment before each step, to copy from, and the landed file to put back."""

    server: Any
    role_dsns: dict[str, Dsn]
    templates: dict[str, str]
    clean: dict[str, dict[str, str]]
    seconds: dict[str, float]
    delivery: int
    landed: Path
    kept: Path

    def place(self, before: str) -> Place:
        name = f"killed_{next(NUMBERS)}"
        _copy(self.server, self.templates[before], name)
        roles.secure_database(self.server.dsn(), self.role_dsns[roles.OWNER].with_database(name))
        shutil.copyfile(self.kept, self.landed)
        return Place(
            self.server.dsn(name), self.role_dsns[roles.PIPELINE].with_database(name), self.delivery, self.landed
        )

    def finish(self, place: Place, first: str) -> None:
        """Retry the broken step and go on to the end; the state is that of a clean run, after every step."""
        for name in ORDER[ORDER.index(first) :]:
            place.step(name)()
            assert state_of(place.superuser) == self.clean[name], name
        assert unbalanced(place.superuser) == []


def _copy(server: Any, template: str, name: str) -> None:
    # A database that somebody is connected to cannot be copied; Great Expectations closes its session when collected.
    gc.collect()
    lookout.leave()
    connection = connect(server.dsn())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                    sql.Identifier(name), sql.Identifier(template), sql.Identifier(roles.OWNER)
                )
            )
    finally:
        connection.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of deliveries; the second brings new children, changed ones, ended ones and spoilt rows."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, 1500, 11, 2, held=None)
    return folder


@pytest.fixture(scope="module")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINBRIDGE_STATE", str(folder))
        patch.setenv("KINBRIDGE_GX", str(copy_of_gx(folder / "gx")))
        project.cache_clear()
        yield folder
    project.cache_clear()


def _collect(dsn: Dsn, server: Any, resume_since: datetime | None = None) -> list[int]:
    now = datetime.now(UTC)
    endpoint, granted = endpoint_of(server, "early_intervention"), gate(dsn, FEED, now.date())
    feed, settle = feed_of(FEED), SETTLE_SECONDS
    return collect_feed(dsn, endpoint, feed, granted, now, resume_since=resume_since, settle_seconds=settle).deliveries


def _collected(dsn: Dsn, files: Path, folder: Path) -> int:
    """The first month received, the second one collected; the delivery of the second."""
    server = bundled_sftp.start(folder, ["early_intervention"])
    try:
        first, second = sorted((files / "early_intervention").iterdir())
        drop(server, "early_intervention", first)
        [delivery] = _collect(dsn, server)
        stage_delivery(dsn, delivery, TODAY)
        validate_delivery(dsn, delivery, TODAY)
        load_delivery(dsn, delivery, TODAY)
        drop(server, "early_intervention", second)
        [delivery] = _collect(dsn, server)
        return delivery
    finally:
        bundled_sftp.stop(folder)


@pytest.fixture(scope="module")
def workshop(postgres: Any, role_dsns: Any, new_warehouse: Any, files: Path, state_folder: Path) -> Iterator[Workshop]:
    first = new_warehouse()
    delivery = _collected(first.pipeline, files, state_folder / "sftp")
    [(landed,)] = first.query(f"SELECT landed_path FROM ledger.delivery WHERE delivery_id = {delivery}")
    kept = state_folder / "kept"
    shutil.copyfile(landed, kept)
    shop = Workshop(postgres, role_dsns, {"stage": first.database}, {}, {}, delivery, Path(landed), kept)
    for number, name in enumerate(ORDER):
        place = shop.place(name)
        began = time.monotonic()
        place.step(name)()
        shop.seconds[name] = time.monotonic() - began
        shop.clean[name] = state_of(place.superuser)
        if number + 1 < len(ORDER):
            shop.templates[ORDER[number + 1]] = place.superuser.database
    assert shop.clean["load"]["record.person"] != shop.clean["validate"]["record.person"]
    yield shop
    connection = connect(postgres.dsn())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'killed%'")
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    connection.close()


def test_the_second_month_is_worth_the_trouble(workshop: Workshop) -> None:
    """A hash can only tell states apart when the load adds, ends, keeps and refuses rows."""
    place = workshop.place("load")
    place.step("load")()
    [row] = place.query(
        "SELECT a.loaded, a.unchanged, a.quarantined, (SELECT count(*) FROM record.person WHERE known_to IS NOT NULL) "
        f"FROM ledger.account AS a WHERE delivery_id = {place.delivery}"
    )
    assert all(number > 0 for number in row), row


KNOWN = [
    ("stage", "ledger.account"),
    ("stage", "ledger.event"),
    ("validate", "ledger.finding"),
    ("validate", "ledger.rule_result"),
    ("load", "record.person"),
    ("load", "record.person_address"),
    ("load", "record.early_intervention"),
    ("load", "quarantine.source_row"),
    ("load", "ledger.load"),
    ("load", "ledger.account"),
    ("load", "ledger.event"),
]


@pytest.mark.parametrize(("step", "table"), KNOWN, ids=lambda value: value)
def test_killed_at_a_known_point(workshop: Workshop, step: str, table: str) -> None:
    place = workshop.place(step)
    before = state_of(place.superuser)
    with workers.locked(place.superuser, table):
        worker = workers.start(place.step(step))
        workers.wait_for_blocked(place.superuser)
        worker.kill()
    assert worker.ended == -signal.SIGKILL
    workers.wait_until_alone(place.superuser)
    assert state_of(place.superuser) == before
    workshop.finish(place, step)


@pytest.mark.parametrize("step", ORDER)
def test_killed_at_random_points(workshop: Workshop, step: str) -> None:
    """Each kill is followed by a retry that may be killed too; what stands in the end is what a clean run leaves."""
    chance = random.Random(f"kill {step}")
    killed = 0
    place = workshop.place(step)
    before = state_of(place.superuser)
    for _ in range(RANDOM_KILLS[step]):
        worker = workers.start(place.step(step))
        time.sleep(chance.uniform(0, 1.1 * workshop.seconds[step]))
        worker.kill()
        workers.wait_until_alone(place.superuser)
        killed += worker.ended == -signal.SIGKILL
        assert worker.ended in {-signal.SIGKILL, 0}
        # All or nothing, whichever instant it was. What a step has made, a second try of it makes again.
        assert state_of(place.superuser) in (before, workshop.clean[step])
        if step == "load" and state_of(place.superuser) == workshop.clean[step]:
            place = workshop.place(step)
    assert killed >= RANDOM_KILLS[step] // 3
    workshop.finish(place, step)


def test_killed_right_after_the_commit(workshop: Workshop) -> None:
    """The retry finds the work done. The landed file that was not removed any more is nobody's, and is swept."""
    place = workshop.place("load")

    def last_breath(work: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def step() -> None:
        load_step._forget_file = last_breath
        load_delivery(place.pipeline, place.delivery, TODAY)

    assert workers.run(step) == -signal.SIGKILL
    assert state_of(place.superuser) == workshop.clean["load"]
    account = load_delivery(place.pipeline, place.delivery, TODAY)
    assert account is not None
    assert account.loaded > 0
    assert state_of(place.superuser) == workshop.clean["load"]
    assert place.landed.exists()
    folder = feed_folder(landing_folder(), "early_intervention__services_v1")
    assert sweep(folder, [], time.time() + 1000).files == 1
    assert not place.landed.exists()


def test_a_collect_killed_before_it_could_tell_is_taken_up_by_its_retry(
    new_warehouse: Any, files: Path, state_folder: Path, tmp_path: Path
) -> None:
    """The file is in the ledger, but nobody was told of it: the retry works on it, another run leaves it alone."""
    dsn = new_warehouse().pipeline
    server = bundled_sftp.start(tmp_path / "sftp", ["early_intervention"])
    began = datetime.now(UTC)
    try:
        drop(server, "early_intervention", sorted((files / "early_intervention").iterdir())[0])
        found: list[int] = []

        def step() -> None:
            found.extend(_collect(dsn, server))
            os.kill(os.getpid(), signal.SIGKILL)

        assert workers.run(step) == -signal.SIGKILL
        assert _collect(dsn, server) == []
        [delivery] = _collect(dsn, server, resume_since=began)
        assert stage_delivery(dsn, delivery, TODAY) > 0
        assert _collect(dsn, server, resume_since=began) == []
    finally:
        bundled_sftp.stop(tmp_path / "sftp")


@pytest.mark.parametrize("step", ["stage", "load"])
def test_two_workers_at_once_do_it_once(workshop: Workshop, step: str) -> None:
    place = workshop.place(step)
    with workers.locked(place.superuser, "ledger.delivery"):
        pair = [workers.start(place.step(step)) for _ in range(2)]
        workers.wait_for_blocked(place.superuser, count=2)
    assert [worker.wait() for worker in pair] == [0, 0]
    workshop.finish(place, step)


@pytest.mark.parametrize("wakes", [True, False], ids=["wakes up", "is killed"])
def test_a_stopped_worker_is_waited_for_and_never_doubled(workshop: Workshop, wakes: bool) -> None:
    """Stopped past its heartbeat while it holds the delivery's row: the retry waits and finds it done, or undone."""
    place = workshop.place("load")
    with workers.locked(place.superuser, "ledger.load"):
        stopped = workers.start(place.step("load"))
        workers.wait_for_blocked(place.superuser)
        stopped.signal(signal.SIGSTOP)
    retry = workers.start(place.step("load"))
    workers.wait_for_blocked(place.superuser)
    assert retry.running()
    stopped.signal(signal.SIGCONT if wakes else signal.SIGKILL)
    assert retry.wait() == 0
    assert stopped.wait() == (0 if wakes else -signal.SIGKILL)
    assert state_of(place.superuser) == workshop.clean["load"]


def test_a_late_stage_does_not_undo_what_is_loaded(workshop: Workshop) -> None:
    """A worker that was stopped before it began, and wakes up when the delivery is settled, changes nothing."""
    place = workshop.place("load")
    with workers.locked(place.superuser, "ledger.account"):
        loading = workers.start(place.step("load"))
        workers.wait_for_blocked(place.superuser)
        late = [workers.start(place.step(step)) for step in ("stage", "validate")]
        workers.wait_for_blocked(place.superuser, count=2)
    assert loading.wait() == 0
    # Validation that meets tables which the load has just dropped may fail, and is then tried again.
    assert late[0].wait() == 0
    assert late[1].wait() in {workers.OK, workers.REFUSED}
    assert validate_delivery(place.pipeline, place.delivery, TODAY) is None
    assert state_of(place.superuser) == workshop.clean["load"]


class Mortal:
    """A Postgres of its own that may be killed, durable as in production."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "postgres"
        self.server = bundled_postgres.start(self.folder)
        self.dsns = roles.provision(self.server.dsn(), folder / "roles")
        migrate.migrate(self.dsns[roles.OWNER])

    def kill(self) -> None:
        daemon = process.read_pid_file(self.folder / "postgres.pid")
        assert daemon is not None
        os.kill(daemon.pid, signal.SIGKILL)

    def revive(self) -> None:
        bundled_postgres.start(self.folder)

    def place(self, delivery: int) -> Place:
        superuser = self.server.dsn(self.dsns[roles.PIPELINE].database)
        return Place(superuser, self.dsns[roles.PIPELINE], delivery, Path())


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    folder = tmp_path_factory.mktemp("mortal")
    try:
        yield Mortal(folder)
    finally:
        bundled_postgres.stop(folder / "postgres")


def test_postgres_comes_back_after_a_crash_that_needs_two_recoveries(mortal: Mortal) -> None:
    """A dying session empties the file of its new unlogged table but does not remove it: Postgres 18 stumbles once."""
    connection = connect(mortal.server.dsn())
    other = connect(mortal.server.dsn())
    with connection.cursor() as cursor, other.cursor() as writer:
        cursor.execute("CREATE UNLOGGED TABLE half_made (line text)")
        cursor.execute("INSERT INTO half_made SELECT 'x' FROM generate_series(1, 1000)")
        # Somebody else's commit writes the log up to here, without the end of the first session's transaction.
        writer.execute("CREATE TABLE made (line text)")
        other.commit()
    mortal.kill()
    mortal.revive()
    assert mortal.place(0).query("SELECT 1") == [(1,)]


def _wait_for_copy(place: Place, worker: workers.Worker) -> None:
    connection = connect(place.superuser)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            while worker.running():
                cursor.execute("SELECT count(*) FROM pg_stat_progress_copy WHERE tuples_processed > 0")
                if cursor.fetchone()[0]:
                    return
    finally:
        connection.close()
    raise AssertionError("no COPY was seen")


def test_postgres_killed_in_the_middle(mortal: Mortal, state_folder: Path, files: Path, tmp_path: Path) -> None:
    """Killed during COPY, then again after validation and after a decision: no partial row, and every retry heals.

    Landing tables are unlogged: a crash empties them, and they are staged again from the landed file.
    """
    second = sorted((files / "early_intervention").iterdir())[1]
    large = tmp_path / second.name
    _enlarge(second, large, 60)
    dsn = mortal.dsns[roles.PIPELINE]
    server = bundled_sftp.start(tmp_path / "sftp", ["early_intervention"])
    try:
        drop(server, "early_intervention", large)
        [delivery] = _collect(dsn, server)
    finally:
        bundled_sftp.stop(tmp_path / "sftp")
    place = mortal.place(delivery)
    worker = workers.start(place.step("stage"))
    _wait_for_copy(place, worker)
    # Stopped, so that the COPY cannot come to its end before the server is gone.
    worker.signal(signal.SIGSTOP)
    mortal.kill()
    mortal.revive()
    worker.signal(signal.SIGCONT)
    assert worker.wait() == workers.REFUSED
    assert place.state == "collected"
    assert place.query("SELECT count(*) FROM pg_class WHERE relnamespace = 'landing'::regnamespace") == [(0,)]
    rows = stage_delivery(dsn, delivery, TODAY)
    assert rows == place.query("SELECT source_rows FROM ledger.account")[0][0]

    verdict = validate_delivery(dsn, delivery, TODAY)
    assert verdict is not None
    mortal.kill()
    mortal.revive()
    tables = place.query("SELECT relname FROM pg_class WHERE relnamespace = 'landing'::regnamespace AND relkind = 'r'")
    assert len(tables) > 1
    assert {place.query(f"SELECT count(*) FROM landing.{table}")[0][0] for (table,) in tables} == {0}
    if verdict.held_by:
        record_decision(dsn, delivery, APPROVE, "a person", datetime.now(UTC), "")
    account = load_delivery(dsn, delivery, TODAY)
    assert account is not None
    assert account.source_rows == rows
    assert account.loaded > 0
    assert unbalanced(place.superuser) == []
    assert place.query("SELECT count(*) FROM record.person WHERE known_to IS NULL")[0][0] > rows * 0.8


def _enlarge(path: Path, large: Path, times: int) -> None:
    """The same rows again and again under other numbers, so that COPY takes long enough to be met."""
    header, *rows = path.read_bytes().split(b"\r\n")
    with large.open("wb") as out:
        out.write(header + b"\r\n")
        for number in range(times):
            out.writelines(b'"%d-%s\r\n' % (number, row[1:]) for row in rows if row)


def test_a_rejected_delivery_is_refused_once_and_loads_nothing(workshop: Workshop) -> None:
    place = workshop.place("load")
    place.query(f"UPDATE ledger.delivery SET state = 'held' WHERE delivery_id = {place.delivery}")
    record = {k: v for k, v in state_of(place.superuser).items() if k.startswith("record.")}
    assert workers.run(place.step("load")) == workers.REFUSED
    record_decision(place.pipeline, place.delivery, REJECT, "a person", datetime.now(UTC), "a reason")
    with workers.locked(place.superuser, "quarantine.source_row"):
        worker = workers.start(place.step("load"))
        workers.wait_for_blocked(place.superuser)
        worker.kill()
    assert load_delivery(place.pipeline, place.delivery, TODAY) is None
    assert load_delivery(place.pipeline, place.delivery, TODAY) is None
    assert place.state == "refused"
    assert unbalanced(place.superuser) == []
    after = state_of(place.superuser)
    assert {k: v for k, v in after.items() if k.startswith("record.")} == record
