"""What the columns of a sample hold, told without keeping values: types, empty fields, codes, candidates for the key.

The one kind of value that goes on from here is a code that many rows share, in a column that is about no person: see
`common_codes`. A draft is committed, so anything rarer stays where it is.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, islice

from kinbridge.contract.model import LogicalType
from kinbridge.draft.names import (
    column_names,
    may_hold_codes,
    sounds_like_an_identifier,
    sounds_like_codes,
    words,
)
from kinbridge.draft.values import DATE_FORMATS, INTEGER, NUMBER, dates_of, is_placeholder
from kinbridge.settings import include_folders

# Rows that are looked at; more would tell little more.
MOST_ROWS = 200_000
# Rows that have to share a code before it may be written down.
SHARED_BY = 20
MOST_CODES = 60
# Different values that are counted; a column with more has no codes.
MOST_VALUES = 2_000
# The share of values that have to fit a type, since samples have mistakes; and of rows that a key tells apart.
FITS = 0.95
# A share of empty fields below this looks like a mistake of the sample.
FEW = 0.02
TELLS_APART = 0.99
# Columns that are tried together as a key, and rows that are looked at for it.
KEY_COLUMNS, KEY_ROWS = 8, 50_000
_CODE = re.compile(r"^[\w][\w /&+().,'-]{0,39}$")
_LONG_NUMBER = re.compile(r"[0-9]{5,}")


@dataclass(frozen=True)
class Field:
    """One column of the sample. `rare_codes` counts the values that were not common enough to be written."""

    name: str
    header: str
    logical_type: LogicalType
    rows: int
    empty: int
    date_format: str | None = None
    other_format: str | None = None
    misfits: int = 0
    codes: tuple[str, ...] = ()
    rare_codes: int = 0
    placeholders: tuple[str, ...] = ()
    distinct: int = 0

    @property
    def filled(self) -> bool:
        """Whether no row leaves it empty."""
        return self.rows > 0 and self.empty == 0


@dataclass(frozen=True)
class Profile:
    """All columns, how many rows were looked at, and the key: its columns, and whether it told every row apart."""

    fields: tuple[Field, ...]
    rows: int
    ragged: int
    key: tuple[str, ...]
    key_fits: bool


@dataclass
class _Count:
    """What is counted of one column while the rows go by."""

    said: tuple[str, ...]
    empty: int = 0
    integers: int = 0
    numbers: int = 0
    leading_zero: int = 0
    longest_integer: int = 0
    dates: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    placeholders: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)
    many: bool = False

    def add(self, value: str) -> None:
        text = value.strip()
        if not text:
            self.empty += 1
            return
        self.seen.add(hash(text))
        days = dates_of(text)
        if is_placeholder(text, self.said, days):
            self.placeholders[text] += 1
        else:
            self.dates.update(days.keys())
            if INTEGER.match(text):
                self.integers += 1
                self.longest_integer = max(self.longest_integer, len(text))
                self.leading_zero += len(text) > 1 and text[0] == "0"
            self.numbers += NUMBER.match(text) is not None
        if not self.many:
            self.values[text] += 1
            self.many = len(self.values) > MOST_VALUES


def profile(rows: Iterable[list[str]], headers: list[str]) -> Profile:
    """Look at the rows (without the header). Exact repeats count once for the key, rows of another width not at all."""
    names = column_names(headers)
    counts = [_Count(words(name)) for name in names]
    total = ragged = 0
    hashed: dict[tuple[int, ...], None] = {}
    for row in islice(rows, MOST_ROWS):
        total += 1
        if len(row) != len(headers):
            ragged += 1
            continue
        for count, value in zip(counts, row, strict=True):
            count.add(value)
        if len(hashed) < KEY_ROWS:
            hashed[tuple(hash(value.strip()) for value in row)] = None
    looked = total - ragged
    fields = tuple(
        _field(name, header, count, looked) for name, header, count in zip(names, headers, counts, strict=True)
    )
    key, fits = _key(fields, list(hashed))
    return Profile(fields, looked, ragged, key, fits)


def _field(name: str, header: str, count: _Count, rows: int) -> Field:
    kind, form, other, misfits = _type(name, count, rows)
    codes, rare = common_codes(name, count.values, many=count.many) if kind == "string" else ((), 0)
    placeholders = tuple(sorted(text for text in count.placeholders if text not in codes))
    return Field(
        name=name,
        header=header,
        logical_type=kind,
        rows=rows,
        empty=count.empty,
        date_format=form,
        other_format=other,
        misfits=misfits,
        codes=codes,
        rare_codes=rare,
        placeholders=placeholders,
        distinct=len(count.seen),
    )


def _type(name: str, count: _Count, rows: int) -> tuple[LogicalType, str | None, str | None, int]:
    """The type, the date's format, another format that fits as well, and how many values do not fit."""
    known = rows - count.empty - sum(count.placeholders.values())
    if known <= 0:
        return "string", None, None, 0
    ranked = sorted(count.dates.items(), key=lambda item: (-item[1], DATE_FORMATS.index(item[0])))
    if ranked and ranked[0][1] >= FITS * known:
        form, fits = ranked[0]
        other = next((f for f, number in ranked[1:] if number == fits), None)
        return "date", form, other, known - fits
    text = sounds_like_an_identifier(name) or sounds_like_codes(name) or count.leading_zero or count.longest_integer > 9
    if not text and count.integers >= FITS * known:
        return "integer", None, None, known - count.integers
    if not text and count.numbers >= FITS * known:
        return "number", None, None, known - count.numbers
    return "string", None, None, 0


def common_codes(name: str, values: Counter[str], *, many: bool) -> tuple[tuple[str, ...], int]:
    """The codes that may be written down, sorted, and how many rarer values there are besides.

    Codes are few, short, shared by at least `SHARED_BY` rows each, make up nearly all of the column, and stand in a
    column that is about no person, neither by its name nor by what it holds.
    """
    if many or not may_hold_codes(name):
        return (), 0
    common = [
        text
        for text, count in values.items()
        if count >= SHARED_BY and _CODE.match(text) and not _LONG_NUMBER.search(text) and text == text.strip()
    ]
    rare = len(values) - len(common)
    covered = sum(values[text] for text in common)
    few = 1 < len(common) <= MOST_CODES and covered >= FITS * sum(values.values())
    if not few or _people(common):
        return (), 0
    return tuple(sorted(common)), rare


def _people(texts: list[str]) -> bool:
    """Whether the texts look like names of people: a good part of them are known given names."""
    known = _given_names()
    named = sum(any(part in known for part in re.findall(r"[a-z]+", text.lower())) for text in texts)
    return named >= max(2, len(texts) // 4)


@lru_cache(maxsize=1)
def _given_names() -> frozenset[str]:
    """Given names and nicknames, from the list that linkage uses."""
    with (include_folders()[0] / "linkage" / "nicknames.csv").open(encoding="utf-8", newline="") as text:
        return frozenset(cell.strip().lower() for row in islice(csv.reader(text), 1, None) for cell in row if cell)


def _key(fields: tuple[Field, ...], rows: list[tuple[int, ...]]) -> tuple[tuple[str, ...], bool]:
    """The fewest columns that tell rows apart: identifiers first, with dates if need be."""
    if not fields:
        return (), False
    usable = [place for place, one in enumerate(fields) if one.rows and one.empty <= (1 - TELLS_APART) * one.rows]
    likely = [p for p in usable if sounds_like_an_identifier(fields[p].name) and "ssn" not in words(fields[p].name)]
    dated = [p for p in usable if fields[p].logical_type == "date" and "birth" not in words(fields[p].name)]
    near = [*likely, *(p for p in dated if p not in likely)][:KEY_COLUMNS]
    others = [p for p in usable if p not in near and fields[p].logical_type == "string" and not fields[p].codes]
    tries = [
        *((p,) for p in likely),
        *((p,) for p in others),
        *combinations(near, 2),
        *combinations(near, 3),
    ]
    best = max(((_share(rows, places), -number) for number, places in enumerate(tries)), default=None)
    for places in tries:
        share = _share(rows, places)
        if share >= TELLS_APART:
            return tuple(fields[p].name for p in places), share == 1.0
    fallback = tries[-best[1]] if best else (0,)
    return tuple(fields[p].name for p in fallback), False


def _share(rows: list[tuple[int, ...]], places: tuple[int, ...]) -> float:
    """The share of rows that have a key of their own."""
    if not rows:
        return 0.0
    return len({tuple(row[place] for place in places) for row in rows}) / len(rows)
