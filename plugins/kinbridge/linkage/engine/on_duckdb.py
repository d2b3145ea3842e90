"""Linkage in DuckDB, in this process and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

from kinbridge.linkage.engine.engine import Engine


class DuckDBEngine(Engine):
    """A DuckDB of its own, or over one that is there; nothing is written to disk."""

    def __init__(self, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self._connection = connection or duckdb.connect(":memory:")
        self._given: set[str] = set()
        # Without a folder for temporary files DuckDB cannot spill personal data to disk.
        self.run("SET temp_directory = ''; SET enable_progress_bar = false")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection, for what looks at the tables afterwards."""
        return self._connection

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()

    def run(self, script: str) -> None:
        """Run statements as they are."""
        self._connection.execute(script)

    def make(self, table: str, query: str) -> None:
        """Make a table, in memory."""
        self.run(f"CREATE OR REPLACE TABLE {table} AS {query}")

    def append(self, table: str, query: str) -> None:
        """Add rows to a table."""
        self.run(f"INSERT INTO {table} {query}")

    def give(self, name: str, rows: pa.Table) -> None:
        """Let queries scan the Arrow table itself; nothing is copied."""
        self._connection.register(name, rows)
        self._given.add(name)

    def drop(self, *names: str) -> None:
        """Take tables, or what was given, away."""
        for name in names:
            if name in self._given:
                self._connection.unregister(name)
                self._given.remove(name)
            else:
                self.run(f"DROP TABLE {name}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        found: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()
        return found

    def arrow(self, query: str) -> pa.Table:
        """The rows of a query as Arrow."""
        return self._connection.sql(query).to_arrow_table()

    def pieces(self, table: str, rows: int) -> Iterator[str]:
        """The table in pieces of `rows` rows, one copied at a time."""
        [(count,)] = self.rows(f"SELECT count(*) FROM {table}")
        if count <= rows:
            yield table
            return
        for start in range(0, count, rows):
            self.make("piece", f"SELECT * FROM {table} WHERE rowid >= {start} AND rowid < {start + rows}")
            yield "piece"
            self.drop("piece")
