"""What people are to be told: of what falls due, is overdue, came twice, and of partners that went silent. Pure.

An alert is told once; the ledger remembers which. A paused partner is told nothing, and neither is one whose file waits
for us. Nor is old news told: a new installation, whose ledger is empty, must not send agencies a year of complaints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import groupby, takewhile

from kinbridge.calendar.period import Period
from kinbridge.calendar.status import Expectation, Status

# A partner that let this many periods of every feed go by without any file is silent.
SILENT_PERIODS = 2
# What came about longer ago than this is shown, but not told. It is also how long the calendar may stand still.
TOLD_WITHIN = timedelta(days=62)


class Kind(StrEnum):
    """Why an alert is sent."""

    REMINDER = "reminder"
    OVERDUE = "overdue"
    DOUBLED = "doubled"
    SILENT = "silent"


@dataclass(frozen=True)
class Alert:
    """One thing to tell. Of a silent partner `feed` is None, and `period` the one with which the silence began.

    `files` counts the deliveries that came for the period: accepted ones where it is doubled, refused ones where it is
    overdue.
    """

    kind: Kind
    partner: str
    feed: str | None
    period: Period
    due: date
    files: int = 0


def alerts(expectations: Iterable[Expectation], as_of: date, days_before: int) -> list[Alert]:
    """What one partner's calendar gives to tell at the day `as_of`, `days_before` days of reminder included."""
    known = sorted(expectations, key=lambda one: (one.feed, one.period))
    found = [alert for one in known for alert in _alerts_of(one, as_of, days_before)]
    trails = _trails(known)
    if trails and max(trail[-SILENT_PERIODS].due for trail in trails) >= as_of - TOLD_WITHIN:
        began = _began(trails)
        found.append(Alert(Kind.SILENT, began.partner, None, began.period, began.due))
    return found


def silent_since(expectations: Iterable[Expectation]) -> Expectation | None:
    """Where a partner's silence began: with it and after it nothing at all came, for two overdue periods of every feed.

    None while it is not silent. A feed that has not owed two periods yet speaks neither for silence nor against it.
    """
    trails = _trails(expectations)
    return _began(trails) if trails else None


def _trails(expectations: Iterable[Expectation]) -> list[list[Expectation]]:
    """The missing periods at the end of each feed's calendar, newest first; none when any feed is not silent."""
    trails: list[list[Expectation]] = []
    for _, group in groupby(sorted(expectations, key=lambda one: (one.feed, one.period)), key=lambda one: one.feed):
        ended = [one for one in group if one.arrivals or one.status is not Status.EXPECTED]
        trail = list(takewhile(lambda one: one.status is Status.MISSING, reversed(ended)))
        if len(trail) >= SILENT_PERIODS:
            trails.append(trail)
        elif len(trail) < len(ended):
            return []
    return trails


def _began(trails: Iterable[list[Expectation]]) -> Expectation:
    return max((trail[-1] for trail in trails), key=lambda one: (one.period, one.feed))


def _alerts_of(one: Expectation, as_of: date, days_before: int) -> Iterator[Alert]:
    kind, files, since = None, len(one.arrivals), one.due
    if one.status is Status.DOUBLED:
        accepted = [arrival for arrival in one.arrivals if arrival.accepted]
        kind, files, since = Kind.DOUBLED, len(accepted), accepted[-1].day
    elif one.waits_for_us:
        return
    elif one.overdue:
        kind = Kind.OVERDUE
    elif one.status is Status.EXPECTED and _falls_due(one, as_of, days_before):
        kind = Kind.REMINDER
    if kind is not None and since >= as_of - TOLD_WITHIN:
        yield Alert(kind, one.partner, one.feed, one.period, one.due, files)


def _falls_due(one: Expectation, as_of: date, days_before: int) -> bool:
    """Whether the period is over and its due day is at most `days_before` days away. 0 days: no reminder."""
    near = one.due - timedelta(days=days_before) <= as_of <= one.due
    return days_before > 0 and near and one.period.last < as_of
