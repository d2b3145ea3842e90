"""Build `integrated`: linked persons, their families, spells in programs, referrals with outcomes, services.

Input: `record` and `identity`, as kb_linkage. All of it is made anew in one transaction, so it is safe to run twice and
readers see the old rows until the new ones are complete. Never carries a name, an address or a partner's id over.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinbridge.integration.parameters import read_parameters, sql_files
from kinbridge.integration.session import making, run_files
from kinbridge.warehouse.connection import Dsn

TABLES = ("person", "family", "participation", "referral", "service_event")


@dataclass(frozen=True)
class Build:
    """How many rows each table of `integrated` has, by name."""

    rows: dict[str, int]


def build_integrated(dsn: Dsn) -> Build:
    """Make `integrated` anew from what is recorded and linked now. Raises KB-M03, KB-S20 to KB-S26."""
    files = sql_files("integrated")
    with making(dsn, read_parameters()) as cursor:
        run_files(cursor, files)
        rows = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM integrated.{table}")
            (rows[table],) = cursor.fetchone()
    return Build(rows)
