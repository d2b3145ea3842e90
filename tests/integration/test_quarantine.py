"""Replay with Great Expectations, workers that die at it, two at once, and any sequence of files and replays.

What a replay leaves is what a clean run would have left; nothing is loaded twice, and the ledger agrees with itself.
"""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support import workers
from tests.support.approving import approve
from tests.support.deliveries import JUNE, TODAY, VISITS, Intake, fates, visit
from tests.support.replays import (
    EVERY_VISIT,
    NO_LATEST_DAY,
    loaded,
    mended,
    open_lines,
    replay,
    unreconciled,
)
from tests.support.state import state_of
from typer.testing import CliRunner, Result

from kinbridge.cli.main import app
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.ledger.integrations import begin_integration, finish_integration
from kinbridge.ledger.locks import load_lock
from kinbridge.ledger.states import State
from kinbridge.quarantine.again import put_back
from kinbridge.quarantine.replay import replay_delivery
from kinbridge.quarantine.waiting import replayable, waiting
from kinbridge.receipt.findings_file import findings_file
from kinbridge.receipt.outdated import SENT, outdated
from kinbridge.receive.load import load_delivery
from kinbridge.receive.receipt import receipt_of
from kinbridge.warehouse.connection import transaction

LATE = "07/02/2026"
ROWS = [visit(1), visit(2, made=LATE), visit(3, made="bad"), visit(4, minutes=999), visit(5), visit(1)]
MENDED = [NO_LATEST_DAY, EVERY_VISIT]


@pytest.fixture
def delivery(intake: Intake) -> int:
    """A partly accepted delivery; line 3 passes once the contract is mended, line 4 never."""
    return loaded(intake, *ROWS)


def again(intake: Intake, delivery: int, **more: Any) -> Any:
    return replay_delivery(intake.warehouse.pipeline, delivery, TODAY, "a person", **more)


def test_a_replay_in_full_says_what_it_did_and_is_in_the_ledger(
    intake: Intake, delivery: int, visits_folder: Path
) -> None:
    with mended(visits_folder, *MENDED, suite=True):
        before = state_of(intake.warehouse.superuser)
        would = again(intake, delivery, dry_run=True)
        assert state_of(intake.warehouse.superuser) == before
        assert intake.warehouse.query("SELECT count(*) FROM ledger.replay") == [(0,)]
        done = again(intake, delivery)
        once = state_of(intake.warehouse.superuser)
        twice = again(intake, delivery)
        assert state_of(intake.warehouse.superuser) == once
    assert would.as_plain() == {**done.as_plain(), "dry_run": True}
    assert (done.tried, done.loaded, done.quarantined, done.state) == (2, 1, 1, State.PARTLY_ACCEPTED)
    # What broke a rule was tried once more, and still breaks it.
    assert (twice.tried, twice.loaded, twice.quarantined) == (1, 0, 1)
    assert fates(intake.account(delivery)) == (6, 4, 0, 1, 1)
    assert intake.quarantined(delivery) == {3: ["made.range"], 4: ["made.type"]}
    assert open_lines(intake, delivery) == [4]
    events = intake.warehouse.query("SELECT actor, facts ->> 'loaded' FROM ledger.event WHERE what = 'replayed'")
    assert events == [("a person", "1"), ("a person", "0")]
    assert unreconciled(intake) == []


def test_a_replay_leaves_what_a_clean_run_would_have_left(
    visits_folder: Path, new_warehouse: Callable[[], Any], tmp_path: Path
) -> None:
    rows = [visit(n, f"P{n}") for n in range(11, 17)]
    rows += [visit(2, "P2", LATE), visit(3, "P3", "bad"), "NOWHERE" + visit("", "P4")[1:]]
    clean, mendable = Intake(new_warehouse(), tmp_path), Intake(new_warehouse(), tmp_path)
    delivery = loaded(mendable, *rows)
    assert open_lines(mendable, delivery) == [8, 9, 10]
    with mended(visits_folder, *MENDED):
        loaded(clean, *rows)
        replay(mendable, delivery)
    ours, theirs = state_of(mendable.warehouse.superuser), state_of(clean.warehouse.superuser)
    # How it came to this differs: what was loaded at first, and what was in quarantine for a while.
    assert {name for name in ours if ours[name] != theirs[name]} <= {"ledger.load", "quarantine.source_row"}
    assert ours["record.service_event"].startswith("8 rows")


def test_when_the_two_counts_disagree_nothing_is_replayed(intake: Intake, delivery: int, visits_folder: Path) -> None:
    """Here because the suite was not compiled after the contract was mended."""
    with mended(visits_folder, *MENDED), pytest.raises(KinbridgeError, match="KB-F9"):
        again(intake, delivery)
    assert open_lines(intake, delivery) == [3, 4]
    assert intake.warehouse.query("SELECT tablename FROM pg_tables WHERE schemaname = 'landing'") == []
    assert unreconciled(intake) == []


@pytest.mark.parametrize(
    "table", ["record.service_event", "record.person_address", "ledger.replay", "quarantine.source_row", "ledger.event"]
)
def test_killed_in_the_middle_a_replay_leaves_nothing_and_the_next_one_does_it(
    intake: Intake, delivery: int, visits_folder: Path, table: str
) -> None:
    superuser = intake.warehouse.superuser
    with mended(visits_folder, *MENDED):
        before = {**state_of(superuser), "landing": ""}
        with workers.locked(superuser, table):
            worker = workers.start(lambda: replay(intake, delivery))
            workers.wait_for_blocked(superuser)
            worker.kill()
        assert worker.ended == -signal.SIGKILL
        workers.wait_until_alone(superuser)
        assert {**state_of(superuser), "landing": ""} == before
        done = replay(intake, delivery)
    assert done is not None
    assert (done.tried, done.loaded) == (2, 1)
    assert fates(intake.account(delivery)) == (6, 4, 0, 1, 1)
    assert unreconciled(intake) == []
    assert state_of(superuser)["landing"] == "0"


def test_a_replay_that_is_killed_frees_the_feed_for_the_next_one(
    intake: Intake, delivery: int, visits_folder: Path
) -> None:
    """In full, with Great Expectations; the database frees the lock that holds off loads when the worker dies."""
    superuser = intake.warehouse.superuser
    with mended(visits_folder, *MENDED, suite=True):
        with workers.locked(superuser, "ledger.replay"):
            worker = workers.start(lambda: again(intake, delivery))
            workers.wait_for_blocked(superuser)
            worker.kill()
        workers.wait_until_alone(superuser)
        assert open_lines(intake, delivery) == [3, 4]
        assert again(intake, delivery).loaded == 1
    assert unreconciled(intake) == []


def test_what_a_killed_replay_put_back_is_cleared_away_although_nothing_is_open_any_more(
    intake: Intake, delivery: int
) -> None:
    with transaction(intake.warehouse.pipeline) as connection:
        assert put_back(connection, delivery, TODAY) is not None
    loaded(intake, visit(2), visit(3))
    assert open_lines(intake, delivery) == []
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'landing'"
    assert intake.warehouse.query(tables) == [(4,)]
    assert again(intake, delivery).tried == 0
    assert intake.warehouse.query(tables) == [(0,)]


def test_two_replays_at_once_load_once(intake: Intake, delivery: int, visits_folder: Path) -> None:
    with mended(visits_folder, *MENDED, suite=True), ThreadPoolExecutor(2) as pool:
        with load_lock(intake.warehouse.pipeline, VISITS):
            both = [pool.submit(again, intake, delivery) for _ in range(2)]
            workers.wait_for_blocked(intake.warehouse.superuser, count=2)
        results = sorted(run.result(timeout=120).loaded for run in both)
    assert results == [0, 1]
    assert fates(intake.account(delivery)) == (6, 4, 0, 1, 1)
    assert intake.warehouse.query("SELECT count(*) FROM record.service_event WHERE source_service_event_id = 'V2'") == [
        (1,)
    ]


def test_a_replay_waits_for_a_load_of_the_feed_and_sees_what_it_resolved(
    intake: Intake, delivery: int, visits_folder: Path
) -> None:
    """The corrected file comes while somebody replays: whoever is first, the row is in the record once."""
    later = intake.judge(intake.deliver(visit(2)))
    with mended(visits_folder, *MENDED), ThreadPoolExecutor(1) as pool:
        with load_lock(intake.warehouse.pipeline, VISITS):
            loading = pool.submit(load_delivery, intake.warehouse.pipeline, later, TODAY)
            workers.wait_for_blocked(intake.warehouse.superuser)
        loading.result(timeout=60)
        done = replay(intake, delivery)
    assert done is not None
    assert done.tried == 1
    resolved = "SELECT line_no, resolved_by FROM quarantine.source_row WHERE resolved_by IS NOT NULL"
    assert intake.warehouse.query(resolved) == [(3, later)]
    assert dict(intake.current())["V2"] == 60


def test_a_delivery_that_is_being_loaded_is_not_waited_for(intake: Intake, delivery: int) -> None:
    """Its load holds the delivery's row and waits for the feed's lock; a replay that took the lock first would hang."""
    under_way = intake.judge(intake.deliver(visit(7)))
    with ThreadPoolExecutor(1) as pool:
        with load_lock(intake.warehouse.pipeline, VISITS):
            loading = pool.submit(load_delivery, intake.warehouse.pipeline, under_way, TODAY)
            workers.wait_for_blocked(intake.warehouse.superuser)
            with pytest.raises(KinbridgeError, match="KB-Q02"):
                again(intake, under_way)
        loading.result(timeout=60)


def test_an_integration_follows_a_replay_that_loaded(intake: Intake, delivery: int, visits_folder: Path) -> None:
    linkage = intake.warehouse.linkage
    number = begin_integration(linkage)
    assert number is not None
    finish_integration(linkage, number)
    replay(intake, delivery)  # nothing passes
    assert begin_integration(linkage) is None
    with mended(visits_folder, *MENDED):
        replay(intake, delivery)
    assert begin_integration(linkage) is not None
    intake.warehouse.query("TRUNCATE ledger.integration")


def test_receipts_tell_how_it_stands_now(intake: Intake, delivery: int, visits_folder: Path) -> None:
    def told() -> tuple[Any, ...]:
        receipt = receipt_of(intake.warehouse.pipeline, delivery)
        with transaction(intake.warehouse.pipeline) as connection:
            [_, *rows] = csv.reader(io.StringIO(findings_file(connection, receipt).decode("utf-8"), newline=""))
        # Whatever a receipt says, its three parts say it alike.
        assert sorted((row[2], int(row[0])) for row in rows) == sorted(
            (cause.rule, line)
            for cause in receipt.causes
            for span in cause.ranges
            for line in range(span.first, span.last + 1)
        )
        assert receipt.account is not None
        return receipt.state, receipt.account.quarantined, receipt.corrected, sorted(row[2] for row in rows)

    def due() -> list[int]:
        with transaction(intake.warehouse.pipeline) as connection:
            found = outdated(connection, VISITS)
            record_event(connection, delivery, "test", SENT, {})
            assert outdated(connection, VISITS) == []
        return found

    assert told() == (State.PARTLY_ACCEPTED, 2, 0, ["made.range", "made.type", "minutes.range"])
    assert due() == []
    with mended(visits_folder, *MENDED):
        replay(intake, delivery)
    assert told() == (State.PARTLY_ACCEPTED, 1, 0, ["made.type", "minutes.range"])
    assert due() == [delivery]
    loaded(intake, visit(3))
    assert told() == (State.PARTLY_ACCEPTED, 1, 1, ["made.type", "minutes.range"])
    assert due() == [delivery]


# Any sequence

DAYS = [date(2026, 5, 31), JUNE, date(2026, 7, 1)]
ROW = st.builds(
    visit,
    st.integers(1, 6),
    st.sampled_from(["P1", "P2", ""]),
    st.sampled_from(["05/01/2026", "06/15/2026", LATE, "bad"]),
    st.sampled_from([10, 20, 999]),
)
FILE = st.tuples(st.just("file"), st.sampled_from(DAYS), st.lists(ROW, min_size=1, max_size=6))
REPLAY = st.tuples(st.just("replay"), st.booleans(), st.integers(0, 5))


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(FILE | REPLAY, min_size=3, max_size=8))
def test_whatever_comes_and_is_replayed_the_ledger_agrees_with_itself(
    intake: Intake, visits_folder: Path, steps: list[Any]
) -> None:
    intake.empty()
    deliveries: list[int] = []
    generous = ("contract.odcs.yaml", "maxBadRowShare: 0.4", "maxBadRowShare: 1.0")
    for step in steps:
        if step[0] == "file":
            with mended(visits_folder, generous):
                deliveries.append(loaded(intake, *step[2], as_of=step[1]))
        elif deliveries:
            chosen = deliveries[step[2] % len(deliveries)]
            rows = intake.warehouse.query("SELECT count(*) FROM record.service_event")
            with mended(visits_folder, *(MENDED if step[1] else [generous])):
                first = replay(intake, chosen)
                again_ = replay(intake, chosen)
            assert again_ is None or (again_.loaded, again_.unchanged) == (0, 0)
            if first is None:
                assert intake.warehouse.query("SELECT count(*) FROM record.service_event") == rows
        assert unreconciled(intake) == []
    # One current row for each key, and each line of a file at most once in a table.
    doubled = "SELECT 1 FROM record.service_event GROUP BY delivery_id, line_no HAVING count(*) > 1"
    assert intake.warehouse.query(doubled) == []
    assert intake.warehouse.query("SELECT 1 FROM record.service_event WHERE known_to < known_from") == []


# What people see


def test_the_list_counts_open_rows_by_feed_delivery_and_rule(intake: Intake, delivery: int) -> None:
    other = loaded(intake, *(visit(n) for n in range(11, 16)), visit(6, "", "bad"))
    with transaction(intake.warehouse.steward) as connection:
        found = waiting(connection)
        assert [(one.delivery_id, one.rows, one.days) for one in found] == [(delivery, 2, 0), (other, 1, 0)]
        # A row with two reasons is one row; a warning is no reason.
        assert [(r.rule, r.code, r.rows) for r in found[1].reasons] == [
            ("made.type", "KB-R02", 1),
            ("person_id.presence", "KB-R01", 1),
        ]
        assert [one.delivery_id for one in waiting(connection, rule="made.range")] == [delivery]
        assert [one.rows for one in waiting(connection, rule="made.range")] == [1]
        assert waiting(connection, feed="atlas/notes_v1") == []
        assert [one.rows for one in waiting(connection, delivery_id=other)] == [1]
    with transaction(intake.warehouse.pipeline) as connection:
        assert replayable(connection) == ([delivery, other], [])
    loaded(intake, visit(2), visit(3), visit(6))
    with transaction(intake.warehouse.steward) as connection:
        assert waiting(connection) == []
        assert sum(one.rows for one in waiting(connection, resolved_too=True)) == 3


@pytest.fixture
def command(intake: Intake, visits_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs `kinbridge quarantine …` against this warehouse, under an agreement that is in force on any real day."""
    agreement = visits_folder.parents[3] / "agreements" / "atlas.yaml"
    text = agreement.read_text(encoding="utf-8")
    agreement.write_text(text.replace("expires: 2026", "expires: 2126"), encoding="utf-8")
    approve(agreement.parents[1])
    monkeypatch.setenv("KINBRIDGE_PIPELINE_URL", intake.warehouse.pipeline.to_url())
    monkeypatch.setenv("KINBRIDGE_STEWARD_URL", intake.warehouse.steward.to_url())

    def run(*words: object, **environment: str) -> Result:
        return CliRunner().invoke(app, ["quarantine", *(str(word) for word in words)], env=environment)

    yield run
    agreement.write_text(text, encoding="utf-8")
    approve(agreement.parents[1])


def test_the_commands_show_rules_and_lines_and_no_value(
    intake: Intake, delivery: int, command: Callable[..., Result]
) -> None:
    shown = command("list").output + command("show", delivery).output + command("replay", "--dry-run").output
    for said in ("made.type", "KB-R02", "line 4: made.type", "2 rows", "still quarantined 2", "a date written MM/dd"):
        assert said in shown, shown
    assert LATE not in shown
    assert "bad" not in shown
    [plain] = json.loads(command("list", "--json").output)
    assert (plain["delivery_id"], plain["rows"], plain["state"]) == (delivery, 2, "partly_accepted")
    assert json.loads(command("list", "--json", "--rule", "row.unmapped").output) == []
    assert intake.warehouse.query("SELECT count(*) FROM ledger.event WHERE what LIKE 'looked%'") == [(0,)]


def test_a_steward_sees_the_values_of_the_broken_rules_and_each_look_is_written_down(
    intake: Intake, delivery: int, command: Callable[..., Result]
) -> None:
    looked = command("show", delivery, "--line", 4, "--values", "--by", "S. Steward")
    assert looked.exit_code == 0, looked.output
    assert "visit_id = V3" in looked.output
    assert "made = bad" in looked.output
    # The person and the minutes are not what is wrong.
    assert "P1" not in looked.output
    [(actor, number, facts)] = intake.warehouse.query(
        "SELECT actor, delivery_id, facts::text FROM ledger.event WHERE what = 'looked at values'"
    )
    assert (actor, number) == ("S. Steward", delivery)
    assert "bad" not in facts
    assert "V3" not in facts
    other = command("show", delivery, "--values", KINBRIDGE_STEWARD_URL=intake.warehouse.pipeline.to_url())
    assert isinstance(other.exception, KinbridgeError)
    assert other.exception.code == "KB-Q04"
    assert "bad" not in other.output
    missing = command("show", delivery, "--line", 2)
    assert isinstance(missing.exception, KinbridgeError)
    assert missing.exception.code == "KB-Q06"
    assert intake.warehouse.query("SELECT count(*) FROM ledger.event WHERE what = 'looked at values'") == [(1,)]


def test_one_delivery_that_cannot_be_replayed_does_not_keep_the_others(
    intake: Intake, delivery: int, visits_folder: Path, command: Callable[..., Result]
) -> None:
    other = loaded(intake, *(visit(n) for n in range(11, 16)), visit(16, made=LATE))
    with mended(visits_folder, *MENDED, suite=True):
        intake.warehouse.query("DELETE FROM ledger.account WHERE delivery_id = %s", (delivery,))
        ran = command("replay", "--feed", VISITS, "--json")
    assert ran.exit_code == 1
    told = json.loads(ran.output)
    assert [(one["delivery_id"], one["loaded"]) for one in told["replays"]] == [(other, 1)]
    assert [one["code"] for one in told["problems"]] == ["KB-D21"]
    assert open_lines(intake, delivery) == [3, 4]


def test_many_rows_are_replayed_in_one_go(intake: Intake, visits_folder: Path) -> None:
    """Sets, not rows one by one: 20,000 rows in seconds."""
    generous = ("contract.odcs.yaml", "mustBeBetween: [1, 1000]", "mustBeBetween: [1, 100000]")
    share = ("contract.odcs.yaml", "maxBadRowShare: 0.4", "maxBadRowShare: 1.0")
    with mended(visits_folder, generous, share):
        rows = [visit(n, f"P{n}", LATE) for n in range(20_000)]
        delivery = loaded(intake, *rows)
    with mended(visits_folder, *MENDED):
        began = time.monotonic()
        done = replay(intake, delivery)
        seconds = time.monotonic() - began
    assert done is not None
    assert done.loaded == 20_000
    assert intake.state(delivery) is State.ACCEPTED
    assert seconds < 20
