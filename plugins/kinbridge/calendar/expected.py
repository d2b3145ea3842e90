"""Which periods a feed owes as of a day, and what arrived for each. Pure.

A period is owed when an agreement reaches into it and one is in force on the day it is due: what we could not collect,
for want of a signature or of a decision, is not asked for. The first owed period is the one that holds the agreement's
first day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from kinbridge.agreement.force import Force
from kinbridge.calendar.period import DAY, Period
from kinbridge.calendar.status import Arrival, Break, Expectation, moved, status_of
from kinbridge.calendar.terms import Terms

Span = tuple[date, date]
APPROVED = "approved"


@dataclass(frozen=True)
class Owing:
    """A feed, its terms, and the spans of days over which agreements cover it (both days included)."""

    partner: str
    feed: str
    terms: Terms
    spans: tuple[Span, ...]


def spans_of(feed: str, every: Force, as_of: date) -> tuple[Span, ...]:
    """The days over which agreements of the feed's own partner cover it that are signed and approved, oldest first."""
    partner = feed.split("/", 1)[0]
    return tuple(
        sorted(
            (agreement.effective, agreement.expires)
            for agreement in every.agreements
            if feed in agreement.feeds
            and agreement.contributor.code == partner
            and not agreement.unsigned(as_of)
            and every.approved(agreement, as_of) == APPROVED
        )
    )


def owed(owing: Owing, until: date) -> list[Period]:
    """The periods that the feed owes and that have begun by `until`, oldest first."""
    if not owing.spans or owing.spans[0][0] > until:
        return []
    terms = owing.terms
    last = max(expires for _, expires in owing.spans)
    return [
        period
        for period in terms.periods(owing.spans[0][0], min(until, last))
        if any(first <= period.last and period.first <= expires for first, expires in owing.spans)
        and any(first <= terms.due(period) <= expires for first, expires in owing.spans)
    ]


def period_of(arrival: Arrival, terms: Terms) -> Period:
    """The period that a delivery is for.

    A month in the file's name says it, where periods are months or longer. Otherwise it is the latest period that was
    over when the file came.
    """
    if arrival.named_month is not None and terms.unit in {"m", "y"}:
        return terms.period_of(arrival.named_month)
    return terms.period_of(terms.period_of(arrival.day).first - DAY)


def expectations(
    owing: Owing, arrivals: Iterable[Arrival], as_of: date, breaks: Collection[Break] = ()
) -> list[Expectation]:
    """Every period that the feed owes at the end of the day `as_of`, oldest first.

    A period that has not begun is among them when a file for it has come already.
    """
    came: dict[Period, list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.day <= as_of:
            came.setdefault(period_of(arrival, owing.terms), []).append(arrival)
    known = list(breaks)
    return [
        _expectation(owing, period, _sorted(came.get(period, ())), as_of, known)
        for period in owed(owing, max([as_of, *(period.first for period in came)]))
        if period.first <= as_of or period in came
    ]


def _expectation(
    owing: Owing, period: Period, arrivals: tuple[Arrival, ...], as_of: date, breaks: Sequence[Break]
) -> Expectation:
    due = moved(owing.terms.due(period), owing.terms.latency_days, breaks)
    status = status_of(period, due, arrivals, as_of, breaks)
    return Expectation(owing.partner, owing.feed, period, due, status, arrivals)


def _sorted(arrivals: Iterable[Arrival]) -> tuple[Arrival, ...]:
    return tuple(sorted(arrivals, key=lambda arrival: (arrival.day, arrival.delivery_id)))
