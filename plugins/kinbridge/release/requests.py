"""Asking for a release, and taking down what two people said of it. Each one transaction as kb_pipeline, safe to
repeat. What was asked for at a terminal is carried on by a run that `govern` begins.

A request that the gate refuses is not even put to people. Who asked does not approve, the two who approve are different
people, and what they approved is the text of that day: its digest goes with the proposal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kinbridge.decision.approvals import read_approvals
from kinbridge.decision.model import Proposal, State
from kinbridge.decision.proposal import propose
from kinbridge.decision.register import registered
from kinbridge.decision.standing import charter_of, settle
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.release.gate import Clearance, clear
from kinbridge.release.register import Release, get, locked, move
from kinbridge.release.states import ReleaseState
from kinbridge.warehouse.connection import Dsn, transaction

KIND = "release"
REQUESTED = "release requested"
# Requests that no run of the `release` DAG made begin so; each of the others names its run.
TERMINAL = "terminal "
APPROVALS_NEEDED = 2


@dataclass(frozen=True)
class Request:
    """A release that was asked for: its number and that of the proposal that people are asked about."""

    release_id: int
    proposal_id: int


def subject_of(name: str, release_id: int) -> str:
    """The proposal's subject: each request is decided by itself."""
    return f"{name}#{release_id}"


def request_release(  # noqa: PLR0917 - a request is these
    dsn: Dsn, name: str, by: str, reason: str, at: datetime, key: str
) -> Request:
    """Ask for the named extract. The same `key` (a run's id, say) is one request, however often it is made.

    Raises `KinbridgeError`: what the gate raises; KB-T23 a reason or a name is missing; KB-G10 and KB-G16 nobody can
    decide on it.
    """
    if not by.strip() or not reason.strip():
        raise KinbridgeError("KB-T23", name=name)
    with transaction(dsn) as connection:
        day = at.astimezone(UTC).date()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('kinbridge.release ' || %s, 0))", (key,))
            cursor.execute("SELECT release_id, proposal_id FROM ledger.release WHERE request_key = %s", (key,))
            found = cursor.fetchone()
            if found:
                return Request(*found)
            clearance = clear(name, day, read_approvals(connection, day=day))
            release_id = _insert(cursor, clearance, by.strip(), reason.strip(), key)
            proposal_id = propose(connection, _proposal(clearance, release_id, by.strip(), reason.strip()), at=at)
            cursor.execute(
                "UPDATE ledger.release SET proposal_id = %s WHERE release_id = %s", (proposal_id, release_id)
            )
        facts = {"release": release_id, "name": name, "recipient": clearance.recipient.code, "proposal": proposal_id}
        record_event(connection, None, by.strip(), REQUESTED, facts)
    return Request(release_id, proposal_id)


def take_down_approvals(dsn: Dsn, release_id: int, at: datetime) -> ReleaseState:
    """What became of the proposal: the release is approved, rejected, or still requested. Raises KB-T22.

    KB-T22: the charter is satisfied, but not by two different people besides the one who asked.
    """
    with transaction(dsn) as connection:
        release = locked(connection, release_id)
        if release.state is not ReleaseState.REQUESTED or release.proposal_id is None:
            return release.state
        standing = settle(connection, release.proposal_id, at)
        if standing.state in (State.REJECTED, State.LAPSED):
            move(connection, release_id, ReleaseState.REJECTED, standing.state.value)
            return ReleaseState.REJECTED
        if standing.state is State.OPEN:
            return ReleaseState.REQUESTED
        one = registered(connection, release.proposal_id)
        charter, _ = charter_of(one)
        approving = two_people(release.requested_by, standing.approving, charter.person)
        if approving is None or one.proposal.digest != release.digest:
            raise KinbridgeError(
                "KB-T22",
                release=release_id,
                name=release.name,
                approvals=len(standing.approving),
                needed=APPROVALS_NEEDED,
            )
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE ledger.release SET state = 'approved', first_approver = %s, second_approver = %s "
                "WHERE release_id = %s",
                (*approving, release_id),
            )
        facts = {"release": release_id, "proposal": release.proposal_id, "approved by": list(approving)}
        record_event(connection, None, "charter", "release approved", facts)
    return ReleaseState.APPROVED


def two_people(requested_by: str, approving: tuple[str, ...], person: Any) -> tuple[str, str] | None:
    """The first two different people among those who approve, the one who asked aside; None when there are not two.

    `person` gives the one person behind any of their names.
    """
    found: dict[str, str] = {}
    for name in approving:
        if person(name) != person(requested_by):
            found.setdefault(person(name), name)
    names = tuple(found.values())
    return (names[0], names[1]) if len(names) >= APPROVALS_NEEDED else None


def release_of(dsn: Dsn, release_id: int) -> Release:
    """The release as the ledger has it."""
    with transaction(dsn) as connection:
        return get(connection, release_id)


def waiting_requests(connection: Any) -> list[int]:
    """The releases that were asked for at a terminal and have neither left nor ended: each needs a run, one only."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT release_id
            FROM ledger.release
            WHERE state IN ('requested', 'approved', 'built', 'sending') AND starts_with(request_key, %s)
            ORDER BY release_id
            """,
            (TERMINAL,),
        )
        return [release_id for (release_id,) in cursor.fetchall()]


def _insert(cursor: Any, clearance: Clearance, by: str, reason: str, key: str) -> int:
    extract, agreement = clearance.extract, clearance.permit.agreement
    cursor.execute(
        """
        INSERT INTO ledger.release (
            request_key, name, version, digest, recipient, recipient_name, recipient_address, use_case, purpose,
            agreement_id, agreement_version, requested_by, reason
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        RETURNING release_id
        """,
        (
            key,
            extract.name,
            extract.version,
            extract.digest,
            extract.recipient,
            clearance.recipient.name,
            clearance.recipient.address,
            extract.use_case,
            extract.purpose,
            agreement.id,
            agreement.version,
            by,
            reason,
        ),
    )
    return int(cursor.fetchone()[0])


def _proposal(clearance: Clearance, release_id: int, by: str, reason: str) -> Proposal:
    extract = clearance.extract
    return Proposal(
        kind=KIND,
        subject=subject_of(extract.name, release_id),
        version=extract.version,
        digest=extract.digest,
        title=f"{extract.title}, for {clearance.recipient.name}",
        reasons=reason,
        proposed_by=by,
        partners=tuple(sorted({feed.split("/", 1)[0] for feed in extract.feeds})),
        options=("Issue it as declared", "Do not issue it"),
    )
