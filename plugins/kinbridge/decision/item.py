"""One decision as minutes have it, whether it was taken on paper, in the register, or on a held delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.decision.paper import PaperDecision, judge, read_papers
from kinbridge.decision.register import Registered, all_proposals
from kinbridge.decision.standing import standing_of
from kinbridge.governance.charter import Charter, Charters
from kinbridge.governance.reader import raise_first, read_charters


@dataclass(frozen=True)
class Vote:
    """One ballot as minutes have it: a name and not an id; `how` is how it came in."""

    name: str
    choice: str
    on: str
    reason: str
    how: str = ""


@dataclass(frozen=True)
class Item:
    """One item of minutes. Everything is text that people wrote or words of ours; `day` orders them."""

    day: date
    source: str
    kind: str
    subject: str
    title: str
    body: str
    reasons: str
    proposed: str
    options: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    votes: tuple[Vote, ...] = ()
    rule: str = ""
    outcome: str = ""
    why: str = ""
    effective: str = ""
    digest: str = ""


def items(
    connection: Any | None,
    day: date,
    *,
    body: str | None = None,
    first: date | None = None,
    last: date | None = None,
    folders: Sequence[Path] | None = None,
) -> list[Item]:
    """The decisions of these days, oldest first: on paper, and with a connection those of the register and overrides.

    `body` is the id of one body; `day` is today, for what is still open. Raises `KinbridgeError` KB-G01 and KB-G19.
    """
    charters = read_charters(folders)
    papers, problems = read_papers(folders)
    raise_first(problems)
    found: list[tuple[str | None, Item]] = [(paper.body, _of_paper(paper, charters)) for paper in papers]
    if connection is not None:
        found += [(one.body, _of_registered(one, charters, day, folders)) for one in all_proposals(connection)]
        found += [(_override_body(charters, item.day), item) for item in _overrides(connection)]
    return sorted(
        (
            item
            for deciding, item in found
            if body in (None, deciding) and (first is None or item.day >= first) and (last is None or item.day <= last)
        ),
        key=lambda item: (item.day, item.source),
    )


def _of_paper(paper: PaperDecision, charters: Charters) -> Item:
    judged = judge(paper, charters)
    charter = charters.on(paper.proposed_on)
    need = charter.needs.get(paper.proposal.kind) if charter else None
    why = judged.standing.why if judged.standing else "; ".join(problem.text for problem in judged.problems)
    counts = paper.outcome.value if judged.decided is not None or not judged.problems else "counts for nothing"
    text = paper.proposal
    return Item(
        day=paper.decided_on,
        source=f"on paper: {paper.id}, entered by {paper.recorded_by} ({paper.evidence})",
        kind=text.kind,
        subject=" ".join(filter(None, (text.subject, text.version))),
        title=text.title,
        body=_body_name(charter, paper.body),
        reasons=text.reasons,
        proposed=f"{_name(charter, text.proposed_by)}, {paper.proposed_on}",
        options=text.options,
        asked=tuple(_name(charter, one) for one in paper.asked),
        votes=tuple(Vote(_name(charter, b.member), b.choice.value, str(b.on), b.reason) for b in paper.ballots),
        rule=need.in_words if need else "",
        outcome=counts,
        why=why,
        effective=str(paper.effective) if paper.outcome.value == "approved" else "",
        digest=text.digest,
    )


def _of_registered(one: Registered, charters: Charters, day: date, folders: Sequence[Path] | None) -> Item:
    charter = next((c for c in charters.versions if c.version == one.charter_version), None)
    found = standing_of(one, day, folders)
    text = one.proposal
    decided = one.outcome
    return Item(
        day=decided.decided_at.date() if decided else one.proposed_at.date(),
        source=f"register: proposal {one.proposal_id}",
        kind=text.kind,
        subject=" ".join(filter(None, (text.subject, text.version))),
        title=text.title,
        body=_body_name(charter, one.body),
        reasons=text.reasons,
        proposed=f"{_name(charter, text.proposed_by)}, {one.proposed_at:%Y-%m-%d}; answers until {one.closes_on}",
        options=text.options,
        asked=tuple(_name(charter, name) for name in one.asked),
        votes=tuple(
            Vote(
                _name(charter, entry.ballot.member),
                entry.ballot.choice.value,
                f"{entry.at:%Y-%m-%d}",
                entry.ballot.reason,
                f"entered by {entry.recorded_by}" + (f" ({entry.evidence})" if entry.evidence else ""),
            )
            for entry in one.entered
        ),
        rule=f"{one.rule} (charter {one.charter_version})",
        outcome=decided.state.value if decided else found.state.value,
        why=found.why,
        effective=str(decided.effective) if decided and decided.state.value == "approved" else "",
        digest=text.digest,
    )


def _overrides(connection: Any) -> list[Item]:
    """Decisions on held deliveries: a person sets a threshold aside for one file, or does not."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                (d.decided_at AT TIME ZONE 'UTC')::date,
                d.delivery_id,
                v.feed,
                v.file_name,
                d.outcome,
                d.decided_by,
                COALESCE(d.reason, '')
            FROM ledger.decision AS d
            INNER JOIN ledger.delivery AS v USING (delivery_id)
            ORDER BY d.decided_at, d.delivery_id
            """
        )
        rows = cursor.fetchall()
    return [
        Item(
            day=day,
            source=f"ledger: delivery {delivery_id}",
            kind="override",
            subject=f"{feed} {file_name}",
            title="Held delivery",
            body="",
            reasons="A critical rule about the whole file was broken.",
            proposed="the pipeline held it",
            options=("Load the sound rows", "Reject the file"),
            votes=(Vote(by, "approve" if outcome == "approved" else "reject", str(day), reason),),
            outcome=outcome,
            why=f"{by} decided",
        )
        for day, delivery_id, feed, file_name, outcome, by, reason in rows
    ]


def _override_body(charters: Charters, day: date) -> str | None:
    charter = charters.on(day)
    need = charter.needs.get("override") if charter else None
    return need.body if need else None


def _body_name(charter: Charter | None, body: str) -> str:
    return charter.bodies[body].name if charter and body in charter.bodies else body


def _name(charter: Charter | None, member: str) -> str:
    seat = charter.members.get(member) if charter else None
    return f"{seat.name} ({seat.speaks_for})" if seat else member
