"""Ballots in Airflow: one Required Action for each member who is asked, and the DAG that asks.

A member's answer counts, and nobody else's: an answer of another log-in is refused and the question put again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, AssetOrTimeSchedule, Context, CronTriggerTimetable, get_current_context, task
from airflow.sdk.definitions.param import Param

from kinbridge.decision.asking import ask_of, mail_of, to_be_asked
from kinbridge.decision.ballot import cast
from kinbridge.decision.model import Choice, State
from kinbridge.decision.register import registered
from kinbridge.decision.standing import charter_of, settle_due
from kinbridge.errors import KinbridgeError
from kinbridge.orchestration.assets import PROPOSAL
from kinbridge.orchestration.connections import PIPELINE, warehouse
from kinbridge.orchestration.guard import guarded
from kinbridge.orchestration.mail import mail_sender
from kinbridge.orchestration.people import answering, assigned
from kinbridge.orchestration.retries import TASK_DEFAULTS
from kinbridge.partner.profile import office_contact, office_email
from kinbridge.warehouse.connection import transaction

log = logging.getLogger("kinbridge")

# A member cannot mend these by another answer: the question is over.
OVER = frozenset({"KB-G11", "KB-G12", "KB-G13", "KB-G14"})
NO_ANSWER = "no answer"


class Vote(HITLOperator):  # type: ignore[misc]
    """Asks one member for the ballot on one proposal, and takes it into the register.

    Passes at once when the proposal is decided or the member has answered. Gives the proposal's state afterwards:
    `open`, `approved`, `rejected`, `lapsed`; or `no answer` when the days were over.
    """

    template_fields = ("subject", "body", "proposal_id", "member")

    def __init__(self, *, proposal_id: Any, member: Any, **kwargs: Any) -> None:
        # A mapped task is handed those of its DAG; a ballot asks for a reason and nothing else.
        kwargs.pop("params", None)
        super().__init__(
            subject="Ballot",
            options=list(Choice),
            params={
                "reason": Param(None, type=["null", "string"], title="Reason", description="Kept in the register.")
            },
            **kwargs,
        )
        self.proposal_id = proposal_id
        self.member = member

    @guarded("asking for a ballot")
    def execute(self, context: Context) -> Any:
        """Ask, if there is something to answer."""
        with transaction(warehouse(PIPELINE)) as connection:
            one, ask = ask_of(connection, int(self.proposal_id), str(self.member))
        if ask is None:
            return one.outcome.state.value if one.outcome else State.OPEN.value
        ends = datetime.combine(one.closes_on + timedelta(days=1), time(), UTC)
        self.subject, self.body, self.options = ask.subject, ask.body, list(ask.options)
        self.assigned_users = assigned([ask.member])
        self.response_timeout = max(ends - datetime.now(UTC), timedelta(minutes=1))
        return super().execute(context)

    @guarded("taking a ballot")
    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the ballot. Returns the proposal's state only: the reason stays out of XCom."""
        if event.get("error_type") == "timeout":
            return NO_ANSWER
        answer = super().execute_complete(context, event)
        proposal_id, name = int(self.proposal_id), str(self.member)
        try:
            with transaction(warehouse(PIPELINE)) as connection:
                charter, _ = charter_of(registered(connection, proposal_id))
                user = answer["responded_by_user"] or {}
                if answering(user, [charter.members[name]]) is None:
                    raise KinbridgeError("KB-G24", member=name, proposal=proposal_id)
                found = cast(
                    connection,
                    proposal_id,
                    name,
                    answer["chosen_options"][0],
                    answer["responded_at"],
                    str((answer["params_input"] or {}).get("reason") or ""),
                    recorded_by=str(user.get("name") or user.get("id")),
                )
        except KinbridgeError as error:
            log.warning("%s", error)
            if error.code in OVER:
                return State.OPEN.value
            if error.code in {"KB-G17", "KB-G18", "KB-G24"}:
                return self.execute(context)
            raise
        return found.state.value


def ballots_asked(run: str, proposals: list[int] | None = None) -> list[dict[str, Any]]:
    """What to expand `Vote` with: a ballot for each member who can answer in Airflow. Mails tell them, where there are
    mails; a mail that fails does not keep anybody from being asked."""
    with transaction(warehouse(PIPELINE)) as connection:
        found = to_be_asked(connection, run, proposals=proposals)
        read = {one["proposal_id"]: registered(connection, one["proposal_id"]) for one in found}
    sender = mail_sender()
    if sender is None:
        return found
    for ballot in found:
        one = read[ballot["proposal_id"]]
        charter, _ = charter_of(one)
        try:
            sender(mail_of(one, charter.members[ballot["member"]], office_contact(), office_email()))
        except KinbridgeError as error:
            log.warning("no mail to %s about proposal %d: %s", ballot["member"], one.proposal_id, error)
    return found


def decide_dag() -> DAG:
    """Each morning, on demand, and when a proposal is announced: settles what is decided, and asks who was not asked.

    A member is asked by one run only. Ballots may wait for weeks, and the next run does not wait for them.
    """
    with DAG(
        dag_id="decide",
        dag_display_name="Decide: ballots on proposals",
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("30 5 * * *", timezone="UTC"), assets=[PROPOSAL]),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=64,
        max_consecutive_failed_dag_runs=0,
        default_args=TASK_DEFAULTS,
        tags=["decide"],
        doc_md="Ballots wait under **Required Actions**, assigned to the members whom the charter names.",
    ) as dag:

        @task(task_id="settle", doc_md="Outcomes of proposals that are decided, or whose days are over.")
        @guarded("settling proposals")
        def settle() -> None:
            with transaction(warehouse(PIPELINE)) as connection:
                for proposal_id, found in settle_due(connection, datetime.now(UTC)).items():
                    log.info("proposal %d: %s (%s)", proposal_id, found.state, found.why)

        @task(task_id="ask", doc_md="Who is to be asked that nobody has asked yet.")
        @guarded("finding whom to ask")
        def ask() -> list[dict[str, Any]]:
            return ballots_asked(str(get_current_context()["run_id"]))

        asked = ask()
        settle() >> asked
        Vote.partial(task_id="vote").expand_kwargs(asked)
    return dag
