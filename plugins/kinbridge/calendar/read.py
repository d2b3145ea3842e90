"""The calendar as the ledger and the declarations give it at a moment. Reads; writes nothing, keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from kinbridge.agreement.force import force
from kinbridge.agreement.reader import read_agreements
from kinbridge.calendar.alert import silent_since
from kinbridge.calendar.expected import Owing, expectations, spans_of
from kinbridge.calendar.pause import Pause, pauses
from kinbridge.calendar.period import DAY
from kinbridge.calendar.status import Arrival, Expectation
from kinbridge.calendar.terms import terms_of
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import feeds
from kinbridge.decision.approvals import read_approvals
from kinbridge.ledger.states import State
from kinbridge.manifest.attestation import NOTHING
from kinbridge.partner.reminders import reminders_of
from kinbridge.warehouse.connection import Dsn, transaction

# So many overdue periods are named one by one in a log that is written every day.
LISTED = 6
# delivery, file name, state, moment of arrival, month in its name, whether it asked for a correction, whether it says
# that there is nothing to report
Row = tuple[Any, ...]


@dataclass(frozen=True)
class PartnerCalendar:
    """One partner's periods at the end of the day `as_of`, by its own clock. `pause` is the one in force that day."""

    partner: str
    timezone: ZoneInfo
    as_of: date
    days_before: int
    expectations: tuple[Expectation, ...]
    pause: Pause | None

    @property
    def silent_since(self) -> Expectation | None:
        """The period with which its silence began; None while it is not silent, or is paused."""
        return None if self.pause else silent_since(self.expectations)


def read_calendars(
    dsn: Dsn, moment: datetime, chosen: Iterable[Feed] | None = None, *, as_of: date | None = None
) -> list[PartnerCalendar]:
    """The calendars of all partners, or of those of the `chosen` feeds, sorted by partner.

    `as_of` is a day to look back to; by default it is today, by each partner's clock. What arrived later is left out,
    but what did arrive counts with its present state. A feed whose contract has no terms is left out.

    Raises KB-A06, KB-C02, KB-E01, KB-E02, KB-G01 (declarations), KB-S20 to KB-S26.
    """
    selected = list(feeds().values() if chosen is None else chosen)
    names = sorted({feed.partner for feed in selected})
    with transaction(dsn) as connection:
        paused = pauses(connection, names)
        rows = _arrivals(connection, [feed.id for feed in selected])
        every = force(read_agreements(), read_approvals(connection))
    calendars = []
    for partner in names:
        reminders = reminders_of(partner)
        zone = reminders.timezone
        day = as_of or moment.astimezone(zone).date()
        breaks = [pause.days(zone) for pause in paused[partner]]
        found: list[Expectation] = []
        for feed in selected:
            terms = terms_of(feed) if feed.partner == partner else None
            if terms is not None:
                owing = Owing(partner, feed.id, terms, spans_of(feed.id, every, day))
                found.extend(expectations(owing, _of(rows[feed.id], zone), day, breaks))
        current = next((pause for pause in paused[partner] if pause.days(zone).covers(day)), None)
        calendars.append(PartnerCalendar(partner, zone, day, reminders.days_before, tuple(found), current))
    return calendars


def overdue_lines(dsn: Dsn, feed: Feed, moment: datetime) -> list[str]:
    """One line for each overdue period of a feed, oldest first, or one for very many: for the log of its own DAG.

    A period whose file is held or under way is none of them.
    """
    [calendar] = read_calendars(dsn, moment, [feed])
    found = [one for one in calendar.expectations if one.overdue and not one.waits_for_us]
    if len(found) > LISTED:
        first, last = found[0].period.label, found[-1].period.label
        return [f"{feed.id}: {len(found)} periods are overdue, from {first} to {last}; see kinbridge calendar"]
    return [
        f"{feed.id}: period {one.period.label} is overdue since {one.due + DAY}, "
        + ("what came was refused" if one.arrivals else "nothing came")
        for one in found
    ]


def _of(rows: Iterable[Row], zone: ZoneInfo) -> list[Arrival]:
    return [
        Arrival(delivery_id, name, State(state), arrived.astimezone(zone).date(), month, corrigible, attests)
        for delivery_id, name, state, arrived, month, corrigible, attests in rows
    ]


def _arrivals(connection: Any, feed_ids: list[str]) -> dict[str, list[Row]]:
    """Everything that arrived for each of these feeds, but for copies of what was here before.

    A file arrived when the partner's server says it was last written: what our own outage or a pause delayed is not the
    partner's delay. A time ahead of the moment of collection is not believed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                d.feed,
                d.delivery_id,
                d.file_name,
                d.state,
                least(d.remote_mtime, d.collected_at) AS arrived_at,
                d.period,
                d.state = 'partly_accepted' OR EXISTS (
                    SELECT 1
                    FROM ledger.event AS e
                    WHERE
                        e.delivery_id = d.delivery_id
                        AND e.what = 'state'
                        AND e.facts ->> 'to' = 'partly_accepted'
                ) AS corrigible,
                d.state = 'accepted' AND coalesce(d.state_reason, '') = %s AS attests
            FROM ledger.delivery AS d
            WHERE
                d.feed = ANY(%s)
                AND d.state <> 'duplicate'
            ORDER BY d.delivery_id
            """,
            (NOTHING, feed_ids),
        )
        found: dict[str, list[Row]] = {feed: [] for feed in feed_ids}
        for feed, *row in cursor.fetchall():
            found[feed].append(tuple(row))
    return found
