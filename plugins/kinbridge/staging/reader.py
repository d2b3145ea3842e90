"""Reads a delimited file as the contract describes it and turns it into the text that COPY takes.

Works on chunks of rows, so memory does not grow with the file. Never repairs anything silently: a row that is ragged or
cannot be decoded is passed on with its `shape` said, a file that cannot be read at all raises `Unreadable` with the
line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from kinbridge.contract.model import Column, Dialect

CHUNK_ROWS = 20_000
# A field longer than this is taken for a quote that was never closed.
FIELD_LIMIT = 1_000_000


@dataclass(frozen=True)
class Header:
    """How a file's header compares with the contract: positions of the columns to read, and what differs.

    `positions` has one entry for each column asked for: its place in the file, or None where it is missing.
    """

    width: int
    positions: tuple[int | None, ...]
    missing_required: tuple[str, ...] = ()
    missing_optional: tuple[str, ...] = ()
    unknown: int = 0


class Unreadable(Exception):
    """The file as a whole cannot be read; `line` is where, `why` is in words and holds nothing of the content."""

    def __init__(self, line: int, why: str) -> None:
        self.line = line
        self.why = why
        super().__init__(f"line {line}: {why}")


@dataclass
class DelimitedFile:
    """One delimited file under its contract. Iterate `chunks()` once; `header` and `rows` are known afterwards."""

    path: Path
    dialect: Dialect
    expected: tuple[Column, ...]
    columns: tuple[Column, ...]
    header: Header | None = None
    rows: int = 0
    _irregular: int = field(default=0, repr=False)

    def chunks(self) -> Iterator[bytes]:
        """CSV text for `COPY … (line_no, shape, columns…) WITH (FORMAT csv)`, UTF-8, one chunk at a time."""
        csv.field_size_limit(FIELD_LIMIT)
        with self.path.open(encoding=_codec(self.dialect.encoding), errors="surrogateescape", newline="") as text:
            reader = csv.reader(
                text,
                delimiter=self.dialect.delimiter,
                quotechar=self.dialect.quote_char or None,
                quoting=csv.QUOTE_MINIMAL if self.dialect.quote_char else csv.QUOTE_NONE,
                strict=True,
            )
            try:
                self.header = self._read_header(reader)
                numbered = _numbered(reader)
                while rows := list(islice(numbered, CHUNK_ROWS)):
                    self.rows += len(rows)
                    yield self._encode(rows, self.header)
            except csv.Error as error:
                raise Unreadable(reader.line_num, _reason(error)) from None
            except UnicodeError:
                raise Unreadable(reader.line_num + 1, f"the text is not {self.dialect.encoding}") from None

    def _read_header(self, reader: Any) -> Header:
        if not self.dialect.header:
            return Header(len(self.expected), tuple(self.expected.index(c) for c in self.columns))
        first = next(reader, None)
        if not first or not any(cell.strip() for cell in first):
            raise Unreadable(1, "the file has no header line")
        names = [cell.strip().lower() for cell in first]
        places = {name: place for place, name in enumerate(names)}
        if len(places) < len(names):
            raise Unreadable(1, "the header names one column twice")
        if not any(c.header.lower() in places for c in self.expected):
            raise Unreadable(1, "the header has none of the contract's columns")
        declared = {c.header.lower() for c in self.expected}
        missing = [c for c in self.columns if c.header.lower() not in places]
        return Header(
            width=len(names),
            positions=tuple(places.get(c.header.lower()) for c in self.columns),
            missing_required=tuple(c.name for c in missing if c.required),
            missing_optional=tuple(c.name for c in missing if not c.required),
            unknown=sum(name not in declared for name in names),
        )

    def _encode(self, rows: list[tuple[int, list[str]]], header: Header) -> bytes:
        """A chunk as CSV bytes: the fast way for whole rows, row by row where one of them is not."""
        width, positions = header.width, header.positions
        pick = _picker(positions)
        if all(len(row) == width for _, row in rows):
            out = _write([(line, "whole", *pick(row)) for line, row in rows])
            try:
                data = out.encode("utf-8")
            except UnicodeEncodeError:
                data = b"\0"
            if b"\0" not in data:
                return data
        return _write([_judged(line, row, header, pick) for line, row in rows]).encode("utf-8")


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which they begin. Blank lines are no rows."""
    before = reader.line_num
    for row in reader:
        if row:
            yield before + 1, row
        before = reader.line_num


def _picker(positions: tuple[int | None, ...]) -> Any:
    if None not in positions and len(positions) > 1:
        return itemgetter(*[p for p in positions if p is not None])

    def pick(row: list[str]) -> tuple[str, ...]:
        return tuple("" if p is None else row[p] for p in positions)

    return pick


def _judged(line: int, row: list[str], header: Header, pick: Any) -> tuple[int | str, ...]:
    """One row with its shape: ragged rows are padded or cut, undecodable text and NULs are replaced by U+FFFD."""
    shape = "whole" if len(row) == header.width else "ragged"
    padded = (row + [""] * header.width)[: header.width]
    values = tuple(pick(padded))
    clean = tuple(_storable(v) for v in values)
    return (line, shape if clean == values else "undecodable", *clean)


def _storable(value: str) -> str:
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() and _broken(value) else value


def _broken(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _write(rows: list[tuple[int | str, ...]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()


def _codec(encoding: str) -> str:
    """UTF-8 may begin with a byte order mark, whoever wrote it."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def _reason(error: csv.Error) -> str:
    if "field larger" in str(error) or "unexpected end" in str(error):
        return "a quotation mark is opened and never closed"
    return "the quoting is broken"
