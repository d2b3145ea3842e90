"""Build `integrated`: linked persons, their families, spells in programs, referrals with outcomes, services; and, in
`identity`, relations and households over time.

Input: `record` and `identity`, as kb_linkage, and the day's gates: records of feeds that may not be used and of persons
whom every use is withheld from do not go in. All of it is made anew in one transaction, so it is safe to run twice and
readers see the old rows until the new ones are complete. Never carries a name, an address or a partner's id over.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinbridge.consent.gates import Gates, read_gates
from kinbridge.integration.household import make_households
from kinbridge.integration.parameters import read_parameters, sql_files
from kinbridge.integration.population import TABLES, choose, note_integrated, note_withheld, whole_population
from kinbridge.integration.session import making, run_files
from kinbridge.linkage.model import read_model
from kinbridge.review.fill import fill_queue
from kinbridge.warehouse.connection import Dsn

__all__ = ["TABLES", "Build", "build_integrated"]


@dataclass(frozen=True)
class Build:
    """How many rows each table of `integrated` has, by name."""

    rows: dict[str, int]


def build_integrated(dsn: Dsn, gates: Gates | None = None) -> Build:
    """Make `integrated` anew from what is recorded, linked and permitted now.

    `gates` are those that the declarations and decisions of today give, unless others are given. Raises KB-M03, KB-S20
    to KB-S26, and what `read_gates` raises.
    """
    files = sql_files("integrated")
    with making(dsn, read_parameters()) as cursor:
        gates = gates or read_gates(cursor.connection)
        note_withheld(cursor, gates)
        choose(cursor, whole_population(gates))
        run_files(cursor, files)
        note_integrated(cursor)
        make_households(cursor, gates)
        rows = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM integrated.{table}")
            (rows[table],) = cursor.fetchone()
        # What hangs on a pair that waits for a person is counted in the figures of now.
        fill_queue(cursor, read_model())
    return Build(rows)
