"""The SQL of linkage in Spark's dialect.

Input: text in DuckDB's dialect; output: Spark's. sqlglot knows most of both; what it does not know, or knows otherwise
than linkage means it, stands here. Macros are Spark's by being written out where they are called. Pure text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark


@dataclass(frozen=True)
class Statement:
    """What a statement of a script does (`table`, `view` or `drop`) to `name`, with the query that fills it."""

    kind: str
    name: str
    query: str = ""


class SparkSql:
    """A translator that knows the macros it has read."""

    def __init__(self) -> None:
        self._macros: dict[str, tuple[list[str], exp.Expression]] = {}

    def statements(self, script: str) -> Iterator[Statement]:
        """The statements of `script`; macros are remembered, not given back."""
        for tree in sqlglot.parse(script, read="duckdb"):
            if isinstance(tree, exp.Drop):
                yield from (Statement("drop", table.name) for table in tree.args["tables"])
            elif isinstance(tree, exp.Create) and tree.kind == "MACRO":
                signature = tree.this
                names = [parameter.name for parameter in signature.expressions]
                self._macros[signature.this.name.lower()] = names, self._written_out(tree.expression)
            elif isinstance(tree, exp.Create):
                yield Statement(str(tree.kind).lower(), tree.this.name, self._text(tree.expression))
            elif tree is not None:
                raise ValueError(f"no statement of linkage: {tree.key}")

    def query(self, text: str) -> str:
        """A query, or an expression, in Spark's dialect."""
        return self._text(sqlglot.parse_one(text, read="duckdb"))

    def _text(self, tree: exp.Expression) -> str:
        return str(_translated(self._written_out(tree)).sql(dialect=_Dialect, comments=False))

    def _written_out(self, tree: exp.Expression) -> exp.Expression:
        """`tree` with the text of each macro in place of its call, innermost calls first."""

        def replaced(node: exp.Expression) -> exp.Expression:
            if not isinstance(node, exp.Anonymous) or node.name.lower() not in self._macros:
                return node
            names, body = self._macros[node.name.lower()]
            given = {name: self._written_out(value) for name, value in zip(names, node.expressions, strict=True)}

            def filled(inner: exp.Expression) -> exp.Expression:
                if isinstance(inner, exp.Column) and inner.name in given:
                    return _wrapped(given[inner.name].copy())
                return inner

            return _wrapped(_chosen(body.copy().transform(filled)))

        return tree.transform(replaced)


def _wrapped(tree: exp.Expression) -> exp.Expression:
    return exp.paren(tree, copy=False) if isinstance(tree, exp.Binary | exp.Unary | exp.In | exp.Between) else tree


def _chosen(tree: exp.Expression) -> exp.Expression:
    """The branch of a CASE over a literal; so placeholders of one element do not carry those of all others along."""
    if not isinstance(tree, exp.Case) or not isinstance(tree.this, exp.Literal):
        return tree
    for branch in tree.args["ifs"]:
        if branch.this == tree.this:
            return branch.args["true"]
    return tree.args["default"]


class _Dialect(Spark):  # type: ignore[misc]
    """Spark's dialect, in which 0.5 is a double and no decimal, as it is where a double meets it in DuckDB."""

    class Generator(Spark.Generator):  # type: ignore[misc]
        def literal_sql(self, expression: exp.Literal) -> str:
            text = str(super().literal_sql(expression))
            return text if expression.is_string or text.isdigit() else f"{text}D"


def _call(name: str, *arguments: Any) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _translated(tree: exp.Expression) -> exp.Expression:
    """The tree with each node as Spark has it, leaves first."""
    for node in reversed(list(tree.dfs())):
        better = _in_spark(node)
        if node is tree:
            tree = better
        elif better is not node:
            node.replace(better)
    return tree


def _in_spark(node: exp.Expression) -> exp.Expression:
    """One node of the tree, as Spark has it; what is below it has been translated."""
    if isinstance(node, exp.Anonymous):
        known = _FUNCTIONS.get(node.name.lower())
        return known(*node.expressions) if known else node
    known = _NODES.get(type(node))
    return known(node) if known else node


def _bytes(tree: exp.Expression) -> exp.Expression:
    """A text with one letter for each byte in UTF-8: DuckDB counts edits and letters by bytes, Spark by letters."""
    return _call("decode", exp.cast(tree, "binary"), exp.Literal.string("ISO-8859-1"))


def _known(name: str, one: exp.Expression, other: exp.Expression) -> exp.Expression:
    """A function of Splink's jar over bytes; it has a number for NULL, where nothing is known."""
    missing = exp.or_(exp.Is(this=one.copy(), expression=exp.null()), exp.Is(this=other.copy(), expression=exp.null()))
    return exp.Case(ifs=[exp.If(this=missing, true=exp.null())], default=_call(name, _bytes(one), _bytes(other)))


def _pattern(tree: exp.Expression) -> exp.Expression:
    """A regular expression of RE2 as Java's, where `$` would also stand before a last line end."""
    return exp.Literal.string(tree.name.replace("$", r"\z")) if tree.is_string else tree


def _replacement(tree: exp.Expression) -> exp.Expression:
    return exp.Literal.string(tree.name.replace("$", r"\$").replace("\\1", "$1")) if tree.is_string else tree


def _matches(node: exp.RegexpLike) -> exp.Expression:
    return exp.RegexpLike(this=node.this, expression=_pattern(node.expression))


def _similar(node: exp.SimilarTo) -> exp.Expression:
    whole = exp.Literal.string(rf"\A(?:{node.expression.name})\z")
    return exp.RegexpLike(this=node.this, expression=whole)


def _replaced(node: exp.RegexpReplace) -> exp.Expression:
    return _call("regexp_replace", node.this, _pattern(node.expression), _replacement(node.args["replacement"]))


def _listed(node: exp.ArrayAgg) -> exp.Expression:
    """A list; Spark has no order for what it collects, and sorts the list instead. Both engines keep it free of NULL
    where linkage asks for none."""
    value, ordered = node.this, False
    if isinstance(value, exp.Order):
        if value.this != value.expressions[0].this or len(value.expressions) > 1:
            raise ValueError("a list can be in the order of its own values only")
        value, ordered = value.this, True
    if isinstance(value, exp.Tuple):
        value = _call("struct", *value.expressions)
    collected = _call("collect_list", value)
    return _call("sort_array", collected) if ordered else collected


def _concatenated(node: exp.ArrayConcat) -> exp.Expression:
    """Lists joined; one that is NULL adds nothing."""
    return _call("concat", *(_call("coalesce", part, _call("array")) for part in [node.this, *node.expressions]))


def _quantile(node: exp.PercentileDisc) -> exp.Expression:
    return exp.WithinGroup(
        this=_call("percentile_disc", node.expression),
        expression=exp.Order(expressions=[exp.Ordered(this=node.this, nulls_first=True)]),
    )


def _sliced(values: exp.Expression, start: exp.Expression, end: exp.Expression) -> exp.Expression:
    """A part of a list, of which Spark is told the length instead of the end."""
    if start.name == "1":
        return _call("slice", values, start, end)
    length = exp.Add(this=exp.Sub(this=end, expression=start.copy()), expression=exp.Literal.number(1))
    return _call("slice", values, start, _call("greatest", length, exp.Literal.number(0)))


_FUNCTIONS: dict[str, Callable[..., exp.Expression]] = {
    "damerau_levenshtein": lambda one, other: _known("damerau_levenshtein", one, other),
    "jaccard": lambda one, other: _known("jaccard", one, other),
    "list_extract": lambda values, at: _call("try_element_at", values, at),
    "list_position": lambda values, value: _call("array_position", values, value),
    "list_slice": _sliced,
    "regexp_split_to_array": lambda text, pattern: _call("split", text, _pattern(pattern)),
    "strip_accents": lambda text: _call("kinbridge_strip_accents", text),
    "try_strptime": lambda text, form: _call("try_to_date", text, exp.Literal.string(_date_format(form.name))),
}
_NODES: dict[type[exp.Expression], Callable[[Any], exp.Expression]] = {
    exp.ArrayAgg: _listed,
    exp.ArrayConcat: _concatenated,
    exp.ArrayOverlaps: lambda node: _call("arrays_overlap", node.this, node.expression),
    exp.JarowinklerSimilarity: lambda node: _call("kinbridge_jaro_winkler", node.this, node.expression),
    exp.Levenshtein: lambda node: _call("levenshtein", _bytes(node.this), _bytes(node.expression)),
    exp.Lower: lambda node: _call("kinbridge_lower", node.this),
    exp.PercentileDisc: _quantile,
    exp.RegexpLike: _matches,
    exp.RegexpReplace: _replaced,
    exp.SimilarTo: _similar,
    exp.Upper: lambda node: _call("kinbridge_upper", node.this),
}


def _date_format(form: str) -> str:
    return form.replace("%Y", "yyyy").replace("%m", "MM").replace("%d", "dd")
