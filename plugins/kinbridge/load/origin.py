"""From which columns of the file each column of the record comes: told by `sqlglot`, without a database.

A column that only decides which rows are taken, or which of several, is no origin: nothing of it is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from kinbridge.contract.model import Feed
from kinbridge.load.lineage import NotOneSelect, parsed
from kinbridge.load.transform import Statement, read_transform

SOURCE = "source"


@dataclass(frozen=True, order=True)
class Origin:
    """One column of the record (`person.birth_date`) and the column of the file that it holds something of."""

    element: str
    column: str


def origins_of(feed: Feed) -> frozenset[Origin]:
    """All origins of the feed's transform. A statement that cannot be read has none; `kinbridge check` says so."""
    path = feed.folder / "transform.sql"
    if not path.is_file():
        return frozenset()
    statements, _ = read_transform(path)
    return frozenset(origin for statement in statements for origin in _of(statement))


def filled_by(feed: Feed) -> frozenset[str]:
    """The columns of the record that the feed's transform writes, as `person.birth_date`; also those it fills with a
    constant, which have no origin."""
    path = feed.folder / "transform.sql"
    statements, _ = read_transform(path) if path.is_file() else ([], [])
    return frozenset(name for statement in statements for name in _outputs(statement))


@lru_cache(maxsize=1024)
def _outputs(statement: Statement) -> frozenset[str]:
    try:
        return frozenset(f"{statement.target}.{name}" for name in parsed(statement).named_selects if name != "line_no")
    except NotOneSelect:
        return frozenset()


@lru_cache(maxsize=1024)
def _of(statement: Statement) -> frozenset[Origin]:
    try:
        scope = build_scope(parsed(statement))
    except (NotOneSelect, ValueError):
        return frozenset()
    if scope is None:
        return frozenset()
    return frozenset(
        Origin(f"{statement.target}.{name}", column)
        for name in scope.expression.named_selects
        for column in _columns(scope, name, ())
        if column != "line_no"
    )


def _columns(scope: Scope, output: str, above: tuple[int, ...]) -> Iterator[str]:
    """The columns of `source` that the output of the scope's query holds something of."""
    if id(scope) in above:
        return
    above = (*above, id(scope))
    if scope.set_operation_scopes:
        position = scope.expression.named_selects.index(output)
        for branch in scope.set_operation_scopes:
            names = branch.expression.named_selects
            if position < len(names):
                yield from _columns(branch, names[position], above)
        return
    for select in scope.expression.selects:
        if select.alias_or_name == output:
            for column in _held(select):
                yield from _of_column(scope, column, above)


def _held(select: exp.Expression) -> Iterator[exp.Column]:
    """The columns whose values the expression holds: not those of conditions, order and partitions."""
    if isinstance(select, exp.Column):
        yield select
        return
    skipped = {"order", "partition_by"}
    if isinstance(select, exp.Case | exp.If):
        skipped |= {"this"}
    if isinstance(select, exp.Filter | exp.Where | exp.Having):
        skipped |= {"expression"}
    for name, value in select.args.items():
        if name in skipped:
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, exp.Expression):
                yield from _held(part)


def _of_column(scope: Scope, column: exp.Column, above: tuple[int, ...]) -> Iterator[str]:
    chosen = {name: source for name, (_, source) in scope.selected_sources.items()}
    found = chosen.get(column.table) if column.table else next(iter(chosen.values()), None)
    if not column.table and len(chosen) > 1:
        return  # whose column it is, the text does not tell; `kinbridge check` refuses that
    if isinstance(found, Scope):
        yield from _columns(found, column.name, above)
    elif isinstance(found, exp.Table) and found.name == SOURCE:
        yield column.name
    elif isinstance(found, exp.Table):
        # A code of a crosswalk stands for the column with which it is joined.
        yield from _joined(scope, found, above)


def _joined(scope: Scope, table: exp.Table, above: tuple[int, ...]) -> Iterator[str]:
    for join in scope.expression.args.get("joins") or []:
        if join.this.alias_or_name == table.alias_or_name and join.args.get("on") is not None:
            for column in join.args["on"].find_all(exp.Column):
                if column.table and column.table != table.alias_or_name:
                    yield from _of_column(scope, column, above)
