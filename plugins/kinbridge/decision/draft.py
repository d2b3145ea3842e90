"""The skeleton of a paper decision: everything that the declarations and the charter know is filled in, and what people
decided is marked.

As it is written it approves nothing: its outcome is `lapsed` until somebody enters the one of the minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from pathlib import Path

from kinbridge.check.decisions import MARK
from kinbridge.decision.register import Registered
from kinbridge.decision.text import Text, text_of
from kinbridge.draft.contract import scalar
from kinbridge.draft.unsigned import Written, write_all
from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import Charter, Need
from kinbridge.governance.reader import FOLDER, charter_on
from kinbridge.settings import include_folders


@dataclass(frozen=True)
class Minutes:
    """What the minutes say of one decision, as a paper decision has it. `marks` go behind the values of these names.

    `ballots` are member, choice and reason; the empty reason is left out.
    """

    text: Text
    body: str
    options: tuple[str, ...]
    reasons: str
    proposed_by: str
    proposed_on: date
    asked: tuple[str, ...]
    ballots: tuple[tuple[str, str, str], ...]
    outcome: str
    decided_on: date
    effective: date
    recorded_by: str
    evidence: str
    comment: str = "A decision that was taken on paper."
    marks: dict[str, str] = field(default_factory=dict)


def draft(
    kind: str,
    subject: str,
    day: date,
    *,
    version: str | None = None,
    out: Path | None = None,
    folders: Sequence[Path] | None = None,
) -> Written:
    """Write the skeleton for a text; `out` is the file, by default below the last include folder.

    Raises `KinbridgeError` KB-G22 (nothing of that name), KB-G10 (nobody decides on this kind), KB-G23 (the file is
    there).
    """
    text = text_of(kind, subject, version, folders)
    charter = charter_on(day, folders)
    need = charter.needs.get(kind)
    if need is None:
        raise KinbridgeError("KB-G10", day=f"{day} for the kind {kind}")
    path = out or _place(text, folders)
    if path.exists():
        raise KinbridgeError("KB-G23", path=path)
    return write_all({path: paper_text(path.stem.replace("_", "-"), _skeleton(text, charter, need, day))})


def write_down(one: Registered, by: str, *, out: Path | None = None, folders: Sequence[Path] | None = None) -> Path:
    """Write a decided proposal of the register as a paper decision; returns the file.

    Raises `KinbridgeError` KB-G26 (it is not decided) and KB-G23 (the file is there).
    """
    if one.outcome is None:
        raise KinbridgeError("KB-G26", proposal=one.proposal_id)
    proposal = one.proposal
    text = Text(proposal.kind, proposal.subject, proposal.version, proposal.digest, proposal.title, proposal.concerned)
    path = out or _place(text, folders)
    if path.exists():
        raise KinbridgeError("KB-G23", path=path)
    minutes = Minutes(
        text=text,
        body=one.body,
        options=proposal.options or (f"Approve {text.name}",),
        reasons=proposal.reasons,
        proposed_by=proposal.proposed_by,
        proposed_on=one.proposed_at.astimezone(UTC).date(),
        asked=one.asked,
        ballots=tuple((ballot.member, ballot.choice.value, ballot.reason) for ballot in one.ballots),
        outcome=one.outcome.state.value,
        decided_on=one.outcome.decided_at.astimezone(UTC).date(),
        effective=one.outcome.effective,
        recorded_by=by,
        evidence=f"Proposal {one.proposal_id} of the register",
        comment="Taken in the register, and written down.",
    )
    write_all({path: paper_text(path.stem.replace("_", "-"), minutes)})
    return path


def paper_text(name: str, one: Minutes) -> str:
    """The YAML of a paper decision."""

    def mark(of: str) -> str:
        return f" # {MARK} {one.marks[of]}" if of in one.marks else ""

    text = one.text
    lines = [
        f"# {one.comment}",
        f"id: {scalar(name)}",
        f"kind: {text.kind}",
        f"subject: {scalar(text.subject)}",
        *([f"version: {scalar(text.version)}"] if text.version else []),
        f"digest: {text.digest}",
        f"title: {scalar(text.title)}",
        *([f"partners: [{', '.join(text.partners)}]"] if text.partners else []),
        f"options:{mark('options')}",
        *(f"  - {scalar(option)}" for option in one.options),
        f"reasons: {scalar(one.reasons)}{mark('reasons')}",
        f"proposed_by: {scalar(one.proposed_by)}{mark('proposed_by')}",
        f"proposed_on: {one.proposed_on}{mark('proposed_on')}",
        f"body: {one.body}",
        f"asked: [{', '.join(one.asked)}]{mark('asked')}",
        f"ballots:{mark('ballots')}",
        *(_ballot(*ballot) for ballot in one.ballots),
        f"outcome: {one.outcome}{mark('outcome')}",
        f"decided_on: {one.decided_on}{mark('decided_on')}",
        f"effective: {one.effective}{mark('effective')}",
        f"recorded_by: {scalar(one.recorded_by)}{mark('recorded_by')}",
        f"evidence: {scalar(one.evidence)}{mark('evidence')}",
    ]
    return "\n".join(lines) + "\n"


def _ballot(member: str, choice: str, reason: str) -> str:
    said = f", reason: {scalar(reason)}" if reason else ""
    return f"  - {{ member: {member}, choice: {choice}{said} }}"


def _skeleton(text: Text, charter: Charter, need: Need, day: date) -> Minutes:
    asked = tuple(member.id for member in charter.asked_for(need, day))
    return Minutes(
        text=text,
        body=need.body,
        options=(f"Approve {text.name}", "Leave it"),
        reasons="Not written yet",
        proposed_by="nobody yet",
        proposed_on=day,
        asked=asked,
        ballots=tuple((one, "abstain", "") for one in asked),
        outcome="lapsed",
        decided_on=day,
        effective=day,
        recorded_by="Not written yet",
        evidence="Not written yet",
        comment=f"A draft. By the charter {charter.version} it needs {need.in_words}.",
        marks={
            "options": "what was weighed, the proposed one first",
            "reasons": "what it is for",
            "proposed_by": "who proposed it: the id of a member, or a name; that person has no ballot",
            "proposed_on": "the day on which members were asked",
            "ballots": "how each member answered; take out who did not",
            "outcome": "approved or rejected, as the ballots have it",
            "decided_on": "the day of the decision",
            "effective": "its first day",
            "recorded_by": "who writes this",
            "evidence": "where the minutes are",
        },
    )


def _place(text: Text, folders: Sequence[Path] | None) -> Path:
    return (folders or include_folders())[-1] / FOLDER / "decisions" / f"{_name(text)}.yaml"


def _name(text: Text) -> str:
    words = "_".join(filter(None, (text.subject, text.version)))
    return "".join(letter if letter.isalnum() else "_" for letter in f"{text.kind}_{words}")
