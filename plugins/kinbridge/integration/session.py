"""The transaction in which `integrated` or `mart` is made: one snapshot, one maker at a time, the parameters at hand.

Must never leave anything behind when it fails: readers see all of the old rows or all of the new ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kinbridge.integration.parameters import Parameters
from kinbridge.warehouse.connection import Dsn, transaction


@contextlib.contextmanager
def making(dsn: Dsn, parameters: Parameters) -> Iterator[Any]:
    """A psycopg2 cursor whose statements all see the same rows, while no other build or publication runs.

    The parameters stand in the temporary table `parameter` (one row). Failures of Postgres become KB-S20 to KB-S26.
    """
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # A table lock is taken before the snapshot is, so whoever waited sees what the other has made.
        cursor.execute("LOCK TABLE integrated.person IN SHARE ROW EXCLUSIVE MODE")
        # Whole tables are sorted and joined; the default of 4 MB would send each of them to disk.
        cursor.execute("SET LOCAL work_mem = '128MB'")
        note_parameters(cursor, parameters)
        yield cursor


def note_parameters(cursor: Any, parameters: Parameters) -> None:
    """Make the temporary table `parameter`, of one row and a column for each parameter."""
    columns = ", ".join(f"%({name})s AS {name}" for name in asdict(parameters))
    cursor.execute(f"CREATE TEMP TABLE parameter ON COMMIT DROP AS SELECT {columns}", asdict(parameters))


def run_files(cursor: Any, files: Iterable[Path], reading: Callable[[str], str] = str) -> None:
    """Run each file as it stands, or as `reading` has it."""
    for file in files:
        cursor.execute(reading(file.read_text(encoding="utf-8")))
