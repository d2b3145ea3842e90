"""Rows between Postgres and memory, by COPY: no temporary file, no value in a log or an error."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv

CHUNK = 200_000


def copy_out(cursor: Any, query: str, schema: pa.Schema) -> pa.Table:
    """The rows of `query` as a table of `schema`."""
    buffer = io.BytesIO()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER true, FORCE_QUOTE *)", buffer)
    buffer.seek(0)
    # Postgres quotes every value and leaves NULL bare, so the empty text and "not known" stay two things.
    return pyarrow.csv.read_csv(
        buffer,
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
    )


def copy_in(cursor: Any, table: str, columns: str, rows: pa.Table) -> None:
    """Make the temporary table `table (columns)` of `rows`."""
    cursor.execute(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
    copy_to(cursor, table, rows)


def copy_to(cursor: Any, target: str, rows: pa.Table) -> None:
    """Append `rows` to `target`, a table with or without its columns in brackets; a piece at a time."""
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    for start in range(0, rows.num_rows, CHUNK):
        buffer = io.BytesIO()
        pyarrow.csv.write_csv(rows.slice(start, CHUNK), buffer, options)
        buffer.seek(0)
        cursor.copy_expert(f"COPY {target} FROM STDIN (FORMAT csv)", buffer)
