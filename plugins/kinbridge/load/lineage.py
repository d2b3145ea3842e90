"""What a transform reads and writes, told by `sqlglot` without a database: the proof that nothing uncovered is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, TokenError
from sqlglot.optimizer.scope import Scope, traverse_scope

from kinbridge.load.transform import Statement

# A SELECT may not change anything, not even inside a WITH.
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.Command, exp.DDL)


@dataclass(frozen=True)
class Use:
    """One column that a statement reads: the relation (`source`, `codes_race`), the column, the line in the file.

    `relation` is empty where the text does not tell from which of several relations the column comes.
    """

    relation: str
    column: str
    line: int


@dataclass(frozen=True)
class Lineage:
    """A statement's outputs (column names in order), the relations it reads, and every column it uses of them."""

    outputs: tuple[str, ...]
    relations: frozenset[str]
    uses: tuple[Use, ...]


class NotOneSelect(Exception):
    """The text is not one SELECT that can be understood; `line` is relative to the file."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        self.text = text
        super().__init__(text)


def lineage(statement: Statement) -> Lineage:
    """Read one statement. Raises `NotOneSelect` for anything but a SELECT whose columns are all named."""
    tree = parsed(statement)
    star = next((star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count)), None)
    if star is not None:
        raise NotOneSelect(statement.line, "name every column: `*` would take in what nobody reviewed")
    if any(join.args.get("using") or join.method == "NATURAL" for join in tree.find_all(exp.Join)):
        raise NotOneSelect(statement.line, "join with ON: USING and NATURAL do not say whose columns they compare")
    try:
        scopes = traverse_scope(tree)
    except OptimizeError:
        raise NotOneSelect(statement.line, "one name stands for two relations") from None
    tables = (source for scope in scopes for source in scope.sources.values() if isinstance(source, exp.Table))
    return Lineage(
        outputs=tuple(tree.named_selects),
        relations=frozenset(_relation(table) for table in tables),
        uses=tuple(sorted(set(_uses(scopes, statement)), key=lambda use: (use.line, use.relation, use.column))),
    )


def parsed(statement: Statement) -> exp.Query:
    """The statement's tree. Raises `NotOneSelect` for anything but one SELECT that changes nothing."""
    try:
        parsed = [tree for tree in sqlglot.parse(statement.sql, read="postgres") if tree is not None]
    except ParseError as error:
        line = error.errors[0].get("line", 1) if error.errors else 1
        raise NotOneSelect(statement.line + int(line or 1), "not readable as SQL") from None
    except TokenError:
        raise NotOneSelect(statement.line, "not readable as SQL") from None
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query) or parsed[0].find(*_CHANGES):
        raise NotOneSelect(statement.line, "expected one SELECT for each `-- target:` line")
    return parsed[0]


def _uses(scopes: list[Scope], statement: Statement) -> Iterator[Use]:
    # Inner queries come first; a column that stands in one belongs to it unless it names what surrounds it.
    told: set[int] = set()
    for scope in scopes:
        for column in scope.columns:
            source = scope.sources.get(column.table) if column.table else _only(scope)
            if id(column) in told or (column.table and source is None and not scope.is_root):
                continue
            told.add(id(column))
            line = statement.line + int(column.this.meta.get("line", 1))
            if source is None:
                yield Use("", f"{column.table}.{column.name}" if column.table else column.name, line)
            elif isinstance(source, exp.Table):
                yield Use(_relation(source), column.name, line)


def _only(scope: Scope) -> exp.Expr | Scope | None:
    """What a column without a relation comes from: the one source, or None when there are several."""
    return next(iter(scope.sources.values())) if len(scope.sources) == 1 else None


def _relation(table: exp.Table) -> str:
    """The relation's name with its schema, if it has one; a function's call as it is written."""
    if not isinstance(table.this, exp.Identifier):
        return str(table.this.sql())
    return ".".join(part.name for part in table.parts)
