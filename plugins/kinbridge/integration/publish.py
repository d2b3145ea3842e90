"""Publish `mart`: count, decide what is withheld, prove it, and replace what analysts read, in one transaction.

Input: `integrated` and the ledger's deliveries, as kb_linkage. Counts that are not suppressed live in temporary tables
and in memory only; nothing is published unless every small count is proven safe (KB-M02). Never logs a count.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any

from psycopg2.extras import execute_values

from kinbridge.disclosure.suppression import suppress
from kinbridge.integration.parameters import read_parameters, sql_files
from kinbridge.integration.relations import Figure, Key, table_of
from kinbridge.integration.session import making, run_files
from kinbridge.standards import code_set
from kinbridge.warehouse.connection import Dsn

# Files numbered below count into temporary tables; the others write the mart from what is left to show.
FIRST_WRITING_FILE = "10"

# Which standard code set words which characteristic.
LABELS = {"race_ethnicity": "race_ethnicity", "language": "language", "county": "county_fips"}


@dataclass(frozen=True)
class Publication:
    """Figures that are not zero, and how many are withheld: small ones, and others that would give them away."""

    figures: int
    small: int
    protecting: int

    @property
    def share_withheld(self) -> float:
        """Withheld figures as a share of those that are not zero."""
        return (self.small + self.protecting) / self.figures if self.figures else 0.0


def publish_mart(dsn: Dsn) -> Publication:
    """Make `mart` anew from `integrated`. Raises KB-M01 to KB-M03, KB-S20 to KB-S26; the old mart stays if it does."""
    parameters = read_parameters()
    files = sql_files("mart")
    with making(dsn, parameters) as cursor:
        _create_labels(cursor)
        run_files(cursor, [file for file in files if file.name < FIRST_WRITING_FILE])
        outcome = suppress(table_of(_figures(cursor)), parameters.minimum_cell)
        _withhold(cursor, sorted(int(str(figure_id)) for figure_id in outcome.hidden))
        run_files(cursor, [file for file in files if file.name >= FIRST_WRITING_FILE])
    return Publication(outcome.published, outcome.primary, outcome.complementary)


def _figures(cursor: Any) -> list[Figure]:
    cursor.execute(
        "SELECT figure_id, unit, month, grouping, programs, characteristic, value, n, published "
        "FROM figure ORDER BY figure_id"
    )
    return [Figure(row[0], Key(*row[1:7]), int(row[7]), row[8]) for row in cursor.fetchall()]


def _withhold(cursor: Any, figure_ids: list[int]) -> None:
    cursor.execute(
        "UPDATE figure SET withheld = TRUE FROM UNNEST(%s::bigint[]) AS small (id) WHERE figure_id = small.id",
        (figure_ids,),
    )


def _create_labels(cursor: Any) -> None:
    cursor.execute("CREATE TEMP TABLE code_label (characteristic text, code text, label text) ON COMMIT DROP")
    rows = []
    for characteristic, name in LABELS.items():
        with code_set(name).path.open(encoding="utf-8", newline="") as text:
            rows += [(characteristic, row["code"], row["label"]) for row in csv.DictReader(text)]
    execute_values(cursor, "INSERT INTO code_label (characteristic, code, label) VALUES %s", rows)
