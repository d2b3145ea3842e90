"""The typed twin of a value: a date, moment or number as Postgres reads it, empty where the text is not of the type.

The twins go to the landing table beside the texts, in the same COPY: there Postgres would need a second copy of the
rows for them. Nothing here can raise on a partner's data, and what it gives is always of the type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache

from kinbridge.contract.model import Column

BLANKS = " \t\r\n"
# A file has few different dates, so each is read once. No more than so many are kept, whatever a file holds.
MOST_KEPT = 50_000
# Digits are [0-9]: \d takes in other scripts' digits. An integer of 18 digits fits into a bigint.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}([.][0-9]{1,10})?")
_TIME_OF_DAY = " HH:mm:ss"
_PARTS = {
    "yyyy": "(?P<year>[0-9]{4})",
    "MM": "(?P<month>[0-9]{2})",
    "dd": "(?P<day>[0-9]{2})",
    _TIME_OF_DAY: "(?P<time> (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])",
}
_PIECE = re.compile(f"yyyy|MM|dd|{_TIME_OF_DAY}$|.", re.DOTALL)

Reading = Callable[[str], str]


def reading(column: Column) -> Reading | None:
    """How a column's values are read: from the text as it was sent to its twin. None for text, which has no twin."""
    return _reading(column.logical_type, column.date_format or "yyyy-MM-dd")


@lru_cache(maxsize=256)
def _reading(logical_type: str, date_format: str) -> Reading | None:
    match logical_type:
        case "integer":
            return _matching(_INTEGER)
        case "number":
            return _matching(_NUMBER)
        case "date":
            return _Dates(date_format).__getitem__
        case _:
            return None


def twins(columns: Sequence[Column]) -> list[tuple[int, Reading]]:
    """The places, among these columns, of those that have a twin, and how each is read."""
    return [(place, read) for place, column in enumerate(columns) if (read := reading(column)) is not None]


def _matching(pattern: re.Pattern[str]) -> Reading:
    def read(text: str) -> str:
        value = text.strip(BLANKS)
        return value if pattern.fullmatch(value) else ""

    return read


class _Dates(dict[str, str]):
    """Dates of one format in ISO order, held against the calendar; with a time of day where the format has one."""

    def __init__(self, date_format: str) -> None:
        super().__init__()
        self._pattern = re.compile(
            "".join(_PARTS.get(piece, re.escape(piece)) for piece in _PIECE.findall(date_format))
        )

    def __missing__(self, text: str) -> str:
        if len(self) >= MOST_KEPT:
            self.clear()
        self[text] = found = self._read(text.strip(BLANKS))
        return found

    def _read(self, value: str) -> str:
        found = self._pattern.fullmatch(value)
        if found is None:
            return ""
        parts = found.groupdict(default="")
        try:
            day = date(int(parts["year"]), int(parts["month"]), int(parts["day"]))
        except ValueError:
            return ""
        return f"{day.isoformat()}{parts.get('time', '')}"
