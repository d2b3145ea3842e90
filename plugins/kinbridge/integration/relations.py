"""How the mart's figures depend on each other: the relations that an attacker may reckon with.

Input: the figures that `include/sql/mart` counted, published or not. Pure. Counts are not suppressed yet here: they
must not be logged.

A combination of programs is part of each of its programs, of the rest beside every other program, and of any program;
so is each combination within a value of a characteristic. That joint table is never published, but every published
figure is a sum over it, and through it the tables of a month hang together: programs overlap, and subtracting one from
any program counts the children who are not in it. Families are at most as many as children.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from kinbridge.disclosure.table import Relation, Table

ANY_PROGRAM = "any program"
ANY_COUNTY = "any county"
ALL_REFERRALS = "referrals"
JOINER = " + "


class Key(NamedTuple):
    """What a figure counts. For referrals `characteristic` is the outcome and `value` the county."""

    unit: str
    month: date | None
    grouping: str
    programs: str
    characteristic: str | None
    value: str | None


@dataclass(frozen=True)
class Figure:
    """One count: its id in the table of figures, what it counts, how many, and whether a table shows it."""

    figure_id: int
    key: Key
    n: int
    published: bool


def table_of(figures: Iterable[Figure]) -> Table:
    """All figures as one table with all relations among them. Raises KB-M01 when they do not add up."""
    by_key = {figure.key: figure for figure in figures}
    counts: dict[object, int] = {figure.figure_id: figure.n for figure in by_key.values()}
    unpublished = [figure.figure_id for figure in by_key.values() if not figure.published]
    relations = [
        Relation(by_key[total].figure_id, tuple(by_key[member].figure_id for member in members))
        for total, members in (*_served(by_key), *_described(by_key), *_referred(by_key))
    ]
    slack: list[object] = []
    for children, families in _families_within_children(by_key):
        more = ("children beyond families", children.figure_id)
        counts[more] = children.n - families.n
        slack.append(more)
        relations.append(Relation(children.figure_id, (families.figure_id, more)))
    return Table(counts, relations, unpublished, slack)


Sum = tuple[Key, list[Key]]


def _served(by_key: dict[Key, Figure]) -> Iterator[Sum]:
    """Combinations add up to each group that they are part of, with or without a characteristic's value."""
    combinations: dict[Key, list[Key]] = defaultdict(list)
    for key in by_key:
        if key.grouping == "combination":
            combinations[key._replace(grouping="", programs="")].append(key)
    for key in by_key:
        if key.unit == "referrals" or key.grouping == "combination":
            continue
        parts = combinations.get(key._replace(grouping="", programs=""), [])
        members = [part for part in parts if _is_part(part.programs.split(JOINER), key)]
        if members:
            yield key, members
        if key.grouping == "program":
            total = key._replace(grouping="total", programs=ANY_PROGRAM)
            yield total, [k for k in (key, key._replace(grouping="not_program")) if k in by_key]


def _is_part(combination: list[str], group: Key) -> bool:
    if group.grouping == "total":
        return True
    return (group.programs in combination) == (group.grouping == "program")


def _described(by_key: dict[Key, Figure]) -> Iterator[Sum]:
    """The values of a characteristic add up to the children of the group."""
    values: dict[tuple[Key, str], list[Key]] = defaultdict(list)
    for key in by_key:
        if key.unit == "children" and key.characteristic is not None:
            values[key._replace(characteristic=None, value=None), key.characteristic].append(key)
    for (total, _), members in values.items():
        yield total, members


def _referred(by_key: dict[Key, Figure]) -> Iterator[Sum]:
    """Programs, counties and outcomes of referrals add up to their totals, each within every choice of the others."""
    sums: dict[Key, list[Key]] = defaultdict(list)
    for key in by_key:
        if key.unit != "referrals":
            continue
        if key.programs != ANY_PROGRAM:
            sums[key._replace(grouping="total", programs=ANY_PROGRAM)].append(key)
        if key.value != ANY_COUNTY:
            # The same total has one relation a dimension; the extra field keeps them apart.
            sums[key._replace(value=ANY_COUNTY, unit="by county")].append(key)
        if key.characteristic != ALL_REFERRALS:
            sums[key._replace(characteristic=ALL_REFERRALS, unit="by outcome")].append(key)
    for total, members in sums.items():
        yield total._replace(unit="referrals"), members


def _families_within_children(by_key: dict[Key, Figure]) -> Iterator[tuple[Figure, Figure]]:
    """Pairs of figures of which the second cannot exceed the first: every family counted has a child counted."""
    for key, families in by_key.items():
        if key.unit != "families":
            continue
        # A combination of several programs can be a family's without being any of its children's.
        if key.grouping == "combination" and JOINER in key.programs:
            continue
        children = by_key.get(key._replace(unit="children"))
        if children is not None:
            yield children, families
