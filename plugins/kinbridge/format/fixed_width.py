"""Reads text in which each column has fixed places in the line, with header and trailer records where agreed.

Positions are characters, not bytes. A line that is shorter than the layout, or goes on behind it, is ragged. A trailer
(or header) that counts other than we do means that the file is not whole, so nothing of it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from kinbridge.contract.model import Mark
from kinbridge.format.table import Header, Row, RowTable, Unreadable
from kinbridge.format.text_lines import text_lines


@dataclass
class FixedWidthFile(RowTable):
    """One fixed-width file under its contract, see `Table`. Values come without the blanks that fill their places."""

    _counted: list[tuple[int, str, int]] = field(default_factory=list, repr=False)

    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """One row for each line that is neither empty nor a header or trailer. Raises `Unreadable`."""
        places = [(start - 1, start - 1 + length) for start, length in (c.position or (1, 1) for c in self.columns)]
        width = max(sum(c.position) - 1 for c in self.expected if c.position)
        self.header = Header(width, tuple(self.expected.index(c) for c in self.columns))
        found = 0
        for number, line in self._body(content):
            found += 1
            shape = "whole" if len(line) >= width and not line[width:].strip() else "ragged"
            yield (number, shape, *(line[first:last].strip(" ") for first, last in places))
        self._compare(found)

    def _body(self, content: IO[bytes]) -> Iterator[tuple[int, str]]:
        """The lines of rows. What header and trailer count is kept for `_compare`."""
        head, trailer = self.dialect.header_record, self.dialect.trailer_record
        number, ended, begun = 0, False, head is None
        for number, line in text_lines(content, self.dialect.encoding):
            if number <= self.dialect.skip_lines or not line:
                continue
            if ended:
                raise Unreadable(number, "a line stands after the trailer record")
            if head and not begun:
                if not line.startswith(head.prefix):
                    raise Unreadable(number, "the file does not begin with its header record")
                begun = True
                self._note(head, "header", number, line)
            elif trailer and line.startswith(trailer.prefix):
                ended = True
                self._note(trailer, "trailer", number, line)
            else:
                yield number, line
        if not begun:
            raise Unreadable(max(number, 1), "the file has no header record")
        if trailer and not ended:
            raise Unreadable(max(number, 1), "the file ends without its trailer record")

    def _note(self, mark: Mark, name: str, number: int, line: str) -> None:
        if mark.count:
            start, length = mark.count
            text = line[start - 1 : start - 1 + length].strip()
            if not (text.isascii() and text.isdigit()):
                raise Unreadable(number, f"the {name} record has no number where its count should be")
            self._counted.append((number, name, int(text)))

    def _compare(self, found: int) -> None:
        for number, name, said in self._counted:
            if said != found:
                raise Unreadable(number, f"the {name} record counts {said} records, the file has {found}")
