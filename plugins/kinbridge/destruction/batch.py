"""Batches in the ledger: proposed, decided on by a person, carried out, certified. Each stage appends a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.retention.term import Kind


class Standing(StrEnum):
    """How far a batch is."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    DESTROYED = "destroyed"
    CERTIFIED = "certified"


@dataclass(frozen=True)
class Item:
    """One kind of thing in a batch: how many were due, the oldest, and the clause by which they are."""

    kind: Kind
    cutoff: datetime
    clause: str
    things: int
    oldest: date | None


@dataclass(frozen=True)
class Batch:
    """What is destroyed together: of one feed, or (`feed` None) what one request is about."""

    destruction_id: int
    cause: str
    partner: str
    feed: str | None
    request_id: int | None
    due_since: date
    deadline: date
    proposed_by: str
    proposed_at: datetime
    standing: Standing
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    not_before: date | None
    items: tuple[Item, ...]

    @property
    def about(self) -> str:
        """The feed, or the request, in words."""
        return self.feed or f"request {self.request_id} to {self.partner}"

    def item(self, kind: Kind) -> Item | None:
        """The item of that kind, if the batch has one."""
        return next((item for item in self.items if item.kind is kind), None)


def batches(connection: Any, *standings: Standing) -> list[Batch]:
    """The batches of the ledger, oldest first; only those that stand so, where it is said how."""
    with connection.cursor() as cursor:
        cursor.execute(_BATCHES, {"destruction_id": None})
        found = [_batch(row) for row in cursor.fetchall()]
    return [batch for batch in found if not standings or batch.standing in standings]


def batch_of(connection: Any, destruction_id: int) -> Batch:
    """One batch. Raises `KinbridgeError` KB-U04 when there is none of that number."""
    with connection.cursor() as cursor:
        cursor.execute(_BATCHES, {"destruction_id": destruction_id})
        row = cursor.fetchone()
    if row is None:
        raise KinbridgeError("KB-U04", batch=destruction_id)
    return _batch(row)


def _batch(row: tuple[Any, ...]) -> Batch:
    number, cause, partner, feed, request, since, deadline, by, at, standing, *decision, items = row
    decided_by, decided_at, reason, not_before = decision
    return Batch(
        number,
        cause,
        partner,
        feed,
        request,
        since,
        deadline,
        by,
        at,
        Standing(standing),
        decided_by,
        decided_at,
        reason,
        not_before,
        tuple(
            Item(
                Kind(item["kind"]),
                datetime.fromisoformat(item["cutoff"]),
                item["clause"],
                item["things"],
                date.fromisoformat(item["oldest"]) if item["oldest"] else None,
            )
            for item in items
        ),
    )


# Grain: one row per batch, with its items in the order in which they are destroyed.
_BATCHES = """
SELECT
    d.destruction_id,
    d.cause,
    d.partner,
    d.feed,
    d.request_id,
    d.due_since,
    d.deadline,
    d.proposed_by,
    d.proposed_at,
    CASE
        WHEN certificate.destruction_id IS NOT NULL THEN 'certified'
        WHEN EXISTS (
            SELECT FROM ledger.destruction_step AS s WHERE s.destruction_id = d.destruction_id AND s.step = 'rewrite'
        ) THEN 'destroyed'
        ELSE coalesce(decision.outcome, 'proposed')
    END,
    decision.decided_by,
    decision.decided_at,
    decision.reason,
    decision.not_before,
    (
        SELECT jsonb_agg(to_jsonb(item) ORDER BY item.kind)
        FROM ledger.destruction_item AS item
        WHERE item.destruction_id = d.destruction_id
    )
FROM ledger.destruction AS d
LEFT JOIN ledger.destruction_decision AS decision USING (destruction_id)
LEFT JOIN ledger.certificate AS certificate USING (destruction_id)
WHERE %(destruction_id)s::bigint IS NULL OR d.destruction_id = %(destruction_id)s
ORDER BY d.destruction_id
"""
