"""Rows of delimited text by the csv module, one physical line at a time, so that a broken quote costs one row.

Input: an iterator of lines and the dialect's csv reader. A record whose quoting is broken, or is never closed, is set
aside at the line on which it begins, and reading goes on with the next line: what an open quote has swallowed is read
again. Such a row is never passed on as whole. A file in which that happens again and again is quoted in another way
than its contract says; it must not be read on, for nothing in it could be trusted.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kinbridge.format.table import Unreadable

# So many records with broken quoting are mistakes; more are another way of quoting.
MOST_BROKEN = 1_000


class RecordLines:
    """The lines of a text, of which `number` are read. `reader(lines, strict)` makes the dialect's csv reader."""

    def __init__(self, text: Iterable[str], reader: Callable[[Iterable[str], bool], Any], number: int) -> None:
        self.number = number
        self._text = iter(text)
        self._reader = reader
        self._again: deque[str] = deque()
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """The next physical line, those first that are to be read again."""
        line = self._again.popleft() if self._again else next(self._text)
        self._taken.append(line)
        return line

    def first(self) -> list[str] | None:
        """The first record, which has to be sound; None when there is no line. Raises `Unreadable`."""
        try:
            row: list[str] | None = next(self._reader(self, True), None)
        except csv.Error as error:
            raise Unreadable(self.number + 1, _reason(error)) from None
        self._read()
        return row

    def rows(self, width: int) -> Iterator[tuple[int, list[str]]]:
        """Each further record with the line on which it begins; one that is broken never has `width` fields.

        Blank lines are no rows. Raises `Unreadable` at the record that is one too many.
        """
        broken = 0
        records = self._reader(self, True)
        while True:
            try:
                for row in records:
                    line = self.number + 1
                    self._read()
                    if row:
                        yield line, row
                return
            except csv.Error as error:
                line = self.number + 1
                broken += 1
                if broken > MOST_BROKEN:
                    raise Unreadable(line, _reason(error)) from None
                row = self._set_aside()
            yield line, row if len(row) != width else [*row, ""]
            records = self._reader(self, True)

    def _read(self) -> None:
        """The lines taken since the last record are done with."""
        self.number += len(self._taken)
        self._taken.clear()

    def _set_aside(self) -> list[str]:
        """The fields of the first line taken, as far as they can be told; the other lines are to be read again."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        self._taken.clear()
        self.number += 1
        try:
            return next(self._reader([first], False), [])
        except csv.Error:
            return []


def _reason(error: csv.Error) -> str:
    if "field larger" in str(error) or "unexpected end" in str(error):
        return "a quotation mark is opened and never closed"
    return "the quoting is broken"
