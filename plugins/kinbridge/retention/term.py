"""Kinds of things that are kept, and the terms under which they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What is kept, by the way in which it is destroyed."""

    FILE = "file"
    STAGED = "staged"
    QUARANTINE = "quarantine"
    RECORD = "record"
    IDENTITY = "identity"
    RELEASE = "release"
    RECEIPT = "receipt"
    BACKUP = "backup"


@dataclass(frozen=True)
class Term:
    """How long something may be kept: whole `days` or whole `months`, and the clause that says so."""

    clause: str
    days: int | None = None
    months: int | None = None

    def cutoff(self, day: date) -> date:
        """The first day that may still be there on `day`: what was last said before it is due."""
        if self.months is not None:
            return months_before(day, self.months)
        return day - timedelta(days=self.days or 0)

    def due_on(self, last: date) -> date:
        """The first day on which something that was last said on `last` is due."""
        if self.months is None:
            return last + timedelta(days=(self.days or 0) + 1)
        due = months_before(last, -self.months) + timedelta(days=1)
        # Months are of different length: the first day whose cutoff lies behind `last`.
        while self.cutoff(due) <= last:
            due += timedelta(days=1)
        return due


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier (later, if negative), or the last day of that month."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def strictest(terms: Iterable[Term], day: date) -> Term:
    """The shortest of the terms on that day; of equals the first, so that an agreement's clause comes before ours."""
    return max(terms, key=lambda term: term.cutoff(day))
