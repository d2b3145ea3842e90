"""Code crosswalks: a feed's `codes/*.csv` as temporary tables that its transform joins."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinbridge.contract.model import Feed
from kinbridge.contract.sql import ident


@dataclass(frozen=True)
class Crosswalk:
    """One crosswalk: the relation's name in the transform, its columns, its rows."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    path: Path


def crosswalks(feed: Feed) -> list[Crosswalk]:
    """The feed's crosswalks, sorted by name. `codes/race.csv` is `codes_race` in the transform."""
    return [_read(path) for path in sorted((feed.folder / "codes").glob("*.csv"))]


def _read(path: Path) -> Crosswalk:
    with path.open(encoding="utf-8", newline="") as text:
        header, *rows = list(csv.reader(text))
    return Crosswalk(
        f"codes_{path.stem}",
        tuple(header),
        tuple(tuple(cell or None for cell in row) for row in rows if row),
        path,
    )


def create(cursor: Any, crosswalk: Crosswalk) -> None:
    """Make the crosswalk a temporary table for this transaction."""
    columns = ", ".join(f"{ident(c)} text" for c in crosswalk.columns)
    cursor.execute(f"CREATE TEMP TABLE {ident(crosswalk.name)} ({columns}) ON COMMIT DROP")
    buffer = io.StringIO()
    csv.writer(buffer).writerows(crosswalk.rows)
    buffer.seek(0)
    cursor.copy_expert(f"COPY {ident(crosswalk.name)} FROM STDIN WITH (FORMAT csv)", buffer)
    cursor.execute(f"ANALYZE {ident(crosswalk.name)}")
