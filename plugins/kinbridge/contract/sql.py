"""SQL text that follows from a contract: quoted names, typed expressions, when a row breaks a rule.

Pure functions from declarations to text. Only declared names and values get into the text; values of a partner's data
never do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from kinbridge.contract.model import FAULT_KINDS, Column, Feed, Kind, Reference, Rule, bound

_TIME_OF_DAY = " HH:mm:ss"
WHITE_SPACE = r"E' \t\r\n'"


def ident(name: str) -> str:
    """A quoted SQL name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string (standard_conforming_strings is on, so a backslash is itself)."""
    return "'" + text.replace("'", "''") + "'"


def typed_name(column: Column) -> str:
    """The name of the column's typed twin in the typed view; text columns are their own."""
    return column.name if column.logical_type == "string" else f"{column.name}__typed"


def read_name(column: Column) -> str:
    """The name of the view's column that says whether the column's text could be read as its type."""
    return f"{column.name}__read"


def sql_type(column: Column) -> str:
    """The Postgres type of the column in the typed view."""
    if column.logical_type == "date":
        return "timestamp" if (column.date_format or "").endswith(_TIME_OF_DAY) else "date"
    return {"integer": "bigint", "number": "numeric"}.get(column.logical_type, "text")


def reference_name(reference: Reference) -> str:
    """The name of the view's column that says whether a sibling feed knows the key."""
    return "__".join(reference.columns) + "__known"


def fault_name(rule: Rule) -> str:
    """The name of the view's column that says whether a line is at fault by a rule over several rows."""
    return rule.id.replace(".", "__")


def array(values: Iterable[str]) -> str:
    """A SQL array of string literals."""
    return f"ARRAY[{', '.join(literal(value) for value in values)}]::text[]"


def in_list(values: Iterable[str]) -> str:
    """A parenthesised list of string literals. Contracts have no empty lists; SQL has none either."""
    return "(" + ", ".join(literal(v) for v in values) + ")"


def deleting(feed: Feed, alias: str) -> str:
    """The condition that a row of a delta deletes its key."""
    if feed.extent.delete_filled:
        return f"{alias}.{ident(feed.extent.change_column or '')} IS NOT NULL"
    return _changes(feed, alias, feed.extent.delete_codes)


def rekeying(feed: Feed, alias: str) -> str:
    """The condition that a row of a delta says that its key was another before."""
    return _changes(feed, alias, feed.extent.rekey_codes)


def _changes(feed: Feed, alias: str, codes: tuple[str, ...]) -> str:
    if feed.extent.change_column is None or not codes:
        return "false"
    return f"coalesce({alias}.{ident(feed.extent.change_column)} = ANY({array(codes)}), false)"


def broken(feed: Feed, rule: Rule, as_of: date) -> str | None:
    """The condition, over the typed view, under which a row breaks the rule.

    None for `unique`, which has a scan of its own, and for all file kinds.
    """
    if rule.kind is Kind.SHAPE:
        return "row_shape <> 'whole'"
    if rule.kind in FAULT_KINDS:
        return f"{ident(fault_name(rule))} = 'fault'"
    if rule.kind is Kind.REFERENCE and rule.reference:
        return f"{ident(reference_name(rule.reference))} = 'unknown'"
    if rule.kind is Kind.DATE_ORDER:
        earlier, later = (ident(typed_name(feed.column(c))) for c in rule.columns)
        return f"{earlier} > {later}"
    if rule.kind is Kind.UNIQUE or rule.scope == "file":
        return None
    if rule.pairs:
        listed = ", ".join(f"({literal(one)}, {literal(other)})" for one, other in rule.pairs)
        both = ", ".join(ident(c) for c in rule.columns)
        # Where one is missing there is no pair; NOT IN would take half of one for a pair that is not listed.
        return f"num_nulls({both}) = 0 AND ({both}) NOT IN ({listed})"
    column = feed.column(rule.columns[0])
    text, typed = ident(column.name), ident(typed_name(column))
    return _column_broken(rule, text, typed, column, as_of)


def _column_broken(rule: Rule, text: str, typed: str, column: Column, as_of: date) -> str | None:
    match rule.kind:
        case Kind.PRESENCE:
            return f"{text} IS NULL"
        case Kind.TYPE:
            return f"{text} IS NOT NULL AND {typed} IS NULL"
        case Kind.FORMAT:
            return f"{text} !~ {literal(rule.pattern or '')}"
        case Kind.CODE_SET:
            return f"{text} NOT IN {in_list(rule.values)}"
        case Kind.PLACEHOLDER:
            return f"{text} IN {in_list(rule.values)}"
        case Kind.RANGE:
            return _out_of_range(rule, typed, column, as_of)
        case _:
            return None


def _out_of_range(rule: Rule, typed: str, column: Column, as_of: date) -> str:
    cast = "::date" if column.logical_type == "date" else "::numeric"
    parts = []
    if rule.minimum is not None:
        parts.append(f"{typed} < {literal(bound(rule.minimum, as_of))}{cast}")
    if rule.maximum is not None:
        parts.append(f"{typed} > {literal(bound(rule.maximum, as_of))}{cast}")
    return "(" + " OR ".join(parts) + ")"
