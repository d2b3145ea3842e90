"""Takes a ballot into the register, and settles the proposal when that decides it.

Works inside the connection's transaction. A ballot is never changed: a second one of the same member is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinbridge.decision.entitlement import refuse
from kinbridge.decision.model import Ballot, Choice, Standing, State
from kinbridge.decision.register import registered
from kinbridge.decision.standing import charter_of, lock, settle
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event


def cast(  # noqa: PLR0917 - a ballot is these
    connection: Any,
    proposal_id: int,
    member: str,
    choice: str,
    at: datetime,
    reason: str = "",
    *,
    recorded_by: str | None = None,
    evidence: str | None = None,
    folders: Sequence[Path] | None = None,
) -> Standing:
    """Take the member's ballot (`approve`, `reject`, `abstain`, `recuse`); returns where the proposal stands then.

    `recorded_by` is who enters it when that is not the member, with the `evidence` of it (minutes, say).

    Raises `KinbridgeError`: KB-G15 no such proposal; KB-G14 it is decided, or its days are over; KB-G11 to KB-G13,
    KB-G17 as `entitlement.refuse` does; KB-G18 no such choice, or no evidence; KB-G19 the charter has other rules.
    """
    lock(connection, proposal_id)
    before = settle(connection, proposal_id, at, folders)
    one = registered(connection, proposal_id)
    subject = f"proposal {proposal_id}, {one.proposal.subject}"
    if one.outcome is not None:
        # Said only of the outcome: whether it takes effect later does not matter here.
        raise KinbridgeError("KB-G14", proposal=proposal_id, subject=one.proposal.subject, state=one.outcome.state)
    assert before.state is State.OPEN
    if choice not in tuple(Choice):
        raise KinbridgeError("KB-G18", member=member, problem=f"{choice} is none of {', '.join(Choice)}")
    charter, _ = charter_of(one, folders)
    if recorded_by is not None and not (evidence or "").strip():
        seat = charter.members.get(member)
        if seat is None or charter.person(recorded_by) != charter.person(member):
            raise KinbridgeError("KB-G18", member=member, problem="a ballot that another enters needs its evidence")
    ballot = Ballot(member, Choice(choice), at.astimezone(UTC).date(), " ".join(reason.split()))
    refuse(charter, one.question, one.ballots, ballot, subject)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.ballot (proposal_id, member, choice, reason, cast_at, recorded_by, evidence)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            """,
            (proposal_id, member, ballot.choice.value, ballot.reason, at, recorded_by or member, evidence),
        )
    facts = {"proposal": proposal_id, "member": member, "choice": ballot.choice.value}
    record_event(connection, None, recorded_by or member, "ballot cast", facts)
    return settle(connection, proposal_id, at, folders)
