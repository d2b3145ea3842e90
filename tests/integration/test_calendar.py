"""The calendar over a real ledger, mails over a real socket, a pause over a real SFTP server."""

from __future__ import annotations

import email
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email import policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from tests.support.calendars import NOTES, PARTNER, VISITS, Office, Post, calendar_site, noon
from typer.testing import CliRunner

from kinbridge.calendar.pause import pause, pauses, resume
from kinbridge.calendar.read import overdue_lines, read_calendars
from kinbridge.calendar.status import Status
from kinbridge.cli.main import app
from kinbridge.contract.odcs import feed_of
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.deliveries import find
from kinbridge.ledger.events import record_event
from kinbridge.notice.post import addresses_of, post_alerts, post_deliveries, post_delivery
from kinbridge.receive.collect import collect_feed, gate
from kinbridge.warehouse.connection import transaction

EFFECTIVE, EXPIRES = date(2026, 1, 1), date(2099, 12, 31)
# Two periods of two feeds are overdue, and the partner has just become silent.
SILENT_DAY, SILENT_ALERTS = "2026-03-20", 5


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with calendar_site(tmp_path_factory.mktemp("site"), EFFECTIVE, EXPIRES) as folder:
        yield folder


@pytest.fixture
def office(include: Path, warehouse: Any) -> Iterator[Office]:
    yield (office := Office(warehouse))
    office.empty()


def test_early_on_time_late_missing_and_doubled(office: Office) -> None:
    office.deliver("2026-01", at="2026-01-31T20:00+00:00")
    office.deliver("2026-02", "accepted_with_findings")
    office.deliver("2026-03", "partly_accepted", at="2026-04-11T12:00+00:00")
    office.deliver("2026-05", at="2026-06-02T12:00+00:00")
    office.deliver("2026-05", at="2026-06-03T12:00+00:00")
    assert office.statuses("2026-07-10") == {
        "2026-01": Status.EARLY,
        "2026-02": Status.ON_TIME,
        "2026-03": Status.LATE,
        "2026-04": Status.MISSING,
        "2026-05": Status.DOUBLED,
        "2026-06": Status.EXPECTED,
        "2026-07": Status.EXPECTED,
    }
    assert set(office.statuses("2026-07-10", NOTES).values()) == {Status.MISSING, Status.EXPECTED}
    # Looked back to, the second file of May had not come.
    assert office.statuses("2026-06-02")["2026-05"] is Status.ON_TIME


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2026-07-01T05:59+00:00", Status.EARLY),
        ("2026-07-01T06:00+00:00", Status.ON_TIME),
        ("2026-07-11T05:59+00:00", Status.ON_TIME),
        ("2026-07-11T06:00+00:00", Status.LATE),
    ],
)
def test_midnight_is_the_partners(office: Office, at: str, status: Status) -> None:
    office.deliver("2026-06", at=at)
    assert office.statuses("2026-08-01")["2026-06"] is status


def test_today_begins_at_the_partners_midnight(office: Office) -> None:
    moment = datetime(2026, 7, 11, 5, 59, tzinfo=UTC)
    [before] = read_calendars(office.warehouse.pipeline, moment)
    [after] = read_calendars(office.warehouse.pipeline, moment + timedelta(minutes=1))
    assert (before.as_of, after.as_of) == (date(2026, 7, 10), date(2026, 7, 11))


def test_what_our_own_delay_kept_in_the_inbox_is_not_late(office: Office) -> None:
    delivery = office.deliver("2026-06", at="2026-07-09T12:00+00:00")
    office.warehouse.query(
        "UPDATE ledger.delivery SET collected_at = '2026-07-20T12:00+00:00' WHERE delivery_id = %s", (delivery,)
    )
    assert office.statuses("2026-08-01")["2026-06"] is Status.ON_TIME
    # A server whose clock is ahead, or says nothing, is not asked.
    for time_of_file in ("2026-09-01T00:00+00:00", None):
        office.warehouse.query("UPDATE ledger.delivery SET remote_mtime = %s", (time_of_file,))
        assert office.statuses("2026-08-01")["2026-06"] is Status.LATE


def test_held_and_refused_files_are_shown_and_fulfil_nothing(office: Office) -> None:
    held = office.deliver("2026-05", "held")
    refused = office.deliver("2026-06", "refused")
    office.deliver("2026-04", "duplicate")
    found = {one.period.label: one for one in office.calendar("2026-07-20").expectations if one.feed == VISITS}
    assert [arrival.delivery_id for arrival in found["2026-05"].arrivals] == [held]
    assert [arrival.delivery_id for arrival in found["2026-06"].arrivals] == [refused]
    assert (found["2026-05"].status, found["2026-06"].status) == (Status.LATE, Status.LATE)
    assert (found["2026-04"].status, found["2026-04"].arrivals) == (Status.MISSING, ())
    lines = overdue_lines(office.warehouse.pipeline, feed_of(VISITS), noon("2026-07-20"))
    assert lines[-1] == f"{VISITS}: period 2026-06 is overdue since 2026-07-11, what came was refused"
    assert lines[0] == f"{VISITS}: period 2026-01 is overdue since 2026-02-11, nothing came"
    assert not any("period 2026-05" in line for line in lines)
    # A log that is written every day does not name a year of them.
    [line] = overdue_lines(office.warehouse.pipeline, feed_of(VISITS), noon("2026-12-20"))
    assert "10 periods are overdue, from 2026-01 to 2026-11" in line


def test_a_correction_of_a_partly_accepted_file_is_not_doubled_even_after_a_replay(office: Office) -> None:
    office.deliver("2026-06", "accepted", was="partly_accepted")
    office.deliver("2026-06", "accepted", at="2026-07-07T12:00+00:00")
    assert office.statuses("2026-07-20")["2026-06"] is Status.ON_TIME


def test_a_partner_is_told_once_of_each_thing(office: Office) -> None:
    for month in ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05"):
        office.deliver(month)
        office.deliver(month, feed=NOTES)
    office.deliver("2026-06", feed=NOTES)
    assert office.tell("2026-07-06") == []
    assert office.tell("2026-07-07") == [f"reminder {VISITS} 2026-06"]
    assert office.tell("2026-07-07") == office.tell("2026-07-10") == []
    assert office.tell("2026-07-11") == [f"overdue {VISITS} 2026-06"]
    assert office.tell("2026-07-30") == []
    assert len(office.post.take()) == 2

    # The next period is told of anew; then the whole partner is silent.
    assert office.tell("2026-08-11") == [f"overdue {NOTES} 2026-07", f"overdue {VISITS} 2026-07"]
    assert office.tell("2026-09-11") == [
        f"overdue {NOTES} 2026-08",
        f"overdue {VISITS} 2026-08",
        "silent 2026-07",
    ]
    assert "silent 2026-07" not in office.tell("2026-12-11")
    # It speaks, and falls silent again: that is new.
    office.deliver("2026-11")
    office.deliver("2026-06")
    office.deliver("2026-06", at="2027-01-30T12:00+00:00")
    told = office.tell("2027-02-11")
    assert f"doubled {VISITS} 2026-06" in told
    assert "silent 2026-12" in told
    assert len(office.told()) == len(set(office.told()))
    outcomes = office.warehouse.query("SELECT DISTINCT outcome FROM ledger.mail")
    assert outcomes == [("sent",)]


def test_two_runs_at_once_tell_once(office: Office) -> None:
    calendar = office.calendar("2026-07-20")
    together, told = threading.Barrier(3), []

    def run() -> None:
        together.wait()
        told.append(post_alerts(office.warehouse.pipeline, [calendar], office.post))

    runs = [threading.Thread(target=run) for _ in range(3)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert sorted(told) == [0, 0, 4]
    assert len(office.post.mails) == 1
    assert office.warehouse.query("SELECT count(*) FROM ledger.mail") == [(1,)]


def test_what_could_not_be_sent_is_told_at_the_next_run(office: Office) -> None:
    office.post.failure = KinbridgeError("KB-E08", count=1, cause="SMTPServerDisconnected")
    assert office.tell(SILENT_DAY) == ["KB-E08"]
    assert office.told() == []
    assert office.warehouse.query("SELECT count(*) FROM ledger.mail") == [(0,)]
    office.post.failure = None
    assert len(office.tell(SILENT_DAY)) == SILENT_ALERTS
    assert len(office.post.mails) == 1


def test_a_run_that_dies_after_sending_sends_the_same_mail_again(office: Office) -> None:
    class Dying(Post):
        def __call__(self, mail: Any) -> None:
            super().__call__(mail)
            raise SystemExit

    dying = Dying()
    with pytest.raises(SystemExit):
        post_alerts(office.warehouse.pipeline, [office.calendar(SILENT_DAY)], dying)
    office.tell(SILENT_DAY)
    assert dying.mails[0].message_id == office.post.mails[0].message_id


def test_without_a_mail_connection_the_message_is_kept_and_shown(office: Office) -> None:
    assert len(office.tell(SILENT_DAY, connected=False)) == SILENT_ALERTS
    [(outcome, body, recipients)] = office.warehouse.query("SELECT outcome, body, recipients FROM ledger.mail")
    assert outcome == "not sent: no mail connection"
    assert recipients == 2
    assert f"{VISITS}, period 2026-01, due 2026-02-10" in body
    shown = kinbridge(office, "calendar", "--as-of", SILENT_DAY, "--partner", PARTNER)
    assert "overdue not sent: no mail connection" in shown
    assert "silent since period 2026-01 (silent not sent: no mail connection)" in shown


def test_a_partner_is_told_what_became_of_each_delivery_once(office: Office) -> None:
    pipeline = office.warehouse.pipeline
    delivery = office.deliver("2026-06", "validated")
    assert post_delivery(pipeline, delivery, office.post) == 0
    office.become(delivery, "held")
    office.warehouse.query("UPDATE ledger.delivery SET collected_at = clock_timestamp()")
    assert (post_deliveries(pipeline, office.post), post_deliveries(pipeline, office.post)) == (1, 0)
    office.become(delivery, "partly_accepted")
    office.warehouse.query(
        "INSERT INTO ledger.account (delivery_id, source_rows, loaded, quarantined) VALUES (%s, 12, 10, 2)", (delivery,)
    )
    # Its receipt is not in the outbox yet, and the mail would send people to look for it.
    assert post_deliveries(pipeline, office.post) == 0
    with transaction(pipeline) as connection:
        record_event(connection, delivery, "test", "receipt sent", {"state": "partly_accepted"})
    assert (post_deliveries(pipeline, office.post), post_delivery(pipeline, delivery, office.post)) == (1, 0)
    assert office.told() == [f"delivery {VISITS} held", f"delivery {VISITS} partly_accepted"]
    shown = kinbridge(office, "calendar", "--as-of", "2026-07-20", "--feed", VISITS)
    assert f"{delivery} held sent, {delivery} partly accepted sent" in shown
    held, partly = office.post.take()
    assert held.subject == "visits_202606.csv is held"
    assert "10 rows loaded, 2 rows quarantined" in partly.body
    assert f"visits_202606.csv.d{delivery}.receipt.html is in your outbox" in partly.body


def test_old_news_is_not_told_by_a_new_installation(office: Office) -> None:
    delivery = office.deliver("2026-01")
    office.warehouse.query("UPDATE ledger.delivery SET settled_at = clock_timestamp() - interval '8 days'")
    with transaction(office.warehouse.pipeline) as connection:
        record_event(connection, delivery, "test", "receipt sent", {"state": "accepted"})
    assert post_deliveries(office.warehouse.pipeline, office.post) == 0


# ---------------------------------------------------------------------------------------------------- pause and resume


def endpoint_of(server: Any) -> SftpEndpoint:
    return SftpEndpoint(PARTNER, server.host, server.port, PARTNER, server.host_key, server.keys[PARTNER])


@pytest.fixture
def inbox(sftp_server: Any) -> Iterator[Path]:
    folder = sftp_server.jail(PARTNER) / "inbox"
    yield folder
    for path in folder.glob("visits_*.csv"):
        path.unlink()


def drop(inbox: Path, month: str) -> None:
    path = inbox / f"visits_{month}.csv"
    path.write_text(f"id\n{month}\n", encoding="utf-8")
    os.utime(path, (time.time() - 3600,) * 2)


def test_a_pause_makes_no_connection_and_loses_no_file(
    office: Office, inbox: Path, sftp_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINBRIDGE_STATE", str(tmp_path))
    pipeline, now = office.warehouse.pipeline, datetime.now(UTC)
    today = date(2026, 7, 20)
    drop(inbox, "202601")
    collected = collect_feed(pipeline, endpoint_of(sftp_server), feed_of(VISITS), gate(pipeline, VISITS, today), now)
    assert len(collected.deliveries) == 1

    with transaction(pipeline) as connection:
        pause(connection, PARTNER, "their server moves", "steward", now - timedelta(seconds=1))
    for month in ("202602", "202603"):
        drop(inbox, month)
    with pytest.raises(KinbridgeError, match="KB-E03") as refused:
        gate(pipeline, VISITS, today)
    assert "their server moves" in str(refused.value)
    assert "until it is resumed" in str(refused.value)
    events = office.warehouse.query(
        "SELECT what, facts ->> 'code', feed FROM ledger.event WHERE actor = 'receive.gate'"
    )
    assert events == [("refused to connect", "KB-E03", VISITS)]

    with transaction(pipeline) as connection:
        resume(connection, PARTNER, "steward", datetime.now(UTC))
    collected = collect_feed(pipeline, endpoint_of(sftp_server), feed_of(VISITS), gate(pipeline, VISITS, today), now)
    with transaction(pipeline) as connection:
        names = [delivery.file_name for delivery in find(connection, VISITS)]
    assert len(collected.deliveries) == 2
    assert names == ["visits_202601.csv", "visits_202602.csv", "visits_202603.csv"]


def test_a_paused_partner_is_not_told_and_its_periods_show_it(office: Office) -> None:
    pipeline = office.warehouse.pipeline
    office.deliver("2026-01")
    office.deliver("2026-01", feed=NOTES)
    with transaction(pipeline) as connection:
        pause(connection, PARTNER, "their server moves", "steward", noon("2026-03-08"))
    assert office.statuses("2026-07-20") == {
        "2026-01": Status.ON_TIME,
        **{f"2026-0{month}": Status.PAUSED for month in range(2, 8)},
    }
    assert office.tell("2026-03-09") == office.tell("2026-07-20") == []
    with transaction(pipeline) as connection:
        resume(connection, PARTNER, "steward", noon("2026-07-20"))
    # What fell due during the pause has ten days again, before anybody is reminded or called silent.
    assert office.tell("2026-07-20") == []
    assert office.calendar("2026-07-20").silent_since is None
    assert f"overdue {VISITS} 2026-02" in office.tell("2026-07-31")


def test_a_pause_ends_by_itself_after_its_last_day(office: Office) -> None:
    pipeline = office.warehouse.pipeline
    with transaction(pipeline) as connection:
        pause(connection, PARTNER, "holidays", "steward", noon("2026-07-01"), until=date(2026, 7, 3))
    assert [office.calendar(f"2026-07-0{day}").pause is not None for day in range(1, 6)] == [True] * 3 + [False] * 2
    with transaction(pipeline) as connection:
        with pytest.raises(KinbridgeError, match="KB-E05"):
            resume(connection, PARTNER, "steward", noon("2026-07-04"))
        pause(connection, PARTNER, "again", "steward", noon("2026-07-06"))
        assert [
            one.days(office.calendar("2026-07-06").timezone).covers(date(2026, 7, 4))
            for one in pauses(connection, [PARTNER])[PARTNER]
        ] == [False, False]


def test_a_pause_is_entered_once_with_a_reason_and_a_day_to_come(office: Office) -> None:
    with transaction(office.warehouse.pipeline) as connection:
        for partner, reason, until, code in (
            ("nobody", "x", None, "KB-E06"),
            (PARTNER, "  ", None, "KB-E07"),
            (PARTNER, "x" * 501, None, "KB-E07"),
            (PARTNER, "x", date(2026, 6, 30), "KB-E07"),
        ):
            with pytest.raises(KinbridgeError, match=code):
                pause(connection, partner, reason, "steward", noon("2026-07-01"), until=until)
        pause(connection, PARTNER, "their server moves", "steward", noon("2026-07-01"), until=date(2026, 7, 1))
        with pytest.raises(KinbridgeError, match="KB-E04"):
            pause(connection, PARTNER, "x", "steward", noon("2026-07-01"))


def kinbridge(office: Office, *words: str) -> str:
    done = CliRunner().invoke(app, [*words], env={"KINBRIDGE_PIPELINE_URL": office.warehouse.pipeline.to_url()})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_people_pause_and_resume_and_look(office: Office) -> None:
    office.deliver("2026-06")
    assert "snap is paused until it is resumed" in kinbridge(
        office, "partner", "pause", PARTNER, "--reason", "their server moves", "--by", "rosalind"
    )
    assert "by rosalind, until it is resumed: their server moves" in kinbridge(office, "partner", "list")
    with pytest.raises(KinbridgeError, match="KB-E04"):
        kinbridge(office, "partner", "pause", PARTNER, "--reason", "x")
    assert "is resumed" in kinbridge(office, "partner", "resume", PARTNER)
    assert "active" in kinbridge(office, "partner", "list")
    rows = office.warehouse.query("SELECT partner, reason, paused_by, resumed_at >= paused_at FROM ledger.pause")
    assert rows == [(PARTNER, "their server moves", "rosalind", True)]

    shown = kinbridge(office, "calendar", "--feed", VISITS, "--as-of", "2026-07-20", "--months", "2")
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0][:4] == ["snap:", "as", "of", "2026-07-20"]
    assert lines[2][:4] == [VISITS, "2026-07", "2026-08-10", "expected"]
    assert lines[3][1:5] == ["2026-06", "2026-07-10", "on", "time"]
    assert lines[4][:4] == [VISITS, "2026-05", "2026-06-10", "missing"]
    assert "and 4 older period(s) without an accepted delivery" in shown
    assert NOTES not in shown
    # The other feed of the partner has never come, but this one has: the partner is not silent, whichever is shown.
    assert "silent" not in kinbridge(office, "calendar", "--feed", NOTES, "--as-of", "2026-07-20")
    with pytest.raises(KinbridgeError, match="KB-E06"):
        kinbridge(office, "calendar", "--partner", "nobody")


def test_the_calendar_is_given_to_programs_as_json(office: Office) -> None:
    delivery = office.deliver("2026-06", "held")
    [found] = json.loads(kinbridge(office, "calendar", "--as-of", "2026-07-09", "--months", "1", "--json"))
    assert (found["partner"], found["as_of"], found["timezone"]) == (PARTNER, "2026-07-09", "America/Denver")
    assert (found["paused"], found["silent_since"], found["older_unfulfilled"]) == (None, None, 10)
    june = next(one for one in found["periods"] if (one["feed"], one["period"]) == (VISITS, "2026-06"))
    assert june == {
        "feed": VISITS,
        "period": "2026-06",
        "first": "2026-06-01",
        "last": "2026-06-30",
        "due": "2026-07-10",
        "status": "expected",
        "deliveries": [{"delivery": delivery, "state": "held", "arrived": "2026-07-05"}],
        "told": [],
    }


# ------------------------------------------------------------------------------------------------------------ real SMTP


class Inbound:
    """What an SMTP server took, and the answer it gives."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], Any]] = []
        self.answer = "250 taken"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.taken.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=policy.default)))
        return self.answer


@pytest.fixture
def smtp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Inbound]:
    """A real SMTP server on a port of its own, and the Airflow connection that leads to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inbound = Inbound()
    controller = Controller(inbound, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT",
        f'{{"conn_type": "smtp", "host": "127.0.0.1", "port": {port}, "extra": {{"disable_tls": true, '
        f'"disable_ssl": true, "from_email": "kinbridge@example.org", "timeout": 60, "retry_limit": 0}}}}',
    )
    yield inbound
    controller.stop()


def test_alerts_leave_by_smtp_and_say_nothing_but_what_is_due(office: Office, smtp: Inbound) -> None:
    from kinbridge.orchestration.mail import mail_sender

    calendars = [office.calendar(SILENT_DAY)]
    assert post_alerts(office.warehouse.pipeline, calendars, mail_sender()) == SILENT_ALERTS
    assert post_alerts(office.warehouse.pipeline, calendars, mail_sender()) == 0
    [(recipients, message)] = smtp.taken
    addresses = addresses_of(PARTNER)
    assert recipients == [*addresses.contacts, addresses.office_email]
    assert (message["From"], message["To"]) == ("kinbridge@example.org", ", ".join(addresses.contacts))
    assert message["Cc"] == addresses.office_email
    assert message["Subject"] == "Nothing has come from The snap office"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].startswith("<kinbridge.")
    text = message.get_body().get_content()
    assert f"{VISITS}, period 2026-02, due 2026-03-10" in text


def test_a_server_that_does_not_take_a_mail_keeps_nothing_from_being_told_later(office: Office, smtp: Inbound) -> None:
    from kinbridge.orchestration.mail import mail_sender

    office.post = mail_sender()  # type: ignore[assignment]
    smtp.answer = "554 no, a@example.org is not known"
    with pytest.raises(KinbridgeError, match="KB-E08") as refused:
        post_alerts(office.warehouse.pipeline, [office.calendar(SILENT_DAY)], mail_sender())
    assert "@" not in str(refused.value)
    assert office.told() == []
    smtp.answer = "250 taken"
    assert len(office.tell(SILENT_DAY)) == SILENT_ALERTS
    assert len(smtp.taken) == 1


def test_no_connection_of_that_name_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kinbridge.orchestration.mail import mail_sender

    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    assert mail_sender() is None


def test_the_collect_task_of_a_paused_partner_is_skipped_with_the_reason(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_KINBRIDGE_PIPELINE", office.warehouse.pipeline.to_url())
    from airflow.sdk.exceptions import AirflowSkipException

    from kinbridge.orchestration.receive import receive_dag

    with transaction(office.warehouse.pipeline) as connection:
        pause(connection, PARTNER, "their server moves", "steward", datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(AirflowSkipException, match=r"KB-E03.*their server moves"):
        receive_dag(feed_of(VISITS)).get_task("collect").python_callable()


def test_the_dag_tells_what_is_due_today_once(
    office: Office, smtp: Inbound, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KINBRIDGE_PIPELINE", office.warehouse.pipeline.to_url())
    from kinbridge.orchestration.calendar import calendar_dag

    refused = office.deliver("2026-06", "refused")
    with transaction(office.warehouse.pipeline) as connection:
        record_event(connection, refused, "test", "receipt sent", {"state": "refused"})
    dag = calendar_dag()
    alerts, deliveries = (dag.get_task(name).python_callable for name in ("alerts", "deliveries"))
    with caplog.at_level("INFO", logger="kinbridge"):
        told = alerts()
    assert told == len(office.told()) > 0
    assert any(f"{VISITS} " in line for line in caplog.messages)
    assert (deliveries(), alerts(), deliveries()) == (1, 0, 0)
    assert [str(message["Subject"]) for _, message in smtp.taken][1] == "visits_202606.csv was refused"
    assert len(smtp.taken) == 2


def test_a_run_that_finds_nothing_says_in_its_log_what_is_overdue(
    office: Office, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    from kinbridge.orchestration.receive import _tell_overdue

    office.deliver("2026-01")
    _tell_overdue(office.warehouse.pipeline, feed_of(VISITS), noon("2026-03-11"))
    assert caplog.messages == [f"{VISITS}: period 2026-02 is overdue since 2026-03-11, nothing came"]
