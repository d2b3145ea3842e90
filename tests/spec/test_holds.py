"""A delivery that a person has to decide on. The real steps, with Great Expectations, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.approving import approve
from tests.support.declared import column
from tests.support.deliveries import TODAY, Intake, fates, visit
from tests.support.replays import CONTRACT, mended

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.receive.decide import APPROVE, REJECT, hold_of, record_decision
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery

BAD = [visit(1), visit(2), visit(3, made="13/13/2026"), visit(4, made=""), visit(5, ""), visit(2)]
NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)


def decide(intake: Intake, delivery: int, choice: str) -> str:
    return record_decision(intake.warehouse.pipeline, delivery, choice, "steward", NOW, "seen")


def held(intake: Intake, *rows: str, content: bytes | None = None, in_full: bool = False) -> int:
    """A delivery that is held; `in_full` with Great Expectations, which takes a second."""
    delivery = intake.deliver(*rows, content=content)
    if in_full:
        stage_delivery(intake.warehouse.pipeline, delivery, TODAY)
        verdict = validate_delivery(intake.warehouse.pipeline, delivery, TODAY)
        assert verdict is not None
        assert verdict.held_by
    else:
        intake.judge(delivery)
    assert intake.state(delivery) is State.HELD
    return delivery


def test_a_held_delivery_is_not_loaded_until_a_person_decides(intake: Intake) -> None:
    delivery = held(intake, *BAD, in_full=True)
    with pytest.raises(KinbridgeError, match="KB-L05"):
        load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    account = intake.account(delivery)
    assert account is not None
    assert (account.source_rows, account.undecided) == (6, 6)
    assert intake.current() == []
    hold = hold_of(intake.warehouse.pipeline, delivery)
    assert hold is not None
    assert hold.options == (APPROVE, REJECT)
    assert "file.bad_share" in hold.body
    assert "rows in the file: 6" in hold.body
    assert "break a critical rule: 3 (50.0%; the contract allows 40.0%)" in hold.body
    for value in ("13/13/2026", "V1", "P1", "canary"):
        assert value not in hold.body

    assert decide(intake, delivery, APPROVE) == "approved"
    assert hold_of(intake.warehouse.pipeline, delivery) is None
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (6, 2, 0, 3, 1)
    assert intake.state(delivery) is State.PARTLY_ACCEPTED


def test_of_a_rejected_delivery_nothing_is_loaded_and_every_row_is_kept(intake: Intake) -> None:
    delivery = held(intake, *BAD)
    assert decide(intake, delivery, REJECT) == "rejected"
    assert load_delivery(intake.warehouse.pipeline, delivery, TODAY) is None
    assert fates(intake.account(delivery)) == (6, 0, 0, 5, 1)
    assert sorted(intake.quarantined(delivery)) == [2, 3, 4, 5, 6]
    assert intake.state(delivery) is State.REFUSED
    assert intake.current() == []
    assert load_delivery(intake.warehouse.pipeline, delivery, TODAY) is None


def test_a_decision_is_taken_once(intake: Intake) -> None:
    delivery = held(intake, *BAD)
    assert decide(intake, delivery, REJECT) == "rejected"
    assert decide(intake, delivery, APPROVE) == "rejected"
    assert intake.warehouse.query("SELECT outcome, decided_by FROM ledger.decision") == [("rejected", "steward")]
    assert decide(intake, delivery, "something else") == "rejected"


def test_an_answer_nobody_knows_is_no_approval(intake: Intake) -> None:
    assert decide(intake, held(intake, *BAD), "Load the sound rows!") == "rejected"


@pytest.mark.parametrize("choice", [APPROVE, REJECT])
def test_there_is_nothing_to_decide_on_a_delivery_that_is_not_held(intake: Intake, choice: str) -> None:
    delivery = intake.judge(intake.deliver(visit(1)))
    with pytest.raises(KinbridgeError, match="KB-L06"):
        decide(intake, delivery, choice)
    account = load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert fates(account) == (1, 1, 0, 0, 0)
    with pytest.raises(KinbridgeError, match="KB-L06"):
        decide(intake, delivery, choice)
    assert intake.warehouse.query("SELECT count(*) FROM ledger.decision") == [(0,)]


@pytest.mark.parametrize(
    ("content", "rule", "rows"),
    [
        (b"visit_id,person_id,made,minutes,zip,mode,secret\n", "file.row_count", 0),
        (b"", "file.readable", 0),
        ("visit_id,person_id,made\nV1,P1,01/01/2026\n".encode("utf-16-le"), "file.readable", 0),
        (b"visit_id,made\nV1,01/01/2026\n", "file.header", 1),
    ],
)
def test_a_file_that_is_not_what_was_agreed_is_held(intake: Intake, content: bytes, rule: str, rows: int) -> None:
    delivery = held(intake, content=content, in_full=rule in {"file.row_count", "file.header"})
    [(reason,)] = intake.warehouse.query("SELECT state_reason FROM ledger.delivery")
    assert rule in reason.split(", ")
    account = intake.account(delivery)
    assert account is not None
    assert account.source_rows == rows
    decide(intake, delivery, REJECT)
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert fates(intake.account(delivery)) == (rows, 0, 0, rows, 0)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "file.readable"),
        (b"\xff\xfe\x00nothing", "file.readable"),
        (b"visit_id,made\nV1,01/01/2026\n", "file.header"),
    ],
)
def test_a_file_that_can_have_no_sound_row_may_only_be_rejected(intake: Intake, content: bytes, rule: str) -> None:
    delivery = held(intake, content=content)
    hold = hold_of(intake.warehouse.pipeline, delivery)
    assert hold is not None
    assert hold.options == (REJECT,)
    assert APPROVE not in hold.body
    with pytest.raises(KinbridgeError, match="KB-Q03") as caught:
        decide(intake, delivery, APPROVE)
    assert caught.value.facts["rule"] == rule
    assert intake.state(delivery) is State.HELD
    assert intake.warehouse.query("SELECT count(*) FROM ledger.decision") == [(0,)]
    assert decide(intake, delivery, REJECT) == "rejected"


def test_a_file_without_a_column_that_may_be_missing_in_a_row_may_be_approved(
    intake: Intake, visits_folder: Path
) -> None:
    """The row rule is a warning: its rows are sound without the value, and a person may say so."""
    required = column("person_id", "string", "required: true")
    lenient = column(
        "person_id",
        "string",
        "required: true",
        "customProperties: [{ property: severity, value: { presence: warning } }]",
    )
    with mended(visits_folder, (CONTRACT, required, lenient)):
        hold = hold_of(intake.warehouse.pipeline, held(intake, content=b"visit_id,made\nV1,01/01/2026\n"))
    assert hold is not None
    assert hold.options == (APPROVE, REJECT)


def test_columns_that_nobody_agreed_on_are_said_and_hold_nothing(intake: Intake) -> None:
    content = b"person_id,extra,visit_id,made\nP1,x,V1,01/01/2026\n"
    delivery = intake.deliver(content=content)
    verdict = validate_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert verdict is not None
    assert (verdict.source_rows, verdict.bad_rows, verdict.held_by) == (1, 0, ())
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (1, 1, 0, 0, 0)
    assert intake.state(delivery) is State.ACCEPTED_WITH_FINDINGS


@pytest.mark.parametrize(
    ("choice", "how"), [(APPROVE, "TRUNCATE"), (APPROVE, "DROP"), (REJECT, "TRUNCATE"), (None, "DROP")]
)
def test_a_crash_of_the_database_takes_no_row_of_a_delivery(intake: Intake, choice: str | None, how: str) -> None:
    """Landing tables are not logged: a crash empties them, whatever a person decided before or after."""
    rows = BAD if choice else [visit(1), visit(2), visit(4, made=""), visit(2)]
    if choice:
        delivery = held(intake, *rows)
        decide(intake, delivery, choice)
    else:
        delivery = intake.judge(intake.deliver(*rows))
    lose_landing(intake.warehouse, delivery, how)
    account = load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    expected = {APPROVE: (6, 2, 0, 3, 1), REJECT: (6, 0, 0, 5, 1), None: (4, 2, 0, 1, 1)}[choice]
    assert fates(account or intake.account(delivery)) == expected
    assert [key for key, _ in intake.current()] == ([] if choice == REJECT else ["V1", "V2"])


def lose_landing(warehouse: Any, delivery: int, how: str) -> None:
    """What a crash does to unlogged tables, or a person with DROP."""
    pattern = f"atlas__visits_v1__d{delivery}%"
    tables = warehouse.query("SELECT tablename FROM pg_tables WHERE tablename LIKE %s", (pattern,))
    names = ", ".join(f'landing."{name}"' for (name,) in tables)
    warehouse.query(f"{how} TABLE {names}" + (" CASCADE" if how == "DROP" else ""))


def test_when_file_and_landing_are_both_lost_nothing_is_made_up(intake: Intake) -> None:
    delivery = held(intake, *BAD)
    decide(intake, delivery, APPROVE)
    lose_landing(intake.warehouse, delivery, "TRUNCATE")
    for path in intake.folder.iterdir():
        path.unlink()
    with pytest.raises(KinbridgeError, match="KB-D50"):
        load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert intake.state(delivery) is State.APPROVED
    account = intake.account(delivery)
    assert account is not None
    assert account.undecided == 6


def test_what_an_agreement_took_back_meanwhile_is_not_read_again(intake: Intake, visits_folder: Path) -> None:
    """The rows of an approved delivery are lost, and by now the agreement leaves out a column."""
    delivery = held(intake, *BAD)
    decide(intake, delivery, APPROVE)
    lose_landing(intake.warehouse, delivery, "TRUNCATE")
    agreement = visits_folder.parents[3] / "agreements" / "atlas.yaml"
    text = agreement.read_text(encoding="utf-8")
    agreement.write_text(text.replace(" zip,", ""), encoding="utf-8")
    approve(agreement.parents[1])
    try:
        load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    finally:
        agreement.write_text(text, encoding="utf-8")
        approve(agreement.parents[1])
    assert intake.holding("00501") == []
    assert set(intake.current("postal_code", "person_address")) == {(None,)}
