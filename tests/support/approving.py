"""Decisions that approve what a test declares: taken on paper by everybody whom the charter asks.

Where a test's site has no charter, it is given a small one; where it stands beside the project's own, its partner is
given a seat.
"""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

from kinbridge.agreement.reader import read_declared
from kinbridge.decision.draft import Minutes, paper_text
from kinbridge.decision.paper import read_papers
from kinbridge.decision.standard import KIND as STANDARD
from kinbridge.decision.standard import standard
from kinbridge.decision.text import Text, of_agreement, of_use_case
from kinbridge.governance.charter import KINDS, Charter
from kinbridge.governance.reader import read_charters
from kinbridge.settings import HOME, include_folders

BODY = "board"
RULE = "rule: approvals, approvals: 1, different: people, own_partner: true, days: 1"
CHARTER = f"""\
version: 1.0.0
effective: 2019-01-01
bodies:
  {BODY}: {{ name: Board, quorum: 1, members: [chair] }}
  stewards: {{ name: Stewards, quorum: 1, members: [chair] }}
members:
  chair: {{ name: A Chair, partner: data_office, email: chair@example.org, login: admin, from: 2019-01-01 }}
needs:
{"".join(f"  {kind}: {{ body: {BODY}, {RULE} }}" + chr(10) for kind in KINDS)}"""
MEMBER = "  {id}: {{ name: Of {id}, partner: {partner}, email: {id}@example.org, from: {day}, bodies: [{body}] }}\n"


def approve(include: Path) -> list[Path]:
    """Approve every agreement and use case of this include folder as they stand now, and a standard of its own.

    Returns the paper decisions. Called again after a change, it approves the changed text instead.
    """
    folders = [*include_folders(), include] if include not in include_folders() else include_folders()
    governance = include / "governance"
    assert not governance.resolve().is_relative_to(HOME), "the project's own decisions are nobody's to write over"
    shutil.rmtree(governance / "decisions", ignore_errors=True)
    (governance / "decisions").mkdir(parents=True)
    if not read_charters(folders).versions:
        (governance / "charter.yaml").write_text(CHARTER, encoding="utf-8")
    declared = read_declared([include])
    found: list[Text] = [
        *(of_agreement(agreement) for agreement, _ in declared.agreements),
        *(of_use_case(use_case) for use_case, _ in declared.use_cases),
    ]
    if (include / "standards" / "standard.yaml").exists():
        one = standard(include)
        found.append(Text(STANDARD, one.id, one.version, one.digest, "The standard"))
    [charter, *_] = read_charters(folders).versions
    # A new member joins after the last decision: whoever had a vote was asked then, and they had none.
    papers, _ = read_papers([folder for folder in folders if folder != include])
    day = max([charter.effective, *(paper.proposed_on + timedelta(days=1) for paper in papers)])
    _seat(governance, charter, day, {partner for text in found for partner in text.partners})
    [charter, *_] = read_charters(folders).versions
    return [_decide(governance / "decisions", charter, day, text) for text in found]


def _seat(governance: Path, charter: Charter, day: date, partners: set[str]) -> None:
    """Give each partner that has none a seat where agreements are decided on."""
    body = charter.needs["agreement"].body
    seated = {charter.members[name].partner for name in charter.bodies[body].members}
    (governance / "members").mkdir(exist_ok=True)
    for partner in sorted(partners - seated):
        text = MEMBER.format(id=f"of_{partner}", partner=partner, body=body, day=day)
        (governance / "members" / f"{partner}.yaml").write_text(f"members:\n{text}", encoding="utf-8")


def _decide(folder: Path, charter: Charter, day: date, text: Text) -> Path:
    need = charter.needs[text.kind]
    asked = tuple(member.id for member in charter.asked_for(need, day))
    path = folder / f"{text.kind}_{text.subject}_{text.version}.yaml"
    minutes = Minutes(
        text=text,
        body=need.body,
        options=("Approve",),
        reasons="A test needs it.",
        proposed_by="A Tester",
        proposed_on=day,
        asked=asked,
        ballots=tuple((one, "approve", "") for one in asked),
        outcome="approved",
        decided_on=day,
        effective=day,
        recorded_by="A Tester",
        evidence="None, it is fictional",
    )
    path.write_text(paper_text(path.stem, minutes), encoding="utf-8")
    return path
