"""Puts a proposal into the register and asks those whom the charter names.

Works inside the connection's transaction. Whoever proposes is not asked: nobody decides on their own proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg2.extras import execute_values

from kinbridge.decision.model import Proposal, Question, State
from kinbridge.decision.register import registered
from kinbridge.decision.standing import settle
from kinbridge.decision.tally import reachable
from kinbridge.errors import KinbridgeError
from kinbridge.governance.reader import charter_on
from kinbridge.ledger.events import record_event


def propose(
    connection: Any,
    proposal: Proposal,
    *,
    at: datetime | None = None,
    again: bool = False,
    folders: Sequence[Path] | None = None,
) -> int:
    """Register the proposal; returns its number.

    The same kind, subject, version and digest is one proposal: a second call returns the first one's number. `again`
    makes a new one of a text that was rejected or has lapsed.

    Raises `KinbridgeError`: KB-G10 no charter is in force, or it does not say who decides on this kind; KB-G16 what
    it needs to say is missing, or nobody could approve it under the charter.
    """
    moment = at or datetime.now(UTC)
    day = moment.astimezone(UTC).date()
    _complete(proposal)
    _lock_text(connection, proposal)
    earlier = _latest(connection, proposal)
    if earlier is not None:
        state = settle(connection, earlier, moment, folders).state
        if not again or state not in {State.REJECTED, State.LAPSED}:
            return earlier
    charter = charter_on(day, folders)
    need = charter.needs.get(proposal.kind)
    if need is None:
        raise KinbridgeError("KB-G10", day=f"{day} for the kind {proposal.kind}")
    proposer = charter.person(proposal.proposed_by)
    asked = [m for m in charter.asked_for(need, day) if charter.person(m.id) != proposer]
    question = Question(
        proposal.proposed_by, proposal.concerned, tuple(m.id for m in asked), day + timedelta(days=need.days)
    )
    hopeless = reachable(charter, need, question, day)
    if hopeless:
        raise KinbridgeError("KB-G16", subject=proposal.subject, problem=f"nobody could approve it: {hopeless}")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.proposal (
                kind, subject, version, digest, attempt, title, options, reasons, partners, proposed_by, proposed_at,
                closes_on, effective, body, rule, charter_version, charter_digest
            )
            SELECT
                %(kind)s, %(subject)s, %(version)s, %(digest)s,
                1 + count(*),
                %(title)s, %(options)s, %(reasons)s, %(partners)s, %(proposed_by)s, %(at)s,
                %(closes_on)s, %(effective)s, %(body)s, %(rule)s, %(charter)s, %(charter_digest)s
            FROM ledger.proposal
            WHERE kind = %(kind)s AND subject = %(subject)s AND version = %(version)s AND digest = %(digest)s
            RETURNING proposal_id
            """,
            {
                **{name: getattr(proposal, name) for name in _TEXTS},
                "options": list(proposal.options),
                "partners": list(proposal.concerned),
                "effective": proposal.effective,
                "at": moment,
                "closes_on": question.closes_on,
                "body": need.body,
                "rule": need.in_words,
                "charter": charter.version,
                "charter_digest": charter.digest,
            },
        )
        proposal_id = int(cursor.fetchone()[0])
        votes = charter.bodies[need.body].members
        execute_values(
            cursor,
            "INSERT INTO ledger.asked (proposal_id, member, name, speaks_for, votes) VALUES %s",
            [(proposal_id, m.id, m.name, m.speaks_for, m.id in votes) for m in asked],
        )
    facts = {"proposal": proposal_id, "kind": proposal.kind, "subject": proposal.subject, "version": proposal.version}
    record_event(connection, None, proposal.proposed_by, "proposed", {**facts, "asked": list(question.asked)})
    return proposal_id


_TEXTS = ("kind", "subject", "version", "digest", "title", "reasons", "proposed_by")


def _complete(proposal: Proposal) -> None:
    for name in (name for name in _TEXTS if name != "version"):
        if not str(getattr(proposal, name)).strip():
            raise KinbridgeError("KB-G16", subject=proposal.subject or "a proposal", problem=f"{name} is missing")


def _lock_text(connection: Any, proposal: Proposal) -> None:
    """One at a time proposes the same text, so that two runs do not make two proposals of it."""
    key = f"propose {proposal.kind} {proposal.subject}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))


def _latest(connection: Any, proposal: Proposal) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT max(proposal_id)
            FROM ledger.proposal
            WHERE kind = %s AND subject = %s AND version = %s AND digest = %s
            """,
            (proposal.kind, proposal.subject, proposal.version, proposal.digest),
        )
        found = cursor.fetchone()[0]
    return None if found is None else registered(connection, int(found)).proposal_id
