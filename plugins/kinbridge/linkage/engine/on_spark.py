"""Linkage in Spark: in a session on this machine, or on a cluster.

Each table is made at once and stands as Parquet in the session's own folder, so no step depends on how the one before
it was worked out; a table that is dropped or made anew is deleted there. pyspark is imported only when an engine opens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import TracebackType
from typing import Any

import pyarrow as pa

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.engine.spark_config import SparkConfig
from kinbridge.linkage.engine.spark_session import Session, delete, spark_session
from kinbridge.linkage.engine.spark_sql import SparkSql


@contextmanager
def spark_engine(config: SparkConfig) -> Iterator[Engine]:
    """An engine in a session of its own.

    Raises `KinbridgeError` KB-K07 where Spark cannot start, and KB-K09 when it fails at its work.
    """
    with spark_session(config) as session, SparkEngine(session) as engine:
        yield engine


class SparkEngine(Engine):
    """An engine in a running session, which another may use after it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._spark = session.spark
        self._sql = SparkSql()
        self._number = count(1)
        self._files: dict[str, list[str]] = {}
        self._views: set[str] = set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; what Spark says of a failure is not passed on, since a value could stand in it."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        super().__exit__(kind, error, trace)
        if isinstance(error, (Py4JError, PySparkException)):
            condition = error.getCondition() if isinstance(error, PySparkException) else None
            raise KinbridgeError("KB-K09", kind=condition or type(error).__name__) from None

    def close(self) -> None:
        """Forget every name, and delete what was written."""
        self.drop(*list(self._files), *self._views)

    def run(self, script: str) -> None:
        """Translate and run statements one by one."""
        for statement in self._sql.statements(script):
            if statement.kind == "drop":
                self.drop(statement.name)
            elif statement.kind == "view":
                self._view(statement.name, self._spark.sql(statement.query))
            else:
                self._make(statement.name, statement.query)

    def make(self, table: str, query: str) -> None:
        """Make a table, as Parquet."""
        self._make(table, self._sql.query(query))

    def append(self, table: str, query: str) -> None:
        """Add Parquet beside that of the table."""
        before = self._files[table]
        place = self._written(table, self._sql.query(query))
        self._read(table, [*before, place])

    def give(self, name: str, rows: pa.Table) -> None:
        """Hand rows from this process to Spark."""
        self._view(name, self._spark.createDataFrame(rows))

    def drop(self, *names: str) -> None:
        """Forget names, and delete the Parquet of those that are tables."""
        for name in names:
            self._spark.catalog.dropTempView(name)
            self._views.discard(name)
            for place in self._files.pop(name, []):
                delete(self._spark, place)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row) for row in self._spark.sql(self._sql.query(query)).collect()]

    def arrow(self, query: str) -> pa.Table:
        """The rows of a query as Arrow."""
        return self._spark.sql(self._sql.query(query)).toArrow()

    def pieces(self, table: str, rows: int) -> Iterator[str]:
        """The table at once: Spark works in pieces by its own means, spread evenly here over all that it has."""
        del rows
        spread = self._spark.table(table).repartition(2 * self._spark.sparkContext.defaultParallelism)
        self._view("piece", spread)
        yield "piece"
        self.drop("piece")

    def _view(self, name: str, rows: Any) -> None:
        rows.createOrReplaceTempView(name)
        self._views.add(name)

    def _make(self, table: str, query: str) -> None:
        before = self._files.get(table, [])
        place = self._written(table, query)
        self._read(table, [place])
        for old in before:
            delete(self._spark, old)

    def _written(self, table: str, query: str) -> str:
        place = f"{self._session.tables}/{table}-{next(self._number)}"
        self._spark.sql(query).write.parquet(place)
        return place

    def _read(self, table: str, places: list[str]) -> None:
        self._spark.read.parquet(*places).createOrReplaceTempView(table)
        self._files[table] = places
