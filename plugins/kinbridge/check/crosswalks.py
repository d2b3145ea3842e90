"""The shape of a feed's code crosswalks: columns, no double codes, sorted."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from kinbridge.contract.model import Feed
from kinbridge.declaration.document import Problem


def crosswalk_problems(feed: Feed) -> Iterator[Problem]:
    """What is wrong with the feed's `codes/*.csv`."""
    for path in sorted((feed.folder / "codes").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as text:
            rows = list(csv.reader(text))
        if not rows or rows[0][0] != "code" or rows[0][-1] != "note" or len(rows[0]) < 3:
            yield Problem("KB-C33", path, 1, "expected the columns code, one or more elements, note")
            continue
        codes = [row[0] for row in rows[1:] if row]
        for number, row in enumerate(rows[1:], 2):
            if row and len(row) != len(rows[0]):
                yield Problem("KB-C33", path, number, f"expected {len(rows[0])} fields, got {len(row)}")
        for number, (before, code) in enumerate(zip(codes, codes[1:], strict=False), 3):
            if code == before:
                yield Problem("KB-C33", path, number, "the code stands twice")
            elif code < before:
                yield Problem("KB-C33", path, number, "codes are sorted, so that a change reads like minutes")
