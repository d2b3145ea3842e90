"""Rows out of the warehouse and into it as Arrow tables, by COPY through memory: no temporary file, no value in an
error."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv


def copy_out(cursor: Any, query: str, schema: pa.Schema) -> pa.Table:
    """The rows of a query, with the columns of `schema`; the empty text and NULL stay two things."""
    buffer = io.BytesIO()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER true, FORCE_QUOTE *)", buffer)
    buffer.seek(0)
    # Postgres quotes every value and leaves NULL bare.
    return pyarrow.csv.read_csv(
        buffer,
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
    )


def copy_in(cursor: Any, table: str, columns: str, rows: pa.Table) -> None:
    """Make the temporary table `table` with these columns (names and types, as SQL) and put the rows into it."""
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pyarrow.csv.write_csv(rows, buffer, options)
    buffer.seek(0)
    cursor.execute(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
    cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT csv)", buffer)
