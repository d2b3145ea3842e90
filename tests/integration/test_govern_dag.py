"""Destruction and a release from a terminal in a real Airflow: `govern` begins a run for each, the right people are
asked, and what they answer happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Warehouse
from tests.support.airflow_stack import AirflowStack
from tests.support.consents import Scene
from typer.testing import CliRunner

from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.cli.main import app
from kinbridge.errors import KinbridgeError
from kinbridge.retention.request import request_destruction
from kinbridge.warehouse.connection import transaction

pytestmark = pytest.mark.airflow

GONE = "zqxgone"
CHILDREN = [f"zqxkept{number:02}" for number in range(12)]
STEWARDS = {"admin", "steward", "privacy"}


@pytest.fixture(scope="module")
def stack(airflow: AirflowStack) -> AirflowStack:
    airflow.wait_for_dags({"govern", "destroy", "release"})
    for dag in ("destroy", "release", "govern"):
        airflow.api.unpause(dag)
    return airflow


@pytest.fixture(scope="module")
def scene(stack: AirflowStack) -> Iterator[Scene]:
    """Twelve children whom two partners know, and one who is to be forgotten."""
    dsns = stack.stack.dsns
    names = ("kb_owner", "kb_pipeline", "kb_linkage", "kb_steward", "kb_analyst")
    made = Scene(Warehouse(dsns["kb_owner"].database, stack.superuser, *(dsns[name] for name in names)))
    made.query("INSERT INTO identity.run (model_version) VALUES ('1')")
    for name in (*CHILDREN, GONE):
        made.knows(name, "medicaid", "home_visiting")
    yield made
    made.close()


def govern(stack: AirflowStack) -> None:
    """One run of `govern`, to its end."""
    run = stack.api.trigger("govern")
    stack.wait(lambda: stack.run("govern", run)["state"] == "success", "govern has ended")


def question_of(stack: AirflowStack, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
    """The open questions of a run by their subject."""
    return {
        one["subject"]: one
        for one in stack.api.questions()
        if (one["task_instance"]["dag_id"], one["task_instance"]["dag_run_id"]) == (dag_id, run_id)
    }


def command(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.case(40)
def test_what_is_due_is_asked_about_answered_destroyed_and_certified(stack: AirflowStack, scene: Scene) -> None:
    with transaction(stack.stack.dsns["kb_steward"]) as connection:
        request_destruction(
            connection, "medicaid", f"{GONE}@medicaid", ground="parent", reason="A parent asked.", by="privacy"
        )
    govern(stack)
    [[number]] = stack.query("SELECT destruction_id FROM ledger.destruction")
    run = f"destruction_{number}"
    asked = stack.wait(lambda: question_of(stack, "destroy", run), "a steward is asked")
    [(subject, question)] = asked.items()
    assert subject == "Destroy what is due of request 1 to medicaid?"
    # Those whom the charter names, and nobody else.
    assert {user["id"] for user in question["assigned_users"]} == STEWARDS
    assert GONE not in question["body"]

    # A day later nobody is asked again.
    govern(stack)
    assert [one["dag_run_id"] for one in stack.api.runs() if one["dag_id"] == "destroy"] == [run]

    # A rejection without a reason is asked for again; nothing is gone yet.
    stack.answer([question], "Reject", "")
    stack.wait(lambda: "KB-U07" in stack.task_log("destroy", run, "approve"), "the reason is asked for")
    again = stack.wait(lambda: question_of(stack, "destroy", run), "the question is put again")
    assert stack.query("SELECT 1 FROM record.person WHERE first_name = %s", GONE)

    stack.wait(
        lambda: _answered(stack, "privacy", next(iter(again.values())), "Approve destruction", "Asked for."), "privacy"
    )
    stack.wait(lambda: stack.run("destroy", run)["state"] == "success", "it is destroyed and certified")
    [[by, outcome]] = stack.query("SELECT decided_by, outcome FROM ledger.destruction_decision")
    assert (by, outcome) == ("privacy", "approved")
    assert stack.query("SELECT 1 FROM record.person WHERE first_name = %s AND partner = 'medicaid'", GONE) == []
    assert len(stack.query("SELECT 1 FROM record.person WHERE partner = 'medicaid'")) == len(CHILDREN)
    [[name, proof]] = stack.query("SELECT file_name, proof FROM ledger.certificate")
    assert (stack.state / "certificates" / name).read_bytes().startswith(b"%PDF")
    assert (proof["hits"], proof["probes"] > 0) == (0, True)
    log = "".join(path.read_text(encoding="utf-8") for path in (stack.state / "airflow" / "logs").rglob("*.log"))
    assert f"{GONE}@medicaid" not in log


def _answered(stack: AirflowStack, user: str, question: dict[str, Any], choice: str, reason: str) -> bool:
    """Whether the user could answer; Airflow may still be about to park the task."""
    with suppress(KinbridgeError):
        time.sleep(2.5)  # as a person does: see AirflowStack.answer
        AirflowApi(stack.stack.airflow.as_user(user)).answer(question, choice, reason)
        return True
    return False


def test_a_release_asked_for_at_a_terminal_is_put_to_two_people_built_and_delivered(
    stack: AirflowStack, scene: Scene
) -> None:
    said = command("release", "request", "reach_of_programs", "--reason", "The study begins.", "--by", "admin")
    assert "Release 1 is requested" in said
    govern(stack)
    asked = stack.wait(
        lambda: found if len(found := question_of(stack, "release", "release_1")) == 2 else None, "two are asked"
    )
    assert {one["assigned_users"][0]["id"] for one in asked.values()} == {"steward", "privacy"}
    for question in asked.values():
        user = question["assigned_users"][0]["id"]
        stack.wait(lambda q=question, u=user: _answered(stack, u, q, "approve", "It is covered."), f"{user} answers")
    stack.wait(lambda: stack.run("release", "release_1")["state"] in ("success", "failed"), "the release has ended")
    assert stack.query("SELECT state, first_approver <> second_approver FROM ledger.release") == [("issued", True)]
    outbox = Path(stack.stack.sftp.jail("state_university")) / "releases"
    assert [path.suffix for path in outbox.iterdir()] == [".pgp"] * 4
    # Taken up once: the next morning begins no second run.
    govern(stack)
    assert [one["dag_run_id"] for one in stack.api.runs() if one["dag_id"] == "release"] == ["release_1"]
