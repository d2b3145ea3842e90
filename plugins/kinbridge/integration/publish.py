"""Publish `mart`: count, decide what is withheld, prove it, and replace what analysts read, in one transaction.

Input: `integrated` or, where a table's gates are narrower, `record`; the ledger's deliveries and the day's gates; as
kb_linkage. Counts that are not suppressed live in temporary tables and in memory only; nothing is published unless
every small count is proven safe (KB-M02). Never logs a count.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2.extras import execute_values

from kinbridge.consent.gates import Gates, read_gates
from kinbridge.consent.rules import ACTOR
from kinbridge.disclosure.suppression import suppress
from kinbridge.integration.outputs import Group, OutputFeed, counting_files, group_of
from kinbridge.integration.parameters import read_parameters, sql_files
from kinbridge.integration.population import Population, make_rows, note_withheld
from kinbridge.integration.relations import Figure, Key, table_of
from kinbridge.integration.session import making, run_files
from kinbridge.ledger.events import record_event
from kinbridge.rule.grounds import read_grounds
from kinbridge.rule.publication import apply_minimum_cell
from kinbridge.rule.sources import Grounds
from kinbridge.standards import code_set
from kinbridge.warehouse.connection import Dsn

# Files numbered below count into temporary tables; the others write the mart from what is left to show.
FIRST_WRITING_FILE = "10"
NOT_PUBLISHED = "output not published"
LEFT_OUT = "left out of figures"

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


def publish_mart(dsn: Dsn, gates: Gates | None = None, grounds: Grounds | None = None) -> Publication:
    """Make `mart` anew, each table of the feeds and persons that may serve its use case.

    `gates` and `grounds` (of the smallest count that is shown) are those that the declarations and decisions of today
    give, unless others are given. Raises KB-M01 to KB-M03, KB-S20 to KB-S26, and what `read_gates` and `read_grounds`
    raise; the old mart stays if it does.
    """
    files = sql_files("mart")
    with making(dsn, read_parameters()) as cursor:
        grounds = grounds or read_grounds(cursor.connection)
        gates = gates or read_gates(cursor.connection, grounds=grounds)
        _create_labels(cursor)
        _count(cursor, [file for file in files if file.name < FIRST_WRITING_FILE], gates)
        minimum = apply_minimum_cell(cursor, gates.day, grounds)
        outcome = suppress(table_of(_figures(cursor)), minimum)
        _withhold(cursor, sorted(int(str(figure_id)) for figure_id in outcome.hidden))
        run_files(cursor, [file for file in files if file.name >= FIRST_WRITING_FILE])
    return Publication(outcome.published, outcome.primary, outcome.complementary)


def _count(cursor: Any, files: list[Path], gates: Gates) -> None:
    """Count every figure over the population of its table, close the tables that may not be published, and say so."""
    runs = [group_of(outputs, each, gates) for outputs, each in counting_files(files)]
    groups = [group for group in runs if group.outputs]
    withheld = note_withheld(cursor, gates)
    closed: dict[str, str] = {}
    tables: dict[str, OutputFeed] = {}
    for group in groups:
        closed |= group.closed
        tables |= {f"{row[0]} {row[2]}": row for row in group.rows(gates)}
    cursor.execute(
        "CREATE TEMP TABLE counted_feed (output text, use_case text, feed text, counted boolean, clause text, "
        "without text[]) ON COMMIT DROP"
    )
    cursor.execute("CREATE TEMP TABLE closed_output (output text) ON COMMIT DROP")
    if tables:
        given = "(%s, %s, %s, %s, %s, %s::text[])"
        execute_values(cursor, "INSERT INTO counted_feed VALUES %s", list(tables.values()), given)
    cursor.execute("INSERT INTO closed_output SELECT UNNEST(%s::text[])", (sorted(closed),))
    before: Population | None = None
    for run in runs:
        if run.outputs and run.population != before:
            make_rows(cursor, run.population)
            before = run.population
        run_files(cursor, run.files)
    _tell(cursor, groups, closed, withheld, gates)


def _tell(
    cursor: Any, groups: list[Group], closed: dict[str, str], withheld: dict[str, dict[str, int]], gates: Gates
) -> None:
    """Events for stewards: what is not published; which feeds, elements of feeds and how many persons are left out;
    each by its clause."""
    for output, clause in sorted(closed.items()):
        record_event(cursor.connection, None, ACTOR, NOT_PUBLISHED, {"output": output, "clause": clause})
    left_out = {", ".join(group.outputs): group.barred for group in groups if group.barred}
    without = {feed: dict(found) for feed, found in gates.without.items() if feed in gates.linkable}
    if left_out or withheld or without:
        facts = {"feeds": left_out, "persons": withheld, "elements": without}
        record_event(cursor.connection, None, ACTOR, LEFT_OUT, facts)


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
