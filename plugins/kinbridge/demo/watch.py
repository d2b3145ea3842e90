"""Watches the DAGs work: says what changes, and tells when there is nothing left to wait for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.demo.services import Say
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, transaction

ACTIVE = ("queued", "running")
POLL_SECONDS = 2.0
# Airflow takes seconds to begin what an asset triggers. After this long with nothing at work, nothing more will come.
QUIET_SECONDS = 60.0


@dataclass
class Watch:
    """What has been said so far."""

    api: AirflowApi
    dsn: Dsn
    say: Say
    states: dict[int, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)

    def until_done(self, feed_dags: set[str], timeout: float) -> list[dict[str, Any]]:
        """Wait until every feed has run, every delivery is settled or held, and all loads are integrated.

        Returns the DAG runs; also when a failure keeps some of that from ever coming true and Airflow is at rest.
        Raises `KinbridgeError` KB-S33 after `timeout` seconds.
        """
        began = at_work = time.monotonic()
        while time.monotonic() < began + timeout:
            runs = self.api.runs()
            self._tell_runs(runs)
            self._tell_deliveries()
            if self._active(runs) or not feed_dags <= {run["dag_id"] for run in runs}:
                at_work = time.monotonic()
            elif self._integrated() or time.monotonic() > at_work + QUIET_SECONDS:
                return runs
            time.sleep(POLL_SECONDS)
        raise KinbridgeError("KB-S33", minutes=int(timeout / 60))

    def _tell_runs(self, runs: list[dict[str, Any]]) -> None:
        for run in runs:
            key = f"{run['dag_id']} {run['dag_run_id']}"
            if self.runs.get(key) != run["state"]:
                self.runs[key] = run["state"]
                if run["state"] not in {"queued"}:
                    self.say(f"{run['dag_id']}: {run['state']}")

    def _tell_deliveries(self) -> None:
        for delivery_id, feed, name, state, rows, loaded, total in self._deliveries():
            if self.states.get(delivery_id) != state:
                self.states[delivery_id] = state
                counted = "" if rows is None else f", {rows:,} rows"
                fate = f", {loaded:,} loaded" if loaded else ""
                self.say(f"  {feed} {name}: {state.replace('_', ' ')}{counted}{fate} ({total:,} rows loaded so far)")

    def _deliveries(self) -> list[tuple[Any, ...]]:
        with transaction(self.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT d.delivery_id, d.feed, d.file_name, d.state, a.source_rows, a.loaded, sum(a.loaded) OVER ()
                FROM ledger.delivery AS d
                LEFT JOIN ledger.account AS a USING (delivery_id)
                ORDER BY d.delivery_id
                """
            )
            return [(*row[:6], int(row[6] or 0)) for row in cursor.fetchall()]

    def _active(self, runs: list[dict[str, Any]]) -> bool:
        """Whether anything is at work that does not wait for a person."""
        instances = [question["task_instance"] for question in self.api.questions()]
        waiting = {(instance["dag_id"], instance["dag_run_id"]) for instance in instances}
        return any(run["state"] in ACTIVE and (run["dag_id"], run["dag_run_id"]) not in waiting for run in runs)

    def _integrated(self) -> bool:
        with transaction(self.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT
                    (SELECT count(*) FROM ledger.load),
                    (SELECT coalesce(max(loads), 0) FROM ledger.integration WHERE finished_at IS NOT NULL),
                    (
                        SELECT count(*)
                        FROM ledger.delivery
                        WHERE state IN ('collected', 'staged', 'validated', 'approved')
                    )
                """
            )
            loads, integrated, under_way = cursor.fetchone()
        return bool(loads == integrated and under_way == 0)
