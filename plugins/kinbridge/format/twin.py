"""The typed twin of a value: a date, moment or number as Postgres reads it, empty where the text is not of the type.

The twins go to the landing table beside the texts, in the same COPY: there Postgres would need a second copy of the
rows for them. Nothing here can raise on a partner's data, and what it gives is always of the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Protocol

import numpy as np

from kinbridge.contract.model import Column

BLANKS = " \t\r\n"
# A file has few different dates, so each is read once. No more than so many are kept, whatever a file holds.
MOST_KEPT = 50_000
# Digits are [0-9]: \d takes in other scripts' digits. An integer of 18 digits fits into a bigint.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}([.][0-9]{1,10})?")
_TIME_OF_DAY = " HH:mm:ss"
_ISO = {"yyyy": 0, "MM": 5, "dd": 8, "HH": 11, "mm": 14, "ss": 17}
_PIECE = re.compile(r"yyyy|MM|dd|(?<= )HH(?=:mm:ss$)|(?<=HH:)mm(?=:ss$)|(?<=HH:mm:)ss$|.", re.DOTALL)
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_FEBRUARY = 2


class Reading(Protocol):
    """How the values of one column are read."""

    def __getitem__(self, text: str, /) -> str:
        """The twin of a text as it was sent; empty where that is not of the type."""
        ...

    def column(self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> list[bytes]:
        """The twins of the fields that lie between these places of the bytes `data`, without their quotes."""
        ...


def reading(column: Column) -> Reading | None:
    """How a column's values are read: from the text as it was sent to its twin. None for text, which has no twin."""
    return _reading(column.logical_type, column.date_format or "yyyy-MM-dd")


@lru_cache(maxsize=256)
def _reading(logical_type: str, date_format: str) -> Reading | None:
    match logical_type:
        case "integer":
            return _Numbers(_INTEGER)
        case "number":
            return _Numbers(_NUMBER)
        case "date":
            return _Dates(date_format)
        case _:
            return None


def twins(columns: Sequence[Column]) -> list[tuple[int, Reading]]:
    """The places, among these columns, of those that have a twin, and how each is read."""
    return [(place, read) for place, column in enumerate(columns) if (read := reading(column)) is not None]


class _Numbers:
    """Numbers of one pattern; the twin is the text itself."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def __getitem__(self, text: str, /) -> str:
        value = text.strip(BLANKS)
        return value if self._pattern.fullmatch(value) else ""

    def column(self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> list[bytes]:
        return [self[text].encode("ascii") for text in _texts(data, starts, stops)]


class _Dates(dict[str, str]):
    """Dates of one format in ISO order, held against the calendar; with a time of day where the format has one."""

    def __init__(self, date_format: str) -> None:
        super().__init__()
        # Of each place of the text the place in ISO order that its digit belongs to, or the sign that must stand there.
        self._digits: list[tuple[int, int]] = []
        self._signs: list[tuple[int, str]] = []
        self._width = 0
        for piece in _PIECE.findall(date_format):
            if piece in _ISO:
                self._digits += [(self._width + n, _ISO[piece] + n) for n in range(len(piece))]
            else:
                self._signs.append((self._width, piece))
            self._width += len(piece)
        self._timed = date_format.endswith(_TIME_OF_DAY)

    def __missing__(self, text: str) -> str:
        if len(self) >= MOST_KEPT:
            self.clear()
        self[text] = found = self._read(text.strip(BLANKS))
        return found

    def _read(self, value: str) -> str:
        if len(value) != self._width or any(value[place] != sign for place, sign in self._signs):
            return ""
        iso = list("0000-00-00 00:00:00" if self._timed else "0000-00-00")
        for place, goal in self._digits:
            if value[place] not in "0123456789":
                return ""
            iso[goal] = value[place]
        found = "".join(iso)
        try:
            date.fromisoformat(found[:10])
        except ValueError:
            return ""
        return found if found[11:13] < "24" and found[14:16] < "60" and found[17:] < "60" else ""

    def column(self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> list[bytes]:
        """All fields of the format's width at once, by the calendar's arithmetic; the others one by one."""
        found: list[bytes] = self._iso(data, starts).tolist()
        others = np.flatnonzero(stops - starts != self._width)
        for place, text in zip(others.tolist(), _texts(data, starts[others], stops[others]), strict=True):
            found[place] = self[text].encode("ascii")
        return found

    def _iso(self, data: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """What stands at these places in ISO order, empty where it is no date. Where a text ends is not looked at."""
        ends = len(data) - 1
        template = b"0000-00-00 00:00:00" if self._timed else b"0000-00-00"
        iso = np.tile(np.frombuffer(template, np.uint8), (len(starts), 1))
        fine: np.ndarray = np.ones(len(starts), np.bool_)
        for place, sign in self._signs:
            fine &= data[np.minimum(starts + place, ends)] == ord(sign)
        for place, goal in self._digits:
            byte = data[np.minimum(starts + place, ends)]
            fine &= (byte >= ord("0")) & (byte <= ord("9"))
            iso[:, goal] = byte
        figures = iso.astype(np.int32) - ord("0")
        year = figures[:, :4] @ np.array([1000, 100, 10, 1])
        month, day = (figures[:, at] * 10 + figures[:, at + 1] for at in (5, 8))
        leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
        last = _DAYS[np.clip(month, 0, 12)] + (leap & (month == _FEBRUARY))
        fine &= (year > 0) & (month > 0) & (month <= len(_DAYS) - 1) & (day > 0) & (day <= last)
        if self._timed:
            for at, limit in ((11, 24), (14, 60), (17, 60)):
                fine &= figures[:, at] * 10 + figures[:, at + 1] < limit
        iso[~fine] = 0
        stamps: np.ndarray = iso.view(f"S{len(template)}").ravel()
        return stamps


def _texts(data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> Iterator[str]:
    """A character for each byte; nothing is looked at but ASCII."""
    text = data.tobytes().decode("latin-1") if len(starts) else ""
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        yield text[start:stop].replace('""', '"')
