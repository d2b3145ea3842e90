"""Reads from a contract what its rows must come to together: spells that do not overlap, rows that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kinbridge.contract.model import Column, Consistency, Severity, Spells
from kinbridge.contract.walk import Properties, Walk
from kinbridge.declaration.document import Where

SPELLS, CONSISTENT = "spells", "consistent"
# The longest name of a rule's columns: that of the view's column has to fit into Postgres's 63 characters.
LONGEST_STEM = 50


def read_spells(walk: Walk, extra: Properties, columns: Sequence[Column]) -> Iterator[Spells]:
    """The spells that the contract declares; mistakes are noted on the walk, each with its line."""
    known, dates = {c.name for c in columns}, {c.name for c in columns if c.logical_type == "date"}
    taken: set[tuple[str, str]] = set()
    for item, where in walk.items(extra, SPELLS):
        _strangers(walk, SPELLS, item, {"subject", "within", "begins", "ends", "severity"}, where)
        subject = _names(walk, f"{SPELLS}.subject", item.get("subject"), known, where)
        within = _names(walk, f"{SPELLS}.within", item["within"], known, where) if "within" in item else ()
        ends = (str(item.get("begins")), str(item.get("ends")))
        for name in ends:
            if name not in dates:
                walk.problem(f"{SPELLS} names {name!r}, which is no date column", *where)
        if ends[0] == ends[1] or ends in taken:
            walk.problem(f"{SPELLS} needs two dates that no other entry has", *where)
        _fitting(walk, SPELLS, ends, where)
        taken.add(ends)
        yield Spells(subject, within, *ends, severity=_severity(walk, SPELLS, item, where))


def read_consistencies(walk: Walk, extra: Properties, columns: Sequence[Column]) -> Iterator[Consistency]:
    """The columns that rows of one key must agree in; mistakes are noted on the walk, each with its line."""
    known = {c.name for c in columns}
    taken: set[tuple[str, ...]] = set()
    for item, where in walk.items(extra, CONSISTENT):
        _strangers(walk, CONSISTENT, item, {"by", "columns", "severity"}, where)
        by = _names(walk, f"{CONSISTENT}.by", item.get("by"), known, where)
        said = _names(walk, f"{CONSISTENT}.columns", item.get("columns"), known, where)
        for name in said:
            if name in by or (*by, name) in taken:
                walk.problem(f"{CONSISTENT} names {name!r} twice", *where)
            _fitting(walk, CONSISTENT, (*by, name), where)
            taken.add((*by, name))
        yield Consistency(by, said, _severity(walk, CONSISTENT, item, where))


def _strangers(walk: Walk, text: str, item: dict[str, Any], known: set[str], where: Where) -> None:
    for name in item:
        if name not in known:
            walk.problem(f"{text} knows no {name!r}: {', '.join(sorted(known))}", *where, name)


def _names(walk: Walk, text: str, given: Any, known: set[str], where: Where) -> tuple[str, ...]:
    """A list of columns of the feed, at least one."""
    if not isinstance(given, list) or not given or len(set(map(str, given))) < len(given):
        walk.problem(f"{text} is a list of columns, each once", *where)
        return ()
    for column in given:
        if column not in known:
            walk.problem(f"{text} names {str(column)!r}, which is no column", *where)
    return tuple(str(column) for column in given)


def _severity(walk: Walk, text: str, item: dict[str, Any], where: Where) -> Severity:
    match item.get("severity", "warning"):
        case "critical":
            return "critical"
        case "warning":
            pass
        case _:
            walk.problem(f"{text}.severity is critical or warning", *where, "severity")
    return "warning"


def _fitting(walk: Walk, text: str, names: tuple[str, ...], where: Where) -> None:
    if len("__".join(names)) > LONGEST_STEM:
        walk.problem(f"the names of the columns of {text} have more than {LONGEST_STEM} characters", *where)
