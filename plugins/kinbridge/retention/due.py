"""What is due for destruction on a day: one query for each kind of thing, over all feeds at once. Changes nothing.

Input: the rules of every feed that the ledger knows, and the warehouse as kb_pipeline. Gives counts, days and clauses;
never a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from kinbridge.agreement.model import Agreement
from kinbridge.contract.odcs import feeds as declared_feeds
from kinbridge.contract.sql import ident
from kinbridge.receipt.outdated import SENT
from kinbridge.retention.hold import held, holds
from kinbridge.retention.office import OfficeRules
from kinbridge.retention.rule import FeedRules, rules_of
from kinbridge.retention.term import Kind, Term

RECEIPT_REMOVED = "receipt removed"
RETENTION, ENDED, REQUEST = "retention", "agreement ended", "request"
REQUEST_DAYS = 30


@dataclass(frozen=True)
class Due:
    """Things of one kind that are due: of a feed, or (`feed` None) what a request is about.

    `things` are rows, files, tables or receipts; `cutoff` is the moment before which something must have been said last
    to be among them; `since` the first day on which any of them was due, `deadline` the last on which it may be there.
    """

    kind: Kind
    cause: str
    partner: str
    feed: str | None
    things: int
    oldest: date | None
    since: date
    deadline: date
    cutoff: datetime
    clause: str
    held: bool = False
    request_id: int | None = None

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in {**self.__dict__, "kind": self.kind.value}.items()
        }


def feed_rules(
    connection: Any,
    day: date,
    agreements: Iterable[Agreement],
    office: OfficeRules,
    laws: Mapping[str, Term] | None = None,
) -> list[FeedRules]:
    """The rules of every feed that is declared or of which anything ever came. `laws`: terms of laws by feed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT feed FROM ledger.delivery")
        known = {feed for (feed,) in cursor.fetchall()} | set(declared_feeds())
    everything = list(agreements)
    return [rules_of(feed, day, everything, office, (laws or {}).get(feed)) for feed in sorted(known)]


def find_due(connection: Any, day: date, rules: Iterable[FeedRules]) -> list[Due]:
    """Everything that is due on the day, feeds first, then requests; what is held says so."""
    every = list(rules)
    found: list[Due] = []
    for kind, query in (
        (Kind.FILE, _FILES),
        (Kind.STAGED, _STAGED),
        (Kind.QUARANTINE, _QUARANTINE),
        (Kind.RECORD, _records(connection)),
        (Kind.RECEIPT, _RECEIPTS),
    ):
        found += _of_kind(connection, day, every, kind, query)
    found += _requests(connection, day)
    standing = holds(connection)
    return [
        due if held(standing, due.partner, due.feed) is None else Due(**{**due.__dict__, "held": True}) for due in found
    ]


def _of_kind(connection: Any, day: date, every: list[FeedRules], kind: Kind, query: str) -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(
            query,
            {
                "feeds": [one.feed for one in every],
                "cutoffs": [_midnight(one.terms[kind].cutoff(day)) for one in every],
                "ended": [one.ended is not None for one in every],
                "sent": SENT,
                "removed": RECEIPT_REMOVED,
            },
        )
        counted = {feed: (things, oldest) for feed, things, oldest in cursor.fetchall()}
    return [_due(day, one, kind, *counted[one.feed]) for one in every if counted.get(one.feed, (0,))[0]]


def _due(day: date, rules: FeedRules, kind: Kind, things: int, oldest: date | None) -> Due:
    term = rules.terms[kind]
    last = oldest or day
    since, deadline = term.due_on(last), term.due_on(last) + timedelta(days=rules.within_days)
    cutoff, clause, cause = _midnight(term.cutoff(day)), term.clause, RETENTION
    if rules.ended:
        # Nothing comes any more, so all of it is due, whenever it was said.
        since, deadline = min(since, rules.ended.since), min(deadline, rules.ended.deadline)
        cutoff, clause, cause = _midnight(day + timedelta(days=1)), rules.ended.clause, ENDED
    return Due(kind, cause, rules.partner, rules.feed, things, oldest, since, deadline, cutoff, clause)


def _requests(connection: Any, day: date) -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                r.request_id,
                r.partner,
                r.ground,
                r.requested_at
            FROM ledger.destruction_request AS r
            INNER JOIN retention.requested_person AS p USING (request_id)
            WHERE r.requested_at < %s
            ORDER BY r.request_id
            """,
            (_midnight(day + timedelta(days=1)),),
        )
        return [
            Due(
                Kind.RECORD,
                REQUEST,
                partner,
                None,
                1,
                requested_at.date(),
                requested_at.date(),
                requested_at.date() + timedelta(days=REQUEST_DAYS),
                _midnight(day + timedelta(days=1)),
                f"{_GROUNDS[ground]}, request {request_id}",
                request_id=request_id,
            )
            for request_id, partner, ground, requested_at in cursor.fetchall()
        ]


_GROUNDS = {
    "parent": "34 CFR 303.416(b), a parent's request",
    "court": "a court's order",
    "partner": "the partner's request",
}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _records(connection: Any) -> str:
    """One query over all tables of the record that keep history. Statements on consent are not counted: they stay while
    the person is known by another record, and go with the rest."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname
            FROM pg_class AS c
            INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'known_to' AND NOT a.attisdropped
            WHERE c.relnamespace = 'record'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'consent'
            ORDER BY 1
            """
        )
        tables = [name for (name,) in cursor.fetchall()]
    each = " UNION ALL ".join(_RECORD.format(table=f"record.{ident(table)}") for table in tables)
    return f"SELECT feed, sum(things)::bigint, min(oldest) FROM ({each}) AS counted GROUP BY feed"


_TERMS = """
WITH term AS (
    SELECT
        feed,
        cutoff,
        ended
    FROM unnest(%(feeds)s::text [], %(cutoffs)s::timestamptz [], %(ended)s::boolean []) AS t (feed, cutoff, ended)
)
"""
# Grain: one row per feed with something due. A row of the record was last said on the day up to which a delivery has
# said it, or at the moment when it was superseded.
_RECORD = """
SELECT
    t.feed,
    count(*) AS things,
    min(coalesce((t.known_to AT TIME ZONE 'UTC')::date, t.as_of)) AS oldest
FROM {table} AS t
INNER JOIN unnest(%(feeds)s::text [], %(cutoffs)s::timestamptz [], %(ended)s::boolean [])
AS term (feed, cutoff, ended) USING (feed)
WHERE term.ended OR coalesce(t.known_to, t.as_of::timestamp AT TIME ZONE 'UTC') < term.cutoff
GROUP BY t.feed
"""
_FILES = (
    _TERMS
    + """
SELECT
    d.feed,
    count(*),
    min((d.collected_at AT TIME ZONE 'UTC')::date)
FROM ledger.delivery AS d
INNER JOIN term USING (feed)
WHERE d.landed_path IS NOT NULL AND (term.ended OR d.collected_at < term.cutoff)
GROUP BY d.feed
"""
)
_QUARANTINE = (
    _TERMS
    + """
SELECT
    d.feed,
    count(*),
    min((q.quarantined_at AT TIME ZONE 'UTC')::date)
FROM quarantine.source_row AS q
INNER JOIN ledger.delivery AS d USING (delivery_id)
INNER JOIN term USING (feed)
WHERE term.ended OR q.quarantined_at < term.cutoff
GROUP BY d.feed
"""
)
_STAGED = (
    _TERMS
    + """
SELECT
    d.feed,
    count(*),
    min((d.collected_at AT TIME ZONE 'UTC')::date)
FROM pg_class AS c
INNER JOIN ledger.delivery AS d ON d.delivery_id = substring(c.relname FROM '__d([0-9]+)(_[a-z]+)?$')::bigint
INNER JOIN term USING (feed)
WHERE c.relnamespace = 'landing'::regnamespace
    AND c.relkind = 'r'
    AND (term.ended OR d.collected_at < term.cutoff)
GROUP BY d.feed
"""
)
_RECEIPTS = (
    _TERMS
    + """
SELECT
    d.feed,
    count(DISTINCT d.delivery_id),
    min((e.happened_at AT TIME ZONE 'UTC')::date)
FROM ledger.event AS e
INNER JOIN ledger.delivery AS d USING (delivery_id)
INNER JOIN term ON term.feed = d.feed
WHERE e.what = %(sent)s
    AND (term.ended OR e.happened_at < term.cutoff)
    AND NOT EXISTS (
        SELECT
        FROM ledger.event AS gone
        WHERE gone.delivery_id = e.delivery_id AND gone.what = %(removed)s AND gone.event_id > e.event_id
    )
GROUP BY d.feed
"""
)
