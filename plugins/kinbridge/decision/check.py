"""Holds the declarations against the decisions: what is used without approval, changed since, or refused.

Looks at paper decisions only, since declarations are checked where no database is; a decision that the register took is
written down by `kinbridge decision paper`. Collects every mistake with file and line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from kinbridge.agreement.reader import Declared, read_declared
from kinbridge.decision.approvals import Approvals
from kinbridge.decision.paper import PaperDecision, judge, read_papers
from kinbridge.decision.text import Text, texts
from kinbridge.declaration.document import Problem
from kinbridge.errors import KinbridgeError
from kinbridge.governance.check import charter_problems
from kinbridge.governance.reader import read_declared_charters
from kinbridge.partner.profile import partners

CODES = {"missing": "KB-G04", "changed": "KB-G05", "rejected": "KB-G06"}


def governance_problems(folders: Sequence[Path] | None = None, declared: Declared | None = None) -> list[Problem]:
    """Every mistake in charter and paper decisions, and every declared text that they do not approve.

    KB-G01 and KB-G02 as `charter_problems` has them; KB-G03 a paper decision that the charter does not bear out;
    KB-G04 no approval; KB-G05 changed since it was approved; KB-G06 rejected, and an element that was rejected.
    """
    today = datetime.now(UTC).date()
    found = declared or read_declared(folders)
    known = {*partners(), *(party.code for one, _ in found.agreements for party in one.parties)}
    problems = charter_problems(known, today, folders)
    charters = read_declared_charters(folders).charters
    papers, unreadable = read_papers(folders)
    problems.extend(unreadable)
    problems.extend(_twice(papers))
    judged = [judge(paper, charters) for paper in papers]
    problems.extend(problem for one in judged for problem in one.problems)
    approvals = Approvals(tuple(one.decided for one in judged if one.decided is not None), date.max)
    try:
        declared_texts = texts(folders, found)
    except KinbridgeError as error:
        facts = error.facts
        declared_texts = []
        problems.append(Problem(error.code, Path(facts["path"]), facts["line"], facts["problem"]))
    problems.extend(problem for text in declared_texts for problem in _undecided(text, approvals))
    problems.extend(_rejected_elements(found, approvals))
    return problems


def _twice(papers: Sequence[PaperDecision]) -> Iterator[Problem]:
    seen: dict[str, Path] = {}
    for paper in papers:
        if paper.id in seen:
            text = f"the decision {paper.id} is declared in {seen[paper.id].name} already"
            yield paper.document.problem("KB-G03", text, "id")
        seen.setdefault(paper.id, paper.document.path)


def _undecided(text: Text, approvals: Approvals) -> Iterator[Problem]:
    found = approvals.standing(text.kind, text.subject, text.version, text.digest, partners=text.partners)
    if found == "approved" or text.path is None or (found == "missing" and text.draft):
        return
    what = {
        "missing": f"no decision approves the {text.kind} {text.name} with this text; `kinbridge decision draft "
        f"{text.kind} {text.subject}` writes the skeleton of one",
        "changed": f"the {text.kind} {text.name} was changed since it was approved",
        "rejected": f"the {text.kind} {text.name} was rejected",
    }[found]
    yield Problem(CODES[found], text.path, text.line, what)


def _rejected_elements(declared: Declared, approvals: Approvals) -> Iterator[Problem]:
    for agreement, document in declared.agreements:
        for feed, elements in agreement.feeds.items():
            for element in sorted(elements & approvals.rejected_elements(feed)):
                decision = approvals.rejection_of(feed, element)
                assert decision is not None
                index = document.data["feeds"][feed]["elements"].index(element)
                text = f"{element} of {feed} was rejected on {decision.decided_on} ({decision.place}), and stays unread"
                yield document.problem("KB-G06", text, "feeds", feed, "elements", index)
