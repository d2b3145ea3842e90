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

        Returns the DAG runs. Raises `KinbridgeError` KB-S33 after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            runs = self.api.runs()
            self._tell_runs(runs)
            self._tell_deliveries()
            if self._done(runs, feed_dags):
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

    def _done(self, runs: list[dict[str, Any]], feed_dags: set[str]) -> bool:
        started = {run["dag_id"] for run in runs}
        if not feed_dags <= started:
            return False
        waiting = {q["task_instance"]["dag_run_id"] for q in self.api.questions()}
        active = [run for run in runs if run["state"] in ACTIVE and run["dag_run_id"] not in waiting]
        return not active and self._integrated()

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
