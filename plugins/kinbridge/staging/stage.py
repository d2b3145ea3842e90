"""Stages one delivery: the landed file into its landing table, in one transaction that a retry simply repeats."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg2.errors import QueryCanceled

from kinbridge.contract.model import Column, Feed
from kinbridge.errors import KinbridgeError
from kinbridge.format.delivered_file import open_file
from kinbridge.format.table import Unreadable
from kinbridge.staging.landing import Landing


@dataclass(frozen=True)
class Staged:
    """What staging found: the rows of the file, and how its header differs from the contract."""

    rows: int
    repeats: int = 0
    missing_required: tuple[str, ...] = ()
    missing_optional: tuple[str, ...] = ()
    unknown_columns: int = 0
    unreadable_line: int | None = None
    unreadable_why: str | None = None

    def facts(self) -> dict[str, Any]:
        """The same as plain values for the ledger."""
        return asdict(self)


class _Stream(io.RawIOBase):
    """An iterator of byte chunks as the file that `copy_expert` reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.rest = b""
        self.unreadable: Unreadable | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; an empty answer ends the COPY."""
        if not self.rest:
            try:
                self.rest = next(self.chunks, b"")
            except Unreadable as error:
                # psycopg2 turns what is raised here into an error of its own, so the reason is kept aside.
                self.unreadable = error
                raise
        if size < 0 or len(self.rest) <= size:
            taken, self.rest = self.rest, b""
        else:
            taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


def stage(cursor: Any, path: Path, feed: Feed, columns: tuple[Column, ...], delivery_id: int) -> Staged:
    """Stream the authorised `columns` of the file at `path` into the delivery's landing table.

    `cursor` is a psycopg2 cursor inside a transaction; the caller commits. Safe to repeat: what an earlier try left is
    dropped first. A file that cannot be read to its end leaves an empty landing table and says so in the result.
    Raises `KinbridgeError` KB-D50 when the landed file is gone, KB-D52 when Postgres took another number of rows than
    were read.
    """
    if not path.is_file():
        raise KinbridgeError("KB-D50", feed=feed.id, delivery=delivery_id)
    landing = Landing(feed, columns, delivery_id)
    cursor.execute(landing.drop())
    cursor.execute(landing.create())
    cursor.execute("SAVEPOINT empty")
    file = open_file(path, feed, columns)
    stream = _Stream(file.chunks())
    try:
        cursor.copy_expert(landing.copy(), stream, size=1 << 20)
        if cursor.rowcount != file.rows:
            # Postgres before 18 takes a line of `\.` inside a quoted field for the end of the data.
            raise KinbridgeError(
                "KB-D52", feed=feed.id, delivery=delivery_id, rows=file.rows, copied=max(cursor.rowcount, 0)
            )
    except QueryCanceled:
        if stream.unreadable is None:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT empty")
    unreadable = stream.unreadable
    repeats = derive(cursor, landing, file.blank)
    if unreadable is not None:
        return Staged(rows=0, unreadable_line=unreadable.line, unreadable_why=unreadable.why)
    header = file.header
    return Staged(
        rows=file.rows,
        repeats=repeats,
        missing_required=header.missing_required if header else (),
        missing_optional=header.missing_optional if header else (),
        unknown_columns=header.unknown if header else 0,
    )


def derive(cursor: Any, landing: Landing, blank: Collection[str]) -> int:
    """Make what follows from a filled landing table: keys and lines that repeat, rows, lines at fault, the view.

    `blank` names the columns whose values may have blanks around them. Returns how many lines repeat an earlier one.
    """
    # Postgres overestimates what several processes would have to pass on to each other.
    cursor.execute("SET LOCAL parallel_tuple_cost = 0")
    cursor.execute(landing.analyze())
    cursor.execute(landing.create_repeat(blank))
    repeats = max(int(cursor.rowcount), 0)
    cursor.execute(landing.create_rows(blank, repeats))
    fault = landing.create_fault()
    if fault is not None:
        cursor.execute(fault)
    cursor.execute(landing.create_view())
    return repeats
