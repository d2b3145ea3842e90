"""Prepared records: cleaned columns beside the originals, between `identity.prepared` and DuckDB.

A table of prepared records in DuckDB is numbered anew by source and id, `record` from 1 on, and keeps the record's own
number in `number`: so whichever records come together, the left one of two is always the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from kinbridge.linkage.columns import CLEANED_COLUMNS, LIST_COLUMNS
from kinbridge.linkage.frequencies import rarity_sql
from kinbridge.warehouse.arrow import copy_out

_WHOLE = ("birth_year", "generation", "heap_year")
TYPES = {"birth_date": "date"} | dict.fromkeys(_WHOLE, "integer") | dict.fromkeys(LIST_COLUMNS, "text[]")
IDS = ("source", "source_person_id")
CLEANED = tuple(sorted(CLEANED_COLUMNS - {"record", *IDS}))
# What follows from what others say, and is worked out in the database.
FROM_OTHERS = ("kin", "ssn", "ssn_end")
PREPARED_COLUMNS = "record bigint, source text, source_person_id text, " + ", ".join(
    f"{name} {TYPES.get(name, 'text')}" for name in CLEANED
)
_ARROW = {"date": pa.date32(), "integer": pa.int32()}


def prepared_rows(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """The rows of the DuckDB table `cleaned`, as Postgres reads them: `PREPARED_COLUMNS`."""
    lists = {
        name: f"'{{' || array_to_string(list_transform({name}, lambda x: '\"' || x || '\"'), ',') || '}}'"
        for name in LIST_COLUMNS
    }
    columns = ", ".join(f"{lists.get(name, name)} AS {name}" for name in ("record", *IDS, *CLEANED))
    return connection.sql(f"SELECT {columns} FROM cleaned ORDER BY record")


def fetch_prepared(
    cursor: Any,
    connection: duckdb.DuckDBPyConnection,
    wanted: str,
    *,
    source: str = "identity.prepared",
    training_id: int | None = None,
    unseen: Mapping[str, float] | None = None,
) -> int:
    """Make the DuckDB table `cleaned` of the records of `source` whose numbers the query `wanted` gives; how many.

    `source` is `identity.prepared` or a table like it. With a training, the rarity of the columns in `unseen` is
    added by its term frequencies.
    """
    unseen = unseen or {}
    given = [
        f"array_to_string(prepared.{name}, '|') AS {name}" if name in LIST_COLUMNS else f"prepared.{name}"
        for name in CLEANED
    ]
    schema = [("number", pa.int64()), *((name, pa.string()) for name in IDS)]
    schema += [(name, _ARROW.get(TYPES.get(name, "text"), pa.string())) for name in CLEANED]
    joins = []
    for column in sorted(unseen):
        given.append(f"frequency_{column}.frequency AS frequency_{column}")
        schema.append((f"frequency_{column}", pa.float64()))
        joins.append(
            f"LEFT JOIN identity.term_frequency AS frequency_{column} ON frequency_{column}.training_id = {training_id}"
            f" AND frequency_{column}.column_name = '{column}' AND frequency_{column}.value = prepared.{column}"
        )
    rows = copy_out(
        cursor,
        f"SELECT prepared.record AS number, prepared.source, prepared.source_person_id, {', '.join(given)}"
        f" FROM {source} AS prepared INNER JOIN ({wanted}) AS wanted (record) USING (record) {' '.join(joins)}",
        pa.schema(schema),
    )
    connection.register("fetched", rows)
    cleaned = [f"string_split({name}, '|') AS {name}" if name in LIST_COLUMNS else name for name in CLEANED]
    rarity = [rarity_sql(f"frequency_{column}", column, unseen[column], column) for column in sorted(unseen)]
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE cleaned AS
        SELECT
            row_number() OVER (ORDER BY source, source_person_id) AS record,
            {", ".join(["number", *IDS, *cleaned, *rarity])}
        FROM fetched
        ORDER BY record
        """
    )
    connection.unregister("fetched")
    return int(rows.num_rows)
