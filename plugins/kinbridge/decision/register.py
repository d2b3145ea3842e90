"""Reads the register of decisions (ledger.proposal, asked, ballot, outcome). Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kinbridge.decision.approvals import Decided
from kinbridge.decision.model import Ballot, Choice, Proposal, Question, State
from kinbridge.errors import KinbridgeError


@dataclass(frozen=True)
class Outcome:
    """How a proposal ended, when, and from which day on it counts."""

    state: State
    why: str
    decided_at: datetime
    effective: date


@dataclass(frozen=True)
class Entered:
    """A ballot, with when it was cast and who entered it."""

    ballot: Ballot
    at: datetime
    recorded_by: str
    evidence: str | None


@dataclass(frozen=True)
class Registered:
    """One proposal of the register with all that belongs to it."""

    proposal_id: int
    proposal: Proposal
    proposed_at: datetime
    closes_on: date
    body: str
    rule: str
    charter_version: str
    charter_digest: str
    asked: tuple[str, ...]
    entered: tuple[Entered, ...]
    outcome: Outcome | None

    @property
    def question(self) -> Question:
        """What counting needs to know of it."""
        return Question(self.proposal.proposed_by, self.proposal.partners, self.asked, self.closes_on)

    @property
    def ballots(self) -> tuple[Ballot, ...]:
        """The ballots, in the order in which they came."""
        return tuple(one.ballot for one in self.entered)


def decided_in_register(connection: Any) -> list[Decided]:
    """The register's approvals and rejections; lapsed proposals decide nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                p.kind,
                p.subject,
                p.version,
                p.digest,
                o.state = 'approved',
                o.effective,
                o.decided_on,
                'proposal ' || p.proposal_id,
                p.partners
            FROM ledger.proposal AS p
            INNER JOIN ledger.outcome AS o USING (proposal_id)
            WHERE o.state IN ('approved', 'rejected')
            ORDER BY o.decided_at, p.proposal_id
            """
        )
        return [
            Decided(kind, subject, version, digest, approved, effective, decided_on, place, frozenset(partners))
            for kind, subject, version, digest, approved, effective, decided_on, place, partners in cursor.fetchall()
        ]


def registered(connection: Any, proposal_id: int) -> Registered:
    """One proposal. Raises `KinbridgeError` KB-G15 when there is none."""
    found = _read(connection, "p.proposal_id = %s", (proposal_id,))
    if not found:
        raise KinbridgeError("KB-G15", proposal=proposal_id)
    return found[0]


def open_proposals(connection: Any) -> list[Registered]:
    """The proposals without an outcome, oldest first."""
    return _read(connection, "o.proposal_id IS NULL", ())


def all_proposals(connection: Any, first: date | None = None, last: date | None = None) -> list[Registered]:
    """The proposals made, or decided, within these days (in UTC), oldest first."""
    condition = """
        (%(first)s::date IS NULL OR COALESCE(o.decided_on, (p.proposed_at AT TIME ZONE 'UTC')::date) >= %(first)s)
        AND (%(last)s::date IS NULL OR (p.proposed_at AT TIME ZONE 'UTC')::date <= %(last)s)
    """
    return _read(connection, condition, {"first": first, "last": last})


def _read(connection: Any, condition: str, parameters: Sequence[Any] | dict[str, Any]) -> list[Registered]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT
                p.proposal_id,
                p.kind, p.subject, p.version, p.digest, p.title, p.reasons, p.proposed_by, p.partners, p.options,
                p.effective,
                p.proposed_at, p.closes_on, p.body, p.rule, p.charter_version, p.charter_digest,
                ARRAY(SELECT a.member FROM ledger.asked AS a WHERE a.proposal_id = p.proposal_id ORDER BY a.member),
                o.state, o.why, o.decided_at, o.effective
            FROM ledger.proposal AS p
            LEFT JOIN ledger.outcome AS o USING (proposal_id)
            WHERE {condition}
            ORDER BY p.proposal_id
            """,
            parameters,
        )
        rows = cursor.fetchall()
        entered = _entered(cursor, [row[0] for row in rows])
    return [_registered(row, entered.get(row[0], ())) for row in rows]


def _entered(cursor: Any, proposals: list[int]) -> dict[int, tuple[Entered, ...]]:
    cursor.execute(
        """
        SELECT
            proposal_id,
            member,
            choice,
            (cast_at AT TIME ZONE 'UTC')::date,
            reason,
            cast_at,
            recorded_by,
            evidence
        FROM ledger.ballot
        WHERE proposal_id = ANY(%s)
        ORDER BY cast_at, member
        """,
        (proposals,),
    )
    found: dict[int, list[Entered]] = {}
    for proposal_id, member, choice, on, reason, at, recorded_by, evidence in cursor.fetchall():
        ballot = Ballot(member, Choice(choice), on, reason)
        found.setdefault(proposal_id, []).append(Entered(ballot, at, recorded_by, evidence))
    return {proposal_id: tuple(ballots) for proposal_id, ballots in found.items()}


def _registered(row: tuple[Any, ...], entered: tuple[Entered, ...]) -> Registered:
    proposal_id, kind, subject, version, digest, title, reasons, proposed_by, partners, options, effective = row[:11]
    proposed_at, closes_on, body, rule, charter_version, charter_digest, asked = row[11:18]
    state, why, decided_at, counts_from = row[18:]
    return Registered(
        proposal_id=proposal_id,
        proposal=Proposal(
            kind, subject, version, digest, title, reasons, proposed_by, tuple(partners), tuple(options), effective
        ),
        proposed_at=proposed_at,
        closes_on=closes_on,
        body=body,
        rule=rule,
        charter_version=charter_version,
        charter_digest=charter_digest,
        asked=tuple(asked),
        entered=entered,
        outcome=Outcome(State(state), why, decided_at, counts_from) if state else None,
    )
