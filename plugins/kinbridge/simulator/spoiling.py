"""What a spoiling is made of: changes to the text of rows, and conditions that rows must meet.

A spoiling must break exactly the rules that it names, since `truth/spoilt.csv` is held against what the pipeline finds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.layout import Layout

Changes = dict[str, Array]
_NOBODY = 900_000


@dataclass(frozen=True)
class Circumstances:
    """What a spoiling may use: random numbers, the layout and the file's as-of day."""

    rng: np.random.Generator
    layout: Layout
    as_of: np.datetime64

    def days(self, text: pd.Series) -> Array:
        """Dates of the file as days; NaT for empty text."""
        parsed = pd.to_datetime(text, format=self.layout.date, errors="coerce")
        return parsed.to_numpy().astype("datetime64[D]")

    def some_days(self, count: int, least: int, most: int) -> Array:
        """Random whole numbers of days, `most` excluded."""
        return self.rng.integers(least, most, count).astype("timedelta64[D]")


Change = Callable[[pd.DataFrame, Circumstances], Changes]
Condition = Callable[[pd.DataFrame, Circumstances], Array]


@dataclass(frozen=True)
class Spoiling:
    """One way to spoil rows. `copies` adds a row instead: alike for a duplicate, changed for a conflict of keys."""

    how: str
    rules: tuple[tuple[str, str], ...]
    change: Change
    where: Condition | None = None
    copies: bool = False

    @property
    def critical(self) -> bool:
        """Whether the row will be refused."""
        return any(severity == "critical" for _, severity in self.rules)


def text(column: str, *values: str) -> Change:
    """Puts one of the values into the column."""

    def change(rows: pd.DataFrame, at: Circumstances) -> Changes:
        return {column: np.array(values, dtype=object)[at.rng.integers(0, len(values), len(rows))]}

    return change


def both(one: Change, two: Change) -> Change:
    """Two changes to the same row."""
    return lambda rows, at: one(rows, at) | two(rows, at)


def month_thirteen(column: str) -> Change:
    """Day and month swapped where the day is over 12, else 31 written as the month: no such month exists."""

    def change(rows: pd.DataFrame, at: Circumstances) -> Changes:
        days = at.days(rows[column])
        month = days.astype("datetime64[M]")
        day = (days - month.astype("datetime64[D]")).astype(int) + 1
        pieces = {
            "%Y": days.astype("datetime64[Y]").astype(str).astype(object),
            "%m": np.char.zfill(np.where(day > 12, day, 31).astype(str), 2).astype(object),
            "%d": np.char.zfill((month.astype(int) % 12 + 1).astype(str), 2).astype(object),
        }
        spelled: Array = np.full(len(rows), "", dtype=object)
        for piece in re.split("(%[Ymd])", at.layout.date):
            spelled = spelled + pieces.get(piece, piece)
        return {column: spelled}

    return change


def impossible_day(column: str) -> Change:
    """30 February of the row's year, which has the form of a date."""

    def change(rows: pd.DataFrame, at: Circumstances) -> Changes:
        year = at.days(rows[column]).astype("datetime64[Y]").astype(str).astype(object)
        before, after = at.layout.date.replace("%m", "02").replace("%d", "30").split("%Y")
        return {column: before + year + after}

    return change


def year_1900(column: str) -> Change:
    """1 January 1900, which old systems write for a birth date that they do not know."""
    return lambda rows, at: {column: np.full(len(rows), _dated(at, np.datetime64("1900-01-01", "D")), dtype=object)}


def in_future(column: str) -> Change:
    """A day after the file's as-of day."""
    return lambda rows, at: {column: at.layout.dates(np.full(len(rows), at.as_of) + at.some_days(len(rows), 1, 400))}


def before(column: str, other: str) -> Change:
    """A day 1 to 40 days before the other column's."""
    return lambda rows, at: {column: at.layout.dates(at.days(rows[other]) - at.some_days(len(rows), 1, 40))}


def just_before(column: str, other: str) -> Change:
    """The day before the other column's."""
    return lambda rows, at: {column: at.layout.dates(at.days(rows[other]) - np.timedelta64(1, "D"))}


def day_after(column: str, other: str) -> Change:
    """The day after the other column's."""
    return lambda rows, at: {column: at.layout.dates(at.days(rows[other]) + np.timedelta64(1, "D"))}


def stranger(column: str) -> Change:
    """A child id that no file of enrollments has."""
    return lambda rows, at: {
        column: np.asarray("HV-C" + (_NOBODY + at.rng.integers(0, 99_999, len(rows))).astype(str).astype(object))
    }


def same(rows: pd.DataFrame, at: Circumstances) -> Changes:
    """No change: an exact repeat."""
    del rows, at
    return {}


def filled(*columns: str) -> Condition:
    """Rows in which all the columns have a value."""
    return lambda rows, _: np.logical_and.reduce([rows[c].to_numpy(dtype=object) != "" for c in columns])


def in_past(column: str) -> Condition:
    """Rows in which the column's day comes before the file's as-of day."""
    return lambda rows, at: at.days(rows[column]) < at.as_of


def _dated(at: Circumstances, day: np.datetime64) -> str:
    return str(at.layout.dates(np.array([day]))[0])
