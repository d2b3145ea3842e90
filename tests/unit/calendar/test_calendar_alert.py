"""What is told, and when: reminders before, alerts after, silence of a whole partner."""

from __future__ import annotations

from datetime import date

import pytest

from kinbridge.calendar.alert import Kind, alerts, silent_since
from kinbridge.calendar.expected import Owing, expectations
from kinbridge.calendar.status import Arrival, Break, Expectation
from kinbridge.calendar.terms import Terms
from kinbridge.ledger.states import State


def day(text: str) -> date:
    return date.fromisoformat(text)


def feed(name: str, as_of: str, *arrivals: Arrival, first: str = "2026-01-01", pause: str = "") -> list[Expectation]:
    """The calendar of a monthly feed, due on the 10th."""
    owing = Owing("atlas", f"atlas/{name}", Terms(1, "m", 10), ((day(first), day("2027-12-31")),))
    return expectations(owing, arrivals, day(as_of), [Break(day(pause), None)] if pause else [])


def came(month: str, when: str | None = None, state: State = State.ACCEPTED, number: int = 1) -> Arrival:
    named = day(f"{month}-01")
    after = date(named.year + named.month // 12, named.month % 12 + 1, 5)
    return Arrival(number, "f.csv", state, day(when) if when else after, named)


def told(as_of: str, *arrivals: Arrival, first: str = "2026-06-01", days_before: int = 3, pause: str = "") -> list[str]:
    found = alerts(feed("visits_v1", as_of, *arrivals, first=first, pause=pause), day(as_of), days_before)
    return [f"{one.kind} {one.period.label} {one.files}" for one in found]


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("2026-07-06", []),
        ("2026-07-07", ["reminder 2026-06 0"]),
        ("2026-07-10", ["reminder 2026-06 0"]),
        ("2026-07-11", ["overdue 2026-06 0"]),
    ],
)
def test_a_reminder_before_and_an_alert_after(as_of: str, expected: list[str]) -> None:
    assert told(as_of) == expected


def test_reminders_come_as_early_as_the_partner_wants_but_not_before_the_period_is_over() -> None:
    assert told("2026-07-01", days_before=30) == ["reminder 2026-06 0"]
    assert told("2026-06-30", days_before=30) == []
    assert told("2026-07-10", days_before=0) == []


def test_who_has_delivered_is_told_nothing() -> None:
    assert told("2026-07-09", came("2026-06")) == []
    assert told("2026-07-20", came("2026-06", "2026-07-15")) == []


@pytest.mark.parametrize("state", [State.HELD, State.COLLECTED, State.STAGED, State.VALIDATED, State.APPROVED])
def test_a_file_that_waits_for_us_is_not_asked_for(state: State) -> None:
    assert told("2026-07-09", came("2026-06", state=state)) == []
    assert told("2026-07-20", came("2026-06", state=state)) == []


def test_a_refused_file_is_asked_for_again() -> None:
    assert told("2026-07-09", came("2026-06", state=State.REFUSED)) == ["reminder 2026-06 1"]
    assert told("2026-07-20", came("2026-06", state=State.REFUSED)) == ["overdue 2026-06 1"]


def test_doubled_files_are_told_with_their_number() -> None:
    assert told("2026-07-20", came("2026-06"), came("2026-06", number=2)) == ["doubled 2026-06 2"]


def test_a_paused_partner_is_told_nothing_of_what_it_owes() -> None:
    assert told("2026-07-09", pause="2026-07-01") == []
    assert told("2026-12-20", pause="2026-07-01") == []


def test_a_partner_is_silent_after_two_periods_of_every_feed() -> None:
    delivered = [came("2026-01"), came("2026-02"), came("2026-03")]
    visits = feed("visits_v1", "2026-06-09", *delivered)
    assert silent_since(visits) is None  # April is overdue, May is not yet
    visits = feed("visits_v1", "2026-06-11", *delivered)
    silence = silent_since(visits)
    assert silence is not None
    assert silence.period.label == "2026-04"
    # It begins with the same period for as long as it lasts, so that it is told once.
    later = silent_since(feed("visits_v1", "2026-12-11", *delivered))
    assert later is not None
    assert later.period == silence.period


def test_one_file_of_any_feed_breaks_the_silence_even_a_refused_one() -> None:
    visits = feed("visits_v1", "2026-06-11")
    assert silent_since([*visits, *feed("notes_v1", "2026-06-11", came("2026-05"))]) is None
    assert silent_since([*visits, *feed("notes_v1", "2026-06-11", came("2026-04", state=State.REFUSED))]) is None
    notes = silent_since([*visits, *feed("notes_v1", "2026-06-11", came("2026-03"))])
    assert notes is not None
    assert (notes.feed, notes.period.label) == ("atlas/notes_v1", "2026-04")


def test_a_new_feed_or_a_pause_says_nothing_about_silence() -> None:
    visits = feed("visits_v1", "2026-06-11")
    new = feed("notes_v1", "2026-06-11", first="2026-05-01")
    assert silent_since(new) is None
    assert silent_since([*visits, *new]) is not None
    assert silent_since(feed("visits_v1", "2026-06-11", pause="2026-06-01")) is None
    assert silent_since([]) is None


def test_silence_is_told_beside_what_is_overdue() -> None:
    found = alerts(feed("visits_v1", "2026-06-11", first="2026-04-01"), day("2026-06-11"), 3)
    assert [(one.kind, one.feed, one.period.label) for one in found] == [
        (Kind.OVERDUE, "atlas/visits_v1", "2026-04"),
        (Kind.OVERDUE, "atlas/visits_v1", "2026-05"),
        (Kind.SILENT, None, "2026-04"),
    ]


def test_old_news_is_shown_and_not_told() -> None:
    """A new installation finds a year without deliveries in its empty ledger."""
    year = feed("visits_v1", "2026-12-20")
    found = alerts(year, day("2026-12-20"), 3)
    assert [f"{one.kind} {one.period.label}" for one in found] == ["overdue 2026-10", "overdue 2026-11"]
    assert silent_since(year) is not None
    doubled = [came("2026-06"), came("2026-06", number=2)]
    assert told("2026-09-05", *doubled)[0] == "doubled 2026-06 2"
    assert not any("doubled" in line for line in told("2026-09-06", *doubled))
    # However old the period: when the second file is new, so is the news.
    assert "doubled 2026-06 2" in told("2026-12-20", *doubled[:1], came("2026-06", "2026-12-19", number=2))
