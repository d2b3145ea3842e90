"""The release DAG: a named extract is asked for, decided on by two people, built, and delivered. Only on demand.

Who starts the run asks for the release and has no vote on it. Ballots wait under Required Actions; as soon as the
charter is satisfied, the release is built, whoever has not answered yet. What each task passes on is the release's
number.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.definitions.param import Param
from airflow.sdk.exceptions import AirflowSkipException

from kinbridge.orchestration.connections import LINKAGE, PIPELINE, sftp, warehouse
from kinbridge.orchestration.decision import Vote, ballots_asked
from kinbridge.orchestration.guard import guarded
from kinbridge.orchestration.retries import TASK_DEFAULTS
from kinbridge.release.states import ReleaseState

# A proposal closes by itself on its last day, which the charter says; this only ends a run whose ledger row is gone.
LONGEST = timedelta(days=120)
LOOK_SECONDS = 30.0


def release_dag() -> DAG:
    """On demand, several runs at a time; each is one request, and each task may be repeated."""
    with DAG(
        dag_id="release",
        dag_display_name="Release: a named extract for a recipient",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=16,
        default_args=TASK_DEFAULTS,
        params={
            "release": Param("", type="string", title="Named extract", description="As below include/releases/."),
            "reason": Param("", type="string", title="Reason", description="Put to those who decide; kept."),
            "number": Param(
                None, type=["null", "integer"], title="Number", description="Of a release that was asked for already."
            ),
        },
        tags=["release"],
        doc_md="Two people approve, and not the one who asks. Ballots wait under **Required Actions**.",
    ) as dag:

        @task(doc_md="The gate: agreement, use case, elements, laws. A request that it refuses is put to nobody.")
        @guarded("asking for a release")
        def request() -> dict[str, int]:
            from kinbridge.release.requests import release_of, request_release

            context = get_current_context()
            run, params = context["dag_run"], context["params"]
            if params["number"] is not None:
                known = release_of(warehouse(PIPELINE), int(params["number"]))
                return {"release_id": known.release_id, "proposal_id": int(known.proposal_id or 0)}
            made = request_release(
                warehouse(PIPELINE),
                str(params["release"]),
                str(run.triggering_user_name or ""),
                str(params["reason"]),
                datetime.now(UTC),
                f"{run.dag_id} {run.run_id}",
            )
            return {"release_id": made.release_id, "proposal_id": made.proposal_id}

        @task(doc_md="Whom the charter asks.")
        @guarded("finding whom to ask")
        def ask(made: dict[str, int]) -> list[dict[str, Any]]:
            return ballots_asked(str(get_current_context()["run_id"]), [made["proposal_id"]])

        @task.sensor(
            poke_interval=LOOK_SECONDS,
            timeout=LONGEST.total_seconds(),
            mode="reschedule",
            soft_fail=False,
            doc_md="Waits until the charter is satisfied by two different people; skips the rest when it says no.",
        )
        @guarded("taking down what was decided")
        def approved(made: dict[str, int]) -> bool:
            from kinbridge.release.requests import take_down_approvals

            state = take_down_approvals(warehouse(PIPELINE), made["release_id"], datetime.now(UTC))
            if state in (ReleaseState.REJECTED, ReleaseState.WITHDRAWN):
                raise AirflowSkipException("It was not approved; see `kinbridge release show`.")
            return state is not ReleaseState.REQUESTED

        @task(doc_md="The gate once more; then who may be in it, coded anew, sealed to the recipient's key.")
        @guarded("building a release")
        def build(made: dict[str, int]) -> int:
            from kinbridge.release.build import build_release

            return build_release(warehouse(LINKAGE), made["release_id"], datetime.now(UTC).date()).release_id

        @task(pool="sftp", doc_md="Into the recipient's outbox, and into the ledger, once.")
        @guarded("delivering a release")
        def deliver(release_id: int) -> None:
            from kinbridge.release.deliver import deliver_release
            from kinbridge.release.requests import release_of

            recipient = release_of(warehouse(LINKAGE), release_id).recipient
            deliver_release(warehouse(LINKAGE), sftp(recipient), release_id, datetime.now(UTC).date())

        made = request()
        Vote.partial(task_id="vote").expand_kwargs(ask(made))
        built = build(made)
        approved(made) >> built
        deliver(built)
    return dag
