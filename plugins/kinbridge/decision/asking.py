"""Whom to ask in Airflow: members with a log-in, each once. Those without one vote where their body meets.

Functions take a psycopg2 connection and work inside its transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinbridge.decision.model import Choice
from kinbridge.decision.register import Registered, open_proposals, registered
from kinbridge.decision.standing import charter_of
from kinbridge.governance.charter import Member
from kinbridge.ledger.events import record_event
from kinbridge.notice.message import Mail

# Their own DAGs ask for these.
ELSEWHERE = frozenset({"release", "destruction", "override"})
ASKED = "ballot asked"
LOCK = "kinbridge ballots"


@dataclass(frozen=True)
class Ask:
    """A ballot that a member is asked for, as the member sees it: no value from data, and no other member's ballot."""

    member: Member
    subject: str
    body: str
    options: tuple[str, ...]


def to_be_asked(
    connection: Any, run: str, *, proposals: Collection[int] | None = None, folders: Sequence[Path] | None = None
) -> list[dict[str, Any]]:
    """The ballots that the run asks for, as `proposal_id` and `member`; noted, so that no other run asks again.

    `proposals` are those to ask for; without it all that are open, but for kinds that other DAGs ask for. The same run
    gets the same answer again.
    """
    # Two runs may begin in one moment; without a lock each would find that nobody has been asked yet.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
    wanted = (
        [one for one in open_proposals(connection) if one.proposal.kind not in ELSEWHERE]
        if proposals is None
        else [registered(connection, number) for number in sorted(proposals)]
    )
    found = []
    for one in wanted:
        charter, _ = charter_of(one, folders)
        cast = {ballot.member for ballot in one.ballots}
        for name in one.asked:
            member = charter.members.get(name)
            if name in cast or member is None or member.login is None:
                continue
            if _note(connection, one.proposal_id, name, run):
                found.append({"proposal_id": one.proposal_id, "member": name})
    return found


def _note(connection: Any, proposal_id: int, member: str, run: str) -> bool:
    """Whether this run asks: it noted so before, or nobody has yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT facts ->> 'run'
            FROM ledger.event
            WHERE
                delivery_id IS NULL
                AND what = %s
                AND facts ->> 'proposal' = %s
                AND facts ->> 'member' = %s
            """,
            (ASKED, str(proposal_id), member),
        )
        runs = {row[0] for row in cursor.fetchall()}
    if not runs:
        record_event(connection, None, "decide", ASKED, {"proposal": proposal_id, "member": member, "run": run})
    return not runs or run in runs


def ask_of(
    connection: Any, proposal_id: int, member: str, folders: Sequence[Path] | None = None
) -> tuple[Registered, Ask | None]:
    """The proposal, and what the member is asked; None when there is nothing to answer any more.

    Raises `KinbridgeError` KB-G15 (no such proposal) and KB-G19 (its charter has other rules).
    """
    one = registered(connection, proposal_id)
    charter, need = charter_of(one, folders)
    seat = charter.members.get(member)
    if one.outcome is not None or seat is None or member in {ballot.member for ballot in one.ballots}:
        return one, None
    text = one.proposal
    lines = [
        f"**{text.title}**",
        "",
        f"- kind: {text.kind}",
        f"- text: `{' '.join(filter(None, (text.subject, text.version)))}`, digest `{text.digest[:19]}…`",
        f"- for: {text.reasons}",
        f"- proposed by {text.proposed_by} on {one.proposed_at:%Y-%m-%d}; answer until {one.closes_on}",
        f"- decided by: {charter.bodies[need.body].name}, {one.rule} (charter {one.charter_version})",
        "",
        *(["What was weighed:", "", *(f"1. {option}" for option in text.options), ""] if text.options else []),
        f"You answer as **{seat.name}**. A ballot is not changed afterwards; to reject or to recuse needs a reason.",
    ]
    return one, Ask(seat, f"Ballot of {seat.name}: {text.subject}", "\n".join(lines), tuple(Choice))


def mail_of(one: Registered, member: Member, office: str, copy_to: str) -> Mail:
    """The mail by which a member is told that a ballot waits. It holds no reasons: those are in Airflow."""
    text = one.proposal
    body = (
        f"A decision waits for you in Airflow, under Required Actions: the {text.kind} {text.subject}, proposal "
        f"{one.proposal_id}.\n\nPlease answer until {one.closes_on}.\n\nQuestions: {office}\n"
    )
    subject = f"Your ballot is wanted: {text.kind} {text.subject}"
    return Mail(member.speaks_for, (member.email,), (copy_to,), subject, body, f"ballot {one.proposal_id} {member.id}")
