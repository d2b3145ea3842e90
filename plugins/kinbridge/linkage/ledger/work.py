"""A DuckDB to work in, and what both ways of linking do there alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Allowed, Barred, Only, note_purposes, read_barred
from kinbridge.warehouse.arrow import copy_out

_VERDICT_SCHEMA = pa.schema(
    [("number_l", pa.int64()), ("number_r", pa.int64()), ("verdict", pa.string()), ("refused", pa.bool_())]
)


@contextmanager
def workshop() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory. Without a folder for temporary files it cannot spill personal data to disk."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET temp_directory = ''")
        connection.execute("SET enable_progress_bar = false")
        yield connection


@contextmanager
def by_index(cursor: Any) -> Iterator[None]:
    """Within it, Postgres joins by looking rows up.

    No statistics are kept of personal columns, since they would hold values. So Postgres takes a number or a family for
    one that thousands share, and would read whole tables for the few records that a delta asks for.
    """
    cursor.execute("SET LOCAL enable_hashjoin = off")
    cursor.execute("SET LOCAL enable_mergejoin = off")
    yield
    cursor.execute("SET LOCAL enable_hashjoin = on")
    cursor.execute("SET LOCAL enable_mergejoin = on")


def take_verdicts(cursor: Any, connection: duckdb.DuckDBPyConnection) -> None:
    """Make the DuckDB table `verdict` (l, r, verdict, refused) of `verdict_now`, for the records in `cleaned`."""
    rows = copy_out(
        cursor,
        "SELECT record_left AS number_l, record_right AS number_r, verdict, refused FROM verdict_now",
        _VERDICT_SCHEMA,
    )
    connection.register("given_verdict", rows)
    connection.execute(
        """
        CREATE OR REPLACE TABLE verdict AS
        SELECT
            left_record.record AS l,
            right_record.record AS r,
            given_verdict.verdict,
            given_verdict.refused
        FROM given_verdict
        INNER JOIN cleaned AS left_record ON left_record.number = given_verdict.number_l
        INNER JOIN cleaned AS right_record ON right_record.number = given_verdict.number_r
        """
    )
    connection.unregister("given_verdict")


def take_crowded(cursor: Any, connection: duckdb.DuckDBPyConnection) -> None:
    """Make the DuckDB table `crowded` (key) of the keys that too many records share."""
    rows = copy_out(cursor, "SELECT key FROM identity.crowded_key", pa.schema([("key", pa.int64())]))
    connection.register("given_crowded", rows)
    connection.execute("CREATE OR REPLACE TABLE crowded AS SELECT key FROM given_crowded")
    connection.unregister("given_crowded")


def take_purposes(connection: duckdb.DuckDBPyConnection, allowed: Allowed | None) -> tuple[Only, Barred | None]:
    """What keeps SQL over `cleaned` to pairs that may be compared, and what clustering has to obey."""
    engine = DuckDBEngine(connection)
    return note_purposes(engine, allowed), read_barred(engine, allowed)


def leave_out_barred(connection: duckdb.DuckDBPyConnection, only: Only) -> None:
    """Pairs that may not be compared are no candidates, whatever people said of them."""
    DuckDBEngine(connection).make("candidate", only("SELECT l, r, rule FROM candidate", "l", "r"))


def leave_out_single_sources(connection: duckdb.DuckDBPyConnection, model: Model, table: str = "candidate") -> None:
    """Ids of a source that never lists a person twice are no pair in `table`, unless people decided on it."""
    sources = connection.execute("SELECT DISTINCT source FROM cleaned").fetchall()
    single = [source for (source,) in sources if model.duplicates(source) == "none"]
    if single:
        connection.execute(
            f"""
            DELETE FROM {table} AS candidate
            USING cleaned AS left_record, cleaned AS right_record
            WHERE
                left_record.record = candidate.l
                AND right_record.record = candidate.r
                AND left_record.source = right_record.source
                AND list_contains(?, left_record.source)
                AND NOT EXISTS (SELECT 1 FROM verdict WHERE verdict.l = candidate.l AND verdict.r = candidate.r)
            """,
            [single],
        )


def kept_apart(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many pairs in `judged` each contradiction, or a decision, keeps apart."""
    rows = connection.execute(
        "SELECT apart, count(*) FROM judged WHERE apart IS NOT NULL GROUP BY apart ORDER BY apart"
    ).fetchall()
    return {str(name): int(pairs) for name, pairs in rows}
