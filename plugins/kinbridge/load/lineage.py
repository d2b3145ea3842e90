"""What a transform reads and writes, told by `sqlglot` without a database: the proof that nothing uncovered is used."""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from kinbridge.load.transform import Statement


@dataclass(frozen=True)
class Use:
    """One column that a statement reads: the relation (`source`, `codes_race`), the column, the line in the file."""

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
    try:
        parsed = [tree for tree in sqlglot.parse(statement.sql, read="postgres") if tree is not None]
    except ParseError as error:
        line = error.errors[0].get("line", 1) if error.errors else 1
        raise NotOneSelect(statement.line + int(line or 1), "not readable as SQL") from None
    except TokenError:
        raise NotOneSelect(statement.line, "not readable as SQL") from None
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise NotOneSelect(statement.line, "expected one SELECT for each `-- target:` line")
    tree = parsed[0]
    if next(tree.find_all(exp.Star), None) is not None and not list(tree.find_all(exp.Count)):
        raise NotOneSelect(statement.line, "name every column: `*` would take in what nobody reviewed")
    names = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    aliases = {
        table.alias_or_name: table.name for table in tree.find_all(exp.Table) if table.name and table.name not in names
    }
    return Lineage(
        outputs=tuple(tree.named_selects),
        relations=frozenset(aliases.values()),
        uses=tuple(_uses(tree, aliases, statement)),
    )


def _uses(tree: exp.Expr, aliases: dict[str, str], statement: Statement) -> list[Use]:
    only = next(iter(aliases.values())) if len(aliases) == 1 else None
    found = []
    for column in tree.find_all(exp.Column):
        relation = aliases.get(column.table) if column.table else only
        if relation is not None:
            line = statement.line + int((column.this.meta or {}).get("line", 1))
            found.append(Use(relation, column.name, line))
    return found
