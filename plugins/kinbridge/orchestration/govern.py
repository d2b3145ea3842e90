"""The govern DAG and the destroy DAG: what agreements, consent and retention ask for, every day.

`govern` warns of agreements that end, recalls what may no longer be used, calls for an integration when the gates are
others, lets old backups go, lists what is due for destruction, and takes up releases that were asked for at a terminal.
It ends within minutes. Each batch that is due gets one run of `destroy`, and each such release one of `release`, named
by its number, in which people are asked once, however long the answer takes; a daily run finds that run there and asks
nobody again. A batch is decided on by those whom the charter names.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Context, CronTriggerTimetable, get_current_context, task
from airflow.sdk.definitions.param import Param

from kinbridge.backup.expire import expire_backups
from kinbridge.backup.keys import KeyFolder
from kinbridge.delivery.sftp import open_sftp
from kinbridge.destruction.batch import Batch, Standing, batch_of, batches
from kinbridge.destruction.places import key_folder
from kinbridge.destruction.proposal import APPROVE, KIND, REJECT, decide, propose_due
from kinbridge.errors import KinbridgeError
from kinbridge.governance.reader import voters_on
from kinbridge.orchestration.connections import LINKAGE, PIPELINE, sftp, warehouse
from kinbridge.orchestration.guard import guarded
from kinbridge.orchestration.mail import mail_sender
from kinbridge.orchestration.people import answering, assigned
from kinbridge.orchestration.retries import TASK_DEFAULTS
from kinbridge.retention.due import feed_rules, find_due
from kinbridge.retention.office import read_office_rules
from kinbridge.retention.term import Kind
from kinbridge.warehouse.connection import transaction

log = logging.getLogger("kinbridge")

ACTOR = "govern"
DESTROY = "destroy"
RELEASE = "release"
CHOICES = {"Approve destruction": APPROVE, "Reject": REJECT}
# A rejection without a reason, an approval of one's own proposal, an answer by somebody whom the charter does not name.
ASKED_AGAIN = frozenset({"KB-U07", "KB-U12", "KB-U14"})


class DestructionDecision(HITLOperator):  # type: ignore[misc]
    """Asks a person whether a batch is destroyed; passes at once when it is decided already.

    The question holds names, counts, days and clauses, never a value. Who answered, when and why goes to the ledger.
    """

    template_fields = ("subject", "body", "destruction_id")

    def __init__(self, *, destruction_id: Any, **kwargs: Any) -> None:
        # A mapped task is handed those of its DAG; a decision asks for a reason and nothing else.
        kwargs.pop("params", None)
        super().__init__(
            subject="Destruction",
            options=list(CHOICES),
            params={
                "reason": Param(
                    None,
                    type=["null", "string"],
                    title="Reason",
                    description="Kept in the ledger. A rejection needs one.",
                )
            },
            **kwargs,
        )
        self.destruction_id = destruction_id

    @guarded("asking for a decision on destruction")
    def execute(self, context: Context) -> Any:
        """Ask, if there is something to decide."""
        with transaction(warehouse(PIPELINE)) as connection:
            batch = batch_of(connection, int(self.destruction_id))
        if batch.standing is not Standing.PROPOSED:
            return REJECT if batch.standing is Standing.REJECTED else APPROVE
        self.assigned_users = assigned(voters_on(KIND, _today()))
        self.subject, self.body = f"Destroy what is due of {batch.about}?", question(batch)
        return super().execute(context)

    @guarded("recording a decision on destruction")
    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer. Returns the outcome only: the answer's free text stays out of XCom."""
        answer = super().execute_complete(context, event)
        user = answer["responded_by_user"] or {}
        entitled = voters_on(KIND, _today())
        member = answering(user, entitled)
        try:
            if entitled and member is None:
                raise KinbridgeError("KB-U14", batch=int(self.destruction_id))
            with transaction(warehouse(PIPELINE)) as connection:
                return decide(
                    connection,
                    int(self.destruction_id),
                    CHOICES[answer["chosen_options"][0]],
                    str(user.get("name") or user.get("id") or "unknown"),
                    answer["responded_at"],
                    reason=str((answer["params_input"] or {}).get("reason") or ""),
                )
        except KinbridgeError as error:
            if error.code not in ASKED_AGAIN:
                raise
            # Another answer mends it: the question is put again.
            log.warning("%s", error)
            return self.execute(context)


def question(batch: Batch) -> str:
    """What a person is asked about a batch, as Markdown."""
    lines = [
        f"Cause: {batch.cause}. Due since {batch.due_since}; it may be there until {batch.deadline}.",
        "",
        *(
            f"- {item.kind.value}: {f'{item.things:,}' if item.things else 'what goes with it'}, by {item.clause}"
            for item in batch.items
        ),
        "",
        "What is destroyed cannot come back. A hold (`kinbridge retention hold`) keeps it; a rejection needs a reason, "
        "and the question is put again after 30 days.",
    ]
    return "\n".join(lines)


def govern_dag() -> DAG:
    """Daily at 05:00 UTC and on demand. Every task may be repeated."""
    with DAG(
        dag_id="govern",
        dag_display_name="Govern: expiry, recalls, gates, retention",
        schedule=CronTriggerTimetable("0 5 * * *", timezone="UTC"),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args=TASK_DEFAULTS,
        tags=["govern"],
    ) as dag:

        @task(doc_md="Mails about agreements that end in 90, 30 and 7 days.")
        @guarded("warning of agreements that end")
        def expiring() -> int:
            from kinbridge.agreement.expiry import warn

            return warn(warehouse(PIPELINE), _today(), mail_sender())

        @task(doc_md="Releases that hold what may no longer be used are recalled.")
        @guarded("recalling from releases")
        def recall() -> int:
            from kinbridge.release.recall import recall_withheld

            with transaction(warehouse(LINKAGE)) as connection:
                return len(recall_withheld(connection, _today()))

        @task(trigger_rule="all_done", doc_md="Recipients are told of recalls, once.")
        @guarded("telling recipients of recalls")
        def tell_recipients() -> int:
            from kinbridge.release.recall_notice import tell_recalls

            return tell_recalls(warehouse(LINKAGE), sftp, mail_sender())

        @task.short_circuit(doc_md="Whether agreements, decisions or consent call for an integration.")
        @guarded("comparing gates")
        def gates() -> bool:
            from kinbridge.consent.changed import gates_changed

            return gates_changed(warehouse(LINKAGE))

        @task(doc_md="Keys of backups that are old enough are destroyed.")
        @guarded("letting old backups go")
        def backups() -> int:
            term = read_office_rules().terms[Kind.BACKUP]
            with transaction(warehouse(PIPELINE)) as connection:
                return len(expire_backups(connection, KeyFolder(key_folder()), term, _today(), ACTOR))

        @task(doc_md="What is due is listed, and proposed for destruction.")
        @guarded("listing what is due")
        def due() -> list[dict[str, Any]]:
            return [
                {"trigger_run_id": f"destruction_{number}", "conf": {"destruction_id": number}}
                for number in propose(_today())
            ]

        @task(doc_md="Releases that were asked for at a terminal: each gets a run of its own.")
        @guarded("taking up requests for releases")
        def requested() -> list[dict[str, Any]]:
            from kinbridge.release.requests import waiting_requests

            with transaction(warehouse(PIPELINE)) as connection:
                return [
                    {"trigger_run_id": f"release_{number}", "conf": {"number": number}}
                    for number in waiting_requests(connection)
                ]

        recall() >> tell_recipients()
        expiring()
        backups()
        gates() >> TriggerDagRunOperator(task_id="integrate", trigger_dag_id="integrate")
        TriggerDagRunOperator.partial(
            task_id="ask", trigger_dag_id=DESTROY, skip_when_already_exists=True
        ).expand_kwargs(due())
        TriggerDagRunOperator.partial(
            task_id="take_up", trigger_dag_id=RELEASE, skip_when_already_exists=True
        ).expand_kwargs(requested())
    return dag


def destroy_dag() -> DAG:
    """One run for each batch, made by `govern`: a person decides, it is destroyed and certified."""
    with DAG(
        dag_id=DESTROY,
        dag_display_name="Destroy: approve, destroy, certify",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        default_args=TASK_DEFAULTS,
        tags=["govern"],
    ) as dag:
        decision = DestructionDecision(task_id="approve", destruction_id="{{ dag_run.conf['destruction_id'] }}")

        @task.short_circuit
        @guarded("looking at the decision")
        def approved(outcome: str) -> bool:
            return outcome == APPROVE

        @task(doc_md="Destroyed, proven by a search, certified. May be cleared and run again.")
        @guarded("destroying")
        def carry_out() -> str | None:
            from kinbridge.destruction.carry_out import Site
            from kinbridge.destruction.carry_out import carry_out as destroy

            site = Site(warehouse(PIPELINE), warehouse(LINKAGE), remove_receipts=remove_receipts)
            certificate = destroy(site, int(get_current_context()["dag_run"].conf["destruction_id"]), ACTOR)
            return certificate.sha256 if certificate else None

        approved(decision.output) >> carry_out()
    return dag


def propose(today: Any) -> list[int]:
    """Propose what is due today; the batches about which a person is to be asked or that are approved and not done."""
    from kinbridge.agreement.reader import read_agreements
    from kinbridge.retention.laws import law_terms

    with transaction(warehouse(PIPELINE)) as connection:
        rules = feed_rules(connection, today, read_agreements(), read_office_rules(), law_terms(today))
        found = find_due(connection, today, rules)
        for one in found:
            log.info(
                "%s %s: %d, due since %s%s", one.feed, one.kind, one.things, one.since, ", held" if one.held else ""
            )
        propose_due(connection, today, found, ACTOR)
        waiting = batches(connection, Standing.PROPOSED, Standing.APPROVED, Standing.DESTROYED)
    return [batch.destruction_id for batch in waiting]


def remove_receipts(partner: str, paths: Sequence[str]) -> None:
    """Take files away from a partner's outbox. Those that are gone already are fine."""
    if not paths:
        return
    with open_sftp(sftp(partner)) as session:
        for path in paths:
            try:
                session.remove(path)
            except FileNotFoundError:
                continue


def _today() -> Any:
    return datetime.now(UTC).date()
