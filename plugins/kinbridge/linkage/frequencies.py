"""How often values occur, and how rare a record's value is by that.

Input: the table `cleaned` in DuckDB; output: frequencies of values by column, and columns `rarity_<column>` in
`cleaned`. Frequencies are counted once for a trained model and kept, so a value is as rare in one run as in another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import duckdb
import pyarrow as pa

FREQUENCY_SCHEMA = pa.schema([("column_name", pa.string()), ("value", pa.string()), ("frequency", pa.float64())])


def count_frequencies(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> tuple[pa.Table, dict[str, float]]:
    """How often each value of these columns of `cleaned` occurs, and log2 of the share of one that was not counted.

    A value that one record alone has is not kept: it is as rare as one that nobody has.
    """
    tables, unseen = [FREQUENCY_SCHEMA.empty_table()], {}
    for column in columns:
        [(filled,)] = connection.execute(f"SELECT count({column}) FROM cleaned").fetchall()
        if filled:
            unseen[column] = -math.log2(filled)
        tables.append(
            connection.sql(
                f"""
                SELECT
                    '{column}' AS column_name,
                    {column} AS value,
                    count(*) / {max(filled, 1)}::DOUBLE AS frequency
                FROM cleaned
                WHERE {column} IS NOT NULL
                GROUP BY {column}
                HAVING count(*) > 1
                ORDER BY {column}
                """
            )
            .to_arrow_table()
            .cast(FREQUENCY_SCHEMA)
        )
    return pa.concat_tables(tables), unseen


def add_rarity(connection: duckdb.DuckDBPyConnection, frequencies: pa.Table, unseen: Mapping[str, float]) -> None:
    """Add `rarity_<column>` to `cleaned`: log2 of how often the record's value occurs; in place of any from before."""
    connection.register("term_frequency", frequencies)
    names = [str(name) for name, *_ in connection.execute("DESCRIBE cleaned").fetchall()]
    before = [name for name in names if name.startswith("rarity_")]
    columns = [f"cleaned.* EXCLUDE ({', '.join(before)})" if before else "cleaned.*"]
    joins = []
    for column in sorted(unseen):
        columns.append(rarity_sql(f"frequency_{column}.frequency", f"cleaned.{column}", unseen[column], column))
        joins.append(
            f"LEFT JOIN (SELECT value, frequency FROM term_frequency WHERE column_name = '{column}')"
            f" AS frequency_{column} ON frequency_{column}.value = cleaned.{column}"
        )
    connection.execute(
        f"CREATE OR REPLACE TABLE cleaned AS SELECT {', '.join(columns)} FROM cleaned {' '.join(joins)} ORDER BY record"
    )
    connection.unregister("term_frequency")


def rarity_sql(frequency: str, value: str, unseen: float, column: str) -> str:
    """SQL for the column `rarity_<column>`."""
    return f"CASE WHEN {value} IS NOT NULL THEN coalesce(log2({frequency}), {unseen!r}) END AS rarity_{column}"
