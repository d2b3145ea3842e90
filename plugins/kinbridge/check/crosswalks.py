"""The shape of a feed's code crosswalks: columns, no double codes, sorted."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from kinbridge.contract.columns import NAME
from kinbridge.contract.model import Feed
from kinbridge.declaration.document import Problem


def crosswalk_problems(feed: Feed) -> Iterator[Problem]:
    """What is wrong with the feed's `codes/*.csv`."""
    for path in sorted((feed.folder / "codes").glob("*.csv")):
        try:
            with path.open(encoding="utf-8", newline="") as text:
                reader = csv.reader(text, strict=True)
                rows = [(reader.line_num, row) for row in reader]
        except (UnicodeDecodeError, csv.Error):
            yield Problem("KB-C33", path, 1, "not readable as CSV in UTF-8")
            continue
        header = rows[0][1] if rows else []
        if len(header) < 3 or header[0] != "code" or header[-1] != "note":
            yield Problem("KB-C33", path, 1, "expected the columns code, one or more elements, note")
            continue
        if not NAME.match(path.stem) or not all(NAME.match(name) for name in header):
            yield Problem("KB-C33", path, 1, "the file and its columns are named in lower_case_with_underscores")
        yield from _rows(path, len(header), rows[1:])


def _rows(path: Path, width: int, rows: list[tuple[int, list[str]]]) -> Iterator[Problem]:
    before: str | None = None
    for line, row in rows:
        if len(row) != width:
            yield Problem("KB-C33", path, line, f"expected {width} fields, got {len(row)}")
            continue
        code = row[0]
        if not code:
            yield Problem("KB-C33", path, line, "the code is empty")
        elif code == before:
            yield Problem("KB-C33", path, line, "the code stands twice")
        elif before is not None and code < before:
            yield Problem("KB-C33", path, line, "codes are sorted, so that a change reads like minutes")
        before = code
