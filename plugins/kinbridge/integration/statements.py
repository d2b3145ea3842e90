"""The SQL below `include/sql/integrated` and `include/sql/mart` as relations, each with the queries that fill it. Pure.

Understood by `sqlglot`, without a database. What cannot be understood is an error with its line, never passed over: a
statement that nobody can read might make a figure of anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# What fills nothing.
_IDLE = (exp.Analyze, exp.Delete, exp.Drop)
_BLOCK = re.compile(r"^DO \$\$(.*?)^\$\$;", re.DOTALL | re.MULTILINE)
_FILLED = re.compile(r"\b(?:UPDATE|INSERT\s+INTO)\s+([\w.]+)", re.IGNORECASE)
_NAME = re.compile(r"\b[a-z_]+(?:\.[a-z_]+)?\b")
# Only here `record` is read, and the conditions here are the gates' and no use of what they look at.
GATE_FILE = "00_usable.sql"


@dataclass(frozen=True)
class Filling:
    """One query that fills columns of a relation; `columns` are in the order of its SELECT. `updates`: it changes rows
    of `relation` that are there. Lines of the query's columns count from `line`. Of a block, which is not read, `named`
    is everything that it names, and there is no query."""

    relation: str
    columns: tuple[str, ...]
    query: exp.Query | None
    path: Path
    line: int
    updates: bool = False
    named: tuple[str, ...] = ()

    @property
    def gate(self) -> bool:
        """Whether it is one of the gate's views."""
        return self.path.name == GATE_FILE


class NotUnderstood(Exception):
    """A statement of which it cannot be told what it makes of what."""

    def __init__(self, path: Path, line: int, text: str) -> None:
        super().__init__(text)
        self.path, self.line, self.text = path, line, text


def plain_name(name: str) -> str:
    """A relation's name as this package compares it: what is built is called the same in its temporary form."""
    return re.sub(r"^(?:pg_temp|integrated|identity(?=\.family_child$))\.", "", name.lower())


def fillings(path: Path, text: str) -> list[Filling]:
    """All that fills a relation in one file. Raises `NotUnderstood`."""
    blocks = [(text.count("\n", 0, m.start()), m.group(1)) for m in _BLOCK.finditer(text)]
    # Blocks are taken out, line breaks kept; sqlglot does not know what becomes of temporary tables at a commit.
    text = _BLOCK.sub(lambda m: "\n" * m.group(0).count("\n"), text).replace(" ON COMMIT DROP", "")
    found = [one for line, block in blocks for one in _of_block(path, line, block)]
    for line, statement in _statements(text):
        try:
            tree = sqlglot.parse_one(statement, read="postgres")
        except SqlglotError:
            raise NotUnderstood(path, line + 1, "not readable as SQL") from None
        _name_all(tree)
        found += _of(path, line, tree)
    return found


def _name_all(tree: exp.Expression) -> None:
    """Give a name to what a SELECT computes and does not name, so that it can be asked for."""
    for select in tree.find_all(exp.Select):
        named = [
            value if value.output_name or isinstance(value, exp.Star) else exp.alias_(value.copy(), f"_{number}")
            for number, value in enumerate(select.expressions, 1)
        ]
        select.set("expressions", named)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the number of lines before it. None of ours has a semicolon or a dash within a text."""
    line = 0
    for part in re.sub(r"--[^\n]*", "", text).split(";"):
        if part.strip():
            before = part[: len(part) - len(part.lstrip())]
            yield line + before.count("\n"), part.strip()
        line += part.count("\n")


def _of(path: Path, line: int, tree: exp.Expression) -> Iterable[Filling]:
    if isinstance(tree, exp.Create) and isinstance(tree.expression, exp.Query):
        name = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        return [Filling(_relation(name), tuple(tree.expression.named_selects), tree.expression, path, line)]
    if isinstance(tree, exp.Create) and tree.kind in {"TABLE", "INDEX"}:
        return []
    if isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Query) and isinstance(tree.this, exp.Schema):
        columns = tuple(column.name for column in tree.this.expressions)
        return [Filling(_relation(tree.this.this), columns, tree.expression, path, line)]
    if isinstance(tree, exp.Update):
        return [_of_update(path, line, tree)]
    if isinstance(tree, _IDLE):
        return []
    raise NotUnderstood(path, line + 1, "a statement of which it cannot be told what it makes of what")


def _of_update(path: Path, line: int, tree: exp.Update) -> Filling:
    """As a SELECT over the rows that are there: `SET a = x` gives x as a."""
    given = {pair.this.name: pair.expression for pair in tree.expressions}
    query = exp.select(*(exp.alias_(value.copy(), name) for name, value in given.items())).from_(tree.this.copy())
    joined = tree.args.get("from_")
    if joined is not None:
        query = query.join(joined.this.copy(), join_type="CROSS")
    if tree.args.get("where") is not None:
        query = query.where(tree.args["where"].this.copy())
    return Filling(_relation(tree.this), tuple(given), query, path, line, updates=True)


def _of_block(path: Path, line: int, block: str) -> Iterator[Filling]:
    """A block is not read: every relation that it fills is taken to be made of all that it names."""
    names = tuple(sorted({plain_name(name) for name in _NAME.findall(block)}))
    for target in sorted({plain_name(name) for name in _FILLED.findall(block)}):
        yield Filling(target, (), None, path, line, named=names)


def _relation(table: exp.Expression) -> str:
    return plain_name(".".join(part.name for part in table.parts if part.name))
