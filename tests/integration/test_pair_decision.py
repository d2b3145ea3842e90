"""Decisions on pairs: taken down by a steward, taken back, never changed, and in the ledger without a name."""

from __future__ import annotations

from typing import Any

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.decision import pair_chance, pair_of, record_decision, withdraw_decision
from kinbridge.warehouse.connection import transaction

CHILD, OTHER = ("snap", "S-1"), ("medicaid", "M-1")


@pytest.fixture(scope="module")
def linked(warehouse: Any) -> Any:
    warehouse.query("INSERT INTO identity.run (model_version) VALUES ('test')")
    for partner, number in (CHILD, OTHER):
        warehouse.query(
            """
            WITH person AS (
                INSERT INTO identity.person (person_id, first_run_id) VALUES (gen_random_uuid(), 1) RETURNING person_id
            )
            INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
            SELECT %s, %s, person_id, 1 FROM person
            """,
            (partner, number),
        )
    return warehouse


def decide(warehouse: Any, verdict: str, by: str, **more: Any) -> int:
    with transaction(warehouse.steward) as connection:
        return record_decision(connection, pair_of(CHILD, OTHER), verdict, "seen the file", by, **more)


def verdicts(warehouse: Any) -> list[tuple[object, ...]]:
    return warehouse.query("SELECT verdict, disagreed, reviewers FROM identity.pair_verdict")


def test_pair_is_in_order_and_of_two() -> None:
    assert pair_of(CHILD, OTHER) == pair_of(OTHER, CHILD)
    assert pair_of(CHILD, OTHER).left == OTHER
    with pytest.raises(KinbridgeError) as failure:
        pair_of(CHILD, CHILD)
    assert failure.value.code == "KB-K40"


def test_a_pair_has_the_same_chance_in_sql_and_without_a_database(warehouse: Any) -> None:
    odd = ('"', "\\", "/", "\t\n\r\b\f\x01\x1f\x7f", "é", "\u2028", "𝛼", "", " ", "O'Neil", "<&>", "a, b")
    ids = [*odd, *map(str, range(200))]
    asked = [(pair_of(("medicaid", one), ("snap", f"S-{one}")), p) for one in ids for p in ("test", "second opinion")]
    chances = [pair_chance(pair, purpose) for pair, purpose in asked]
    in_sql = [
        warehouse.query("SELECT identity.pair_chance(%s, %s, %s, %s, %s)", (*pair.left, *pair.right, purpose))[0][0]
        for pair, purpose in asked
    ]
    assert chances == in_sql
    assert 0 <= min(chances) < 0.1
    assert 0.9 < max(chances) < 1


def test_steward_decides_and_a_decision_that_was_wrong_is_withdrawn_once(linked: Any) -> None:
    first = decide(linked, "different", "R. Keller", seen={"weight": 3.5})
    assert verdicts(linked) == [("different", False, 1)]
    second = decide(linked, "same", "A. Okafor")
    assert verdicts(linked) == [("different", True, 2)]
    with transaction(linked.steward) as connection:
        withdraw_decision(connection, first, "wrong file", "R. Keller")
    assert verdicts(linked) == [("same", False, 1)]
    with transaction(linked.steward) as connection, pytest.raises(KinbridgeError) as failure:
        withdraw_decision(connection, first, "again", "R. Keller")
    assert failure.value.code == "KB-K42"
    events = linked.query("SELECT what, facts FROM ledger.event ORDER BY event_id")
    assert [what for what, _ in events] == ["pair decided", "pair decided", "pair decision withdrawn"]
    assert events[0][1] == {"decision": first, "verdict": "different", "partners": ["medicaid", "snap"]}
    assert second > first
    assert not any(number in str(facts) for _, facts in events for _, number in (CHILD, OTHER))


@pytest.mark.parametrize(
    ("verdict", "reason", "by", "code"),
    [("maybe", "why", "me", "KB-K40"), ("same", " ", "me", "KB-K40"), ("same", "why", "", "KB-K40")],
)
def test_decision_needs_a_verdict_a_reason_and_a_name(
    linked: Any, verdict: str, reason: str, by: str, code: str
) -> None:
    with transaction(linked.steward) as connection, pytest.raises(KinbridgeError) as failure:
        record_decision(connection, pair_of(CHILD, OTHER), verdict, reason, by)
    assert failure.value.code == code


def test_id_that_linkage_has_not_met_is_refused(linked: Any) -> None:
    with transaction(linked.steward) as connection, pytest.raises(KinbridgeError) as failure:
        record_decision(connection, pair_of(CHILD, ("snap", "S-9")), "different", "why", "me")
    assert failure.value.code == "KB-K41"
    assert "S-9" not in str(failure.value)


def test_only_the_steward_decides(linked: Any) -> None:
    for role in (linked.linkage, linked.pipeline, linked.analyst):
        with pytest.raises(KinbridgeError) as failure, transaction(role) as connection:
            record_decision(connection, pair_of(CHILD, OTHER), "different", "why", "me")
        assert failure.value.code == "KB-S25"
