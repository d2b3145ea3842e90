"""The steps of a delivery with Great Expectations, in the DAG's order and in every other: the same comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.deliveries import TODAY, Intake, fates, visit

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import Verdict, validate_delivery

ROWS = [visit(1), visit(2, minutes=999), visit(3, made="bad"), visit(1)]
STEPS = {"stage": stage_delivery, "validate": validate_delivery, "load": load_delivery}


def outcome(intake: Intake, delivery: int) -> list[Any]:
    """What a delivery came to, without the moments at which it did."""
    return [
        intake.state(delivery),
        fates(intake.account(delivery)),
        intake.quarantined(delivery),
        intake.current(),
        intake.warehouse.query("SELECT rule, line_no FROM ledger.finding ORDER BY 1, 2"),
        intake.warehouse.query("SELECT rule, found, gx_count, code, severity FROM ledger.rule_result ORDER BY 1"),
        intake.warehouse.query("SELECT targets FROM ledger.load"),
        intake.warehouse.query("SELECT tablename FROM pg_tables WHERE schemaname = 'landing'"),
    ]


@pytest.mark.parametrize(
    "order",
    [
        "stage validate load",
        "load",
        "stage load",
        "validate stage load",
        "stage stage validate validate load load validate stage load",
    ],
)
def test_any_order_and_any_repetition_of_the_steps_come_to_the_same(intake: Intake, order: str) -> None:
    delivery = intake.deliver(*ROWS)
    for step in order.split():
        STEPS[step](intake.warehouse.pipeline, delivery, TODAY)
    state, account, quarantined, current, findings, results, loads, landing = outcome(intake, delivery)
    assert (state, account) == (State.PARTLY_ACCEPTED, (4, 2, 0, 1, 1))
    assert quarantined == {4: ["made.type"]}
    assert current == [("V1", 60), ("V2", None)]
    assert findings == [("made.type", 4), ("minutes.range", 3)]
    # Every row rule was counted twice, by two engines, with one result.
    row_rules = [row for row in results if not row[0].startswith("file.")]
    assert len(row_rules) == 12
    assert all(found == gx for _, found, gx, _, _ in row_rules)
    assert (loads, landing) == ([({"service_event": 2, "person_address": 1},)], [])


def test_validation_says_what_it_came_to(intake: Intake) -> None:
    delivery = intake.deliver(*ROWS)
    assert stage_delivery(intake.warehouse.pipeline, delivery, TODAY) == 4
    assert validate_delivery(intake.warehouse.pipeline, delivery, TODAY) == Verdict(4, 1, ())
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert validate_delivery(intake.warehouse.pipeline, delivery, TODAY) is None


def test_when_the_two_counts_disagree_neither_is_trusted(intake: Intake, visits_folder: Path) -> None:
    """Here by a suite that was changed by hand."""
    suite = visits_folder.parents[4] / "great_expectations" / "expectations" / "atlas__visits_v1.json"
    sound = suite.read_text(encoding="utf-8")
    changed = json.loads(sound)
    limits = next(e for e in changed["expectations"] if e["meta"]["rule"] == "minutes.range")
    limits["kwargs"]["max_value"] = 2000
    suite.write_text(json.dumps(changed), encoding="utf-8")
    delivery = intake.deliver(*ROWS)
    try:
        with pytest.raises(KinbridgeError, match="KB-F90") as caught:
            load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    finally:
        suite.write_text(sound, encoding="utf-8")
    assert (caught.value.facts["rule"], caught.value.facts["gx"], caught.value.facts["found"]) == (
        "minutes.range",
        0,
        1,
    )
    assert intake.state(delivery) is State.STAGED
    assert intake.warehouse.query("SELECT count(*) FROM ledger.finding") == [(0,)]
    assert intake.current() == []
