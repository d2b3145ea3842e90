"""The status of one period of one feed, from what arrived for it and the day on which one asks. Pure.

A delivery counts when it was accepted; a held or refused one is shown and fulfils nothing. Days are days of the
partner's own time zone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from kinbridge.calendar.period import Period
from kinbridge.ledger.states import ACCEPTED, State

# Who was paused is given at least this long after the pause: what waits in the inbox has to be collected first.
GRACE_DAYS = 3


class Status(StrEnum):
    """What has become of a period.

    `missing`: overdue, and nothing came. `late`: accepted after the due day, or overdue while what came does not count
    (held, under way or refused). `doubled`: two accepted files that are not a file and its correction.
    `nothing_to_report`: the partner attests that there is nothing.
    """

    EXPECTED = "expected"
    EARLY = "early"
    ON_TIME = "on_time"
    LATE = "late"
    MISSING = "missing"
    DOUBLED = "doubled"
    NOTHING_TO_REPORT = "nothing_to_report"
    PAUSED = "paused"


@dataclass(frozen=True)
class Arrival:
    """One delivery as the calendar sees it. `day` is when the partner dropped it, by the partner's clock.

    `corrigible` tells that its receipt asked for a corrected file (it was partly accepted once, whatever it is now);
    `attests` that it says there is nothing to report.
    """

    delivery_id: int
    file_name: str
    state: State
    day: date
    named_month: date | None = None
    corrigible: bool = False
    attests: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it fulfils an expectation."""
        return self.state in ACCEPTED

    @property
    def undecided(self) -> bool:
        """Whether it is held or still worked on: the next step is ours."""
        return not self.state.settled


@dataclass(frozen=True)
class Break:
    """A pause in days: from `first` on, up to the day before `resumed` (None: no end in sight)."""

    first: date
    resumed: date | None

    def covers(self, day: date) -> bool:
        """Whether the partner is paused on that day."""
        return self.first <= day and (self.resumed is None or day < self.resumed)


@dataclass(frozen=True)
class Expectation:
    """A feed's period with its due day, its status, and everything that arrived for it, oldest first."""

    partner: str
    feed: str
    period: Period
    due: date
    status: Status
    arrivals: tuple[Arrival, ...] = ()

    @property
    def fulfilled(self) -> bool:
        """Whether a delivery was accepted for it, or the partner attests that there is nothing."""
        return any(arrival.accepted for arrival in self.arrivals)

    @property
    def overdue(self) -> bool:
        """Whether nothing that counts has come, the due day is over, and nobody paused it."""
        return not self.fulfilled and self.status in {Status.MISSING, Status.LATE}

    @property
    def waits_for_us(self) -> bool:
        """Whether a file is held or under way, so that the partner cannot do anything about it."""
        return any(arrival.undecided for arrival in self.arrivals)


def status_of(
    period: Period, due: date, arrivals: Sequence[Arrival], as_of: date, breaks: Collection[Break] = ()
) -> Status:
    """The status of a period at the end of the day `as_of`; `arrivals` are the period's, oldest first."""
    accepted = [arrival for arrival in arrivals if arrival.accepted]
    if accepted:
        reports = [arrival for arrival in accepted if not arrival.attests]
        # A file that answers a partly accepted one is its correction. The last one is what the period says.
        if sum(not arrival.corrigible for arrival in reports[:-1]) + bool(reports) > 1:
            return Status.DOUBLED
        if not reports:
            return Status.NOTHING_TO_REPORT
        day = accepted[0].day
        if day <= period.last:
            return Status.EARLY
        return Status.ON_TIME if day <= due else Status.LATE
    if any(pause.covers(as_of) for pause in breaks):
        return Status.PAUSED
    if as_of <= due:
        return Status.EXPECTED
    return Status.LATE if arrivals else Status.MISSING


def moved(due: date, latency_days: int, breaks: Collection[Break]) -> date:
    """The due day, moved behind a pause that it fell into: the partner then has the contract's days again."""
    for pause in sorted(breaks, key=lambda one: one.first):
        if pause.resumed is not None and pause.covers(due):
            due = pause.resumed + timedelta(days=max(latency_days, GRACE_DAYS))
    return due
