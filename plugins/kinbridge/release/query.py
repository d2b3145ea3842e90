"""The SELECT of a release, understood without a database: what it reads, and what each column of it is made of. Pure.

It may read `integrated` and nothing else, by functions that are known to read nothing by themselves: the role that runs
it may read more than that, and a function such as `query_to_xml` would take its own query.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node
from sqlglot.lineage import lineage as column_lineage

from kinbridge.declaration.document import Problem
from kinbridge.load.lineage import NotOneSelect, lineage
from kinbridge.load.transform import Statement
from kinbridge.release.elements import IntegratedElement, integrated_elements

PERSON = "person_id"
# Functions that sqlglot has no class of its own for, and that compute on their arguments only.
_PLAIN_FUNCTIONS = frozenset({"make_interval", "make_date", "age", "width_bucket", "justify_interval"})


@dataclass(frozen=True)
class Query:
    """What a SELECT comes to: its columns in order, the columns of `integrated` that it reads anywhere (conditions too)
    with the line, and those of which each of its own columns is made."""

    outputs: tuple[str, ...]
    reads: dict[str, int]
    made_of: dict[str, frozenset[str]]


@lru_cache(maxsize=64)
def understand(statement: Statement) -> tuple[Query | None, tuple[Problem, ...]]:
    """The query, or every reason why it cannot be run for a release (KB-T06, with the line)."""
    query, problems = _understand(statement)
    return query, tuple(problems)


def _understand(statement: Statement) -> tuple[Query | None, list[Problem]]:

    def problem(line: int, text: str) -> Problem:
        return Problem("KB-T06", statement.path, max(line, 1), text)

    try:
        found = lineage(statement)
    except NotOneSelect as error:
        return None, [problem(error.line, error.text)]
    if not found.outputs:
        return None, [problem(statement.line, "it gives no column")]
    known = integrated_elements()
    tables = {f"integrated.{element.table}" for element in known.values()}
    problems = [
        problem(statement.line, f"it reads {relation}: a release reads tables of integrated only")
        for relation in sorted(found.relations - tables)
    ]
    tree = sqlglot.parse_one(statement.sql, read="postgres")
    problems += [
        problem(statement.line, f"the function {name} is not one that a release may use") for name in _odd(tree)
    ]
    reads: dict[str, int] = {}
    for use in found.uses:
        name = f"{use.relation.removeprefix('integrated.')}.{use.column}"
        if not use.relation:
            problems.append(problem(use.line, f"say from which relation {use.column} comes"))
        elif name in known:
            reads.setdefault(name, use.line)
        elif use.relation in tables:
            problems.append(problem(use.line, f"{use.relation} has no column {use.column}"))
    if problems:
        return None, problems
    try:
        made_of = {output: _leaves(output, statement, known) for output in found.outputs}
    except SqlglotError:
        return None, [problem(statement.line, "it cannot be told what its columns are made of")]
    if len(set(found.outputs)) < len(found.outputs):
        return None, [problem(statement.line, "a column is given twice")]
    return Query(found.outputs, reads, made_of), []


def _odd(tree: exp.Expression) -> Iterator[str]:
    """Functions that are not known to read nothing; each name once."""
    seen: set[str] = set()
    for function in tree.find_all(exp.Anonymous, exp.AnonymousAggFunc, exp.UserDefinedFunction):
        name = function.name.lower()
        if name not in _PLAIN_FUNCTIONS and name not in seen:
            seen.add(name)
            yield name
    for dot in tree.find_all(exp.Dot):
        if isinstance(dot.expression, exp.Func) and dot.sql() not in seen:
            seen.add(dot.sql())
            yield dot.sql()


def _leaves(output: str, statement: Statement, known: dict[str, IntegratedElement]) -> frozenset[str]:
    """The columns of `integrated` that an output is computed from."""
    node = column_lineage(output, statement.sql, dialect="postgres", schema=_schema(known))
    found: set[str] = set()
    for leaf in node.walk():
        table = leaf.source
        if isinstance(table, exp.Table) and not leaf.downstream:
            found.add(f"{table.name}.{_column_of(leaf)}")
    return frozenset(found & set(known))


def _column_of(leaf: Node) -> str:
    return str(leaf.name).rpartition(".")[2].strip('"')


def _schema(known: dict[str, IntegratedElement]) -> dict[str, object]:
    tables: dict[str, dict[str, str]] = {}
    for element in known.values():
        tables.setdefault(element.table, {})[element.column] = "text"
    return {"integrated": tables}
