"""Whose answer in Airflow counts: to whom a question is assigned, and what becomes of somebody else's answer.

Where Airflow knows people by number it may let anybody answer; then our own look at the answer is the gate. Asking
again is Airflow's part and needs its supervisor: here it is noted that it was asked for.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.charters import member

from kinbridge.decision.model import Proposal
from kinbridge.decision.proposal import propose
from kinbridge.decision.register import registered
from kinbridge.ledger.deliveries import NewDelivery, register
from kinbridge.warehouse.connection import transaction

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
ADA, BEN = member("ada", "snap"), member("ben", "medicaid", login_id="7")
PROPOSAL = Proposal("use_case", "waiting", "", "sha256:1", "How long?", "Nobody can tell.", "Cassius Wetherby")
AGAIN = "asked again"


def test_questions_are_assigned_by_what_the_auth_manager_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinbridge.orchestration.people import assigned

    assert assigned([ADA, BEN]) == [{"id": "ada", "name": "Ada"}, {"id": "ben", "name": "Ben"}]
    assert assigned([replace(ADA, login=None)]) is None
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", FAB)
    assert assigned([BEN]) == [{"id": "7", "name": "Ben"}]
    assert assigned([ADA, BEN]) is None


def test_an_answer_is_a_members_by_log_in_or_number() -> None:
    from kinbridge.orchestration.people import answering

    assert answering({"id": "12", "name": "ADA"}, [ADA, BEN]) is ADA
    assert answering({"id": "7", "name": "b"}, [ADA, BEN]) is BEN
    for stranger in (None, {}, {"id": "ada@example.org", "name": ""}, {"id": "8", "name": "Ada Lund"}):
        assert answering(stranger, [ADA, BEN]) is None


def event(option: str, user: str, reason: str = "") -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": {"reason": reason},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": user, "name": user},
    }


@pytest.fixture
def parked(warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The warehouse behind both operators; where they would ask again, they say so."""
    from kinbridge.orchestration import decision, hold

    for module, operator in ((decision, decision.Vote), (hold, hold.HoldDecision)):
        monkeypatch.setattr(module, "warehouse", lambda _: warehouse.pipeline)
        monkeypatch.setattr(operator, "execute", lambda *_: AGAIN)
    return warehouse


def test_a_ballot_asks_for_a_reason_only_whatever_its_dag_is_run_with() -> None:
    from kinbridge.orchestration.decision import Vote

    vote = Vote(task_id="vote", proposal_id=1, member="ada", params={"release": "reach", "number": None})
    assert list(vote.params) == ["reason"]


def test_a_ballot_is_taken_from_its_member_alone_and_with_its_reason(
    parked: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from kinbridge.orchestration.decision import NO_ANSWER, Vote

    with transaction(parked.pipeline) as connection:
        number = propose(connection, PROPOSAL)
    vote = Vote(task_id="vote", proposal_id=number, member="marchetti")
    with caplog.at_level("WARNING", "kinbridge"):
        assert vote.execute_complete({}, event("approve", "steward")) == AGAIN
    # The register would refuse it too, for want of evidence; that it was somebody else is said before.
    assert "KB-G24" in caplog.text
    assert vote.execute_complete({}, event("reject", "admin")) == AGAIN
    assert vote.execute_complete({}, {"error": "late", "error_type": "timeout"}) == NO_ANSWER
    with transaction(parked.pipeline) as connection:
        assert registered(connection, number).entered == ()
    assert vote.execute_complete({}, event("reject", "admin", "Not now.")) == "open"
    assert vote.execute_complete({}, event("approve", "admin")) == "open"
    with transaction(parked.pipeline) as connection:
        [entered] = registered(connection, number).entered
    assert (entered.ballot.choice, entered.ballot.reason, entered.recorded_by) == ("reject", "Not now.", "admin")


def test_a_held_file_is_decided_on_by_those_whom_the_charter_names(parked: Any) -> None:
    from kinbridge.orchestration.hold import HoldDecision
    from kinbridge.receive.decide import REJECT

    new = NewDelivery(
        partner="snap",
        feed="snap/participation_v1",
        file_name="a.csv",
        size_bytes=1,
        sha256="0" * 64,
        remote_mtime=datetime.now(UTC),
        period=None,
        as_of=datetime.now(UTC).date(),
        landed_path=None,
        contract_version="1.0.0",
        agreement_id="dsa-snap",
        agreement_version="1.0.0",
    )
    with transaction(parked.pipeline) as connection:
        delivery = register(connection, new, "test").delivery_id
    parked.query("UPDATE ledger.delivery SET state = 'held' WHERE delivery_id = %s", (delivery,))
    hold = HoldDecision(task_id="hold", delivery_id=delivery)
    assert hold.execute_complete({}, event("Load the sound rows", "somebody")) == AGAIN
    assert parked.query("SELECT FROM ledger.decision") == []
    assert hold.execute_complete({}, event(REJECT, "steward", "The wrong month.")) == "rejected"
    assert parked.query("SELECT decided_by FROM ledger.decision") == [("steward",)]
