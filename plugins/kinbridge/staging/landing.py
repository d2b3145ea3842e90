"""The SQL of a delivery's landing tables. Pure text from declarations; nothing here runs it.

A delivery has, in schema `landing`: the table of its rows as text (`…__d12`), the lines that exactly repeat an earlier
row (`…__d12_repeat`), and the typed view of the other rows (`…__d12_typed`), which Great Expectations, the findings and
the transform all read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kinbridge.contract.model import Column, Feed
from kinbridge.contract.sql import (
    WHITE_SPACE,
    ident,
    literal,
    reference_name,
    typed_expression,
    typed_name,
)


@dataclass(frozen=True)
class Landing:
    """The landing tables of one delivery of a feed, for the columns that its agreement allows."""

    feed: Feed
    columns: tuple[Column, ...]
    delivery_id: int

    @property
    def name(self) -> str:
        """The bare name of the landing table."""
        return f"{self.feed.slug}__d{self.delivery_id}"

    @property
    def table(self) -> str:
        """The landing table, qualified and quoted."""
        return f"landing.{ident(self.name)}"

    @property
    def repeat(self) -> str:
        """The table of repeated lines, qualified and quoted."""
        return f"landing.{ident(self.name + '_repeat')}"

    @property
    def view_name(self) -> str:
        """The bare name of the typed view."""
        return f"{self.name}_typed"

    @property
    def view(self) -> str:
        """The typed view, qualified and quoted."""
        return f"landing.{ident(self.view_name)}"

    def drop(self) -> str:
        """Drops all three, if they are there."""
        return f"DROP VIEW IF EXISTS {self.view}; DROP TABLE IF EXISTS {self.repeat}; DROP TABLE IF EXISTS {self.table}"

    def create(self) -> str:
        """Makes the landing table: unlogged, since a lost one is staged again from the landed file."""
        columns = "".join(f", {ident(c.name)} text" for c in self.columns)
        return f"CREATE UNLOGGED TABLE {self.table} (line_no bigint NOT NULL, row_shape text NOT NULL{columns})"

    def copy(self) -> str:
        """The COPY that takes what `DelimitedFile.chunks` gives; an empty field is NULL, a quoted empty one too."""
        names = ["line_no", "row_shape", *(ident(c.name) for c in self.columns)]
        forced = ", ".join(ident(c.name) for c in self.columns)
        return f"COPY {self.table} ({', '.join(names)}) FROM STDIN WITH (FORMAT csv, FORCE_NULL ({forced}))"

    def create_repeat(self) -> str:
        """Makes the table of lines that repeat an earlier row in every authorised column.

        Only whole rows are compared: of a broken one not all is known. And only rows whose key occurs more than once
        are, so a clean file costs one hash aggregate.
        """
        names = {c.name for c in self.columns}
        keys = [f"coalesce({ident(k)}, '')" for k in self.feed.key if k in names]
        every = ", ".join(ident(c.name) for c in self.columns)
        number = f"row_number() OVER (PARTITION BY {every} ORDER BY line_no) AS occurrence"
        crowd = "row_shape = 'whole'"
        if keys:
            key = ", ".join(keys)
            crowd += f" AND ({key}) IN (SELECT {key} FROM {self.table} GROUP BY {key} HAVING count(*) > 1)"
        return (
            f"CREATE UNLOGGED TABLE {self.repeat} AS SELECT line_no FROM "
            f"(SELECT line_no, {number} FROM {self.table} WHERE {crowd}) AS numbered WHERE occurrence > 1"
        )

    def create_view(self) -> str:
        """Makes the typed view: trimmed text, a typed twin for each column that is not text, reference look-ups."""
        trimmed = [f"NULLIF(btrim({ident(c.name)}, {WHITE_SPACE}), '') AS {ident(c.name)}" for c in self.columns]
        inner = ", ".join(["line_no", "row_shape", *trimmed])
        outer = ", ".join(["t.line_no", "t.row_shape", *self._outer()])
        return (
            f"CREATE VIEW {self.view} WITH (security_invoker = true) AS SELECT {outer} FROM "
            f"(SELECT {inner} FROM {self.table}) AS t "
            f"WHERE NOT EXISTS (SELECT FROM {self.repeat} AS r WHERE r.line_no = t.line_no)"
        )

    def _outer(self) -> Iterable[str]:
        names = {c.name for c in self.columns}
        for column in self.columns:
            text = f"t.{ident(column.name)}"
            yield text
            if typed_name(column) != column.name:
                yield f"{typed_expression(column, text)} AS {ident(typed_name(column))}"
        for reference in self.feed.references:
            if names.issuperset(reference.columns):
                ours = ", ".join(f"t.{ident(c)}" for c in reference.columns)
                null = " OR ".join(f"t.{ident(c)} IS NULL" for c in reference.columns)
                yield (
                    f"CASE WHEN {null} OR (SELECT true FROM record.reference_key AS k "
                    f"WHERE k.feed = {literal(reference.feed)} "
                    f"AND k.column_names = {literal(','.join(reference.their_columns))} "
                    f"AND k.key_values = ARRAY[{ours}]) THEN 'known' ELSE 'unknown' END "
                    f"AS {ident(reference_name(reference))}"
                )
