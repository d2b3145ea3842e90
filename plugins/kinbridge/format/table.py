"""What the readers of all formats share: headers, the shapes of rows, and the text that COPY takes.

A reader turns a file into rows of text, one value for each authorised column. Nothing here, and no reader, may repair
anything silently: a row is `whole`, or `ragged` (its parts are not where the contract has them), or `undecodable`
(some text in it cannot be read), and a file that cannot be read to its end raises `Unreadable`.
"""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Protocol, TypeVar

from kinbridge.contract.model import Column, Dialect
from kinbridge.format.twin import BLANKS, twins

Shape = Literal["whole", "ragged", "undecodable"]
# Line, shape, and one value for each column asked for.
Row = tuple[int | str, ...]
Source = Path | IO[bytes]
Place = TypeVar("Place")

# A chunk has at most so many rows and about so many characters: one wide row must not make a thousand of them wide.
BATCH_ROWS = 5_000
BATCH_CHARACTERS = 2_000_000


class Unreadable(Exception):
    """The file as a whole cannot be read; `line` is where, `why` is in words and holds nothing of the content."""

    def __init__(self, line: int, why: str) -> None:
        self.line = line
        self.why = why
        super().__init__(f"line {line}: {why}")


class Spoilt(Exception):
    """A value that is not there to be read as the contract says; `shape` is what that makes of its row."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        super().__init__(shape)


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


class Table(Protocol):
    """What every reader gives. Iterate `chunks()` once; the rest is known afterwards.

    `header` says what the file lacks, `rows` counts its rows, and `blank` names the columns in which some value has
    blanks around it; it may name one too many.
    """

    header: Header | None
    rows: int
    blank: set[str]

    def chunks(self) -> Iterator[bytes]:
        """CSV text for `COPY … (line_no, shape, columns…, twins…) WITH (FORMAT csv)`, UTF-8, one chunk at a time.

        The twins are those of the columns that are not text, see `twin`.
        """
        ...


@dataclass
class RowTable(ABC):
    """A reader that gives row by row; what is left to a format is `records`."""

    source: Source
    dialect: Dialect
    expected: tuple[Column, ...]
    columns: tuple[Column, ...]
    header: Header | None = None
    rows: int = 0
    blank: set[str] = field(default_factory=set)

    @abstractmethod
    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """The rows of the file, lines rising. Raises `Unreadable`."""

    def chunks(self) -> Iterator[bytes]:
        """The rows as text for COPY, see `Table`. Raises `Unreadable`."""
        with opened(self.source) as content:
            for batch in _batches(self.records(content)):
                self.rows += len(batch)
                yield encode(batch, self.columns, self.blank)


@dataclass
class PathTable(RowTable):
    """A reader of records in which each column has a path. A column that no record has counts as missing.

    `met` names the columns that some record had, `whole` counts the rows that were whole.
    """

    met: set[str] = field(default_factory=set)
    whole: int = 0

    def chunks(self) -> Iterator[bytes]:
        """The rows as text for COPY, see `Table`. Raises `Unreadable`."""
        yield from super().chunks()
        needed = any(c.required or c.key_position is not None for c in self.columns)
        if self.whole and needed and not self.met:
            raise Unreadable(1, "no record has any of the contract's columns")
        absent = [c for c in self.columns if self.rows and c.name not in self.met]
        self.header = Header(
            width=len(self.expected),
            positions=tuple(self.expected.index(c) for c in self.columns),
            missing_required=tuple(c.name for c in absent if c.required),
            missing_optional=tuple(c.name for c in absent if not c.required),
        )

    def row(
        self,
        line: int,
        paths: Iterable[tuple[str, Place]],
        find: Callable[[Place], str | None],
        shape: Shape = "whole",
    ) -> Row:
        """One record's row: `find` gives the value at a column's path, None where there is none, or raises `Spoilt`."""
        values = []
        for name, path in paths:
            try:
                value = find(path)
            except Spoilt as spoilt:
                shape, value = spoilt.shape, ""
            if value is None:
                value = ""
            else:
                self.met.add(name)
            values.append(value)
        self.whole += shape == "whole"
        return (line, shape, *values)

    def empty_row(self, line: int, shape: Shape = "ragged") -> Row:
        """A record that cannot be taken apart: its line and nothing else."""
        return (line, shape, *("" for _ in self.columns))


@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """The bytes of a path, or those of a file that is open already, from its beginning."""
    if isinstance(source, Path):
        with source.open("rb") as content:
            yield content
    else:
        source.seek(0)
        yield source


def match_header(names: Sequence[str], expected: Iterable[Column], columns: Iterable[Column], line: int = 1) -> Header:
    """Hold a file's column names against the contract: found by name in any order, letters' case aside.

    Raises `Unreadable` with the `line` for a header that names one column twice or has none of the contract's.
    """
    wanted, declared = tuple(columns), {c.header.lower() for c in expected}
    lowered = [name.strip().lower() for name in names]
    places = {name: place for place, name in enumerate(lowered)}
    if len(places) < len(lowered):
        raise Unreadable(line, "the header names one column twice")
    if declared.isdisjoint(places):
        raise Unreadable(line, "the header has none of the contract's columns")
    missing = [c for c in wanted if c.header.lower() not in places]
    return Header(
        width=len(lowered),
        positions=tuple(places.get(c.header.lower()) for c in wanted),
        missing_required=tuple(c.name for c in missing if c.required),
        missing_optional=tuple(c.name for c in missing if not c.required),
        unknown=sum(name not in declared for name in lowered),
    )


def encode(rows: Sequence[Row], columns: Sequence[Column], blank: set[str]) -> bytes:
    """Rows with their twins as CSV bytes. What UTF-8 or Postgres cannot hold becomes U+FFFD, its row undecodable."""
    note_blanks(rows, columns, blank)
    try:
        data = _write(_with_twins(rows, columns)).encode("utf-8")
    except UnicodeEncodeError:
        data = b"\0"
    if b"\0" not in data:
        return data
    return _write(_with_twins([_clean(row) for row in rows], columns)).encode("utf-8")


def _with_twins(rows: Sequence[Row], columns: Sequence[Column]) -> Sequence[Row]:
    found = twins(columns)
    if not found:
        return rows
    # Two places before the columns: line and shape.
    more = zip(*([read[str(row[place + 2])] for row in rows] for place, read in found), strict=True)
    return [(*row, *added) for row, added in zip(rows, more, strict=True)]


def note_blanks(rows: Sequence[Row], columns: Sequence[Column], blank: set[str]) -> None:
    """Add to `blank` the names of the columns that have a value with blanks around it."""
    for column, values in zip(columns, list(zip(*rows, strict=True))[2:], strict=True):
        if column.name not in blank and any(value != value.strip(BLANKS) for value in values):
            blank.add(column.name)


def storable(value: str) -> str:
    """The value with U+FFFD for what Postgres cannot hold; undecodable bytes become question marks."""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() and _broken(value) else value


def _clean(row: Row) -> Row:
    line, shape, *values = row
    clean = [storable(str(value)) for value in values]
    return (line, shape if clean == values else "undecodable", *clean)


def _broken(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _write(rows: Iterable[Row]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(str(value)) for value in row[1:])
        if len(batch) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
