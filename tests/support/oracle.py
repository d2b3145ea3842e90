"""The rules of a contract once more, row by row in plain Python, for the SQL and Great Expectations to agree with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

from kinbridge.contract.model import Column, Feed, Kind, Rule, bound

Row = dict[str, str | None]
Keys = set[tuple[str, ...]]
WHITE_SPACE = " \t\r\n"


def broken_lines(
    feed: Feed, rules: Iterable[Rule], rows: dict[int, tuple[str, Row]], as_of: date, known: dict[str, Keys]
) -> dict[str, set[int]]:
    """The lines that break each row rule. `rows` are (shape, text by column) by line, `known` the keys by rule."""
    judged = {line: (shape, trimmed(row)) for line, (shape, row) in without_repeats(rows).items()}
    found: dict[str, set[int]] = {}
    for rule in (rule for rule in rules if rule.scope == "row"):
        if rule.kind is Kind.UNIQUE:
            found[rule.id] = shared(rule, judged)
        elif rule.kind in CROSS_ROW:
            found[rule.id] = CROSS_ROW[rule.kind](feed, rule, speaking(feed, judged))
        elif rule.kind is Kind.FORMER_KEY or (rule.reference and rule.reference.feed == feed.id):
            found[rule.id] = unknown_here(feed, rule, judged, known[rule.id])
        else:
            breaks = breaking(feed, rule, as_of, known)
            found[rule.id] = {line for line, (shape, row) in judged.items() if breaks(shape, row)}
    return found


def without_repeats(rows: dict[int, tuple[str, Row]]) -> dict[int, tuple[str, Row]]:
    """The rows without whole ones that equal an earlier whole one."""
    seen: set[tuple[tuple[str, str | None], ...]] = set()
    kept = {}
    for line, (shape, row) in sorted(rows.items()):
        text = tuple((name, value or None) for name, value in row.items())
        if shape == "whole" and text in seen:
            continue
        if shape == "whole":
            seen.add(text)
        kept[line] = (shape, row)
    return kept


def trimmed(row: Row) -> Row:
    """The row as rules see it."""
    return {name: (value or "").strip(WHITE_SPACE) or None for name, value in row.items()}


def typed(column: Column, text: str | None) -> Any:
    """The value in the column's type, None where it is not of that type."""
    if text is None:
        return None
    if column.logical_type == "integer":
        return int(text) if re.fullmatch("[+-]?[0-9]{1,18}", text) else None
    if column.logical_type == "number":
        return Decimal(text) if re.fullmatch(r"[+-]?[0-9]{1,20}(\.[0-9]{1,10})?", text) else None
    if column.logical_type == "date":
        return typed_date(column.date_format or "", text)
    return text


def typed_date(date_format: str, text: str) -> date | None:
    """The day, read by the positions of its format."""
    pattern = date_format
    for part, digits in (("yyyy", "4"), ("MM", "2"), ("dd", "2")):
        pattern = pattern.replace(part, f"(?P<{part}>[0-9]{{{digits}}})")
    match = re.fullmatch(pattern, text)
    if match is None:
        return None
    try:
        return date(int(match["yyyy"]), int(match["MM"]), int(match["dd"]))
    except ValueError:
        return None


def shared(rule: Rule, rows: dict[int, tuple[str, Row]]) -> set[int]:
    """The lines whose key stands on another line too; a key with an empty part is none."""
    keys = {line: tuple(row[c] for c in rule.columns) for line, (_, row) in rows.items()}
    counts = Counter(keys.values())
    return {line for line, key in keys.items() if None not in key and counts[key] > 1}


def speaking(feed: Feed, rows: dict[int, tuple[str, Row]]) -> dict[int, Row]:
    """The whole rows that do not delete their key."""
    change = feed.extent.change_column
    return {
        line: row
        for line, (shape, row) in rows.items()
        if shape == "whole" and not (change and row[change] in feed.extent.delete_codes)
    }


def overlapping(feed: Feed, rule: Rule, rows: dict[int, Row]) -> set[int]:
    """The lines of spells that begin while an earlier one lasts; each pair is looked at."""
    *names, begins, ends = rule.columns
    spells = []
    for line, row in rows.items():
        key, begin = tuple(row[name] for name in names), typed(feed.column(begins), row[begins])
        end = date.max if row[ends] is None else typed(feed.column(ends), row[ends])
        if None not in {*key, begin, end} and begin <= end:
            spells.append((key, begin, line, end))
    return {
        line
        for key, begin, line, _ in spells
        for other, earlier, its_line, end in spells
        if other == key and (earlier, its_line) < (begin, line) and begin <= end
    }


def contradicting(feed: Feed, rule: Rule, rows: dict[int, Row]) -> set[int]:
    """The lines that say something else than most of their key; all of them, where two values lead."""
    *names, column = rule.columns
    groups: dict[tuple[str | None, ...], dict[int, Any]] = {}
    for line, row in rows.items():
        key, value = tuple(row[name] for name in names), typed(feed.column(column), row[column])
        if None not in key and value is not None:
            groups.setdefault(key, {})[line] = value
    found: set[int] = set()
    for said in groups.values():
        counts = Counter(said.values())
        leading = [value for value, number in counts.items() if number == max(counts.values())]
        found |= {line for line, value in said.items() if len(leading) > 1 or value != leading[0]}
    return found


def words(text: str | None) -> list[str]:
    """The runs of letters of a text, in small letters."""
    return re.findall(r"[a-z]+", (text or "").lower())


def pair(left: str, right: str, listed: tuple[str, ...]) -> bool:
    """Whether two words that follow each other are a given name of the list and another name, or turned round."""
    left = left.lstrip('("')
    capitals = all(re.match("[A-Z][A-Za-z]", word) for word in (left, right))
    turned = re.search("[A-Za-z],$", left) is not None and right.rstrip('.,;:!?)"').lower() in listed
    return capitals and (left.lower() in listed or turned)


def naming(feed: Feed, rule: Rule, rows: dict[int, Row]) -> set[int]:
    """The lines whose value holds their own person's name, or a title with a name behind it."""
    found = set()
    for line, row in rows.items():
        value = row[rule.columns[0]]
        said = set(words(value))
        first, last = (
            {word for c in feed.columns if c.person_name == part for word in words(row[c.name])}
            for part in ("first", "last")
        )
        long = {word for word in said if len(word) > 1}
        if (
            re.search(r"(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Dr|MR|MRS)\.? +[A-Z][A-Za-z]", value or "")
            or any(len(word) >= 4 for word in said & (first | last))
            or (long and long <= first | last)
            or (long & first and long & last)
            or any(pair(*both, rule.values) for both in pairwise(word for word in (value or "").split(" ") if word))
        ):
            found.add(line)
    return found


CROSS_ROW: dict[Kind, Callable[[Feed, Rule, dict[int, Row]], set[int]]] = {
    Kind.OVERLAP: overlapping,
    Kind.CONSISTENT: contradicting,
    Kind.PERSONAL_NAME: naming,
}


def unknown_here(feed: Feed, rule: Rule, rows: dict[int, tuple[str, Row]], known: Keys) -> set[int]:
    """The lines whose key, or former key, was not delivered before and is no row's of the same file."""
    assert rule.reference is not None
    here = {tuple(row[name] for name in rule.reference.their_columns) for row in speaking(feed, rows).values()}
    found = set()
    for line, (_, row) in rows.items():
        key = tuple(row[name] for name in rule.reference.columns)
        unknown = None in key or (key not in here and key not in known)
        if rule.kind is Kind.FORMER_KEY:
            asked = row[feed.extent.change_column or ""] in feed.extent.rekey_codes
        else:
            asked = None not in key
        if asked and unknown:
            found.add(line)
    return found


def breaking(feed: Feed, rule: Rule, as_of: date, known: dict[str, Keys]) -> Callable[[str, Row], bool]:
    """Whether one row breaks a rule that one row alone can break."""

    def value(row: Row, name: str) -> Any:
        return typed(feed.column(name), row[name])

    def date_order(_: str, row: Row) -> bool:
        earlier, later = (value(row, name) for name in rule.columns)
        return None not in {earlier, later} and earlier > later

    def reference(_: str, row: Row) -> bool:
        key = tuple(row[name] for name in rule.columns)
        return None not in key and key not in known[rule.id]

    def out_of_range(_: str, row: Row) -> bool:
        found = value(row, rule.columns[0])
        if found is None:
            return False
        read = date.fromisoformat if isinstance(found, date) else type(found)
        low, high = (None if end is None else read(bound(end, as_of)) for end in (rule.minimum, rule.maximum))
        return (low is not None and found < low) or (high is not None and found > high)

    def text(row: Row) -> str | None:
        return row[rule.columns[0]]

    kinds: dict[Kind, Callable[[str, Row], bool]] = {
        Kind.SHAPE: lambda shape, _: shape != "whole",
        Kind.PRESENCE: lambda _, row: text(row) is None,
        Kind.TYPE: lambda _, row: text(row) is not None and value(row, rule.columns[0]) is None,
        Kind.FORMAT: lambda _, row: (found := text(row)) is not None and re.search(rule.pattern or "", found) is None,
        Kind.CODE_SET: lambda _, row: (found := text(row)) is not None and found not in rule.values,
        Kind.PLACEHOLDER: lambda _, row: text(row) in rule.values,
        Kind.RANGE: out_of_range,
        Kind.DATE_ORDER: date_order,
        Kind.REFERENCE: reference,
    }
    return kinds[rule.kind]
