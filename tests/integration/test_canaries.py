"""Canary values in every personal column, failures at each step, and a search of everything that is written on the way.

Each step of six deliveries fails in a way that makes its library quote data: Postgres's DETAIL and CONTEXT, the text
of an exception in a trigger, a metric of Great Expectations. Then the failure is mended, the failed tasks are cleared,
as a person would do, and the next step fails. In the end everything has succeeded, and no canary is found anywhere
outside the warehouse, the inboxes and the simulator's own files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from psycopg2 import sql
from tests.support.airflow_stack import AirflowStack, running_stack
from tests.support.canaries import (
    ACCENTED,
    STEM,
    Canaries,
    Scanner,
    breaking_rows,
    canary_rows,
    disguises,
    sound_rows,
    write,
)
from tests.support.state import unbalanced
from tests.unit.delivery.rig import cutting_proxy

from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import feeds
from kinbridge.contract.rules import rules
from kinbridge.receive.decide import APPROVE
from kinbridge.simulator import simulate
from kinbridge.simulator.layout import LAYOUTS
from kinbridge.warehouse.connection import Dsn, connect

PERIOD = "202608"
FIRST = "home_visiting/enrollments_v1"
LEAK = "kb_canary"


def receive(feed: str) -> str:
    return f"receive__{feed.replace('/', '__')}"


def test_every_form_of_a_leak_is_found() -> None:
    canaries = Canaries()
    values = [canaries.text(quotes=True) for _ in range(20)] + [ACCENTED]
    values += [canaries.number("###-##-####"), canaries.number("(###) ###-####"), canaries.mail()]
    scanner = Scanner(canaries)
    for seed, value in enumerate(values):
        missed = [form for form, data in disguises(value, seed).items() if not scanner.forms(data)]
        assert missed == [], value
    day = date.fromisoformat(canaries.birth_date("%Y-%m-%d"))
    scanner = Scanner(canaries)
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y", "%Y%m%d"):
        assert scanner.forms(f"Key (birth_date)=({day.strftime(form)}) exists".encode())


def test_what_is_no_canary_is_not_found() -> None:
    canaries = Canaries()
    for _ in range(3000):
        canaries.number("#########")
        canaries.birth_date("%Y-%m-%d")
    scanner = Scanner(canaries)
    assert (
        scanner.forms(b"2026-11-22 20:58:42.123456 [1234] rows 12,345 delivery 12 https://example.org/?a=%20b") == set()
    )
    assert scanner.forms(Path(__file__).read_bytes()) == set()


@dataclass
class Arguments:
    """Every command line that was seen on this machine while it watched."""

    seen: set[bytes] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self._stop.wait(0.3):
            self.look()

    def look(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.seen.add(path.read_bytes().replace(b"\0", b" "))
            except OSError:
                continue

    @contextmanager
    def watching(self) -> Iterator[Arguments]:
        thread = threading.Thread(target=self.watch, daemon=True)
        thread.start()
        yield self
        self._stop.set()
        thread.join(5)


@dataclass
class Aviary:
    """The stack with its canaries, and how each step went."""

    stack: AirflowStack
    canaries: Canaries
    broken: dict[str, set[str]]
    arguments: Arguments
    failed: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def scanner(self) -> Scanner:
        return Scanner(self.canaries)


@pytest.fixture(scope="module")
def aviary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aviary]:
    folder = tmp_path_factory.mktemp("canaries")
    files = folder / "files"
    simulate(files, 400, 3, 1, date(2026, 8, 1), held=None)
    # Each task fails once and is then cleared; trying again by itself is for the end-to-end tests.
    with running_stack(folder, environment={"KINBRIDGE_RETRIES": "0"}) as stack, Arguments().watching() as arguments:
        canaries = Canaries()
        yield Aviary(stack, canaries, _drop(stack, files, canaries), arguments)


def _drop(stack: AirflowStack, files: Path, canaries: Canaries) -> dict[str, set[str]]:
    """Canary files into the inboxes; which rules each of them breaks. Enrollments come twice: sound, then broken."""
    broken = {}
    ours = {feed.id: canary_rows(feed, sound_rows(files, feed), canaries) for feed in feeds().values()}
    first = LAYOUTS[FIRST]
    stack.place_in_inbox(first.partner, first.file_name(PERIOD), write(first, ours[FIRST]))
    _receive_first(stack)
    for feed in feeds().values():
        layout, rows = LAYOUTS[feed.id], ours[feed.id]
        name = layout.file_name(PERIOD)
        bad, broken[feed.id] = breaking_rows(feed, rows, canaries)
        # Enough bad rows for a hold whatever the share that the contract allows.
        bad = pd.concat([bad, _emptied(feed, rows)], ignore_index=True)
        content = write(layout, bad, ragged=f"{STEM}ragged", header=f"{STEM}column" if feed.id == FIRST else "")
        stack.place_in_inbox(feed.partner, name, content)
        broken[feed.id].add("row.shape")
    return broken


def _emptied(feed: Feed, rows: pd.DataFrame) -> pd.DataFrame:
    """A quarter of the rows again, under other keys and without what the held column must have."""
    more = rows.head(max(3, len(rows) // 4)).copy()
    header = feed.column(feed.key[0]).header
    if not any(feed.key[0] in reference.columns for reference in feed.references):
        more[header] = more[header] + "again"
    more[LAYOUTS[feed.id].held] = ""
    return more


def _receive_first(stack: AirflowStack) -> None:
    """The first enrollments, on which visits and referrals of the month wait, load without any trouble."""
    stack.wait_for_dags({receive(feed) for feed in feeds()} | {"integrate"})
    stack.api.unpause(receive(FIRST))
    stack.wait(lambda: [state for state in stack.deliveries().values() if "accepted" in state], "the first file loads")
    for feed in feeds():
        stack.api.unpause(receive(feed))
    stack.wait(
        lambda: (
            not stack.under_way()
            and len({run["dag_id"] for run in stack.api.runs()}) >= len(feeds())
            and all(run["state"] in {"success", "failed"} for run in stack.api.runs())
        ),
        "the schedules' first runs are over",
    )


@contextmanager
def another_host_key(stack: AirflowStack, partner: str) -> Iterator[None]:
    wrong = (stack.state / "sftp" / "keys" / f"{partner}.pub").read_text(encoding="ascii").split()[:2]
    with changed_connection(stack, partner, host_key=" ".join(wrong)):
        yield


@contextmanager
def cut_connection(stack: AirflowStack, partner: str) -> Iterator[None]:
    """The line breaks after some kilobytes: in the middle of the partner's file."""
    with cutting_proxy(stack.endpoint(partner).port, 9_000) as port, changed_connection(stack, partner, port=port):
        yield


@contextmanager
def changed_connection(stack: AirflowStack, partner: str, *, port: int = 0, host_key: str = "") -> Iterator[None]:
    endpoint = stack.endpoint(partner)

    def put(port: int, key: str) -> None:
        extra = json.dumps({"host_key": key, "key_file": str(endpoint.key_file)})
        facts = {"conn_type": "sftp", "host": endpoint.host, "port": port, "login": partner}
        stack.api.put_connection(f"sftp_{partner}", **facts, extra=extra)

    put(port or endpoint.port, host_key or endpoint.host_key)
    try:
        yield
    finally:
        put(endpoint.port, endpoint.host_key)


@contextmanager
def leaky_copy(stack: AirflowStack) -> Iterator[None]:
    """COPY into a landing table breaks a constraint: DETAIL quotes the row, CONTEXT the line."""
    stack.query(
        f"""
        CREATE FUNCTION public.{LEAK}() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE made record;
        BEGIN
            FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'landing'
                AND object_type = 'table' AND command_tag = 'CREATE TABLE'
            LOOP
                EXECUTE format('ALTER TABLE %s ADD CONSTRAINT {LEAK} CHECK (line_no < 3)', made.object_identity);
            END LOOP;
        END $$;
        CREATE EVENT TRIGGER {LEAK} ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.{LEAK}();
        """
    )
    try:
        yield
    finally:
        stack.query(f"DROP EVENT TRIGGER {LEAK}; DROP FUNCTION public.{LEAK}()")


@contextmanager
def closed_landing(stack: AirflowStack) -> Iterator[None]:
    stack.query("REVOKE CREATE ON SCHEMA landing FROM kb_pipeline")
    try:
        yield
    finally:
        stack.query("GRANT CREATE ON SCHEMA landing TO kb_pipeline")


@contextmanager
def leaky_suites(stack: AirflowStack) -> Iterator[None]:
    """Two suites are gone; in the others an expectation makes Postgres fail with a value in its message."""
    folder = stack.gx / "expectations"
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    for number, feed in enumerate(feeds().values()):
        path = folder / f"{feed.slug}.json"
        if number % 3 == 2:
            path.unlink()
            continue
        suite = json.loads(path.read_text(encoding="utf-8"))
        column = next(c.name for c in feed.columns if c.classification == "confidential" and not c.date_format)
        suite["expectations"].append(
            {
                "type": "unexpected_rows_expectation",
                "kwargs": {"unexpected_rows_query": f"SELECT * FROM {{batch}} WHERE {column}::integer > 0"},
                "meta": {"rule": f"{column}.presence", "code": "KB-R01", "columns": [column]},
            }
        )
        path.write_text(json.dumps(suite), encoding="utf-8")
    try:
        yield
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)


@contextmanager
def leaky_tables(stack: AirflowStack, schema: str, *, constraint: tuple[str, str] | None = None) -> Iterator[None]:
    """Every row that is written into the schema's tables ends in an exception that quotes it in all its fields.

    `constraint` names a table and a column that break a CHECK instead, so that Postgres's own DETAIL quotes the row. A
    feed's first file goes into a table of its own, which has the checks of the record's table and not its triggers.
    """
    tables = [
        name
        for (name,) in stack.query("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", schema)
        if constraint is None or name != constraint[0]
    ]
    stack.query(
        f"""
        CREATE FUNCTION public.{LEAK}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'bad row %', NEW USING DETAIL = NEW::text, HINT = NEW::text;
        END $$;
        GRANT EXECUTE ON FUNCTION public.{LEAK}() TO PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC;
        """
    )
    for table in tables:
        stack.query(
            f"CREATE TRIGGER {LEAK} BEFORE INSERT OR UPDATE ON {schema}.{table} "
            f"FOR EACH ROW EXECUTE FUNCTION public.{LEAK}()"
        )
    checks = [constraint] if constraint else []
    checks += [(table, "feed") for table in tables if schema == "record"]
    for table, column in checks:
        stack.query(f"ALTER TABLE {schema}.{table} ADD CONSTRAINT {LEAK} CHECK ({column} = '') NOT VALID")
    try:
        yield
    finally:
        for table in tables:
            stack.query(f"DROP TRIGGER {LEAK} ON {schema}.{table}")
        stack.query(f"DROP FUNCTION public.{LEAK}(); REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        for table, _ in checks:
            stack.query(f"ALTER TABLE {schema}.{table} DROP CONSTRAINT {LEAK}")


@contextmanager
def closed_outboxes(stack: AirflowStack) -> Iterator[None]:
    """No receipt can be written: where the outbox was, there is a file."""
    places = [stack.outbox(feed.partner) for feed in feeds().values()]
    for place in set(places):
        place.rename(place.with_name("away"))
        place.touch()
    try:
        yield
    finally:
        for place in set(places):
            place.unlink()
            place.with_name("away").rename(place)


@dataclass
class Steps:
    """Brings runs to where a step's fault, or its mending, must bring them.

    On a busy machine Airflow itself may lose a task: it fails without having said anything of ours. That is not what is
    tried here, and is cleared (and approved once more) some times; a fault of ours comes again each time, and counts.
    """

    aviary: Aviary
    tries: int = 4

    def fail(self, what: str, runs: dict[str, str], task: str, codes: set[str]) -> None:
        """Each run has failed in `task`, for a reason that the catalogue knows; then `what` counts as provoked."""
        stack = self.aviary.stack

        def said(dag: str) -> bool:
            return any(code in stack.last_log(dag, runs[dag], task) for code in codes)

        self._bring(what, runs, lambda dag, state: state == "failed" and said(dag))
        self.aviary.failed[what] = {dag: stack.task_log(dag, run, task) for dag, run in runs.items()}

    def reach(self, state: str, runs: dict[str, str]) -> None:
        """Each run stands so: `success`, or `held` by a question."""
        self._bring(state, runs, lambda _, found: found == state, approve=state != "held")

    def approve(self) -> None:
        """The questions that are open are answered."""
        stack = self.aviary.stack
        stack.answer(stack.api.questions(), APPROVE, "They are told to send it again.")

    def _bring(
        self, what: str, runs: dict[str, str], right: Callable[[str, str], bool], *, approve: bool = True
    ) -> None:
        stack = self.aviary.stack
        for attempt in range(self.tries):
            found = stack.ended(runs)
            wrong = {dag: runs[dag] for dag, state in found.items() if not right(dag, state)}
            if not wrong:
                return
            failed = {dag: run for dag, run in wrong.items() if found[dag] == "failed"}
            ours = {dag: log for dag, run in failed.items() if "KB-" in (log := stack.log_of_failure(dag, run))}
            tried = {
                dag: (found[dag], stack.task_states(dag, run), ours.get(dag, "")[-1500:]) for dag, run in wrong.items()
            }
            assert not ours, (what, tried)
            assert attempt < self.tries - 1, (what, tried)
            assert approve or failed == wrong, (what, tried)
            stack.clear_failed(failed)
            if approve:
                self.approve()


@pytest.mark.airflow
def test_every_step_fails_says_why_and_goes_on_when_mended(aviary: Aviary) -> None:
    """Collect, stage, validate, hold, load, receipt, link, build, publish: each one fails and is then cleared."""
    stack, steps = aviary.stack, Steps(aviary)
    dags = [receive(feed) for feed in feeds()]

    with ExitStack() as faults:
        for partner in ("medicaid", "snap"):
            faults.enter_context(another_host_key(stack, partner))
        for partner in ("home_visiting", "early_intervention"):
            faults.enter_context(cut_connection(stack, partner))
        steps.fail("collect", stack.trigger(dags), "collect", {"KB-D02", "KB-D04", "KB-D06"})
    with leaky_copy(stack):
        runs = stack.trigger(dags)
        steps.fail("stage", runs, "delivery.stage", {"KB-S22"})
    with closed_landing(stack):
        stack.clear_failed(runs)
        steps.fail("stage, not allowed", runs, "delivery.stage", {"KB-S25"})
    with leaky_suites(stack):
        stack.clear_failed(runs)
        steps.fail("validate", runs, "delivery.validate", {"KB-F91", "KB-F92"})
    stack.clear_failed(runs)
    steps.reach("held", runs)
    with closed_decisions(stack):
        steps.approve()
        steps.fail("hold", runs, "delivery.hold", {"KB-S25"})
    # The answer could not be kept, so the question is asked again.
    stack.clear_failed(runs)
    steps.reach("held", runs)
    with leaky_tables(stack, "record", constraint=("person", "first_name")):
        steps.approve()
        steps.fail("load", runs, "delivery.load", {"KB-S22", "KB-S26"})
    with closed_outboxes(stack):
        stack.clear_failed(runs)
        steps.fail("receipt", runs, "delivery.receipt", {"KB-D05", "KB-D16"})
    stack.clear_failed(runs)
    steps.reach("success", runs)
    assert unbalanced(stack.superuser) == []

    stack.api.unpause("integrate")
    with leaky_tables(stack, "identity"):
        integrate = stack.trigger(["integrate"])
        steps.fail("link", integrate, "link", {"KB-S26"})
    with leaky_tables(stack, "integrated"):
        stack.clear_failed(integrate)
        steps.fail("build", integrate, "build", {"KB-S26"})
    with leaky_tables(stack, "mart"):
        stack.clear_failed(integrate)
        steps.fail("publish", integrate, "publish", {"KB-S26"})
    stack.clear_failed(integrate)
    steps.reach("success", integrate)


@contextmanager
def closed_decisions(stack: AirflowStack) -> Iterator[None]:
    stack.query("REVOKE INSERT ON ledger.decision FROM kb_pipeline")
    try:
        yield
    finally:
        stack.query("GRANT INSERT ON ledger.decision TO kb_pipeline")


@pytest.mark.airflow
def test_every_rule_was_broken_by_a_canary(aviary: Aviary) -> None:
    """The canaries were where rules look: of each feed, every rule of a row but those that nothing can break."""
    found = {
        (feed, rule)
        for feed, rule in aviary.stack.query(
            "SELECT d.feed, r.rule FROM ledger.rule_result AS r INNER JOIN ledger.delivery AS d USING (delivery_id) "
            "WHERE r.found > 0 AND d.state = 'partly_accepted'"
        )
    }
    declared, kinds = set(), set()
    for feed in feeds().values():
        [(columns,)] = aviary.stack.query(
            "SELECT e.facts -> 'columns' FROM ledger.event AS e INNER JOIN ledger.delivery AS d USING (delivery_id) "
            "WHERE e.what = 'staged' AND d.feed = %s ORDER BY e.event_id DESC LIMIT 1",
            feed.id,
        )
        for rule in rules(feed, feed.authorised(columns)):
            if rule.scope == "row":
                declared.add(rule.kind)
            if rule.scope == "row" and rule.id in aviary.broken[feed.id]:
                assert (feed.id, rule.id) in found, rule.id
                kinds.add(rule.kind)
    assert kinds == declared
    assert aviary.canaries.made > 10_000
    [(loaded,)] = aviary.stack.query("SELECT count(*) FROM record.person WHERE last_name ILIKE %s", f"%{STEM}%")
    assert loaded > 100


# Where, and what is written there: a file's content is read when it is searched.
Entry = tuple[str, bytes | Path]


def _content(data: bytes | Path) -> bytes:
    return data if isinstance(data, bytes) else data.read_bytes()


def sinks(aviary: Aviary) -> Iterator[tuple[str, Callable[[], Iterator[Entry]]]]:
    """Each place that must be free of canaries: its name, and what to read there."""
    stack = aviary.stack
    state = stack.state
    yield "Airflow's folder", lambda: _files(state / "airflow")
    yield "Airflow's metadata", lambda: _tables(stack.stack.dsns["airflow"])
    yield "Great Expectations' folder", lambda: _files(stack.gx)
    yield "Postgres's log", lambda: _files(state / "postgres" / "postgres.log")
    yield "the SFTP server's log", lambda: _files(state / "sftp" / "sftp.log")
    yield "receipts", lambda: (entry for feed in feeds().values() for entry in _files(stack.outbox(feed.partner)))
    yield "stray files", lambda: _strays(state)
    yield (
        "arguments of processes",
        lambda: ((text[:60].decode("utf-8", "replace"), text) for text in _arguments(aviary)),
    )


def _arguments(aviary: Aviary) -> list[bytes]:
    aviary.arguments.look()
    return sorted(aviary.arguments.seen)


def _files(place: Path) -> Iterator[Entry]:
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        yield f"{path} (its name)", str(path).encode()
        if path.is_file() and not path.is_symlink():
            yield str(path), path


def _strays(state: Path) -> Iterator[Entry]:
    """Whatever lies below the state folder, temporary files among it, but for the warehouse and the inboxes."""
    for entry in _files(state):
        parts = Path(entry[0].removesuffix(" (its name)")).relative_to(state).parts
        if parts[:2] == ("postgres", "data") or parts[0] == "airflow" or "inbox" in parts:
            continue
        yield entry


def _tables(dsn: Dsn) -> Iterator[Entry]:
    """Every row of every table of a database as text; what is binary also as it is."""
    connection = connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            for (table,) in cursor.fetchall():
                cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
                for row in cursor.fetchall():
                    for value in row:
                        if isinstance(value, memoryview | bytes):
                            yield table, bytes(value)
                    yield table, json.dumps(row, default=str, ensure_ascii=False).encode("utf-8", "surrogateescape")
    finally:
        connection.close()


def leaks(aviary: Aviary, name: str) -> list[str]:
    scanner = aviary.scanner
    read = dict(sinks(aviary))[name]
    return sorted(
        {f"{place}: {', '.join(sorted(forms))}" for place, data in read() if (forms := scanner.forms(_content(data)))}
    )


SINKS = (
    "Airflow's folder",
    "Airflow's metadata",
    "Great Expectations' folder",
    "Postgres's log",
    "the SFTP server's log",
    "receipts",
    "stray files",
    "arguments of processes",
)


@pytest.mark.airflow
@pytest.mark.parametrize("sink", SINKS)
def test_no_canary_is_found(aviary: Aviary, sink: str) -> None:
    assert aviary.failed.keys() >= {
        "collect",
        "stage",
        "validate",
        "hold",
        "load",
        "receipt",
        "link",
        "build",
        "publish",
    }
    amount = sum(len(_content(data)) for _, data in dict(sinks(aviary))[sink]())
    assert amount > 0, "nothing was read"
    assert leaks(aviary, sink) == []


@pytest.mark.airflow
def test_no_password_is_found(aviary: Aviary) -> None:
    """The same places hold no password of a role either, but for Airflow's own environment and the roles' file."""
    passwords = [dsn.password.encode() for dsn in aviary.stack.stack.dsns.values()]
    allowed = {str(aviary.stack.state / "roles" / "roles.json")}
    for sink in SINKS:
        for place, data in dict(sinks(aviary))[sink]():
            content = _content(data)
            assert place in allowed or not any(password in content for password in passwords), place


@pytest.mark.airflow
def test_landed_files_are_gone(aviary: Aviary) -> None:
    """All deliveries are settled: nothing waits in the landing folder, and no landing table is left."""
    assert [path for path in (aviary.stack.state / "landing").rglob("*") if path.is_file()] == []
    assert aviary.stack.query("SELECT count(*) FROM pg_class WHERE relnamespace = 'landing'::regnamespace") == [(0,)]


@pytest.mark.airflow
def test_a_planted_leak_is_found_in_every_place(aviary: Aviary) -> None:
    """The search itself: a leak in each sink, in each form, is found; without it zero hits would mean nothing."""
    stack = aviary.stack
    value = aviary.canaries.text(quotes=True)
    forms = disguises(value)
    folders = {
        "Airflow's folder": stack.state / "airflow" / "logs" / "planted.log",
        "Great Expectations' folder": stack.gx / "uncommitted" / "planted.html",
        "receipts": stack.outbox("snap") / "planted.json",
        "stray files": stack.state / "tmp" / "planted",
    }
    scanner = aviary.scanner
    for sink, path in folders.items():
        for form, data in forms.items():
            path.write_bytes(data)
            read = [content for place, content in dict(sinks(aviary))[sink]() if place == str(path)]
            assert len(read) == 1, sink
            assert scanner.forms(_content(read[0])), (sink, form)
        assert [leak for leak in leaks(aviary, sink) if leak.startswith(str(path))], sink
        path.unlink()
    for sink, log in (
        ("Postgres's log", stack.state / "postgres" / "postgres.log"),
        ("the SFTP server's log", stack.state / "sftp" / "sftp.log"),
    ):
        size = log.stat().st_size
        with log.open("ab") as out:
            out.write(forms["in a line"] + b"\n")
        assert leaks(aviary, sink), sink
        with log.open("r+b") as out:
            out.truncate(size)
    _plant_in_metadata(aviary, value)
    program = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program, value]) as process:
        try:
            assert leaks(aviary, "arguments of processes")
        finally:
            process.kill()


def _plant_in_metadata(aviary: Aviary, value: str) -> None:
    scanner = aviary.scanner
    connection = connect(aviary.stack.stack.dsns["airflow"])
    planted = (
        ("UPDATE task_instance SET hostname = %s", value),
        ("UPDATE rendered_task_instance_fields SET rendered_fields = %s", json.dumps({"delivery_id": value})),
        ("UPDATE xcom SET value = %s", json.dumps([value])),
        ("UPDATE hitl_detail SET body = %s", value),
        ("INSERT INTO log (dttm, event, extra) VALUES (now(), 'x', %s)", value),
        ("UPDATE dag_run SET conf = %s", json.dumps({"x": value})),
    )
    try:
        for statement, parameter in planted:
            with connection.cursor() as cursor:
                cursor.execute(statement, (parameter,))
                assert cursor.rowcount > 0, statement
            found = [table for table, data in _rows(connection) if scanner.forms(data)]
            assert found, statement
            connection.rollback()
    finally:
        connection.close()


def _rows(connection: Any) -> Iterator[tuple[str, bytes]]:
    with connection.cursor() as cursor:
        for table in ("task_instance", "rendered_task_instance_fields", "xcom", "hitl_detail", "log", "dag_run"):
            cursor.execute(f"SELECT * FROM {table}")
            for row in cursor.fetchall():
                yield table, json.dumps(row, default=str, ensure_ascii=False).encode("utf-8")
