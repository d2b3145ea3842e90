"""The calendar as text and as plain data for JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from kinbridge.calendar.read import PartnerCalendar
from kinbridge.calendar.status import Expectation, Status

# What was told: (partner, feed, first day of the period or number of the delivery) to what and outcome.
Told = Mapping[tuple[str, str | None, date | int], Sequence[tuple[str, str]]]
HEADER = ("feed", "period", "due", "status", "deliveries", "told")


def table(
    calendars: Sequence[PartnerCalendar], months: int, told: Told | None = None, *, feed: str | None = None
) -> Iterator[str]:
    """Lines for people: of each partner the periods of its feeds, or of one, in the last `months` months, newest first.

    Older periods that are not fulfilled are counted, so that none is forgotten.
    """
    for calendar in calendars:
        state = f"as of {calendar.as_of} ({calendar.timezone.key})"
        if calendar.pause:
            state += f", paused {calendar.pause.ends}: {calendar.pause.reason}"
        silence = calendar.silent_since
        if silence:
            state += f", silent since period {silence.period.label}"
        outcome = _outcome((told or {}).get((calendar.partner, None, silence.period.first), ())) if silence else ""
        yield f"{calendar.partner}: {state}" + (f" ({outcome})" if outcome else "")
        shown, older = split(calendar, months, feed)
        rows = [HEADER, *(_row(one, told or {}) for one in shown)]
        widths = [max(len(row[index]) for row in rows) for index in range(len(HEADER))]
        for row in rows if shown else []:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if not shown:
            yield "  nothing is owed"
        if older:
            yield f"  and {older} older period(s) without an accepted delivery"


def as_data(
    calendars: Sequence[PartnerCalendar], months: int, told: Told | None = None, *, feed: str | None = None
) -> list[dict[str, Any]]:
    """The same as plain values for JSON."""
    return [_calendar_data(calendar, *split(calendar, months, feed), told or {}) for calendar in calendars]


def split(calendar: PartnerCalendar, months: int, feed: str | None) -> tuple[list[Expectation], int]:
    """The periods of the last `months` months by feed, newest first, and how many older ones are not fulfilled."""
    month = calendar.as_of.year * 12 + calendar.as_of.month - 1 - months
    first = date(max(month // 12, 1), month % 12 + 1, 1)
    wanted = [one for one in calendar.expectations if feed in {None, one.feed}]
    shown = [one for one in wanted if one.period.last >= first]
    older = sum(not one.fulfilled for one in wanted if one.period.last < first)
    return sorted(shown, key=lambda one: (one.feed, -one.period.first.toordinal())), older


def _calendar_data(calendar: PartnerCalendar, shown: Sequence[Expectation], older: int, told: Told) -> dict[str, Any]:
    pause, silence = calendar.pause, calendar.silent_since
    return {
        "partner": calendar.partner,
        "as_of": calendar.as_of.isoformat(),
        "timezone": calendar.timezone.key,
        "paused": {"since": pause.paused_at.isoformat(), "until": str(pause.until or ""), "reason": pause.reason}
        if pause
        else None,
        "silent_since": silence.period.label if silence else None,
        "older_unfulfilled": older,
        "periods": [_data(one, told) for one in shown],
    }


def _row(one: Expectation, told: Told) -> tuple[str, ...]:
    came = ", ".join(f"{arrival.delivery_id} {arrival.state} {arrival.day}" for arrival in one.arrivals)
    return (
        one.feed,
        one.period.label,
        one.due.isoformat(),
        _words(one.status),
        came or "none",
        _outcome(_told(one, told)),
    )


def _data(one: Expectation, told: Told) -> dict[str, Any]:
    return {
        "feed": one.feed,
        "period": one.period.label,
        "first": one.period.first.isoformat(),
        "last": one.period.last.isoformat(),
        "due": one.due.isoformat(),
        "status": one.status.value,
        "deliveries": [
            {"delivery": arrival.delivery_id, "state": arrival.state.value, "arrived": arrival.day.isoformat()}
            for arrival in one.arrivals
        ],
        "told": [{"what": what, "outcome": outcome} for what, outcome in _told(one, told)],
    }


def _told(one: Expectation, told: Told) -> list[tuple[str, str]]:
    """What was told of the period, and of each delivery that came for it."""
    keys: list[date | int] = [one.period.first, *(arrival.delivery_id for arrival in one.arrivals)]
    return [found for key in keys for found in told.get((one.partner, one.feed, key), ())]


def _outcome(told: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{what} {outcome}" for what, outcome in told)


def _words(status: Status) -> str:
    return status.value.replace("_", " ")
