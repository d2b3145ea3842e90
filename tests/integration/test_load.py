"""The load when something is wrong: a transform, the clock, two workers at once. Nothing half-done stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.declared import column, contract, write_agreement, write_feed
from tests.support.deliveries import ALLOWED, NOTES, TODAY, TRANSFORM, VISITS, Intake, fates, visit

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.load.load import load
from kinbridge.receive.load import load_delivery
from kinbridge.receive.work import work_on
from kinbridge.warehouse.connection import transaction

SELECT = "-- target: person_address\nSELECT {what} FROM source{rest};\n"


@pytest.fixture
def transform(visits_folder: Path) -> Iterator[Callable[[str | None], None]]:
    """Gives the feed another transform for one test."""
    path = visits_folder / "transform.sql"

    def write(text: str | None) -> None:
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text, encoding="utf-8")

    yield write
    write(TRANSFORM)


@pytest.mark.parametrize(
    ("text", "code", "facts"),
    [
        (
            SELECT.format(what="line_no, person_id AS source_person_id, zip AS postal_code", rest=""),
            "KB-L02",
            {"target": "person_address", "lines": "2"},
        ),
        (
            SELECT.format(what="line_no, CASE WHEN visit_id <> 'V2' THEN person_id END AS source_person_id", rest=""),
            "KB-L03",
            {"target": "person_address", "count": 1, "line": 3},
        ),
        (SELECT.format(what="line_no + 100 AS line_no, visit_id AS source_person_id", rest=""), "KB-D21", {}),
        (SELECT.format(what="1 AS line_no, visit_id AS source_person_id, made AS wrong", rest=""), "KB-D21", {}),
        (TRANSFORM.replace("source.made AS", "source.zip AS"), "KB-S26", {"place": "no table named"}),
        (TRANSFORM.replace("source.made AS", "NULL AS"), "KB-S22", {"constraint": "service_date"}),
        (TRANSFORM.replace("target: person_address", "target: persons"), "KB-L01", {"target": "persons"}),
        ("SELECT 1;\n", "KB-L04", {"line": 1}),
        (None, "KB-L04", {"line": 1}),
    ],
    ids=[
        "two rows for a key",
        "no key",
        "invented lines",
        "one invented line",
        "wrong type",
        "no value",
        "no table",
        "no target",
        "no transform",
    ],
)
def test_a_transform_that_fails_loads_nothing_and_tells_no_value(
    intake: Intake, transform: Callable[[str | None], None], text: str | None, code: str, facts: dict[str, Any]
) -> None:
    delivery = intake.judge(
        intake.deliver(visit(1, "Zebedee"), visit(2, "Q"), visit(3, "Zebedee", "01/02/2026", 1, "00502", "H", ""))
    )
    transform(text)
    with pytest.raises(KinbridgeError) as caught:
        load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert caught.value.code == code
    assert facts.items() <= caught.value.facts.items()
    assert not any(value in str(caught.value) for value in ("Zebedee", "V1", "00502"))
    for table in ("record.service_event", "record.person_address", "quarantine.source_row", "ledger.load"):
        assert intake.warehouse.query(f"SELECT count(*) FROM {table}") == [(0,)]
    assert intake.state(delivery) is State.VALIDATED

    transform(TRANSFORM)
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (3, 3, 0, 0, 0)


def test_lines_that_say_the_same_of_a_key_are_one_row_and_the_later_ones_are_unchanged(
    intake: Intake, transform: Callable[[str | None], None]
) -> None:
    transform(SELECT.format(what="line_no, person_id AS source_person_id, zip AS postal_code", rest=""))
    assert fates(intake.load(visit(1), visit(2), visit(3))) == (3, 1, 2, 0, 0)
    assert intake.current("source_person_id, line_no", "person_address") == [("P1", 2)]


def test_a_note_between_two_statements_belongs_to_neither(
    intake: Intake, transform: Callable[[str | None], None]
) -> None:
    transform(
        TRANSFORM.replace(
            "-- target: person_address", "-- Where they live; one address each.\n-- target: person_address"
        )
    )
    assert fates(intake.load(visit(1))) == (1, 1, 0, 0, 0)


def test_one_row_may_change_one_target_and_not_another(intake: Intake) -> None:
    intake.load(visit(1, minutes=30))
    assert fates(intake.load(visit(1, minutes=31))) == (1, 1, 0, 0, 0)
    assert intake.warehouse.query("SELECT count(*) FROM record.person_address") == [(1,)]
    [(targets,)] = intake.warehouse.query("SELECT targets FROM ledger.load ORDER BY loaded_at DESC LIMIT 1")
    assert targets == {"service_event": 1, "person_address": 0}


def test_every_combination_of_known_same_and_stale(intake: Intake) -> None:
    """A key that is new, unchanged, changed; and each against a record that knows something newer."""
    may, june, july = date(2026, 5, 31), date(2026, 6, 30), date(2026, 7, 5)
    intake.load(visit("same", minutes=1), visit("changed", minutes=1), as_of=may)
    intake.load(visit("newer_same", minutes=1), visit("newer_changed", minutes=1), as_of=july)
    keys = ("same", "changed", "newer_same", "newer_changed", "new")
    account = intake.load(
        *(visit(key, "P2", minutes=1 if key.endswith("same") else 2).replace("P2", "P1") for key in keys), as_of=june
    )
    assert fates(account) == (5, 3, 2, 0, 0)
    assert intake.current("source_service_event_id, duration_minutes, as_of") == [
        ("Vchanged", 2, june),
        ("Vnew", 2, june),
        ("Vnewer_changed", 1, july),
        ("Vnewer_same", 1, july),
        # Said again by a newer delivery: the day up to which it is known to hold moves on.
        ("Vsame", 1, june),
    ]
    history = intake.warehouse.query(
        "SELECT source_service_event_id, duration_minutes, known_from = known_to FROM record.service_event "
        "WHERE known_to IS NOT NULL ORDER BY 1"
    )
    assert history == [("Vchanged", 1, False), ("Vnewer_changed", 2, True)]


def test_history_runs_forward_although_a_transaction_waited(intake: Intake) -> None:
    """The second load's transaction begins before the first one's commit: its clock must not be the one that counts."""
    first = intake.judge(intake.deliver(visit(1, minutes=1)))
    second = intake.judge(intake.deliver(visit(1, minutes=2)))
    with transaction(intake.warehouse.pipeline) as connection, connection.cursor() as cursor:
        work = work_on(connection, second)
        load_delivery(intake.warehouse.pipeline, first, TODAY)
        load(cursor, work.load_plan())
    backwards = "SELECT count(*) FROM record.service_event WHERE known_to <= known_from"
    assert intake.warehouse.query(backwards) == [(0,)]
    assert intake.current() == [("V1", 2)]


@contextmanager
def loads_wait(intake: Intake, waiting: int) -> Iterator[None]:
    """Holds the feed's load lock until so many sessions wait, so that they truly run at once."""
    with transaction(intake.warehouse.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"load {VISITS}",))
        yield
        seen = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        tick = threading.Event()
        for _ in range(400):
            if intake.warehouse.query(seen)[0][0] >= waiting:
                return
            tick.wait(0.025)
        raise AssertionError("they do not wait")


def test_two_workers_with_one_delivery_load_it_once(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver(visit(1), visit(2), visit(2), visit(3, made="bad")))
    with ThreadPoolExecutor(2) as pool:
        with loads_wait(intake, 2):
            runs = [pool.submit(load_delivery, intake.warehouse.pipeline, delivery, TODAY) for _ in range(2)]
        accounts = [run.result(timeout=30) for run in runs]
    assert accounts[0] == accounts[1]
    assert fates(accounts[0]) == (4, 2, 0, 1, 1)
    assert intake.warehouse.query("SELECT count(*) FROM record.service_event") == [(2,)]


def test_two_deliveries_of_a_feed_at_once_come_one_after_the_other(intake: Intake) -> None:
    deliveries = [intake.judge(intake.deliver(visit(1, minutes=n), visit(n + 10))) for n in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        with loads_wait(intake, 2):
            runs = [pool.submit(load_delivery, intake.warehouse.pipeline, d, TODAY) for d in deliveries]
        assert [fates(run.result(timeout=30)) for run in runs] == [(2, 2, 0, 0, 0)] * 2
    # Whichever came first: of two deliveries of one day, what the later one says holds.
    assert intake.current() == [("V1", 2), ("V11", 60), ("V12", 60)]
    assert intake.warehouse.query("SELECT count(*) FROM record.service_event WHERE known_to < known_from") == [(0,)]


def test_keys_are_kept_as_sent_for_the_feeds_that_refer_to_them(intake: Intake, tmp_path: Path) -> None:
    """A date too, which the record holds as a date; of accepted rows only."""
    intake.load(visit(1, "P1", "01/02/2026"), visit(2, "P2", "31/01/2026"), visit(3, " P1 ", "01/02/2026"), visit(4))
    assert intake.warehouse.query("SELECT feed, column_names, key_values FROM record.reference_key ORDER BY 3") == [
        (VISITS, "person_id,made", ["P1", "01/01/2026"]),
        (VISITS, "person_id,made", ["P1", "01/02/2026"]),
    ]
    notes = Intake(intake.warehouse, tmp_path, NOTES, "note_id,person_id,day")
    notes.numbers = intake.numbers
    rows = ["N1,P1,01/02/2026", "N2,P1,01/01/2026", "N3,P1,01/01/2026", "N4,P2,31/01/2026"]
    delivery = notes.judge(notes.deliver(*rows))
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (4, 1, 2, 1, 0)
    assert intake.quarantined(delivery) == {5: ["person_id__day.reference"]}


def test_a_feed_of_very_many_columns(intake: Intake, visits_folder: Path) -> None:
    """A function takes a hundred arguments at most; a quarantined row may have more columns than fifty."""
    include, wide = visits_folder.parents[3], "atlas/wide_v1"
    names = [f"c{n}" for n in range(120)]
    columns = [
        column("id", "string", "primaryKey: true"),
        *(column(name, "string", "required: true") for name in names),
    ]
    select = "-- target: person\nSELECT line_no, id AS source_person_id FROM source;\n"
    write_feed(include, wide, contract(wide, *columns, delivery="{ filePattern: '^wide.csv$' }"), select)
    write_agreement(include, "atlas", {VISITS: ALLOWED, wide: ["id", *names]})
    from kinbridge.contract.odcs import feeds

    feeds.cache_clear()
    rows = Intake(intake.warehouse, intake.folder, wide, ",".join(["id", *names]))
    sound, broken = ",".join(["1", *names]), ",".join(["2", *names[:-1], ""])
    assert fates(rows.load(sound, broken, ",".join(["3", *names]))) == (3, 2, 0, 1, 0)
    [(content,)] = intake.warehouse.query("SELECT content FROM quarantine.source_row")
    assert content == {"id": "2", **{name: name for name in names}, names[-1]: None}
