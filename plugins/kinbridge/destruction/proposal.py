"""What is due becomes batches that a person decides on. A batch is asked about once: none like it while it is open."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from psycopg2.extras import execute_values

from kinbridge.destruction.batch import Batch, Standing, batch_of, batches
from kinbridge.errors import KinbridgeError
from kinbridge.governance.reader import read_charters, voters_on
from kinbridge.ledger.events import record_event
from kinbridge.retention.due import REQUEST, Due
from kinbridge.retention.hold import held, holds
from kinbridge.retention.term import Kind

PROPOSED, DECIDED = "destruction proposed", "destruction decided"
APPROVE, REJECT = "approved", "rejected"
KIND = "destruction"  # of what the charter lets somebody decide on
# After a rejection nobody is asked again for so many days, where the person said no day.
REST_DAYS = 30
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('kinbridge.destruction proposals', 0))"
# What goes with the records of a feed without being counted first, and why.
_ALONG = {
    Kind.IDENTITY: "a link goes with the last record that it is about",
    Kind.BACKUP: "what is destroyed must not come back from a backup: its keys are destroyed",
}


def propose_due(connection: Any, day: date, due: Iterable[Due], by: str) -> list[int]:
    """Propose what is due and neither held nor asked about already; the new batches' numbers.

    One batch for each feed and cause, and one for each request. A rejected batch rests until its day.
    """
    groups: dict[tuple[str, str, str | None, int | None], list[Due]] = {}
    for one in due:
        if not one.held:
            groups.setdefault((one.cause, one.partner, one.feed, one.request_id), []).append(one)
    if not groups:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
    closed = {
        (batch.cause, batch.partner, batch.feed, batch.request_id)
        for batch in batches(connection)
        if _asked(batch, day)
    }
    return [_propose(connection, group, by) for key, group in groups.items() if key not in closed]


def decide(
    connection: Any,
    destruction_id: int,
    outcome: str,
    by: str,
    at: datetime,
    *,
    reason: str = "",
    not_before: date | None = None,
) -> str:
    """Take down what a person decided on a batch; the outcome. The same answer once more changes nothing.

    Raises `KinbridgeError`: KB-U04 there is no such batch; KB-U05 it was decided otherwise; KB-U07 a rejection without
    a reason; KB-U12 whoever proposed it cannot approve it; KB-U14 the charter names others who decide; KB-U03 it is
    held.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
    batch = batch_of(connection, destruction_id)
    if batch.decided_by is not None:
        if (batch.standing is Standing.REJECTED) != (outcome == REJECT):
            raise KinbridgeError("KB-U05", batch=destruction_id, by=batch.decided_by)
        return outcome
    if outcome == REJECT and not reason.strip():
        raise KinbridgeError("KB-U07", what="a rejection")
    charter = read_charters().on(at.date())
    entitled = {charter.person(member.id) for member in voters_on(KIND, at.date())} if charter else set()
    person = charter.person if charter else str.casefold
    if outcome == APPROVE and person(by.strip()) == person(batch.proposed_by.strip()):
        raise KinbridgeError("KB-U12", batch=destruction_id, by=by)
    if entitled and person(by.strip()) not in entitled:
        raise KinbridgeError("KB-U14", batch=destruction_id)
    if outcome == APPROVE:
        require_free(connection, batch)
    rest = (not_before or at.date() + timedelta(days=REST_DAYS)) if outcome == REJECT else None
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.destruction_decision
            (destruction_id, outcome, decided_by, decided_at, reason, not_before)
            VALUES (%s, %s, %s, %s, %s, %s)
            """,
            (destruction_id, outcome, by, at, reason.strip() or None, rest),
        )
    record_event(connection, None, by, DECIDED, {"batch": destruction_id, "outcome": outcome}, feed=batch.feed)
    return outcome


def require_free(connection: Any, batch: Batch) -> None:
    """Raises `KinbridgeError` KB-U03 when a hold keeps the batch from being destroyed."""
    hold = held(holds(connection), batch.partner, batch.feed)
    if hold is not None:
        raise KinbridgeError("KB-U03", about=batch.about, feed=hold.feed, by=hold.placed_by)


def _asked(batch: Batch, day: date) -> bool:
    if batch.standing is Standing.REJECTED:
        return batch.not_before is not None and day < batch.not_before
    return batch.standing is not Standing.CERTIFIED


def _propose(connection: Any, group: list[Due], by: str) -> int:
    first = group[0]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.destruction (cause, partner, feed, request_id, due_since, deadline, proposed_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            RETURNING destruction_id
            """,
            (
                first.cause,
                first.partner,
                first.feed,
                first.request_id,
                min(due.since for due in group),
                min(due.deadline for due in group),
                by,
            ),
        )
        (destruction_id,) = cursor.fetchone()
        execute_values(
            cursor,
            "INSERT INTO ledger.destruction_item (destruction_id, kind, cutoff, clause, things, oldest) VALUES %s",
            [(destruction_id, *row) for row in _items(group)],
        )
    facts = {"batch": destruction_id, "cause": first.cause, "kinds": sorted(due.kind.value for due in group)}
    record_event(connection, None, by, PROPOSED, facts, feed=first.feed)
    return int(destruction_id)


def _items(group: list[Due]) -> list[tuple[str, datetime, str, int, date | None]]:
    found = [(due.kind.value, due.cutoff, due.clause, due.things, due.oldest) for due in group]
    kinds = {due.kind for due in group}
    cutoff, clause = group[0].cutoff, group[0].clause
    along = list(_ALONG.items()) if Kind.RECORD in kinds else []
    if group[0].cause == REQUEST:
        along.append((Kind.QUARANTINE, "rows about the same person"))
    for kind, why in along:
        if kind not in kinds and (kind is not Kind.BACKUP or group[0].cause != "retention"):
            found.append((kind.value, cutoff, f"{clause}: {why}", 0, None))
    return found
