"""The calendar DAG: what is due, overdue, doubled or silent is worked out each morning, and told once.

Airflow's deadline alerts are not used. A `DeadlineAlert` belongs to a DAG run: it is made when a run is, and removed
when the run ends in time. A run of a receive DAG that finds nothing ends in seconds, so its deadline is met, while the
delivery that it did not find stays overdue; and a fixed date that is over would be missed anew by every run. See
docs/decisions/0009-calendar.md. Overdue periods stand in the log of the feed's own `collect` task instead.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from airflow.sdk import DAG, CronTriggerTimetable, task

from kinbridge.calendar.read import read_calendars
from kinbridge.calendar.table import table
from kinbridge.notice.post import post_alerts, post_deliveries
from kinbridge.orchestration.connections import PIPELINE, warehouse
from kinbridge.orchestration.guard import guarded
from kinbridge.orchestration.mail import mail_sender
from kinbridge.orchestration.retries import TASK_DEFAULTS

log = logging.getLogger("kinbridge")
MONTHS_IN_LOG = 3


def calendar_dag() -> DAG:
    """Daily at 06:00 UTC and on demand. Both tasks may be repeated: what was told is not told again."""
    with DAG(
        dag_id="calendar",
        dag_display_name="Calendar: due, overdue, silent",
        schedule=CronTriggerTimetable("0 6 * * *", timezone="UTC"),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args=TASK_DEFAULTS,
        tags=["calendar"],
    ) as dag:

        @task(task_id="alerts", doc_md="Statuses of all feeds; reminders and alerts by e-mail.")
        @guarded("telling what is due")
        def alerts() -> int:
            dsn = warehouse(PIPELINE)
            calendars = read_calendars(dsn, datetime.now(UTC))
            for line in table(calendars, MONTHS_IN_LOG):
                log.info(line)
            return post_alerts(dsn, calendars, mail_sender())

        @task(task_id="deliveries", doc_md="Mails about held and settled deliveries that nobody was told of.")
        @guarded("telling what became of deliveries")
        def deliveries() -> int:
            return post_deliveries(warehouse(PIPELINE), mail_sender())

        alerts()
        deliveries()
    return dag
