"""Decisions that were taken on paper: `governance/decisions/*.yaml`, reviewed in a pull request.

Each is held against the charter of its day, as one in the register is. An approval that does not satisfy it counts for
nothing; a rejection counts in any case, since what was refused must not come in by a clerical mistake. Reads files and
no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from kinbridge.decision.approvals import Decided
from kinbridge.decision.entitlement import refuse
from kinbridge.decision.model import Ballot, Choice, Proposal, Question, Standing, State
from kinbridge.decision.tally import tally
from kinbridge.declaration.clause import near
from kinbridge.declaration.document import Document, DocumentError, Key, Problem, read_document
from kinbridge.declaration.shape import Shape
from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import KINDS, Charter, Charters, Need
from kinbridge.governance.reader import CODE, FOLDER, raise_first, read_charters
from kinbridge.settings import include_folders

NOT_BY_CHARTER = "KB-G03"
BALLOT = ("member", "choice", "day", "reason")
OUTCOMES = tuple(state.value for state in State if state is not State.OPEN)


@dataclass(frozen=True)
class PaperDecision:
    """One paper decision as its file has it. Both `effective` and `decided_on` are days."""

    id: str
    proposal: Proposal
    body: str
    proposed_on: date
    asked: tuple[str, ...]
    ballots: tuple[Ballot, ...]
    outcome: State
    decided_on: date
    effective: date
    recorded_by: str
    evidence: str
    document: Document

    @property
    def place(self) -> str:
        """File and line, as messages name it."""
        return f"{near(self.document.path)}:{self.document.line('outcome')}"


@dataclass(frozen=True)
class Judged:
    """A paper decision with what the charter makes of it: `problems` is empty when it counts."""

    decision: PaperDecision
    standing: Standing | None
    problems: tuple[Problem, ...]

    @property
    def decided(self) -> Decided | None:
        """What the gates go by; None where it counts for nothing."""
        paper = self.decision
        counts = not self.problems if paper.outcome is State.APPROVED else paper.outcome is State.REJECTED
        if not counts:
            return None
        one = paper.proposal
        return Decided(
            kind=one.kind,
            subject=one.subject,
            version=one.version,
            digest=one.digest,
            approved=paper.outcome is State.APPROVED,
            effective=paper.effective,
            decided_on=paper.decided_on,
            place=paper.place,
            partners=frozenset(one.concerned),
        )


def counted_decisions(folders: Sequence[Path] | None = None) -> list[Decided]:
    """The paper decisions that count.

    Raises `KinbridgeError` KB-G01 for the first charter or paper decision that cannot be read whole: a run that cannot
    read all of what was decided does not know what was refused.
    """
    papers, problems = read_papers(folders)
    raise_first(problems)
    charters = read_charters(folders) if papers else Charters(())
    return [found for paper in papers if (found := judge(paper, charters).decided) is not None]


def read_papers(folders: Sequence[Path] | None = None) -> tuple[list[PaperDecision], list[Problem]]:
    """The paper decisions of the folders (by default the include folders), and every problem with the shape of one."""
    papers: list[PaperDecision] = []
    problems: list[Problem] = []
    for folder in include_folders() if folders is None else folders:
        for path in sorted((folder / FOLDER / "decisions").glob("*.yaml")):
            try:
                shape = Shape(read_document(path), code=CODE)
            except DocumentError as error:
                problems.append(replace(error.problem, code=CODE))
                continue
            paper = _paper(shape)
            if not shape.problems:
                papers.append(paper)
            problems.extend(shape.problems)
    return papers, problems


def judge(paper: PaperDecision, charters: Charters) -> Judged:
    """The paper decision held against the charter that was in force on the day of the proposal."""
    charter = charters.on(paper.proposed_on)
    if charter is None:
        return Judged(paper, None, (_problem(paper, "no charter was in force on that day", "proposed_on"),))
    need = charter.needs.get(paper.proposal.kind)
    if need is None or need.body not in charter.bodies:
        text = f"the charter {charter.version} does not say who decides on the kind {paper.proposal.kind}"
        return Judged(paper, None, (_problem(paper, text, "kind"),))
    problems = [*_days(paper), *_asked(paper, charter, need), *_ballots(paper, charter, need)]
    if problems:
        return Judged(paper, None, tuple(problems))
    standing = tally(charter, need, _question(paper, need), paper.ballots, paper.decided_on, met=True)
    if standing.state is not paper.outcome:
        text = f"by the charter {charter.version} the outcome is {standing.state}: {standing.why}"
        problems.append(_problem(paper, text, "outcome"))
    return Judged(paper, standing, tuple(problems))


def _question(paper: PaperDecision, need: Need) -> Question:
    closes_on = paper.proposed_on + timedelta(days=need.days)
    return Question(paper.proposal.proposed_by, paper.proposal.concerned, paper.asked, closes_on)


def _days(paper: PaperDecision) -> Iterator[Problem]:
    if paper.decided_on < paper.proposed_on:
        yield _problem(paper, "decided_on lies before proposed_on", "decided_on")
    if paper.effective < paper.decided_on:
        yield _problem(paper, "effective lies before decided_on: nothing is approved for the past", "effective")


def _asked(paper: PaperDecision, charter: Charter, need: Need) -> Iterator[Problem]:
    """Whoever has a vote is asked, and so are advisers and, where the charter wants it, families."""
    if paper.body != need.body:
        text = f"the charter {charter.version} has {need.body} decide on the kind {need.kind}"
        yield _problem(paper, text, "body")
    proposer = charter.person(paper.proposal.proposed_by)
    for member in charter.asked_for(need, paper.proposed_on):
        if member.id not in paper.asked and charter.person(member.id) != proposer:
            yield _problem(paper, f"{member.id} was not asked", "asked")
    for index, one in enumerate(paper.asked):
        if one not in charter.members:
            yield _problem(paper, f"{one} is no member by the charter {charter.version}", "asked", index)


def _ballots(paper: PaperDecision, charter: Charter, need: Need) -> Iterator[Problem]:
    question = _question(paper, need)
    for index, ballot in enumerate(paper.ballots):
        if not paper.proposed_on <= ballot.on <= paper.decided_on:
            yield _problem(paper, f"{ballot.member} answered outside the days of the decision", "ballots", index)
        try:
            refuse(charter, question, paper.ballots[:index], ballot, paper.proposal.subject)
        except KinbridgeError as error:
            text = str(error).split(" Next: ", maxsplit=1)[0].removeprefix(f"{error.code}: ").rstrip(".")
            yield _problem(paper, text, "ballots", index)


def _problem(paper: PaperDecision, text: str, *where: Key) -> Problem:
    return paper.document.problem(NOT_BY_CHARTER, text, *where)


def _paper(read: Shape) -> PaperDecision:
    decided_on = read.day("decided_on")
    outcome = read.choice(OUTCOMES, "outcome")
    proposal = Proposal(
        kind=read.choice(KINDS, "kind"),
        subject=read.text("subject"),
        version=read.optional_text("version"),
        digest=read.text("digest"),
        title=read.text("title"),
        reasons=read.text("reasons"),
        proposed_by=read.text("proposed_by"),
        partners=read.optional_texts("partners"),
        options=read.texts("options"),
    )
    return PaperDecision(
        id=read.text("id"),
        proposal=proposal,
        body=read.text("body"),
        proposed_on=read.day("proposed_on"),
        asked=read.texts("asked"),
        ballots=tuple(_ballot(read, index, decided_on) for index in read.items("ballots")),
        outcome=State(outcome) if outcome in OUTCOMES else State.LAPSED,
        decided_on=decided_on,
        effective=read.day("effective"),
        recorded_by=read.text("recorded_by"),
        evidence=read.text("evidence"),
        document=read.document,
    )


def _ballot(read: Shape, index: int, decided_on: date) -> Ballot:
    where = ("ballots", index)
    given = read.value(*where)
    # YAML reads the name `on` as true: what is not known is refused, and not passed over.
    for name in (name for name in (given if isinstance(given, dict) else ()) if name not in BALLOT):
        read.refuse(f"a ballot has {', '.join(BALLOT)}, and no {name}", *where)
    choice = read.choice(tuple(Choice), *where, "choice")
    return Ballot(
        member=read.text(*where, "member"),
        choice=Choice(choice) if choice in tuple(Choice) else Choice.ABSTAIN,
        on=decided_on if read.value(*where, "day") is None else read.day(*where, "day"),
        reason=read.optional_text(*where, "reason"),
    )
