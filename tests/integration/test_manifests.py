"""Deliveries with a manifest, taken whole or not at all, and attestations, over a real SFTP server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.agency import MONTH, PARTNER, Agency, agency_site, entry, rows
from tests.support.deliveries import TODAY, Intake, visit

from kinbridge.calendar.read import read_calendars
from kinbridge.calendar.status import Status
from kinbridge.contract.odcs import feeds
from kinbridge.delivery.plan import Collected
from kinbridge.ledger.states import State
from kinbridge.receipt.words import message_of
from kinbridge.receive.decide import REJECT, record_decision
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery

MANIFEST = r", manifest: { filePattern: '^visits_(?P<period>\d{6})\.manifest\.json$', format: json }"
A, B = "visits_202606_a.csv", "visits_202606_b.csv"
ONE, TWO = rows(visit(1), visit(2)), rows(visit(3))


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with agency_site(tmp_path_factory.mktemp("site"), MANIFEST) as folder:
        yield folder


@pytest.fixture
def agency(include: Path, warehouse: Any, sftp_server: Any, tmp_path: Path) -> Iterator[Agency]:
    yield (agency := Agency(warehouse, sftp_server, "home_visiting", Intake(warehouse, tmp_path)))
    agency.leave()


def waiting(result: Collected) -> list[tuple[str, str]]:
    """What waits, and for which reason; nothing else may have come of the run."""
    assert (result.new, result.turned_away, result.duplicates) == ([], [], [])
    return [(one.file, one.code) for one in result.waiting]


def test_a_file_waits_for_its_manifest_and_is_then_taken_once(agency: Agency) -> None:
    agency.drop(A, ONE)
    assert waiting(agency.collect()) == [(A, "KB-H01")]
    agency.list_files(entry(A, ONE, 2), period="2026-06")
    [taken] = agency.collect().new
    assert (agency.delivery(taken).state, agency.delivery(taken).period) == (State.COLLECTED, MONTH)
    agency.list_files(entry(A, ONE, 2), period="2026-06", age=10)  # a new manifest of a file that was taken
    assert agency.collect().summary() == "nothing new"
    assert len(agency.landed()) == 1


def test_no_file_is_taken_before_all_that_the_manifest_lists_are_there(agency: Agency) -> None:
    agency.drop(A, ONE)
    agency.list_files(entry(A, ONE), entry(B, TWO))
    result = agency.collect()
    assert waiting(result) == [(A, "KB-H04")]
    assert B in result.waiting[0].reason
    agency.drop(B, TWO, age=-5)  # ahead of our clock, as some servers are
    taken = agency.collect().new
    assert [agency.delivery(one).file_name for one in taken] == [A, B]
    (agency.inbox / A).unlink()  # the agency clears its inbox, and sends the other file anew under the old manifest
    agency.drop(B, TWO, age=30)
    assert len(agency.collect().duplicates) == 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"bytes": len(TWO) + 1}, "KB-H03"), ({"sha256": "0" * 64}, "KB-H03"), ({"period": "2026-05"}, "KB-H06")],
)
def test_a_file_that_is_not_as_listed_is_refused_once_and_keeps_the_others_waiting(
    agency: Agency, wrong: dict[str, Any], code: str
) -> None:
    period = {"period": wrong.pop("period")} if "period" in wrong else {}
    agency.drop(B, TWO)
    agency.list_files(*([] if period else [entry(A, ONE)]), entry(B, TWO, **wrong), **period)
    if not period:
        agency.drop(A, ONE)
    result = agency.collect()
    [refused] = result.turned_away
    others = [] if period else [(A, "KB-H05")]
    assert ([(one.file, one.code) for one in result.waiting], result.new) == (others, [])
    assert (agency.delivery(refused).state, agency.delivery(refused).state_reason) == (State.REFUSED, code)
    assert agency.landed() == []
    # The partner is told; the steps of the DAG pass it by.
    assert stage_delivery(agency.warehouse.pipeline, refused, TODAY) == 0
    assert load_delivery(agency.warehouse.pipeline, refused, TODAY) is None
    receipt = agency.receipt(refused)
    assert (receipt.state, [cause.code for cause in receipt.causes]) == (State.REFUSED, [code])
    # It is not tried again until the file or the manifest changes, and until then nothing of the delivery is.
    assert waiting(agency.collect()) == others
    agency.list_files(*([] if period else [entry(A, ONE)]), entry(B, TWO), age=20)
    taken = agency.collect().new
    assert [agency.delivery(one).file_name for one in taken] == ([B] if period else [A, B])
    assert agency.collect().summary() == "nothing new"


def test_a_refused_file_that_is_replaced_is_taken_with_the_others(agency: Agency) -> None:
    agency.drop(A, ONE)
    agency.drop(B, TWO[:-1] + b"x")
    agency.list_files(entry(A, ONE), entry(B, TWO))
    assert len(agency.collect().turned_away) == 1
    agency.drop(B, TWO, age=40)
    assert [agency.delivery(one).file_name for one in agency.collect().new] == [A, B]


def test_a_manifest_that_cannot_be_read_takes_nothing_and_is_reported(agency: Agency) -> None:
    agency.drop(A, ONE)
    agency.drop("visits_202606.manifest.json", b'{"files": [', 50)
    result = agency.collect()
    assert waiting(result) == [(A, "KB-H01")]
    assert [(one.code, one.file) for one in result.refused if one.code == "KB-H02"] == [
        ("KB-H02", "visits_202606.manifest.json")
    ]
    assert not [one for one in result.refused if one.code == "KB-D15" and one.file.startswith("visits_")]


def test_another_number_of_rows_than_the_manifest_says_holds_the_delivery(agency: Agency) -> None:
    agency.drop(A, ONE)
    agency.drop(B, TWO)
    agency.list_files(entry(A, ONE, 3), entry(B, TWO, 1))
    wrong, right = agency.collect().new
    for delivery in (wrong, right):
        agency.intake.judge(delivery)
    assert (agency.delivery(wrong).state, agency.delivery(wrong).state_reason) == (State.HELD, "file.manifest_rows")
    assert agency.delivery(right).state is State.VALIDATED
    assert agency.intake.current() == []
    assert [cause.code for cause in agency.receipt(wrong).causes] == ["KB-F10"]


def test_a_file_that_was_rejected_for_its_number_of_rows_comes_back_when_the_manifest_is_mended(agency: Agency) -> None:
    agency.drop(A, ONE)
    agency.list_files(entry(A, ONE, 3))
    [wrong] = agency.collect().new
    agency.intake.judge(wrong)
    pipeline = agency.warehouse.pipeline
    record_decision(pipeline, wrong, REJECT, "steward", datetime.now(UTC), "ask which number is right")
    load_delivery(pipeline, wrong, TODAY)
    assert agency.delivery(wrong).state is State.REFUSED
    assert agency.collect().summary() == "nothing new"

    agency.list_files(entry(A, ONE, 2))
    [again] = agency.collect().new
    agency.intake.judge(again)
    account = load_delivery(pipeline, again, TODAY)
    assert account is not None
    assert (agency.delivery(again).state, account.loaded) == (State.ACCEPTED, 2)
    assert agency.collect().summary() == "nothing new"


def test_nothing_to_report_is_a_delivery_without_rows_and_not_a_missing_one(agency: Agency) -> None:
    pipeline = agency.warehouse.pipeline
    for month in ("202604", "202605"):
        agency.drop(f"visits_{month}.nothing", b"canary-secret")
    april, may = agency.collect().attested
    for attested in (april, may):
        assert stage_delivery(pipeline, attested, TODAY) == 0
        assert validate_delivery(pipeline, attested, TODAY) is None
        account = load_delivery(pipeline, attested, TODAY)
        assert account is not None
        assert account.source_rows == 0
        found = agency.delivery(attested)
        assert (found.state, found.state_reason) == (State.ACCEPTED, "nothing to report")
        receipt = agency.receipt(attested)
        assert ([cause.code for cause in receipt.causes], message_of(receipt).label) == (["KB-H08"], "Noted")
    assert agency.landed() == []
    assert agency.intake.holding("canary-secret") == []
    assert agency.collect().summary() == "nothing new"
    agency.drop("visits_202605.nothing", b"canary-secret", age=30)
    assert len(agency.collect().duplicates) == 1
    [calendar] = read_calendars(pipeline, datetime.now(UTC) + timedelta(days=1), feeds().values())
    status = {one.period.label: one.status for one in calendar.expectations}
    assert calendar.partner == PARTNER
    assert (status["2026-04"], status["2026-05"]) == (Status.NOTHING_TO_REPORT, Status.NOTHING_TO_REPORT)
    assert status["2026-06"] is Status.MISSING


def test_a_long_attestation_may_be_data_under_a_wrong_name(agency: Agency) -> None:
    agency.drop("visits_202606.nothing", b"x" * 4097)
    result = agency.collect()
    assert (result.attested, [one.code for one in result.refused if one.file.startswith("visits_")]) == ([], ["KB-H07"])
    assert agency.landed() == []


def test_a_manifest_may_list_what_no_feed_takes_as_long_as_it_is_there(agency: Agency) -> None:
    agency.drop(A, ONE)
    agency.list_files(entry(A, ONE), entry("visits_layout.txt", b"layout"))
    assert waiting(agency.collect()) == [(A, "KB-H04")]
    agency.drop("visits_layout.txt", b"lay")
    assert waiting(agency.collect()) == [(A, "KB-H05")]
    agency.drop("visits_layout.txt", b"layout")
    assert len(agency.collect().new) == 1


def test_a_landed_file_that_was_lost_is_fetched_again_although_its_manifest_is_gone(agency: Agency) -> None:
    agency.drop(A, ONE)
    agency.list_files(entry(A, ONE))
    [taken] = agency.collect().new
    for path in [*agency.landed(), *agency.inbox.glob("*.manifest.json")]:
        path.unlink()
    assert agency.collect().unfinished == [taken]
