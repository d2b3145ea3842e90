"""The search that proves a destruction: every text of every table and file, for values that must not be there any more.

Tables are those of the warehouse and, where the way in is at hand, of Airflow's metadata: what tasks hand on, what is
shown of them, the audit log.

Tells where and how often something was found, never what. It reads everything, so it takes as long as that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinbridge.contract.sql import ident
from kinbridge.destruction.file_search import hits_in_file
from kinbridge.warehouse.connection import Dsn, transaction


@dataclass(frozen=True)
class Proof:
    """What was searched, for how many probes, and where something was found (`places`: tables and files)."""

    probes: int
    tables: int
    columns: int
    rows: int
    files: int
    bytes: int
    hits: int
    places: tuple[str, ...]

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "places": list(self.places)}


def search(pipeline: Dsn, probes: Sequence[str], folders: Iterable[Path], airflow: Dsn | None = None) -> Proof:
    """Search the warehouse, Airflow's metadata and these folders, which may be absent, for any of the probes in any
    letter case."""
    rows: list[tuple[str, int, int, int]] = []
    with transaction(pipeline) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT relation, columns, rows, hits FROM retention.search(%s)", (list(probes),))
        rows += cursor.fetchall()
        rows += _tables(cursor, probes, "landing")
    if airflow is not None:
        with transaction(airflow) as connection, connection.cursor() as cursor:
            found_there = _tables(cursor, probes, "public")
            rows += [(f"airflow {name}", columns, count, hits) for name, columns, count, hits in found_there]
    files = size = found = 0
    places = [relation for relation, _, _, hits in rows if hits]
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            files, size = files + 1, size + path.stat().st_size
            hits = hits_in_file(path, probes)
            if hits:
                found += hits
                places.append(path.name if path.parent == folder else f"{path.parent.name}/{path.name}")
    return Proof(
        probes=len(probes),
        tables=len(rows),
        columns=sum(columns for _, columns, _, _ in rows),
        rows=sum(count for _, _, count, _ in rows),
        files=files,
        bytes=size,
        hits=sum(hits for _, _, _, hits in rows) + found,
        places=tuple(places),
    )


def _tables(cursor: Any, probes: Sequence[str], schema: str) -> list[tuple[str, int, int, int]]:
    """Every table of a schema: its name, columns, rows, and the rows that hold a probe."""
    cursor.execute(
        """
        SELECT
            c.relname,
            count(a.attnum)
        FROM pg_class AS c
        LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'r'
        GROUP BY c.relname
        ORDER BY 1
        """,
        (schema,),
    )
    found = []
    for name, columns in cursor.fetchall():
        table = f"{schema}.{ident(name)}"
        cursor.execute(
            f"SELECT count(*), count(*) FILTER (WHERE lower(t::text) LIKE ANY(%s)) FROM {table} AS t",
            ([f"%{_escaped(probe)}%" for probe in probes],),
        )
        found.append((table, int(columns), *cursor.fetchone()))
    return found


def _escaped(probe: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", probe.lower())
