"""The benchmark's file: members of a partner that does not exist, vectorised and seeded.

Output: a CSV with the columns of the benchmark's contract. A share of the rows breaks a rule, each kind equally often.
It must never hold anything taken from data: names are made of syllables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

CHUNK_ROWS = 100_000
BAD_SHARE = 0.01
FIRST_DAY, LAST_DAY = date(1940, 1, 1), date(2025, 12, 31)
FIRST_ENROLLED = date(1950, 1, 1)

_STARTS = ("Ba", "Ce", "Di", "Fo", "Gu", "Ha", "Je", "Ki", "Lo", "Mú", "Na", "Pe", "Ri", "So", "Tu", "Va")
_MIDDLES = ("la", "ren", "mi", "so", "dru", "na", "bel", "cí", "to", "vu")
_ENDS = ("n", "na", "r", "s", "la", "th", "ño", "ck", "-Ode", "rsen")
_NAMES = ["".join(parts) for parts in itertools.product(_STARTS, _MIDDLES, _ENDS)]
_INITIALS = ["", *"ABCDEFGHIJKLMNOPRSTW"]


def generate(path: Path, rows: int, seed: int, bad_share: float = BAD_SHARE) -> None:
    """Write `rows` rows (and a header) to `path`, the members from 0 on; the same arguments give the same bytes."""
    random = np.random.default_rng(seed)
    with path.open("wb") as file:
        for first in range(0, rows, CHUNK_ROWS):
            chunk = _spoilt(_sound(random, first, min(CHUNK_ROWS, rows - first)), random, bad_share)
            csv.write_csv(chunk, file, csv.WriteOptions(include_header=first == 0, quoting_style="none"))


def _sound(random: np.random.Generator, first: int, count: int) -> pa.Table:
    """Rows that keep every rule; member numbers run on from `first`."""
    days = (LAST_DAY - FIRST_DAY).days
    born = random.integers(0, days - 400, count)
    # Nobody enrolled before the first day that the contract allows.
    enrolled = random.integers(np.maximum(born + 1, (FIRST_ENROLLED - FIRST_DAY).days), days + 1)
    given = _of(_NAMES, random, count)
    family = _of(_NAMES, random, count)
    digits = [_digits(random, width, count) for width in (3, 2, 4, 3, 3, 4)]
    # An area from 100 to 665 keeps clear of the placeholders.
    area = pa.array(random.integers(100, 666, count)).cast(pa.string())
    number = pc.utf8_lpad(pa.array(np.arange(first, first + count)).cast(pa.string()), 9, "0")
    return pa.table(
        {
            "member_id": pc.binary_join_element_wise("M", number, ""),
            "first_name": given,
            "middle_init": _of(_INITIALS, random, count),
            "last_name": family,
            "dob": pc.strftime(_days(born), "%Y%m%d"),
            "sex": _of(["F", "M", "U"], random, count),
            "ssn": pc.binary_join_element_wise(area, digits[1], digits[2], "-"),
            "race_cd": _of([str(code) for code in range(1, 10)], random, count),
            "lang_cd": _of(["EN", "EN", "EN", "SP", "AR", "SO", "VI"], random, count),
            "phone": pc.binary_join_element_wise(digits[3], digits[4], digits[5], "-"),
            "email": pc.binary_join_element_wise("m", number, "@example.org", ""),
            "enrolled_on": pc.strftime(_days(enrolled), "%m/%d/%Y"),
        }
    )


def _spoilt(table: pa.Table, random: np.random.Generator, share: float) -> pa.Table:
    """The same rows with about this share of them spoilt, in one way each."""
    count = table.num_rows
    ways = list(_ways(table))
    way = np.where(random.random(count) < share, random.integers(0, len(ways), count), -1)
    for index, (names, spoil) in enumerate(ways):
        chosen = pa.array(way == index)
        for name in names:
            column = table.column(name)
            table = table.set_column(table.schema.get_field_index(name), name, pc.if_else(chosen, spoil(name), column))
    return table


def _ways(table: pa.Table) -> Iterator[tuple[list[str], Callable[[str], Any]]]:
    """Columns, and what is put into them. The last two: another row's key, and another row as a whole."""

    def constant(value: str) -> Callable[[str], Any]:
        return lambda _: pa.scalar(value)

    def row_before(name: str) -> Any:
        column = table.column(name).combine_chunks()
        return pa.chunked_array([pa.concat_arrays([column[:1], column[:-1]])])

    yield ["first_name"], constant("")
    yield ["last_name"], constant(" ")
    yield ["dob"], constant("20011399")
    yield ["dob"], constant("19000101")
    yield ["sex"], constant("X")
    yield ["ssn"], constant("999-99-9999")
    yield ["ssn"], constant("123-45")
    yield ["race_cd"], constant("77")
    yield ["lang_cd"], constant("??")
    yield ["phone"], constant("none")
    yield ["race_cd"], constant("")
    yield ["enrolled_on"], constant("02/30/2020")
    yield ["enrolled_on"], constant("01/01/1950")
    yield ["member_id"], row_before
    yield table.column_names, row_before


def _of(pool: list[str], random: np.random.Generator, count: int) -> Any:
    return pc.take(pa.array(pool), pa.array(random.integers(0, len(pool), count)))


def _digits(random: np.random.Generator, width: int, count: int) -> Any:
    return pc.utf8_lpad(pa.array(random.integers(0, 10**width, count)).cast(pa.string()), width, "0")


def _days(after_first: Any) -> Any:
    return pa.array((after_first + (FIRST_DAY - date(1970, 1, 1)).days).astype(np.int32)).cast(pa.date32())
