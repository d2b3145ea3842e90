"""Of which elements of the common schema a table of the mart is made: told from the SQL, without a database. Pure.

What a figure holds counts, and so does what decides whether a row is in it: conditions, joins, groups. What does not:
partners' own ids, by which rows meet and which nobody counts; and the conditions of the gate (`00_usable.sql`), which
look at programs and feeds to leave somebody out. A query that cannot give the rows that are asked for, since a text of
its own says otherwise (`'referrals' AS unit` where `children` are wanted), gives nothing to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlglot import exp

from kinbridge.integration.statements import Filling, NotUnderstood, plain_name

Place = tuple[Path, int]
Made = dict[str, Place]
# A column and the texts that it may have.
Limits = frozenset[tuple[str, frozenset[str]]]

# What tells nothing of a person: the day's gates, parameters, labels, which deliveries there were.
_PLAIN = re.compile(
    r"^(ledger\.(delivery|load|account)|identity\.person_link|parameter|permitted_feed|withheld_\w+|counted_feed"
    r"|closed_output|code_label)$"
)
_PARTNERS_ID = re.compile(r"(^|_)source_\w+_id$")
NOTHING: Limits = frozenset()


class Ingredients:
    """The relations that the files fill, asked for what they are made of.

    `elements` are the names of the common schema; `tables` those of `integrated`, whose reading is the place that is
    told. Every question raises `NotUnderstood` where the answer cannot be told.
    """

    def __init__(self, filled: Iterable[Filling], elements: Iterable[str], tables: Iterable[str]) -> None:
        self.elements, self.tables = frozenset(elements), frozenset(tables)
        self._filled: dict[str, list[Filling]] = {}
        for one in filled:
            self._filled.setdefault(one.relation, []).append(one)
        self._known: dict[tuple[str, frozenset[str], Limits], Made] = {}

    def of(self, relation: str, columns: Iterable[str] | None = None, limits: Limits = NOTHING) -> Made:
        """The elements that these columns of the relation (all of them by default) and its rows are made of, each with
        a place where it is read."""
        if columns is None:
            columns = {name for one in self._filled.get(relation, ()) for name in one.columns}
        key = (relation, frozenset(columns), limits)
        if key not in self._known:
            # A relation that is filled from itself is made of nothing more by that.
            self._known[key] = {}
            found: Made = {}
            for one in self._filled.get(relation, ()):
                _add(found, self._of_filling(one, *key))
            self._known[key] = found
        return self._known[key]

    def _of_filling(self, one: Filling, relation: str, columns: frozenset[str], limits: Limits) -> Made:
        found: Made = {}
        if one.query is None:
            for name in one.named:
                if name in self._filled and name != relation:
                    _add(found, self.of(name))
            return found
        wanted = [name for name in one.columns if name in columns]
        names = dict(zip(one.columns, one.query.named_selects, strict=False))
        if len(names) < len(one.columns):
            raise NotUnderstood(one.path, one.line + 1, "name every column: what `*` takes in is not told")
        own = frozenset((names[name], texts) for name, texts in limits if name in names)
        return _Query(self, one, {}, limits).of(one.query, [names[name] for name in wanted], own, None)

    def of_source(self, name: str, columns: Mapping[str, Place], limits: Limits, one: Filling, line: int) -> Made:
        """What a relation gives to a query that reads these columns of it."""
        relation = plain_name(name)
        if relation.startswith("record."):
            if not one.gate:
                raise NotUnderstood(one.path, line, f"only the gate reads {relation}")
            entity = relation.removeprefix("record.")
            return {
                f"{entity}.{column}": place
                for column, place in columns.items()
                if f"{entity}.{column}" in self.elements and not _PARTNERS_ID.search(column)
            }
        if relation in self._filled:
            if relation not in self.tables:
                return self.of(relation, columns, limits)
            found: Made = {}
            # The place that helps is the one at which a figure reads a column of `integrated`.
            for column, place in columns.items():
                _add(found, dict.fromkeys(self.of(relation, [column], limits), place))
            _add(found, dict.fromkeys(self.of(relation, [], limits), (one.path, line)))
            return found
        if not _PLAIN.match(relation):
            raise NotUnderstood(one.path, line, f"it cannot be told what {relation} is made of")
        return {}


@dataclass
class _Source:
    """One entry of a FROM: what is read of it, and which texts its columns may have."""

    node: exp.Expression
    columns: tuple[str, ...]
    join: exp.Join | None
    needs: dict[str, Place] = field(default_factory=dict)
    limits: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def optional(self) -> bool:
        """Whether rows are there without it."""
        return self.join is not None and self.join.side == "LEFT"

    def limit(self, column: str, texts: frozenset[str]) -> None:
        """Both have to hold."""
        self.limits[column] = self.limits[column] & texts if column in self.limits else texts

    @property
    def asked(self) -> Limits:
        return frozenset(self.limits.items())


@dataclass
class _Frame:
    """The sources of one SELECT, within those of the SELECT around it."""

    sources: dict[str, _Source]
    above: _Frame | None

    def of(self, column: exp.Column) -> _Source | None:
        if column.table:
            found = self.sources.get(column.table)
            return found if found is not None else (self.above.of(column) if self.above else None)
        return next(iter(self.sources.values())) if len(self.sources) == 1 else None


class _Query:
    """Reads one filling's query. `shared` are the named queries (WITH) that are in sight."""

    def __init__(
        self, made: Ingredients, one: Filling, shared: Mapping[str, tuple[exp.Query, Any]], limits: Limits
    ) -> None:
        self.made, self.one, self.shared, self.limits = made, one, dict(shared), limits

    def of(self, query: exp.Expression, wanted: list[str], limits: Limits, above: _Frame | None) -> Made:
        """The elements that the wanted outputs, and the rows, are made of."""
        query = query.unnest() if isinstance(query, exp.Subquery) else query
        inner = _Query(self.made, self.one, self.shared, self.limits)
        for shared in query.ctes:
            inner.shared[shared.alias] = (shared.this, dict(inner.shared))
        if isinstance(query, exp.SetOperation):
            return inner._of_set(query, wanted, limits, above)
        if not isinstance(query, exp.Select):
            raise NotUnderstood(*self._place(query), "not a SELECT")
        return inner._of_select(query, wanted, limits, above)

    def _of_set(self, query: exp.SetOperation, wanted: list[str], limits: Limits, above: _Frame | None) -> Made:
        names = query.named_selects
        if query.args.get("distinct"):
            wanted = list(names)
        found: Made = {}
        for side in (query.left, query.right):
            own = dict(zip(names, side.named_selects, strict=False))
            _add(
                found,
                self.of(side, [own[n] for n in wanted], frozenset((own[n], t) for n, t in limits if n in own), above),
            )
        return found

    def _of_select(self, query: exp.Select, wanted: list[str], limits: Limits, above: _Frame | None) -> Made:
        found: Made = {}
        frame = _Frame(self._sources(query), above)
        given = {select.output_name: select.unalias() for select in query.selects}
        for name, texts in limits:
            value = given.get(name)
            if isinstance(value, exp.Literal) and value.is_string and value.this not in texts:
                return {}
            if isinstance(value, exp.Column) and (source := frame.of(value)) is not None:
                source.limit(value.name, texts)
        distinct = query.args.get("distinct")
        if distinct is not None:
            wanted = list(given)
        rows = [query.args.get(name) for name in ("where", "group", "having")]
        if distinct is not None and distinct.args.get("on"):
            rows += [distinct.args["on"], query.args.get("order")]
        self._limit(query, frame)
        if not self.one.gate:
            for part in rows:
                self._read(part, frame, given, found)
        for name in wanted:
            self._read(given[name], frame, {}, found)
        self._join(frame, found)
        # What stands later may read what stands before it.
        for source in reversed(list(frame.sources.values())):
            if not source.optional or source.needs:
                _add(found, self._of_source(source, frame, found))
        return found

    def _sources(self, query: exp.Select) -> dict[str, _Source]:
        first = query.args.get("from_")
        found: dict[str, _Source] = {}
        for node, join in [(first.this, None)] if first else []:
            found[node.alias_or_name] = _Source(node, _alias_columns(node), join)
        for join in query.args.get("joins") or []:
            if join.side in {"RIGHT", "FULL"} or join.method:
                raise NotUnderstood(*self._place(join), "join with INNER, LEFT or CROSS JOIN")
            found[join.this.alias_or_name] = _Source(join.this, _alias_columns(join.this), join)
        return found

    def _join(self, frame: _Frame, found: Made) -> None:
        """Conditions of joins decide which rows there are, but of those that only add columns which nobody reads."""
        done: set[str] = set()
        changed = True
        while changed:
            changed = False
            for alias, source in frame.sources.items():
                if alias in done or source.join is None or (source.optional and not source.needs) or self.one.gate:
                    continue
                done.add(alias)
                changed = True
                self._read(source.join.args.get("on"), frame, {}, found)
                for column in source.join.args.get("using") or []:
                    for other in list(frame.sources.values()):
                        if self._has(other, column.name):
                            other.needs.setdefault(column.name, self._place(column))

    def _has(self, source: _Source, column: str) -> bool:
        """Whether a source may have the column, as far as its text tells."""
        node = source.node
        if isinstance(node, exp.Table):
            shared = self.shared.get(node.name) if not node.args.get("db") else None
            if shared is not None:
                return column in shared[0].named_selects
            filled = self.made._filled.get(plain_name(_name(node)))
            return filled is None or any(column in one.columns for one in filled)
        return not source.columns or column in source.columns

    def _limit(self, query: exp.Select, frame: _Frame) -> None:
        """Texts that columns must have: of conditions of the whole, and of what a LEFT JOIN takes in."""
        where = query.args.get("where")
        conditions: list[tuple[exp.Expression, str | None]] = [
            (part, None) for part in _parts(where.this if where else None)
        ]
        equal: list[tuple[tuple[str, str], tuple[str, str], str | None]] = []
        for alias, source in frame.sources.items():
            if source.join is None:
                continue
            own = alias if source.optional else None
            conditions += [(part, own) for part in _parts(source.join.args.get("on"))]
            for column in source.join.args.get("using") or []:
                equal += [
                    ((other, column.name), (alias, column.name), own)
                    for other, before in frame.sources.items()
                    if other != alias and self._has(before, column.name)
                ]
        for part, own in conditions:
            column, texts = _texts(part)
            if column is not None and column.table in frame.sources and own in {None, column.table}:
                frame.sources[column.table].limit(column.name, texts)
            if (
                isinstance(part, exp.EQ)
                and isinstance(part.this, exp.Column)
                and isinstance(part.expression, exp.Column)
            ):
                equal.append(((part.this.table, part.this.name), (part.expression.table, part.expression.name), own))
        for left, right, own in equal:
            for (a, x), (b, y) in ((left, right), (right, left)):
                if a in frame.sources and b in frame.sources and own in {None, b} and x in frame.sources[a].limits:
                    frame.sources[b].limit(y, frame.sources[a].limits[x])

    def _read(
        self, node: exp.Expression | None, frame: _Frame, outputs: Mapping[str, exp.Expression], found: Made
    ) -> None:
        """Note every column that the expression reads with the source that it comes from."""
        if node is None:
            return
        if isinstance(node, exp.Query) or (isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query)):
            query = node.unnest() if isinstance(node, exp.Subquery) else node
            _add(found, self.of(query, list(query.named_selects), NOTHING, frame))
            return
        if isinstance(node, exp.Column):
            if not node.table and node.name in outputs:
                self._read(outputs[node.name], frame, {}, found)
                return
            source = frame.of(node)
            if source is None:
                if node.table or frame.sources:
                    raise NotUnderstood(*self._place(node), f"say from which relation {node.name} comes")
                return
            source.needs.setdefault(node.name, self._place(node))
            return
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise NotUnderstood(*self._place(node), "name every column: what `*` takes in is not told")
        for child in node.iter_expressions():
            self._read(child, frame, outputs, found)

    def _of_source(self, source: _Source, frame: _Frame, found: Made) -> Made:
        node = source.node
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            if not node.args.get("db") and node.name in self.shared:
                query, shared = self.shared[node.name]
                inner = _Query(self.made, self.one, shared, self.limits)
                return inner.of(query, [n for n in query.named_selects if n in source.needs], source.asked, None)
            if self.one.updates and plain_name(_name(node)) == self.one.relation:
                return self.made.of(self.one.relation, source.needs, self.limits)
            line = self._place(node)[1]
            return self.made.of_source(_name(node), source.needs, source.asked, self.one, line)
        if isinstance(node, exp.Lateral):
            node = node.this
        inner_query = node.this if isinstance(node, exp.Subquery) else node
        if isinstance(inner_query, exp.Values):
            return self._of_values(inner_query, source, frame)
        if isinstance(inner_query, exp.Query):
            names = list(inner_query.named_selects)
            renamed = dict(zip(source.columns or names, names, strict=False))
            asked = frozenset((renamed[name], texts) for name, texts in source.asked if name in renamed)
            return self.of(inner_query, [renamed[n] for n in source.needs if n in renamed], asked, frame)
        # A function: what it is given decides its rows.
        self._read(inner_query, frame, {}, found)
        return {}

    def _of_values(self, values: exp.Values, source: _Source, frame: _Frame) -> Made:
        found: Made = {}
        for row in values.expressions:
            cells = dict(zip(source.columns, row.expressions, strict=False))
            fits = all(
                not (isinstance(cells.get(name), exp.Literal) and cells[name].this not in texts)
                for name, texts in source.asked
            )
            for name in source.needs if fits else ():
                self._read(cells.get(name), frame, {}, found)
        return found

    def _place(self, node: exp.Expression) -> Place:
        for part in node.walk():
            if isinstance(part, exp.Identifier) and part.meta.get("line"):
                return self.one.path, self.one.line + int(part.meta["line"])
        return self.one.path, self.one.line + 1


def _name(table: exp.Table) -> str:
    return ".".join(part.name for part in table.parts)


def _alias_columns(node: exp.Expression) -> tuple[str, ...]:
    alias = node.args.get("alias")
    return tuple(column.name for column in alias.args.get("columns") or ()) if isinstance(alias, exp.TableAlias) else ()


def _parts(condition: exp.Expression | None) -> Iterator[exp.Expression]:
    """The conditions that must all hold."""
    if condition is None:
        return
    if isinstance(condition, exp.And):
        yield from _parts(condition.this)
        yield from _parts(condition.expression)
    elif isinstance(condition, exp.Paren):
        yield from _parts(condition.this)
    else:
        yield condition


def _texts(condition: exp.Expression) -> tuple[exp.Column | None, frozenset[str]]:
    """The column that a condition lets have these texts only, if it is such a condition."""
    if isinstance(condition, exp.EQ):
        for column, value in ((condition.this, condition.expression), (condition.expression, condition.this)):
            if isinstance(column, exp.Column) and isinstance(value, exp.Literal) and value.is_string:
                return column, frozenset({value.this})
    if isinstance(condition, exp.In) and isinstance(condition.this, exp.Column) and condition.expressions:
        values = condition.expressions
        if all(isinstance(value, exp.Literal) and value.is_string for value in values):
            return condition.this, frozenset(value.this for value in values)
    return None, frozenset()


def _add(found: Made, more: Made) -> None:
    for name, place in more.items():
        found.setdefault(name, place)
