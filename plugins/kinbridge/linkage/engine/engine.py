"""What a linkage engine can do.

All SQL of linkage runs through an engine. It is written once, in DuckDB's dialect; an engine of another dialect
translates it. Tables live as long as the engine is open, and nothing of them is left behind when it is closed. No
engine may write a record's value to a log, or to a place that others can read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import pyarrow as pa


class Engine(ABC):
    """Tables by name, and SQL over them; closed at the end of a `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End, and take every table away."""

    @abstractmethod
    def run(self, script: str) -> None:
        """Run statements that make or drop macros, views and tables."""

    @abstractmethod
    def make(self, table: str, query: str) -> None:
        """Make `table` of the rows of `query`, in place of what had that name; `query` may read the table replaced."""

    @abstractmethod
    def append(self, table: str, query: str) -> None:
        """Add the rows of `query` to `table`, which has the same columns in the same order."""

    @abstractmethod
    def give(self, name: str, rows: pa.Table) -> None:
        """Let queries read `rows` under `name`, in place of what had that name."""

    @abstractmethod
    def drop(self, *names: str) -> None:
        """Take tables, or what was given, away."""

    @abstractmethod
    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of `query`."""

    @abstractmethod
    def arrow(self, query: str) -> pa.Table:
        """The rows of `query` as Arrow."""

    @abstractmethod
    def pieces(self, table: str, rows: int) -> Iterator[str]:
        """Names under which `table` can be read piece by piece, of at most `rows` rows where memory is scarce."""
