"""What mails say: feeds, periods, due days, counts and where to look, and nothing else."""

from __future__ import annotations

from datetime import date

import pytest

from kinbridge.calendar.alert import Alert, Kind
from kinbridge.calendar.period import period_of
from kinbridge.ledger.accounts import Account
from kinbridge.ledger.states import SETTLED, State
from kinbridge.notice.message import Addresses, Told, alert_mail, delivery_mail

ADDRESSES = Addresses(
    "The Atlas office", ("a@example.org", "b@example.org"), "desk@example.org", "Desk, desk@example.org"
)


def alert(kind: Kind, month: int, feed: str | None = "atlas/visits_v1", files: int = 0) -> Alert:
    return Alert(kind, "atlas", feed, period_of(date(2026, month, 1), 1, "m"), date(2026, month + 1, 10), files)


def told(state: State, file_name: str = "visits_202606.csv") -> Told:
    account = Account(12, 2013, loaded=2000, quarantined=12, duplicate=1)
    return Told(
        12, "atlas", "atlas/visits_v1", file_name, "period 2026-06", state, account, f"{file_name}.d12.receipt.html"
    )


def test_one_mail_tells_everything_that_is_due() -> None:
    mail = alert_mail(
        "atlas",
        ADDRESSES,
        [
            alert(Kind.REMINDER, 6),
            alert(Kind.OVERDUE, 5),
            alert(Kind.OVERDUE, 4, files=1),
            alert(Kind.DOUBLED, 3, files=2),
        ],
    )
    assert mail.subject == "Deliveries: 2 overdue, 1 due soon, 1 sent twice"
    assert (mail.to, mail.cc) == (("a@example.org", "b@example.org"), ("desk@example.org",))
    for line in (
        "- atlas/visits_v1, period 2026-04, due 2026-05-10: 1 file(s) came and were refused",
        "- atlas/visits_v1, period 2026-05, due 2026-06-10",
        "- atlas/visits_v1, period 2026-06, due 2026-07-10",
        "- atlas/visits_v1, period 2026-03, due 2026-04-10: 2 files accepted",
    ):
        assert line in mail.body.splitlines()


def test_many_periods_of_a_feed_take_one_line() -> None:
    mail = alert_mail("atlas", ADDRESSES, [alert(Kind.OVERDUE, month) for month in range(1, 11)])
    assert "- atlas/visits_v1: 10 periods from 2026-01 (due 2026-02-10) to 2026-10 (due 2026-11-10)" in mail.body
    assert mail.body.count("atlas/visits_v1") == 1


def test_silence_stands_in_the_subject() -> None:
    mail = alert_mail("atlas", ADDRESSES, [alert(Kind.OVERDUE, 5), alert(Kind.SILENT, 4, feed=None)])
    assert mail.subject == "Nothing has come from The Atlas office"
    assert "silent since period 2026-04" in mail.body
    assert "None" not in mail.body


def test_the_same_news_has_the_same_message_id_and_other_news_another() -> None:
    first = alert_mail("atlas", ADDRESSES, [alert(Kind.OVERDUE, 4), alert(Kind.OVERDUE, 5)])
    again = alert_mail("atlas", ADDRESSES, [alert(Kind.OVERDUE, 5), alert(Kind.OVERDUE, 4)])
    other = alert_mail("atlas", ADDRESSES, [alert(Kind.OVERDUE, 5)])
    assert first.message_id == again.message_id != other.message_id
    states = {delivery_mail(ADDRESSES, told(state)).message_id for state in (State.HELD, State.REFUSED)}
    assert len(states) == 2


def test_a_mail_about_a_delivery_gives_counts_and_where_the_receipt_is() -> None:
    mail = delivery_mail(ADDRESSES, told(State.PARTLY_ACCEPTED))
    assert mail.subject == "visits_202606.csv was partly accepted"
    assert "was partly accepted: 2,000 rows loaded, 12 rows quarantined, 1 row repeated." in mail.body
    assert "The receipt visits_202606.csv.d12.receipt.html is in your outbox." in mail.body
    assert "Delivery number: 12." in mail.body


def test_a_held_file_has_neither_counts_nor_a_receipt_yet() -> None:
    body = delivery_mail(ADDRESSES, told(State.HELD)).body
    assert "a person at our office looks at it" in body
    assert "rows" not in body
    assert "outbox" not in body


@pytest.mark.parametrize("state", sorted({*SETTLED, State.HELD}))
def test_every_state_that_is_told_has_words(state: State) -> None:
    mail = delivery_mail(ADDRESSES, told(state))
    assert mail.subject.startswith("visits_202606.csv ")
    assert state.value not in mail.subject or "_" not in state.value


def test_a_file_name_cannot_forge_a_header_or_a_line() -> None:
    mail = delivery_mail(ADDRESSES, told(State.REFUSED, "a\r\nBcc: x@example.org\n\nb\x1b.csv"))
    assert "\n" not in mail.subject
    assert "\r" not in mail.subject
    assert not any(line.startswith("Bcc") for line in mail.body.splitlines())
    assert "\x1b" not in mail.subject + mail.body
