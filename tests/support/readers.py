"""Files read by the readers of `kinbridge.format`, as rows that a test can compare."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from kinbridge.contract.model import Column, Dialect, Feed, LogicalType
from kinbridge.format.delivered_file import DeliveredFile, open_file

Rows = list[tuple[int, str, list[str]]]


def text_column(name: str, header: str | None = None, **given: object) -> Column:
    """A text column, named in the file by `header`."""
    return Column(name, name if header is None else header, "string", "A column.", "internal", **given)  # type: ignore[arg-type]


def columns_at(**paths: str) -> tuple[Column, ...]:
    """Text columns by name and header, or path."""
    return tuple(text_column(name, path) for name, path in paths.items())


def typed(name: str, kind: LogicalType, date_format: str | None = None) -> Column:
    """A column that is no text."""
    return Column(name, name, kind, "A column.", "internal", date_format=date_format)


def feed_of(columns: tuple[Column, ...], dialect: Dialect) -> Feed:
    """A feed of these columns."""
    return Feed("atlas/rows_v1", "1.0.0", "Rows", Path("x"), columns, dialect, 0.05, None)


def delivered(
    path: Path, dialect: Dialect, columns: tuple[Column, ...], wanted: tuple[Column, ...] | None = None
) -> tuple[DeliveredFile, Rows]:
    """The file, read, and its rows as COPY would take them, without twins: line, shape, values. Raises `Unreadable`."""
    wanted = columns if wanted is None else wanted
    file = open_file(path, feed_of(columns, dialect), wanted)
    text = b"".join(file.chunks()).decode("utf-8")
    rows = [
        (int(line), shape, values[: len(wanted)]) for line, shape, *values in csv.reader(io.StringIO(text, newline=""))
    ]
    assert file.rows == len(rows)
    assert [line for line, _, _ in rows] == sorted({line for line, _, _ in rows}), "lines rise, none stands twice"
    return file, rows


def rows_of(path: Path, dialect: Dialect, columns: tuple[Column, ...]) -> Rows:
    """The rows of a file. Raises `Unreadable`."""
    return delivered(path, dialect, columns)[1]
