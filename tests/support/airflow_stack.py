"""The whole demo stack in a folder of its own, for tests that need a real Airflow: Postgres, SFTP server, Airflow.

Everything that is started is stopped, whatever happens. Retries are quick here, so that failures can be provoked.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support import lookout
from tests.support.places import copy_of_gx

from kinbridge.bundled import airflow_service, postgres, sftp
from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.contract.odcs import feeds
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.demo.services import Stack, endpoint_of, start_airflow, start_storage
from kinbridge.validation.expectations import project
from kinbridge.warehouse.connection import Dsn
from kinbridge.warehouse.migrate import migrate
from kinbridge.warehouse.roles import provision

ENDED = ("success", "failed")
QUICK = {"KINBRIDGE_RETRIES": "1", "KINBRIDGE_RETRY_SECONDS": "1", "KINBRIDGE_QUIET_SECONDS": "15"}

# No DAG file changes here; parsing all of them every half minute takes a sixth of a core.
PARSED_ONCE = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600"}


@dataclass
class AirflowStack:
    """The running stack, and what tests ask of it again and again."""

    state: Path
    gx: Path
    stack: Stack
    api: AirflowApi

    @property
    def superuser(self) -> Dsn:
        return self.stack.postgres.dsn(self.stack.dsns["kb_owner"].database)

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """One statement in the warehouse as the superuser: for arranging and looking."""
        return lookout.rows(self.superuser, statement, parameters or None)

    def metadata(self, statement: str) -> list[tuple[Any, ...]]:
        """One statement in Airflow's own database: for waiting, which the API is too dear for."""
        return lookout.rows(self.stack.dsns["airflow"], statement)

    def endpoint(self, partner: str) -> SftpEndpoint:
        return endpoint_of(self.stack.sftp, partner)

    def outbox(self, partner: str) -> Path:
        return self.stack.sftp.jail(partner) / "outbox"

    def place_in_inbox(self, partner: str, name: str, content: bytes) -> None:
        """Put a file where the partner would, an hour ago."""
        path = self.stack.sftp.jail(partner) / "inbox" / name
        path.write_bytes(content)
        os.utime(path, (time.time() - 3600,) * 2)

    def deliveries(self) -> dict[tuple[str, str], str]:
        """The state of every delivery that is no duplicate, by feed and file."""
        return {
            (feed, name): state
            for feed, name, state in self.query(
                "SELECT feed, file_name, state FROM ledger.delivery WHERE state <> 'duplicate'"
            )
        }

    def wait_for_dags(self, wanted: set[str]) -> None:
        self.wait(lambda: wanted <= self.api.dag_ids(), "the DAGs are parsed")
        assert self.api.import_errors() == []

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 240.0) -> Any:
        """Until the condition holds; what it gave."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.5)
        raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.overview()}")

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return dict(self.api.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))

    def trigger(self, dag_ids: list[str]) -> dict[str, str]:
        """Start a run of each now; their ids."""
        return {dag_id: self.api.trigger(dag_id) for dag_id in dag_ids}

    def ended(self, runs: dict[str, str], seconds: float = 240.0) -> dict[str, str]:
        """Wait until each run has succeeded, failed or waits for a person; how it stands."""

        def states() -> dict[str, str] | None:
            if self.under_way() & set(runs.items()):
                return None
            held = {(q["task_instance"]["dag_id"], q["task_instance"]["dag_run_id"]) for q in self.api.questions()}
            found = {
                dag_id: "held" if (dag_id, run_id) in held else self.run(dag_id, run_id)["state"]
                for dag_id, run_id in runs.items()
            }
            return found if all(state in (*ENDED, "held") for state in found.values()) else None

        return dict(self.wait(states, f"runs of {', '.join(runs)} end", seconds))

    def under_way(self) -> set[tuple[str, str]]:
        """The runs that are under way and wait for nobody, by Airflow's own tables.

        The API says so as well, but asked of each run twice a second it takes half a core from the tasks.
        """
        return set(
            self.metadata(
                """
                SELECT dag_id, run_id FROM dag_run WHERE state IN ('queued', 'running')
                EXCEPT
                SELECT dag_id, run_id FROM task_instance
                INNER JOIN hitl_detail ON hitl_detail.ti_id = task_instance.id
                WHERE hitl_detail.responded_at IS NULL
                """
            )
        )

    def clear_failed(self, runs: dict[str, str]) -> None:
        """Clear what failed in each run, and what did not come to pass after it: what a person does after mending."""
        for dag_id, run_id in runs.items():
            body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
            self.api.call("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """The state of each task of a run; of mapped ones the last is told."""
        return {t["task_id"]: t["state"] for t in self.api.task_instances(dag_id, run_id)}

    def task_log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """All tries of a task as Airflow wrote them."""
        folder = self.state / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.log")))

    def last_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """A task's latest try as Airflow wrote it; of mapped tasks all of them. Nothing when it never began."""
        folder = self.state / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        tries = {
            t["map_index"]: t["try_number"] for t in self.api.task_instances(dag_id, run_id) if t["task_id"] == task_id
        }
        paths = [
            (folder / f"map_index={index}" if index >= 0 else folder) / f"attempt={number}.log"
            for index, number in tries.items()
            if map_index in (-1, index)
        ]
        return "".join(path.read_text(encoding="utf-8") for path in paths if path.exists())

    def log_of_failure(self, dag_id: str, run_id: str) -> str:
        """What the failed tasks of a run said in their latest try."""
        failed = [t for t in self.api.task_instances(dag_id, run_id) if t["state"] == "failed"]
        return "".join(self.last_log(dag_id, run_id, t["task_id"], t["map_index"]) for t in failed)

    def answer(self, questions: list[dict[str, Any]], choice: str, reason: str) -> None:
        """Answer questions as a person does: not in the very second in which they were asked.

        Airflow's scheduler takes the end of the task that asked for the end of the one that goes on, when that one is
        queued before the worker's report has come in; it then fails the task.
        """
        time.sleep(2.5)
        for question in questions:
            self.api.answer(question, choice, reason)

    def rest(self) -> None:
        """No DAG begins anything by itself, and no run is left: as the next tests want to find it."""
        self.api.call("PATCH", "/dags", {"is_paused": True}, dag_id_pattern="~", limit=100)
        for run in self.api.runs():
            path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
            if run["state"] not in ENDED:
                self.api.call("PATCH", path, {"state": "failed"})
            self.api.call("DELETE", path)

    def move(self, database: str) -> None:
        """To a new, empty warehouse on the same Postgres: Airflow's connections lead there from now on."""
        dsns = provision(self.stack.postgres.dsn(), self.state / "roles", database=database)
        migrate(dsns["kb_owner"])
        self.stack = replace(self.stack, dsns=dsns)
        start_airflow(dsns, self.stack.sftp, lambda text: None)

    def sftp_log(self) -> str:
        return (self.state / "sftp" / "sftp.log").read_text(encoding="utf-8")

    def overview(self) -> str:
        """What stands where, for a failed wait."""
        with suppress(Exception):
            runs = [f"{run['dag_id']} {run['dag_run_id']} {run['state']}" for run in self.api.runs()]
            return "\n".join([*runs, *(f"{key} {state}" for key, state in self.deliveries().items())])
        return ""


@contextmanager
def running_stack(
    folder: Path, *, include: str = "", environment: dict[str, str] | None = None
) -> Iterator[AirflowStack]:
    """Start everything below `folder`; stop everything at the end."""
    state = folder / "state"
    (state / "tmp").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KINBRIDGE_")]:
            patch.delenv(name)
        given = {
            "KINBRIDGE_STATE": str(state),
            "KINBRIDGE_GX": str(copy_of_gx(folder / "gx")),
            "KINBRIDGE_INCLUDE": include,
            "TMPDIR": str(state / "tmp"),
            **QUICK,
            **(environment or {}),
        }
        for name, value in given.items():
            patch.setenv(name, value)
        # Bytecode is worth keeping: without it every task compiles its libraries anew.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        feeds.cache_clear()
        project.cache_clear()
        try:
            server, dsns, files = start_storage(lambda text: None)
            service = start_airflow(dsns, files, lambda text: None, environment=PARSED_ONCE)
            yield AirflowStack(state, folder / "gx", Stack(server, dsns, files, service), AirflowApi(service))
        finally:
            for stop, place in (
                (airflow_service.stop, "airflow"),
                (sftp.stop, "sftp"),
                (postgres.stop, "postgres"),
            ):
                stop(state / place)
            feeds.cache_clear()
            project.cache_clear()


def process_of_session(client_port: int) -> int:
    """The process of this machine at the client's end of a connection from 127.0.0.1:`client_port`."""
    entry = re.compile(rf"^\s*\d+: 0100007F:{client_port:04X} \S+ 01 \S+ \S+ \S+ +\d+ +\d+ (\d+)", re.MULTILINE)
    found = entry.search(Path("/proc/net/tcp").read_text(encoding="ascii"))
    assert found is not None
    socket = f"socket:[{found[1]}]"
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(descriptor.readlink()) == socket:
                return int(descriptor.parts[2])
    raise AssertionError("nobody holds that connection")
