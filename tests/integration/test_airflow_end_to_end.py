"""Partners' files through a real Airflow: what loads, what waits for a person, what is refused, what survives a kill.

One stack for the module, in folders of its own. The tests build on each other, in their order.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support import declared, workers
from tests.support.airflow_stack import PARSED_ONCE, AirflowStack, process_of_session, running_stack
from tests.support.state import state_of, unbalanced

from kinbridge.bundled import airflow_service, postgres, process
from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.contract.odcs import feeds
from kinbridge.demo.deliveries import drop
from kinbridge.receive.decide import APPROVE, REJECT
from kinbridge.simulator import simulate
from kinbridge.simulator.held import spoil_delivery
from kinbridge.warehouse.connection import connect

pytestmark = pytest.mark.airflow

FAMILIES, SEED, MONTHS = 300, 5, 1
EXPIRED = "foster_care/placements_v1"
APPROVED, REJECTED = "home_visiting/visits_v1", "snap/participation_v1"
KILLED = "early_intervention/services_v1"
SOON_GIVEN_UP = {
    **PARSED_ONCE,
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
}
REASON = 'Checked by telephone; the field "visit date" was lost at their side.'


def partner_of(feed: str) -> str:
    return feed.split("/", maxsplit=1)[0]


def receive(feed: str) -> str:
    return f"receive__{feed.replace('/', '__')}"


def failed_runs(stack: AirflowStack) -> list[dict[str, Any]]:
    return [run for run in stack.api.runs() if run["state"] == "failed"]


def said_by(stack: AirflowStack, runs: list[dict[str, Any]]) -> str:
    """The logs of what failed, for a failed assertion."""
    return "\n".join(stack.log_of_failure(run["dag_id"], run["dag_run_id"]) for run in runs)


@dataclass
class World:
    """The stack, what was simulated for it, and the run of each DAG that met the feed's file (or was refused)."""

    stack: AirflowStack
    files: Path
    names: dict[str, str]
    met: dict[str, str] = field(default_factory=dict)
    log_so_far: int = 0

    def state(self, feed: str) -> str | None:
        return self.stack.deliveries().get((feed, self.names[feed]))

    def account(self, feed: str) -> dict[str, int]:
        columns = ("source_rows", "loaded", "unchanged", "quarantined", "duplicate", "undecided")
        [row] = self.stack.query(
            f"SELECT {', '.join(columns)} FROM ledger.account INNER JOIN ledger.delivery USING (delivery_id) "
            "WHERE feed = %s AND state <> 'duplicate'",
            feed,
        )
        return dict(zip(columns, row, strict=True))

    def receipt(self, feed: str) -> dict[str, object]:
        pages = [
            p for p in self.stack.outbox(partner_of(feed)).rglob("*.json") if self.names[feed].split(".")[0] in p.name
        ]
        assert len(pages) == 1, feed
        return dict(json.loads(pages[0].read_text(encoding="utf-8")))

    def settled(self) -> bool:
        under_way = ("collected", "staged", "validated", "approved")
        return not [state for state in self.stack.deliveries().values() if state in under_way]

    def resting(self) -> bool:
        """Whether nothing runs but what waits for a person."""
        if self.stack.under_way():
            return False
        held = {(q["task_instance"]["dag_id"], q["task_instance"]["dag_run_id"]) for q in self.stack.api.questions()}
        active = {
            (run["dag_id"], run["dag_run_id"]) for run in self.stack.api.runs() if run["state"] in {"queued", "running"}
        }
        return active <= held

    def find_runs(self) -> None:
        """Visits and referrals wait for their enrollments: the run that met the file may be a second one."""
        for instance in self.stack.api.task_instances():
            refused = instance["task_id"] == "collect" and instance["state"] == "failed"
            if refused or (instance["task_id"] == "delivery.stage" and instance["map_index"] == 0):
                self.met[instance["dag_id"]] = instance["dag_run_id"]

    def integrated(self) -> bool:
        [(loads, seen)] = self.stack.query(
            "SELECT (SELECT count(*) FROM ledger.load), "
            "(SELECT coalesce(max(loads), 0) FROM ledger.integration WHERE finished_at IS NOT NULL)"
        )
        return bool(loads == seen)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("airflow")
    files = folder / "files"
    simulate(files, FAMILIES, SEED, MONTHS, held=APPROVED)
    names = {
        feed.id: path.name
        for feed in feeds().values()
        for path in (files / feed.partner).iterdir()
        if path.name.startswith({"snap/participation_v1": "part"}.get(feed.id, feed.id.split("/")[1].split("_")[0]))
        or (feed.id == KILLED and path.name.startswith("ei_"))
    }
    spoil_delivery(files / "snap" / names[REJECTED], 0.2)
    site = folder / "site"
    partner = partner_of(EXPIRED)
    declared.write_feed(
        site,
        EXPIRED,
        declared.contract(EXPIRED, declared.column("case_id", "string", "primaryKey: true", "primaryKeyPosition: 1")),
    )
    agreement = declared.write_agreement(site, partner, {EXPIRED: ["person.birth_date"]})
    text = agreement.read_text(encoding="utf-8").replace("expires: 2026-12-31", "expires: 2025-12-31")
    agreement.write_text(text, encoding="utf-8")
    with running_stack(folder, include=str(site)) as stack:
        yield World(stack, files, names)


def test_everything_runs_and_a_killed_task_is_tried_again(world: World) -> None:
    """All DAGs are unpaused while a table is locked; a task process that runs into the lock is killed there."""
    stack = world.stack
    drop(stack.stack.sftp, world.files)
    world.log_so_far = len(stack.sftp_log())
    wanted = {receive(feed) for feed in feeds()} | {"integrate"}
    stack.wait_for_dags(wanted)
    with workers.locked(stack.superuser, "ledger.account"):
        stack.api.unpause(receive(KILLED))
        port = stack.wait(
            lambda: stack.query(
                "SELECT client_port FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'kb_pipeline'"
            ),
            "the stage task runs into the lock",
        )[0][0]
        victim = process_of_session(port)
        os.kill(victim, signal.SIGKILL)
        stack.wait(lambda: not Path(f"/proc/{victim}").exists(), "the killed task is gone", 30)
    for dag_id in sorted(wanted):
        stack.api.unpause(dag_id)
    # A contract without a schedule runs when somebody says so.
    stack.api.trigger(receive(EXPIRED))
    stack.wait(
        lambda: len(stack.deliveries()) == len(world.names) and world.settled(), "every delivery is settled or held"
    )
    stack.wait(lambda: len(stack.api.questions()) == 2 and world.resting(), "what can end has ended")
    world.find_runs()
    tries = [t["try_number"] for t in stack.api.task_instances(receive(KILLED)) if t["task_id"] == "delivery.stage"]
    assert tries == [2]
    assert world.state(KILLED) in {"accepted", "accepted_with_findings", "partly_accepted"}
    assert unbalanced(stack.superuser) == []


def test_only_what_must_wait_waits_and_only_what_is_refused_fails(world: World) -> None:
    stack = world.stack
    held = {(feed, world.names[feed]) for feed in (APPROVED, REJECTED)}
    assert {key for key, state in stack.deliveries().items() if state == "held"} == held
    questions = {q["task_instance"]["dag_id"]: q for q in stack.api.questions()}
    assert questions.keys() == {receive(APPROVED), receive(REJECTED)}
    for feed in (APPROVED, REJECTED):
        question = questions[receive(feed)]
        assert question["subject"] == f"Held: {feed} {world.names[feed]}"
        assert question["options"] == [APPROVE, REJECT]
        assert f"rows in the file: {world.account(feed)['source_rows']:,}" in question["body"]
        assert world.account(feed)["undecided"] == world.account(feed)["source_rows"]
    assert {run["dag_id"] for run in failed_runs(stack)} == {receive(EXPIRED)}, said_by(stack, failed_runs(stack))


def test_a_feed_without_an_agreement_in_force_is_refused_before_connecting(world: World) -> None:
    stack, partner = world.stack, partner_of(EXPIRED)
    log = stack.task_log(receive(EXPIRED), world.met[receive(EXPIRED)], "collect")
    assert "KB-A03" in log
    assert f"dsa-{partner}" in log
    assert "Traceback" not in log
    met = stack.sftp_log()[world.log_so_far :]
    assert f"log in as {partner}" not in met
    assert "log in as snap" in met
    assert met.count(": connected") == met.count(": begins to log in as ")
    [(facts,)] = stack.query("SELECT facts FROM ledger.event WHERE feed = %s", EXPIRED)
    assert facts == {"code": "KB-A03"}
    tries = [t["try_number"] for t in stack.api.task_instances(receive(EXPIRED), world.met[receive(EXPIRED)])]
    assert max(tries) == 1


def test_decisions_are_taken_in_airflow_and_kept_in_the_ledger(world: World) -> None:
    stack = world.stack
    before = {feed: world.account(feed)["source_rows"] for feed in (APPROVED, REJECTED)}
    for question in stack.api.questions():
        approve = question["task_instance"]["dag_id"] == receive(APPROVED)
        stack.answer([question], APPROVE if approve else REJECT, REASON)
    ended = stack.ended({receive(feed): world.met[receive(feed)] for feed in (APPROVED, REJECTED)})
    assert set(ended.values()) == {"success"}
    decisions = stack.query(
        "SELECT d.feed, c.outcome, c.decided_by, c.reason FROM ledger.decision AS c "
        "INNER JOIN ledger.delivery AS d USING (delivery_id) ORDER BY d.feed"
    )
    user = stack.stack.airflow.user
    assert decisions == [(APPROVED, "approved", user, REASON), (REJECTED, "rejected", user, REASON)]

    assert world.state(APPROVED) == "partly_accepted"
    with (world.files / "truth" / "spoilt.csv").open(encoding="utf-8", newline="") as text:
        # Durations are no longer read: an amendment took them back.
        spoilt = [row for row in csv.DictReader(text) if row["feed"] == APPROVED and "duration" not in row["how"]]
    refused = {row["line_no"] for row in spoilt if row["fate"] == "quarantined"}
    repeated = {row["line_no"] for row in spoilt if row["fate"] == "duplicate"}
    account = world.account(APPROVED)
    assert account["quarantined"] == len(refused) > 0
    assert account["loaded"] == before[APPROVED] - len(refused | repeated)
    assert stack.query("SELECT count(*) FROM record.service_event") == [(account["loaded"],)]

    assert world.state(REJECTED) == "refused"
    account = world.account(REJECTED)
    assert (account["loaded"], account["unchanged"]) == (0, 0)
    assert account["quarantined"] + account["duplicate"] == before[REJECTED]
    assert stack.query("SELECT count(*) FROM record.person WHERE partner = 'snap'") == [(0,)]
    assert "refused" in json.dumps(world.receipt(REJECTED))
    assert unbalanced(stack.superuser) == []


def test_what_is_loaded_is_integrated(world: World) -> None:
    stack = world.stack
    stack.wait(lambda: world.integrated() and world.resting(), "everything is integrated and Airflow is at rest")
    assert stack.query("SELECT count(*) > 100 FROM integrated.person") == [(True,)]
    failed = [run for run in failed_runs(stack) if run["dag_id"] == "integrate"]
    assert failed == [], said_by(stack, failed)
    [(tables,)] = stack.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'mart'")
    assert tables > 0


def test_running_everything_again_doubles_nothing(world: World) -> None:
    """Every DAG again, and every task of two finished runs cleared and done once more."""
    stack = world.stack
    before = state_of(stack.superuser)
    loads = stack.query("SELECT count(*) FROM ledger.load")
    again = stack.trigger([receive(feed) for feed in sorted(world.names)])
    cleared = {receive(feed): world.met[receive(feed)] for feed in (KILLED, REJECTED)}
    for dag_id, run_id in cleared.items():
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "reset_dag_runs": True}
        body["task_ids"] = ["delivery.stage", "delivery.validate", "delivery.hold", "delivery.load", "delivery.receipt"]
        stack.api.call("POST", f"/dags/{dag_id}/clearTaskInstances", body)
    assert set(stack.ended(again).values()) == {"success"}
    assert set(stack.ended(cleared).values()) == {"success"}
    assert state_of(stack.superuser) == before
    assert stack.query("SELECT count(*) FROM ledger.load") == loads
    assert len(list(stack.outbox("snap").rglob("*.json"))) == 1


def test_another_host_key_is_refused_before_a_credential_is_sent(world: World) -> None:
    stack, partner = world.stack, "medicaid"
    stack.wait(world.resting, "Airflow is at rest")
    endpoint = stack.endpoint(partner)
    other = (stack.state / "sftp" / "keys" / "snap.pub").read_text(encoding="ascii").split()[:2]
    extra = {"host_key": " ".join(other), "key_file": str(endpoint.key_file)}
    connection = {"conn_type": "sftp", "host": endpoint.host, "port": endpoint.port, "login": partner}
    before = stack.sftp_log()
    stack.api.put_connection(f"sftp_{partner}", **connection, extra=json.dumps(extra))
    try:
        runs = stack.trigger([receive("medicaid/eligibility_v1")])
        assert stack.ended(runs) == {receive("medicaid/eligibility_v1"): "failed"}
    finally:
        extra["host_key"] = endpoint.host_key
        stack.api.put_connection(f"sftp_{partner}", **connection, extra=json.dumps(extra))
    log = stack.task_log(receive("medicaid/eligibility_v1"), runs[receive("medicaid/eligibility_v1")], "collect")
    assert "KB-D02" in log
    assert "Traceback" not in log
    met = stack.sftp_log()[len(before) :]
    assert met.count(": connected") == 1
    assert "log in" not in met
    assert "logged in" not in met
    runs = stack.trigger([receive("medicaid/eligibility_v1")])
    assert set(stack.ended(runs).values()) == {"success"}


@pytest.mark.case(32)
def test_what_died_is_started_again_and_goes_on(world: World) -> None:
    """Scheduler, API server and the server of both databases are killed under a task, and stay away for a while.

    A minute or five of it makes no difference to what follows: everything is gone, and has to be found again. Airflow
    gives a task up after five minutes without a heartbeat; here it is told to after half a minute.
    """
    stack, partner, dag_id = world.stack, partner_of(KILLED), receive(KILLED)
    stack.wait(world.resting, "Airflow is at rest")
    before = {name: found for name, found in state_of(stack.superuser).items() if name.startswith("record.")}
    known = stack.query("SELECT delivery_id FROM ledger.delivery WHERE feed = %s", KILLED)
    header, *rows = (world.files / partner / world.names[KILLED]).read_bytes().splitlines(keepends=True)
    stack.place_in_inbox(partner, world.names[KILLED], b"".join([header, *reversed(rows)]))
    holder = connect(stack.superuser)
    holder.cursor().execute("LOCK TABLE ledger.account IN ACCESS EXCLUSIVE MODE")
    runs = stack.trigger([dag_id])
    stack.wait(
        lambda: stack.query(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'kb_pipeline'"
        ),
        "the stage task is in the middle of its work",
    )
    for place in ("airflow/scheduler", "airflow/api-server", "postgres/postgres"):
        daemon = process.read_pid_file(stack.state / f"{place}.pid")
        assert daemon is not None
        os.kill(daemon.pid, signal.SIGKILL)
    holder.close()
    time.sleep(10)
    postgres.start(stack.state / "postgres")
    service = airflow_service.start(stack.state / "airflow", stack.stack.dsns["airflow"], environment=SOON_GIVEN_UP)
    stack.api = AirflowApi(service)
    assert stack.ended(runs) == {dag_id: "success"}
    [(state, loads)] = stack.query(
        "SELECT d.state, count(l.*) FROM ledger.delivery AS d LEFT JOIN ledger.load AS l USING (delivery_id) "
        "WHERE d.feed = %s AND d.delivery_id <> ALL(%s) GROUP BY d.delivery_id",
        KILLED,
        [number for (number,) in known],
    )
    assert (state in {"accepted", "accepted_with_findings", "partly_accepted"}, loads) == (True, 1)
    assert unbalanced(stack.superuser) == []
    assert {name: found for name, found in state_of(stack.superuser).items() if name in before} == before


def test_nothing_is_open_to_others(world: World) -> None:
    """Task logs, receipts' folders and landed files are closed; no landed file outlives its delivery."""
    stack = world.stack
    logs = list((stack.state / "airflow" / "logs").rglob("*.log"))
    assert len(logs) > 30
    # The folders' modes carry it: nobody else can pass the first one.
    assert (stack.state / "airflow").stat().st_mode & 0o077 == 0
    with contextlib.suppress(FileNotFoundError):
        assert list((stack.state / "landing").rglob("*.delivery")) == []
