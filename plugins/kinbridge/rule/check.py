"""Holds laws and classes against each other and against everything else that is declared.

Collects every mistake with file and line; it never stops at the first and never changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kinbridge.declaration.document import Problem
from kinbridge.law.check import law_problems
from kinbridge.law.demand import Kind, Value
from kinbridge.law.model import LawClause
from kinbridge.law.reader import DeclaredLaws, read_declared_laws
from kinbridge.rule.meet import at_least_as_strict

# What the fallback answers for. Counts name nobody, so of what is published only the minimum is asked; whether data may
# come and be linked is for the agreement to say. A notice is one clause's own.
COMPARED = {
    "collect": frozenset({Kind.RETENTION_MONTHS}),
    "publish": frozenset({Kind.MINIMUM_CELL}),
    "release": frozenset(Kind) - {Kind.NOTICE, Kind.NAMED_RECIPIENTS},
}


def check_laws(columns: Mapping[str, set[str]], folders: Sequence[Path] | None = None) -> list[Problem]:
    """Every mistake in the laws and classes of the folders (by default the include folders), sorted by file and line.

    `columns` are the contract names of the columns of each feed. Codes: those of `law.check.law_problems`; KB-J17 the
    fallback is looser than a clause of a law, or is meant for some classes only.
    """
    declared = read_declared_laws(folders)
    problems = [*law_problems(declared, columns, folders), *_fallback(declared)]
    return sorted(problems, key=lambda p: (str(p.path), p.line, p.code, p.text))


def _fallback(declared: DeclaredLaws) -> Iterator[Problem]:
    """KB-J17: whatever a law demands of data that have a class, the fallback demands at least as much of all others."""
    fallback = declared.classification.fallback
    for clause in fallback:
        if clause.scope.classes or clause.scope.roles or clause.scope.unless_cited or clause.scope.where_cited:
            text = f"{clause.id} binds some data only; the fallback is for whatever has no class"
            yield Problem("KB-J17", clause.path, clause.line, text)
    for action, kinds in COMPARED.items() if fallback else ():
        given: dict[Kind, list[Value]] = {}
        for own in fallback:
            for kind, value in own.demands.items() if action in own.scope.actions else ():
                given.setdefault(kind, []).append(value)
        for clause in (clause for law, _ in declared.laws for clause in law.clauses):
            if action in clause.scope.actions:
                for kind in kinds & set(clause.demands):
                    if not any(at_least_as_strict(kind, value, clause.demands[kind]) for value in given.get(kind, ())):
                        text = f"the fallback is looser than {clause.law_id}/{clause.id}: {kind} at {action}"
                        yield Problem("KB-J17", fallback[0].path, _line(fallback, action), text)


def _line(fallback: Sequence[LawClause], action: str) -> int:
    """Where the fallback speaks of the action, or begins."""
    return next((clause.line for clause in fallback if action in clause.scope.actions), fallback[0].line)
