"""Where a proposal of the register stands, and its outcome once it is decided.

Functions take a psycopg2 connection and work inside its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from kinbridge.decision.model import Standing, State
from kinbridge.decision.register import Registered, open_proposals, registered
from kinbridge.decision.tally import tally
from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import Charter, Need
from kinbridge.governance.reader import read_charters
from kinbridge.ledger.events import record_event


def standing(connection: Any, proposal_id: int, day: date, folders: Sequence[Path] | None = None) -> Standing:
    """Where the proposal stands on that day. One that was approved for later is open until its first day.

    Raises `KinbridgeError` KB-G15 (no such proposal), KB-G10 and KB-G19 (its charter is gone, or has other rules).
    """
    return standing_of(registered(connection, proposal_id), day, folders)


def standing_of(one: Registered, day: date, folders: Sequence[Path] | None = None) -> Standing:
    """Where a proposal that was read stands on that day; raises as `standing` does, but for one with an outcome."""
    if one.outcome is not None:
        return _settled(one, day)
    charter, need = charter_of(one, folders)
    return tally(charter, need, one.question, one.ballots, day)


def charter_of(one: Registered, folders: Sequence[Path] | None = None) -> tuple[Charter, Need]:
    """The charter under which the proposal was made, and what it needs by it.

    Raises `KinbridgeError` KB-G19 when that version is no longer declared, or its rules or quorums were changed
    without a new version: what was promised when people were asked is what counts.
    """
    for charter in read_charters(folders).versions:
        if charter.version == one.charter_version:
            if charter.digest == one.charter_digest:
                return charter, charter.needs[one.proposal.kind]
            break
    raise KinbridgeError("KB-G19", proposal=one.proposal_id, version=one.charter_version)


def settle(connection: Any, proposal_id: int, at: datetime, folders: Sequence[Path] | None = None) -> Standing:
    """Write the outcome of a proposal that is decided by now, once; returns where it stands.

    Raises as `standing` does.
    """
    lock(connection, proposal_id)
    one = registered(connection, proposal_id)
    day = at.astimezone(UTC).date()
    found = standing_of(one, day, folders)
    if one.outcome is not None or found.state is State.OPEN:
        return found
    effective = max(day, one.proposal.effective or day)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.outcome (proposal_id, state, why, decided_at, decided_on, effective)
            VALUES (%s, %s, %s, %s, %s, %s)
            """,
            (proposal_id, found.state.value, found.why, at, day, effective),
        )
    facts = {"proposal": proposal_id, "kind": one.proposal.kind, "subject": one.proposal.subject}
    record_event(connection, None, "charter", "proposal decided", {**facts, "state": found.state.value})
    return _settled(registered(connection, proposal_id), day)


def settle_due(connection: Any, at: datetime, folders: Sequence[Path] | None = None) -> dict[int, Standing]:
    """Settle every open proposal that is decided by now; where each of them stands."""
    return {one.proposal_id: settle(connection, one.proposal_id, at, folders) for one in open_proposals(connection)}


def lock(connection: Any, proposal_id: int) -> None:
    """Let one transaction at a time vote on a proposal: two last ballots must see each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"proposal {proposal_id}",))


def _settled(one: Registered, day: date) -> Standing:
    assert one.outcome is not None
    outcome, ballots = one.outcome, one.ballots

    def those(choice: str) -> tuple[str, ...]:
        return tuple(ballot.member for ballot in ballots if ballot.choice == choice)

    found = Standing(
        state=outcome.state,
        rule=one.rule,
        why=outcome.why,
        missing=tuple(member for member in one.asked if member not in {ballot.member for ballot in ballots}),
        approving=those("approve"),
        rejecting=those("reject"),
        abstaining=those("abstain"),
        recused=those("recuse"),
        effective=outcome.effective,
    )
    if outcome.state is State.APPROVED and day < outcome.effective:
        return replace(found, state=State.OPEN, why=f"approved, and takes effect on {outcome.effective}")
    return found
