"""The ledger in a real Postgres: registered once, moved by legal steps, balanced."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.ledger import accounts, deliveries, events
from kinbridge.ledger.deliveries import NewDelivery
from kinbridge.ledger.locks import feed_lock
from kinbridge.ledger.states import State
from kinbridge.warehouse.connection import Dsn, transaction

_numbers = itertools.count(1)


def a_file(**changes: Any) -> NewDelivery:
    number = next(_numbers)
    new = NewDelivery(
        partner="medicaid",
        feed="medicaid/eligibility_v1",
        file_name=f"eligibility_{number}.txt",
        size_bytes=100,
        sha256=f"{number:064x}",
        remote_mtime=datetime(2026, 1, 1, tzinfo=UTC),
        period=date(2026, 1, 1),
        as_of=date(2026, 1, 31),
        landed_path=f"/landing/{number}",
        contract_version="1.0.0",
        agreement_id="medicaid_2026",
        agreement_version="1",
    )
    return replace(new, **changes)


def registered(dsn: Dsn, new: NewDelivery) -> deliveries.Delivery:
    with transaction(dsn) as connection:
        return deliveries.register(connection, new, "test")


def move(dsn: Dsn, delivery_id: int, *states: str) -> None:
    with transaction(dsn) as connection:
        for state in states:
            deliveries.set_state(connection, delivery_id, state, None, "test")


def test_the_same_bytes_make_a_duplicate_whatever_their_name(warehouse: Any) -> None:
    first = a_file()
    original = registered(warehouse.pipeline, first)
    again = registered(warehouse.pipeline, replace(first, file_name="other.txt", landed_path="/landing/x"))
    assert (original.state, again.state) == (State.COLLECTED, State.DUPLICATE)
    assert (again.duplicate_of, again.landed_path) == (original.delivery_id, None)
    assert again.settled_at is not None
    other_feed = registered(warehouse.pipeline, replace(first, feed="medicaid/other_v1"))
    assert other_feed.state == State.COLLECTED


def test_a_refused_file_may_come_again_only_under_another_contract(warehouse: Any) -> None:
    first = a_file()
    original = registered(warehouse.pipeline, first)
    move(warehouse.pipeline, original.delivery_id, "refused")
    assert registered(warehouse.pipeline, first).state == State.DUPLICATE
    mended = replace(first, contract_version="1.0.1")
    second = registered(warehouse.pipeline, mended)
    assert second.state == State.COLLECTED
    assert registered(warehouse.pipeline, mended).duplicate_of == second.delivery_id


def test_two_runs_at_once_register_one_file_once(warehouse: Any) -> None:
    new, found = a_file(), []
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        found.append(registered(warehouse.pipeline, new))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(delivery.state for delivery in found) == ["collected", "duplicate", "duplicate", "duplicate"]


def test_only_legal_steps_are_taken_and_each_leaves_an_event(warehouse: Any) -> None:
    delivery_id = registered(warehouse.pipeline, a_file()).delivery_id
    with pytest.raises(KinbridgeError, match=r"KB-D17: Delivery \d+ is collected and cannot become accepted"):
        move(warehouse.pipeline, delivery_id, "accepted")
    move(warehouse.pipeline, delivery_id, "staged", "validated", "held", "approved", "accepted")
    with transaction(warehouse.pipeline) as connection:
        assert deliveries.set_state(connection, delivery_id, "accepted", None, "test") is False
        settled = deliveries.get(connection, delivery_id)
        assert events.latest_facts(connection, delivery_id, "state") == {
            "from": "approved",
            "to": "accepted",
            "reason": None,
        }
    assert settled.settled_at is not None
    with pytest.raises(KinbridgeError, match="KB-D17"):
        move(warehouse.pipeline, delivery_id, "staged")
    steps = warehouse.query(
        "SELECT count(*) FROM ledger.event WHERE delivery_id = %s AND what = 'state'", (delivery_id,)
    )
    assert steps == [(5,)]
    with pytest.raises(KinbridgeError, match="KB-D18"):
        move(warehouse.pipeline, 10**9, "staged")


def test_an_event_that_repeats_itself_is_recorded_once(warehouse: Any) -> None:
    with transaction(warehouse.pipeline) as connection:
        facts = {"file": "x", "code": "KB-D12"}
        assert events.record_once(connection, "medicaid/eligibility_v1", "collect", "not taken", facts)
        assert not events.record_once(connection, "medicaid/eligibility_v1", "collect", "not taken", facts)
        assert events.record_once(connection, "medicaid/other_v1", "collect", "not taken", facts)


def test_settled_periods_are_those_worked_off(warehouse: Any) -> None:
    feed = "snap/periods_v1"
    new = replace(a_file(), partner="snap", feed=feed)
    first = registered(warehouse.pipeline, new)
    registered(warehouse.pipeline, replace(new, period=date(2026, 2, 1), sha256="b"))
    with transaction(warehouse.pipeline) as connection:
        assert deliveries.settled_periods(connection, [feed]) == set()
    move(warehouse.pipeline, first.delivery_id, "staged", "refused")
    with transaction(warehouse.pipeline) as connection:
        assert deliveries.settled_periods(connection, [feed]) == {(feed, date(2026, 1, 1))}
        assert deliveries.settled_periods(connection, []) == set()


def test_an_account_is_written_and_replaced(warehouse: Any) -> None:
    delivery_id = registered(warehouse.pipeline, a_file()).delivery_id
    with transaction(warehouse.pipeline) as connection:
        assert accounts.read(connection, delivery_id) is None
        accounts.write(connection, accounts.Account(delivery_id, 10, undecided=10))
        final = accounts.Account(delivery_id, 10, loaded=7, unchanged=1, quarantined=1, duplicate=1)
        accounts.write(connection, final)
        assert accounts.read(connection, delivery_id) == final


def test_a_feed_is_held_by_one_run_at_a_time(warehouse: Any) -> None:
    with feed_lock(warehouse.pipeline, "medicaid/locked_v1"):
        with feed_lock(warehouse.pipeline, "medicaid/free_v1", wait_seconds=0.2):
            pass
        with (
            pytest.raises(KinbridgeError, match=r"KB-D20.*medicaid/locked_v1 for longer than 0.2 seconds"),
            feed_lock(warehouse.pipeline, "medicaid/locked_v1", wait_seconds=0.2),
        ):
            pytest.fail("two runs hold one feed")
    with feed_lock(warehouse.pipeline, "medicaid/locked_v1", wait_seconds=0.2):
        pass
