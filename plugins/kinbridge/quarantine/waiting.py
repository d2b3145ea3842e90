"""Which rows are in quarantine, counted by feed, delivery and rule. Counts, rules and moments; never a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from kinbridge.contract.odcs import feeds
from kinbridge.ledger.states import State


@dataclass(frozen=True)
class Reason:
    """One critical rule that set rows of a delivery aside: its finding code, and how many of the rows broke it.

    `rule` and `code` are None for rows that break none: a person refused the whole file, or the rule became a warning
    after the row was resolved. A row may break several rules, so the counts may come to more than the delivery's rows.
    """

    rule: str | None
    code: str | None
    rows: int


@dataclass(frozen=True)
class Waiting:
    """The rows of one delivery in quarantine: how many, since when the oldest, and why."""

    feed: str
    delivery_id: int
    file_name: str
    state: State
    rows: int
    since: datetime
    days: int
    reasons: tuple[Reason, ...]

    def as_plain(self) -> dict[str, Any]:
        """The same as plain values; moments in ISO 8601."""
        return {**asdict(self), "state": self.state.value, "since": self.since.isoformat()}


def waiting(
    connection: Any,
    *,
    feed: str | None = None,
    delivery_id: int | None = None,
    rule: str | None = None,
    resolved_too: bool = False,
) -> list[Waiting]:
    """The rows in quarantine by delivery, narrowed by what is given; only the open ones unless `resolved_too`.

    With a `rule`, the rows that broke it, and that rule alone as their reason. Sorted by feed and delivery; reasons
    with the most rows first.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH chosen AS (
                SELECT
                    q.delivery_id,
                    q.quarantined_at,
                    reason.rule,
                    reason.code,
                    -- A row with several reasons is one row.
                    row_number() OVER (PARTITION BY q.delivery_id, q.line_no ORDER BY reason.rule) AS occurrence
                FROM quarantine.source_row AS q
                INNER JOIN ledger.delivery AS d ON d.delivery_id = q.delivery_id
                LEFT JOIN LATERAL (
                    SELECT result.rule, result.code
                    FROM ledger.rule_result AS result
                    WHERE
                        result.delivery_id = q.delivery_id
                        AND result.rule = ANY(q.rules)
                        AND result.severity = 'critical'
                ) AS reason ON TRUE
                WHERE
                    (%(resolved_too)s OR q.resolved_by IS NULL)
                    AND (%(feed)s::text IS NULL OR d.feed = %(feed)s)
                    AND (%(delivery_id)s::bigint IS NULL OR q.delivery_id = %(delivery_id)s)
                    AND (%(rule)s::text IS NULL OR reason.rule = %(rule)s)
            )

            SELECT
                d.feed,
                d.delivery_id,
                d.file_name,
                d.state,
                c.rule,
                c.code,
                count(*) AS broken,
                sum(count(*) FILTER (WHERE c.occurrence = 1)) OVER (PARTITION BY d.delivery_id) AS in_all,
                min(min(c.quarantined_at)) OVER (PARTITION BY d.delivery_id) AS since,
                extract(
                    DAY FROM clock_timestamp() - min(min(c.quarantined_at)) OVER (PARTITION BY d.delivery_id)
                ) AS days
            FROM chosen AS c
            INNER JOIN ledger.delivery AS d ON d.delivery_id = c.delivery_id
            GROUP BY
                d.delivery_id,
                c.rule,
                c.code
            ORDER BY
                d.feed,
                d.delivery_id,
                broken DESC,
                c.rule
            """,
            {"feed": feed, "delivery_id": delivery_id, "rule": rule, "resolved_too": resolved_too},
        )
        rows = cursor.fetchall()
    return list(_by_delivery(rows))


def replayable(connection: Any, *, feed: str | None = None) -> tuple[list[int], list[int]]:
    """The deliveries with open rows that a replay may try, in the order in which to try them; and the refused ones.

    Feeds that others refer to come first, then older days before newer ones, so that what a row refers to is there.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT
                d.delivery_id,
                d.feed,
                d.as_of,
                d.state
            FROM quarantine.source_row AS q
            INNER JOIN ledger.delivery AS d ON d.delivery_id = q.delivery_id
            WHERE
                q.resolved_by IS NULL
                AND (%(feed)s::text IS NULL OR d.feed = %(feed)s)
            """,
            {"feed": feed},
        )
        found = cursor.fetchall()
    references = {name: len(declared.references) for name, declared in feeds().items()}
    found.sort(key=lambda row: (references.get(row[1], 0), row[1], row[2], row[0]))
    refused = State.REFUSED.value
    return [row[0] for row in found if row[3] != refused], [row[0] for row in found if row[3] == refused]


def _by_delivery(rows: list[tuple[Any, ...]]) -> Iterator[Waiting]:
    for (feed, delivery_id, file_name, state), group in groupby(rows, key=lambda row: row[:4]):
        listed = list(group)
        in_all, since, days = listed[0][7:]
        reasons = tuple(Reason(rule, code, broken) for _, _, _, _, rule, code, broken, *_ in listed)
        yield Waiting(feed, delivery_id, file_name, State(state), int(in_all), since, int(days), reasons)
