"""A feed's transform held against its contract, its agreement, its crosswalks and the common schema."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from kinbridge.contract.model import Feed
from kinbridge.declaration.document import Problem
from kinbridge.load.crosswalk import crosswalks
from kinbridge.load.lineage import Lineage, NotOneSelect, lineage
from kinbridge.load.transform import Statement, read_transform
from kinbridge.standards import Element, common_schema

Schema = dict[str, list[Element]]


def transform_problems(feed: Feed, allowed: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with the feed's `transform.sql`; `allowed` are the columns that an agreement names."""
    statements, problems = read_transform(feed.folder / "transform.sql")
    yield from problems
    try:
        tables = {c.name: set(c.columns) for c in crosswalks(feed)}
    except (ValueError, csv.Error):
        return  # said by the shapes of the crosswalks
    schema = common_schema()
    closing = {s.target for s in statements if set(feed.extent.scope) <= _columns(schema, s.target)}
    if feed.extent.closes and statements and not closing:
        yield Problem("KB-C35", feed.path, 1, "no table that the transform fills has the columns of intake.scope")
    for statement in statements:
        try:
            found = lineage(statement)
        except NotOneSelect as error:
            yield Problem("KB-C34", statement.path, error.line, error.text)
            continue
        yield from _outputs(schema, statement, found)
        for column in feed.extent.scope:
            if statement.target in closing and column not in found.outputs:
                text = f"the SELECT for {statement.target} lacks {column}, which intake.scope names"
                yield Problem("KB-C35", statement.path, statement.line, text)
        yield from _inputs(feed, allowed, tables, statement, found)


def _columns(schema: Schema, target: str) -> set[str]:
    return {element.column for element in schema.get(target, ())}


def _outputs(schema: Schema, statement: Statement, found: Lineage) -> Iterator[Problem]:
    elements = schema.get(statement.target)
    if elements is None:
        text = f"the common schema has no table {statement.target}"
        yield Problem("KB-C35", statement.path, statement.line, text)
        return
    columns = {e.column for e in elements}
    for output in found.outputs:
        if output not in columns and output != "line_no":
            yield Problem("KB-C35", statement.path, statement.line, f"{statement.target} has no column {output}")
    if len(set(found.outputs)) < len(found.outputs):
        yield Problem("KB-C35", statement.path, statement.line, "a column is given twice")
    needed = ["line_no", *(e.column for e in elements if e.key or not e.nullable)]
    for column in needed:
        if column not in found.outputs:
            yield Problem("KB-C35", statement.path, statement.line, f"the SELECT for {statement.target} lacks {column}")


def _inputs(
    feed: Feed, allowed: frozenset[str], tables: dict[str, set[str]], statement: Statement, found: Lineage
) -> Iterator[Problem]:
    declared = {c.name for c in feed.columns}
    for relation in sorted(found.relations - {"source", *tables}):
        yield Problem(
            "KB-C36", statement.path, statement.line, f"it reads {relation}: a transform reads source and codes_* only"
        )
    for use in found.uses:
        if not use.relation:
            yield Problem("KB-C36", statement.path, use.line, f"say from which relation {use.column} comes")
        elif use.relation == "source" and use.column not in declared | {"line_no"}:
            yield Problem("KB-C36", statement.path, use.line, f"the contract has no column {use.column}")
        elif use.relation == "source" and use.column not in allowed | {"line_no"}:
            yield Problem("KB-C37", statement.path, use.line, f"no agreement covers {feed.id} {use.column}")
        elif use.relation in tables and use.column not in tables[use.relation]:
            yield Problem("KB-C36", statement.path, use.line, f"{use.relation} has no column {use.column}")
