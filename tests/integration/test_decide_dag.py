"""Ballots in a real Airflow: who is asked, whose answer counts, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.airflow_stack import AirflowStack

from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.decision.ballot import cast
from kinbridge.decision.model import Proposal
from kinbridge.decision.proposal import propose
from kinbridge.decision.register import registered
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import transaction

pytestmark = pytest.mark.airflow

PROPOSAL = Proposal(
    kind="use_case",
    subject="waiting_times",
    version="",
    digest="sha256:1",
    title="How long do families wait?",
    reasons="Nobody can tell.",
    proposed_by="Cassius Wetherby",
    options=("Ask it", "Do not ask it"),
)
RELEASE = Proposal(
    kind="release",
    subject="an_extract#1",
    version="1",
    digest="sha256:2",
    title="An extract",
    reasons="The university asked.",
    proposed_by="admin",
)
MEMBERS = {"achterberg", "amari_lund", "marchetti", "nguyen_sato", "okonjo_reyes", "vasquez_tull"}


@pytest.fixture(scope="module")
def stack(airflow: AirflowStack) -> AirflowStack:
    airflow.wait_for_dags({"decide"})
    return airflow


def asked(stack: AirflowStack) -> dict[str, dict[str, Any]]:
    """The open questions by the member's name that their subject begins with."""
    return {question["subject"].split(":")[0]: question for question in stack.api.questions()}


def test_a_decision_waits_for_its_members_and_is_taken_by_them(stack: AirflowStack) -> None:
    dsn = stack.stack.dsns["kb_pipeline"]
    with transaction(dsn) as connection:
        number = propose(connection, PROPOSAL)
        propose(connection, RELEASE)
    stack.api.unpause("decide")
    stack.api.trigger("decide")
    questions = stack.wait(lambda: asked(stack) if len(asked(stack)) == len(MEMBERS) else None, "members are asked")
    mine = questions["Ballot of Evangeline Marchetti"]
    assert [user["id"] for user in mine["assigned_users"]] == ["admin"]
    assert mine["options"] == ["approve", "reject", "abstain", "recuse"]
    assert "Nobody can tell." in mine["body"]

    # Another log-in is not let at it, and neither are we at others' questions.
    steward = AirflowApi(stack.stack.airflow.as_user("steward"))
    with pytest.raises(KinbridgeError, match="403"):
        steward.answer(mine, "approve", "")
    with pytest.raises(KinbridgeError, match="403"):
        stack.api.answer(questions["Ballot of Imogen Vasquez-Tull"], "approve", "")

    # A rejection without a reason is asked for again. Unpausing begins a run as well: either may have asked.
    stack.answer([mine], "reject", "")
    asking = mine["task_instance"]["dag_run_id"]
    stack.wait(lambda: _reason_wanted(stack, asking), "the reason is asked for")
    again = stack.wait(lambda: asked(stack).get("Ballot of Evangeline Marchetti"), "the question is put again")
    stack.answer([again], "approve", "It is time.")
    stack.wait(lambda: _ballots(stack, number), "the ballot is in the register")
    [entered] = _ballots(stack, number)
    assert (entered.ballot.member, entered.ballot.choice, entered.ballot.reason) == (
        "marchetti",
        "approve",
        "It is time.",
    )
    assert entered.recorded_by == "admin"

    # Nobody is asked twice; the others vote where they meet, and then it is decided.
    second = stack.api.trigger("decide")
    stack.wait(lambda: stack.run("decide", second)["state"] == "success", "a second run asks nobody")
    # The task that took the ballot may end a moment after the ballot is in the register.
    stack.wait(lambda: len(asked(stack)) == len(MEMBERS) - 1, "the others are still asked, and nobody anew")
    with transaction(dsn) as connection:
        now = connection_time(connection)
        for member in ("achterberg", "okonjo_reyes", "vasquez_tull", "amari_lund"):
            found = cast(connection, number, member, "approve", now, recorded_by="steward", evidence="Minutes, item 1")
    assert found.state == "approved"
    # Who answers then is told that it is over, and nothing is changed.
    assert len(_ballots(stack, number)) == 5


def _reason_wanted(stack: AirflowStack, run: str) -> bool:
    return "KB-G17" in stack.task_log("decide", run, "vote")


def _ballots(stack: AirflowStack, number: int) -> tuple[Any, ...]:
    with transaction(stack.stack.dsns["kb_pipeline"]) as connection:
        return registered(connection, number).entered


def connection_time(connection: Any) -> Any:
    """Now, by the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
