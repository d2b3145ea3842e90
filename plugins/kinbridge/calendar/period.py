"""Periods: the days, weeks, months or years that a delivery covers, and the arithmetic between them.

Pure, and of calendar days only: holidays and weekends count like any other day. Weeks begin on Monday (ISO 8601),
quarters and other runs of months are counted from January.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Unit = Literal["d", "w", "m", "y"]
DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Period:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def label(self) -> str:
        """How people name it: 2026-07, 2026-Q3, 2026-W31, 2026, 2026-07-14, or both days."""
        first, last = self.first, self.last
        if first == last:
            return first.isoformat()
        if first.isoweekday() == 1 and (last - first).days == 6:
            year, week, _ = first.isocalendar()
            return f"{year}-W{week:02}"
        if first.day == 1 and (last + DAY).day == 1:
            months = _month_number(last) - _month_number(first) + 1
            if months == 1:
                return f"{first:%Y-%m}"
            if months == 3 and first.month % 3 == 1:
                return f"{first:%Y}-Q{first.month // 3 + 1}"
            if months == 12 and first.month == 1:
                return f"{first:%Y}"
        return f"{first} to {last}"


def period_of(day: date, every: int, unit: Unit) -> Period:
    """The period of `every` units that holds the day."""
    match unit:
        case "d" | "w":
            # Day 1 of the proleptic calendar, 0001-01-01, is a Monday.
            length = every * (7 if unit == "w" else 1)
            first = date.fromordinal((day.toordinal() - 1) // length * length + 1)
            return Period(first, first + timedelta(days=length - 1))
        case "m":
            return _months(_month_number(day) // every * every, every)
        case "y":
            return _months(day.year // every * every * 12, every * 12)


def periods(start: date, end: date, every: int, unit: Unit) -> Iterator[Period]:
    """The periods from the one that holds `start` to the one that holds `end`."""
    period = period_of(start, every, unit)
    while period.first <= end:
        yield period
        period = period_of(period.last + DAY, every, unit)


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _months(number: int, count: int) -> Period:
    last = number + count - 1
    year, month = last // 12, last % 12 + 1
    return Period(date(number // 12, number % 12 + 1, 1), date(year, month, monthrange(year, month)[1]))
