"""SQL text that follows from a contract: quoted names, typed expressions, when a row breaks a rule.

Pure functions from declarations to text. Only declared names and values get into the text; values of a partner's data
never do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from kinbridge.contract.model import FAULT_KINDS, Column, Feed, Kind, Reference, Rule, bound

# A typed value is NULL where the text is not of the type; nothing here can raise on a partner's data.
# Digits are [0-9]: \d takes in other scripts' digits under some collations, and their cast would raise.
_INTEGER = r"^[+-]?[0-9]{1,18}$"
_NUMBER = r"^[+-]?[0-9]{1,20}([.][0-9]{1,10})?$"
_DATE_PARTS = {"yyyy": "0000", "MM": "00", "dd": "00"}
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


def typed_expression(column: Column, text: str) -> str:
    """SQL that turns the text expression `text` into the column's type, or NULL where it is not of that type.

    Dates are cut into ISO order by the positions of their format and held against the calendar by
    `pg_input_is_valid` (Postgres 16 and later), which tells without raising. With a time of day they are timestamps.
    """
    if column.logical_type == "integer":
        return f"CASE WHEN {text} ~ {literal(_INTEGER)} THEN {text}::bigint END"
    if column.logical_type == "number":
        return f"CASE WHEN {text} ~ {literal(_NUMBER)} THEN {text}::numeric END"
    if column.logical_type == "date":
        shape, iso = _date_reading(column.date_format or "yyyy-MM-dd", text)
        # Half the time of a regular expression: every digit becomes 0, and what is left is the format's shape.
        fits = f"translate({text}, '0123456789', '0000000000') = {literal(shape)}"
        kind = "date"
        if (column.date_format or "").endswith(_TIME_OF_DAY):
            # Postgres takes hour 24 and second 60 for the beginning of the next.
            kind, hour, second = "timestamp", f"left(right({text}, 8), 2)", f"right({text}, 2)"
            fits += f" AND {hour} < '24' AND {second} < '60'"
        return f"CASE WHEN {fits} AND pg_input_is_valid({iso}, '{kind}') THEN ({iso})::{kind} END"
    return text


def _date_reading(date_format: str, text: str) -> tuple[str, str]:
    """The shape of a date in this format, with 0 for every digit, and SQL that puts its parts into ISO order."""
    if date_format.endswith(_TIME_OF_DAY):
        shape, day = _date_reading(date_format.removesuffix(_TIME_OF_DAY), text)
        time = f"substr({text}, {len(shape) + 1})"
        return f"{shape} 00:00:00", text if day == text else f"{day} || {time}"
    shape = ""
    starts: dict[str, int] = {}
    position = 0
    while position < len(date_format):
        part = next((p for p in _DATE_PARTS if date_format.startswith(p, position)), None)
        if part:
            starts[part] = position + 1
        piece = part or date_format[position]
        shape += _DATE_PARTS.get(piece, piece)
        position += len(piece)
    if date_format == "yyyy-MM-dd":
        return shape, text
    cut = {part: f"substr({text}, {start}, {len(part)})" for part, start in starts.items()}
    return shape, f"{cut['yyyy']} || '-' || {cut['MM']} || '-' || {cut['dd']}"


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
