"""The receive DAG of a feed, generated from its contract: collect, then stage to receipt for each delivery."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    AssetAll,
    AssetAny,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    get_current_context,
    get_parsing_context,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowSkipException

from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import contract_paths, feed_of, read_feed
from kinbridge.errors import KinbridgeError
from kinbridge.orchestration.assets import inbox_of, records_of
from kinbridge.orchestration.connections import PIPELINE, sftp, warehouse
from kinbridge.orchestration.guard import guarded
from kinbridge.orchestration.hold import HoldDecision
from kinbridge.orchestration.mail import tell_of
from kinbridge.orchestration.retries import TASK_DEFAULTS
from kinbridge.receive.collect import collect_feed, gate
from kinbridge.receive.load import load_delivery
from kinbridge.receive.receipt import send_receipt_of
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery
from kinbridge.warehouse.connection import Dsn

log = logging.getLogger("kinbridge")
PAUSED = "KB-E03"


def dag_id_of(feed_id: str) -> str:
    """`receive__medicaid__eligibility_v1`."""
    return f"receive__{feed_id.replace('/', '__')}"


def receive_dags() -> Iterator[DAG]:
    """One DAG per contract. A task process parses for one DAG only and reads just that contract."""
    wanted = get_parsing_context().dag_id
    for path in contract_paths():
        feed_id = f"{path.parents[2].name}/{path.parent.name}"
        if wanted is None or wanted == dag_id_of(feed_id):
            yield receive_dag(read_feed(path))


def receive_dag(feed: Feed) -> DAG:
    """The DAG of one feed.

    It runs by the contract's schedule, when the sibling feeds that it refers to have loaded, and when its last run has
    left something.
    """
    siblings = [records_of(name) for name in feed.siblings]
    with DAG(
        dag_id=dag_id_of(feed.id),
        dag_display_name=f"Receive {feed.id}",
        description=feed.title,
        schedule=_schedule(feed, siblings),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        # A delivery may wait days for a decision; the next run must not wait for it.
        max_active_runs=16,
        max_consecutive_failed_dag_runs=0,
        # Upstream weights finish one delivery before they begin the next, so that receipts leave early.
        default_args={**TASK_DEFAULTS, "weight_rule": "upstream"},
        tags=["receive", feed.partner],
        doc_md=_documentation(feed),
    ) as dag:
        _delivery_steps(feed).expand(delivery_id=_collect(feed)())
    return dag


def _schedule(feed: Feed, siblings: list[Asset]) -> Any:
    left = inbox_of(feed)
    assets = AssetAny(AssetAll(*siblings), left) if siblings else AssetAny(left)
    if feed.schedule is None:
        return assets
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable(feed.schedule, timezone="UTC"), assets=assets)


def _collect(feed: Feed) -> Any:
    # An alias, since an asset itself would be emitted by every run.
    more = AssetAlias(name=f"more {feed.id}")

    @task(task_id="collect", pool="sftp", outlets=[more], doc_md="Fetch new files, if an agreement is in force today.")
    @guarded(f"collecting {feed.id}")
    def collect() -> list[int]:
        today = datetime.now(UTC).date()
        dsn = warehouse(PIPELINE)
        try:
            permit = gate(dsn, feed.id, today)
        except KinbridgeError as error:
            if error.code == PAUSED:
                raise AirflowSkipException(str(error)) from None
            raise
        endpoint, now = sftp(feed.partner), datetime.now(UTC)
        found = collect_feed(dsn, endpoint, feed_of(feed.id), permit, now, resume_since=_first_try())
        _tell_overdue(dsn, feed, now)
        if found.more:
            get_current_context()["outlet_events"][more].add(inbox_of(feed))
        return found.deliveries

    return collect


def _tell_overdue(dsn: Dsn, feed: Feed, now: datetime) -> None:
    """Say in the task's log which periods are overdue. What was collected must not fail with it."""
    from kinbridge.calendar.read import overdue_lines

    try:
        for line in overdue_lines(dsn, feed, now):
            log.warning(line)
    except KinbridgeError as error:
        log.warning("the calendar cannot be read: %s", error)


def _first_try() -> datetime | None:
    """When the run of a task that tries again began; None at a first try."""
    context = get_current_context()
    began: datetime | None = context["dag_run"].start_date
    return began if context["ti"].try_number > 1 else None


def _delivery_steps(feed: Feed) -> Any:
    @task(doc_md="Authorised columns, as text, by COPY.")
    @guarded(f"staging {feed.id}")
    def stage(delivery_id: int) -> int:
        stage_delivery(warehouse(PIPELINE), delivery_id, datetime.now(UTC).date())
        return delivery_id

    @task(doc_md="Great Expectations and our own findings, which must agree.")
    @guarded(f"validating {feed.id}")
    def validate(delivery_id: int) -> None:
        validate_delivery(warehouse(PIPELINE), delivery_id, datetime.now(UTC).date())

    @task(outlets=[records_of(feed)], doc_md="Accepted rows into the record, the others into quarantine.")
    @guarded(f"loading {feed.id}")
    def load(delivery_id: int) -> None:
        if load_delivery(warehouse(PIPELINE), delivery_id, datetime.now(UTC).date()) is None:
            raise AirflowSkipException("Nothing to load: rejected, or the same bytes were here before.")

    @task(pool="sftp", trigger_rule="none_failed", doc_md="The receipt, into the partner's outbox.")
    @guarded(f"writing a receipt for {feed.id}")
    def receipt(delivery_id: int) -> None:
        send_receipt_of(warehouse(PIPELINE), sftp(feed.partner), delivery_id)
        tell_of(delivery_id)

    @task_group(group_id="delivery")
    def steps(delivery_id: int) -> None:
        hold = HoldDecision(task_id="hold", delivery_id=delivery_id)
        stage(delivery_id) >> validate(delivery_id) >> hold >> load(delivery_id) >> receipt(delivery_id)

    return steps


def _documentation(feed: Feed) -> str:
    return (
        f"### {feed.title}\n\n"
        f"Contract `{feed.id}` version {feed.version}; {len(feed.columns)} columns; key {', '.join(feed.key)}.\n\n"
        "A held delivery waits under **Required Actions**. Receipts go to the partner's outbox."
    )
