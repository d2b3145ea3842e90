"""The integrate DAG: people are linked, `integrated` is built, `mart` is published.

It runs whenever a feed has loaded, and when what may be used has changed since the last time.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from kinbridge.contract.odcs import contract_paths
from kinbridge.ledger.integrations import begin_integration, finish_integration, in_flight
from kinbridge.orchestration.assets import MART, records_of
from kinbridge.orchestration.connections import LINKAGE, warehouse
from kinbridge.orchestration.guard import guarded
from kinbridge.orchestration.retries import QUIET_SECONDS, TASK_DEFAULTS

log = logging.getLogger("kinbridge")


def may_begin(under_way: int, run_began: datetime) -> bool:
    """Whether nothing is under way any more, or the run has waited long enough for what is.

    Deliveries that keep coming are no failure: those that load later make one more run.
    """
    if under_way == 0:
        return True
    waited = (datetime.now(UTC) - run_began).total_seconds()
    if waited < QUIET_SECONDS:
        return False
    log.info("Going on after %d s, with %d deliveries under way: they make one more run.", waited, under_way)
    return True


def integrate_dag() -> DAG:
    """One run at a time; what loads meanwhile makes one more run, so a burst of deliveries integrates once or twice."""
    feeds = [f"{path.parents[2].name}/{path.parent.name}" for path in contract_paths()]
    with DAG(
        dag_id="integrate",
        dag_display_name="Integrate: link, build, publish",
        schedule=reduce(or_, (records_of(feed) for feed in feeds)),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args=TASK_DEFAULTS,
        tags=["integrate"],
    ) as dag:

        @task.sensor(poke_interval=10, mode="reschedule")
        @guarded("waiting for deliveries in flight")
        def quiet(dag_run: Any = None) -> bool:
            return may_begin(in_flight(warehouse(LINKAGE), QUIET_SECONDS), dag_run.start_date)

        @task
        @guarded("looking for new loads and changed gates")
        def begin() -> int:
            from kinbridge.consent.changed import gates_now

            integration = begin_integration(warehouse(LINKAGE), gates_now(warehouse(LINKAGE)))
            if integration is None:
                raise AirflowSkipException("Everything that is loaded has been integrated, under the gates of today.")
            return integration

        @task
        @guarded("linking people")
        def link(integration_id: int) -> int:
            from kinbridge.linkage.model import read_model
            from kinbridge.linkage.run import link_people

            link_people(warehouse(LINKAGE), read_model())
            return integration_id

        @task
        @guarded("building integrated")
        def build(integration_id: int) -> int:
            from kinbridge.integration.build import build_integrated

            build_integrated(warehouse(LINKAGE))
            return integration_id

        @task(outlets=[MART])
        @guarded("publishing the mart")
        def publish(integration_id: int) -> None:
            from kinbridge.integration.publish import publish_mart

            publish_mart(warehouse(LINKAGE))
            finish_integration(warehouse(LINKAGE), integration_id)

        started = begin()
        quiet() >> started
        publish(build(link(started)))
    return dag
