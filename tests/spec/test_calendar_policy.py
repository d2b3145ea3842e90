"""Policy: whom we ask for files, when we stop asking, and what our mails may say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.calendars import NOTES, PARTNER, VISITS, Office, calendar_site, noon

from kinbridge.calendar.pause import pause, refuse_paused, resume
from kinbridge.calendar.status import Status
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.notice.post import post_deliveries
from kinbridge.partner.profile import read_profile
from kinbridge.receive.collect import gate
from kinbridge.warehouse.connection import transaction


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An agreement over the first half of 2026."""
    with calendar_site(tmp_path_factory.mktemp("site"), date(2026, 1, 1), date(2026, 6, 30)) as folder:
        yield folder


@pytest.fixture
def office(include: Path, warehouse: Any) -> Iterator[Office]:
    yield (office := Office(warehouse))
    office.empty()


def test_nobody_is_asked_for_a_file_that_the_agreement_would_not_let_us_collect(office: Office) -> None:
    # May is due on the tenth of June; June would be due after the agreement's last day.
    assert list(office.statuses("2026-12-31")) == ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]


@pytest.mark.parametrize(
    "days",
    [
        ["2026-02-08"] * 3,
        ["2026-02-08", "2026-02-11", "2026-03-11", "2026-03-11"],
        # A run by hand after an outage, and days that are worked out of order.
        ["2026-06-20", "2026-02-08", "2026-03-11", "2026-06-20"],
    ],
)
def test_each_thing_is_told_once_however_often_and_in_whatever_order_days_are_worked(
    office: Office, days: list[str]
) -> None:
    for day in days:
        office.tell(day)
    told = office.told()
    assert told
    assert len(told) == len(set(told))
    listed = sum(line.startswith("- ") for mail in office.post.mails for line in mail.body.splitlines())
    assert listed == len(told)


def test_a_partner_is_not_asked_while_the_next_step_is_ours(office: Office) -> None:
    office.deliver("2026-01", feed=NOTES)
    delivery = office.deliver("2026-01", "held")
    assert office.tell("2026-02-08") == office.tell("2026-02-20") == []
    assert office.statuses("2026-02-20")["2026-01"] is Status.LATE
    # A person has rejected it: now the partner is.
    office.become(delivery, "refused")
    assert office.tell("2026-02-20") == [f"overdue {VISITS} 2026-01"]


def test_a_pause_is_a_refusal_at_the_gate_that_says_why_and_holds_for_one_partner_only(office: Office) -> None:
    pipeline, today = office.warehouse.pipeline, date(2026, 3, 1)
    assert gate(pipeline, VISITS, today).agreement_id == "dsa-snap"
    began = datetime.now(UTC) - timedelta(minutes=1)
    with transaction(pipeline) as connection:
        pause(connection, PARTNER, "their case system is replaced", "steward", began)
    for feed in (VISITS, NOTES):
        with pytest.raises(KinbridgeError, match=r"KB-E03.*their case system is replaced"):
            gate(pipeline, feed, today)
    with transaction(pipeline) as connection:
        refuse_paused(connection, "medicaid", datetime.now(UTC))
        resume(connection, PARTNER, "steward", datetime.now(UTC))
    assert gate(pipeline, VISITS, today).agreement_id == "dsa-snap"
    # Who, when and why stays in the ledger.
    [(reason, paused_by, resumed_by)] = office.warehouse.query("SELECT reason, paused_by, resumed_by FROM ledger.pause")
    assert (reason, paused_by, resumed_by) == ("their case system is replaced", "steward", "steward")


def test_a_pause_is_not_a_pardon(office: Office) -> None:
    """What is owed is owed again after it, with the contract's days to send it."""
    with transaction(office.warehouse.pipeline) as connection:
        pause(connection, PARTNER, "a move", "steward", noon("2026-02-01"))
    assert set(office.statuses("2026-03-20").values()) == {Status.PAUSED}
    with transaction(office.warehouse.pipeline) as connection:
        resume(connection, PARTNER, "steward", noon("2026-03-20"))
    assert office.statuses("2026-03-30")["2026-01"] is Status.EXPECTED
    assert office.statuses("2026-03-31")["2026-01"] is Status.MISSING


def test_mails_hold_nothing_that_anybody_typed_or_sent(office: Office) -> None:
    canary = "canary-7f3a"
    refused = office.deliver("2026-01", "refused")
    office.warehouse.query("UPDATE ledger.delivery SET state_reason = %s, settled_at = clock_timestamp()", (canary,))
    office.warehouse.query(
        "INSERT INTO ledger.decision (delivery_id, outcome, decided_by, decided_at, reason) "
        "VALUES (%s, 'rejected', %s, clock_timestamp(), %s)",
        (refused, canary, canary),
    )
    with transaction(office.warehouse.pipeline) as connection:
        record_event(connection, refused, canary, "receipt sent", {"state": "refused", "note": canary})
        pause(connection, PARTNER, canary, canary, noon("2026-02-01"), until=date(2026, 2, 2))
    assert len(office.tell("2026-06-20")) == 4
    assert post_deliveries(office.warehouse.pipeline, office.post) == 1
    people = [contact.name for contact in read_profile(PARTNER).contacts]
    for mail in office.post.mails:
        assert canary not in mail.subject + mail.body
        assert not any(name in mail.body for name in people)
        assert "None" not in mail.body


def test_a_new_installation_does_not_complain_of_the_past(office: Office) -> None:
    """Its ledger is empty. What fell due in the last two months is told, the rest is only shown."""
    assert office.tell("2026-06-20") == [
        f"overdue {feed} {month}" for feed in (NOTES, VISITS) for month in ("2026-04", "2026-05")
    ]
    assert list(office.statuses("2026-06-20").values())[:3] == [Status.MISSING] * 3


def test_the_office_gets_a_copy_of_every_mail(office: Office) -> None:
    office.tell("2026-06-20")
    [mail] = office.post.mails
    assert mail.to == ("desk@example.org",)
    assert mail.cc == ("intake.data@example.org",)
