"""The SQL that notes the lines at fault by rules which no condition over one row's values can tell.

Pure text from declarations; nothing here runs it. A delivery whose contract has such rules gets the table `…_fault`:
one row for each line that breaks any of them, with their ids, and no value. It is made once, when the rows are staged;
the typed view shows it as columns, which Great Expectations and the findings each read for themselves.

Only whole rows are held against each other: of a broken one it is not known what it says. A row of a delta that deletes
its key says nothing else. What is empty, or cannot be read as its type, says nothing either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kinbridge.contract.model import Column, Feed, Kind, Rule
from kinbridge.contract.sql import deleting, ident, literal, rekeying, typed_name
from kinbridge.staging.personal_names import personal_names


def faults(feed: Feed, columns: Sequence[Column], rules: Sequence[Rule], rows: str) -> str:
    """The query for the lines at fault: (line_no, rules). `rows` is the table of trimmed and typed rows."""
    sound = _sound(feed, "t")
    parts: list[str] = []
    said: dict[tuple[str, ...], list[Rule]] = {}
    for rule in rules:
        match rule.kind:
            case Kind.OVERLAP:
                parts.append(_overlaps(feed, rule, rows, sound))
            case Kind.CONSISTENT:
                said.setdefault(rule.columns[:-1], []).append(rule)
            case Kind.PERSONAL_NAME:
                parts.append(personal_names(rule, columns, rows, sound))
            case _:
                parts.append(_unknown_here(feed, rule, rows))
    parts.extend(_contradictions(feed, group, rows, sound) for group in said.values())
    return (
        f"SELECT line_no, array_agg(rule) AS rules FROM ({' UNION ALL '.join(parts)}) AS found (rule, line_no) "
        "GROUP BY line_no"
    )


def _sound(feed: Feed, alias: str) -> str:
    return f"{alias}.row_shape = 'whole' AND NOT ({deleting(feed, alias)})"


def _overlaps(feed: Feed, rule: Rule, rows: str, sound: str) -> str:
    """Spells that begin while one that began before, or on the same day in an earlier line, has not ended.

    Both days of a spell belong to it; one without an end lasts. A spell that ends before it begins is none. The latest
    end so far is enough to tell, so one pass over the sorted spells finds all.
    """
    *names, begins, ends = rule.columns
    begin, end = (ident(typed_name(feed.column(c))) for c in (begins, ends))
    until = f"CASE WHEN t.{ident(ends)} IS NULL THEN 'infinity'::date ELSE t.{end} END"
    spells = (
        f"SELECT t.line_no, {_collated('t', names)}, t.{begin} AS begins, {until} AS ends FROM {rows} AS t "
        f"WHERE {sound} AND {_present('t', names)} AND t.{begin} <= {until}"
    )
    return (
        f"SELECT {literal(rule.id)}, line_no FROM (SELECT line_no, begins, max(ends) OVER (PARTITION BY {_of(names)} "
        "ORDER BY begins, line_no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest "
        f"FROM ({spells}) AS spell) AS spell WHERE begins <= latest"
    )


def _contradictions(feed: Feed, group: Sequence[Rule], rows: str, sound: str) -> str:
    """Rows of one key that do not say what most rows of the key say; all that say something, where no value leads.

    Most keys hold no contradiction, so one aggregate over all rows finds the few whose rows have to be counted.
    """
    names = group[0].columns[:-1]
    keys = ", ".join(f"t.{ident(c)}" for c in names)
    values = [_value(feed.column(rule.columns[-1])) for rule in group]
    odd = [f"min({value}) <> max({value})" for value in values]
    listed = ", ".join(f"{condition} AS odd_{n}" for n, condition in enumerate(odd))
    query = (
        f"SELECT {_of(names)}, {listed} FROM {rows} AS t WHERE {sound} AND {_present('t', names)} "
        f"GROUP BY {keys} HAVING {' OR '.join(odd)}"
    )
    parts = (_strays(rule, n, value, rows, sound) for n, (rule, value) in enumerate(zip(group, values, strict=True)))
    return f"(WITH split AS MATERIALIZED ({query}) {' UNION ALL '.join(parts)})"


def _strays(rule: Rule, number: int, value: str, rows: str, sound: str) -> str:
    """Of the keys in `split` the rows that do not say what most say. Where two values lead, their rows are too many."""
    names = rule.columns[:-1]
    keys = ", ".join(f"s.{ident(c)}" for c in names)
    same = " AND ".join(f"s.{ident(c)} = t.{ident(c)}" for c in names)
    counted = (
        f"SELECT t.line_no, {_of(names, 's')}, count(*) OVER (PARTITION BY {keys}, {value}) AS number "
        f"FROM {rows} AS t INNER JOIN split AS s ON {same} "
        f"WHERE s.odd_{number} AND {sound} AND {value} IS NOT NULL"
    )
    most = f"SELECT *, max(number) OVER (PARTITION BY {_of(names)}) AS most FROM ({counted}) AS counted"
    ranked = (
        f"SELECT *, count(*) FILTER (WHERE number = most) OVER (PARTITION BY {_of(names)}) AS leaders "
        f"FROM ({most}) AS most"
    )
    return f"SELECT {literal(rule.id)}, line_no FROM ({ranked}) AS ranked WHERE number < most OR leaders > most"


def _unknown_here(feed: Feed, rule: Rule, rows: str) -> str:
    """Rows whose key, or former key, is no other sound row's key; what came before this delivery the view looks up."""
    if rule.reference is None:
        raise ValueError(rule.kind)
    ours, theirs = rule.reference.columns, rule.reference.their_columns
    same = " AND ".join(f"k.{ident(b)} = t.{ident(a)}" for a, b in zip(ours, theirs, strict=True))
    asked = rekeying(feed, "t") if rule.kind is Kind.FORMER_KEY else _present("t", ours)
    return (
        f"SELECT {literal(rule.id)}, t.line_no FROM {rows} AS t WHERE {asked} "
        f"AND NOT EXISTS (SELECT FROM {rows} AS k WHERE {same} AND {_sound(feed, 'k')})"
    )


def _value(column: Column) -> str:
    value = f"t.{ident(typed_name(column))}"
    return f'{value} COLLATE "C"' if column.logical_type == "string" else value


def _present(alias: str, names: Iterable[str]) -> str:
    return " AND ".join(f"{alias}.{ident(c)} IS NOT NULL" for c in names)


def _of(names: Iterable[str], alias: str = "") -> str:
    return ", ".join(f"{alias}.{ident(c)}" if alias else ident(c) for c in names)


def _collated(alias: str, names: Iterable[str]) -> str:
    """Sorted by their bytes, which takes half the time of any language's order."""
    return ", ".join(f'{alias}.{ident(c)} COLLATE "C" AS {ident(c)}' for c in names)
