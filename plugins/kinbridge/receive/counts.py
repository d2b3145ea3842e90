"""A delivery in counts, for comparison with the last good one of its feed: rows, values by column, findings by rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinbridge.contract.sql import ident
from kinbridge.ledger.states import ACCEPTED
from kinbridge.receive.work import Work
from kinbridge.validation.drift import Counts


@dataclass(frozen=True)
class LastGood:
    """The newest accepted delivery of a feed before this one: its number, its file, its counts."""

    delivery_id: int
    file_name: str
    counts: Counts


def filled(cursor: Any, work: Work, absent: tuple[str, ...]) -> dict[str, int]:
    """How many rows have a value, by column; columns that the file does not have are left out."""
    columns = [column.name for column in work.columns if column.name not in absent]
    if not columns:
        return {}
    cursor.execute(f"SELECT {', '.join(f'count({ident(name)})' for name in columns)} FROM {work.landing.rows}")
    return dict(zip(columns, map(int, cursor.fetchone()), strict=True))


def last_good(cursor: Any, work: Work) -> LastGood | None:
    """What the feed's newest accepted delivery but this one came to, as it was validated; None when there is none."""
    cursor.execute(
        """
        SELECT
            delivery.delivery_id,
            delivery.file_name,
            (event.facts ->> 'distinct_rows')::bigint,
            event.facts -> 'filled'
        FROM ledger.delivery AS delivery
        CROSS JOIN LATERAL (
            SELECT facts
            FROM ledger.event
            WHERE event.delivery_id = delivery.delivery_id AND what = 'validated'
            ORDER BY event_id DESC
            LIMIT 1
        ) AS event
        WHERE
            delivery.feed = %s
            AND delivery.delivery_id <> %s
            AND delivery.state = ANY(%s)
            AND event.facts ? 'filled'
        ORDER BY delivery.as_of DESC, delivery.delivery_id DESC
        LIMIT 1
        """,
        (work.feed.id, work.delivery.delivery_id, [state.value for state in ACCEPTED]),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    cursor.execute("SELECT rule, found FROM ledger.rule_result WHERE delivery_id = %s", (row[0],))
    return LastGood(row[0], row[1], Counts(row[2], row[3], dict(cursor.fetchall())))
