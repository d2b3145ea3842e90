"""What goes into a backup, and under whose key: tables cut into parts by the partner or feed whose rows they are.

Every table of the schemas below is in; one that tells no owner is in the common part, which holds random ids, rules and
counts. A table of the record is one, however many partitions it has. `landing` is on its way to the record,
`integrated` and `mart` are made anew from it: none of these is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kinbridge.contract.sql import ident, literal

SCHEMAS = ("ledger", "record", "quarantine", "identity", "release", "retention")
COMMON, LEDGER = "common", "ledger"


@dataclass(frozen=True)
class Table:
    """A table with the columns that are copied."""

    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def relation(self) -> str:
        """Qualified and quoted."""
        return f"{self.schema}.{ident(self.name)}"

    @property
    def listed(self) -> str:
        """The columns, for COPY."""
        return ", ".join(ident(column) for column in self.columns)


@dataclass(frozen=True)
class Slice:
    """The rows of a table that belong to one part: `condition` selects them from `t`."""

    part: str
    table: Table
    condition: str

    @property
    def query(self) -> str:
        """The COPY's own query."""
        columns = ", ".join(f"t.{ident(column)}" for column in self.table.columns)
        return f"SELECT {columns} FROM {self.table.relation} AS t WHERE {self.condition}"


def feed_part(feed: str) -> str:
    """The part of a feed's records."""
    return f"feed:{feed}"


def partner_part(*partners: str) -> str:
    """The part of what is known of a partner's persons, or of two partners' together."""
    return "partners:" + "+".join(sorted(set(partners)))


def concerns(part: str, partner: str, feed: str | None) -> bool:
    """Whether a part holds rows of the partner: of this feed, or of any of its feeds when `feed` is None."""
    kind, _, names = part.partition(":")
    if kind == "feed":
        return names == feed if feed else names.split("/", 1)[0] == partner
    return kind == "partners" and partner in names.split("+")


def tables(cursor: Any) -> list[Table]:
    """Every table that a backup copies, those first to which others refer by foreign keys."""
    cursor.execute(
        """
        SELECT
            n.nspname,
            c.relname,
            array_agg(a.attname::text ORDER BY a.attnum)
        FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = ''
        WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY(%s)
        GROUP BY n.nspname, c.relname
        """,
        (list(SCHEMAS),),
    )
    found = {(schema, name): Table(schema, name, tuple(columns)) for schema, name, columns in cursor.fetchall()}
    cursor.execute(
        """
        SELECT
            n.nspname,
            c.relname,
            other_n.nspname,
            other.relname
        FROM pg_constraint AS k
        INNER JOIN pg_class AS c ON c.oid = k.conrelid
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        INNER JOIN pg_class AS other ON other.oid = k.confrelid
        INNER JOIN pg_namespace AS other_n ON other_n.oid = other.relnamespace
        WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
        """
    )
    needs: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for schema, name, other_schema, other in cursor.fetchall():
        needs.setdefault((schema, name), set()).add((other_schema, other))
    ordered: list[Table] = []
    waiting = sorted(found, key=lambda key: (SCHEMAS.index(key[0]), key[1]))
    while waiting:
        ready = [key for key in waiting if not needs.get(key, set()) & set(waiting)]
        ordered += [found[key] for key in ready or waiting[:1]]
        waiting = [key for key in waiting if found[key] not in ordered]
    return ordered


def slices(cursor: Any, table: Table) -> Iterator[Slice]:
    """The table's rows by part; parts without rows are left out."""
    if table.schema == "ledger":
        yield Slice(LEDGER, table, "TRUE")
    elif table.schema == "quarantine":
        cursor.execute(
            f"SELECT DISTINCT d.feed FROM {table.relation} AS t INNER JOIN ledger.delivery AS d USING (delivery_id)"
        )
        for (feed,) in sorted(cursor.fetchall()):
            own = f"SELECT d.delivery_id FROM ledger.delivery AS d WHERE d.feed = {literal(feed)}"
            yield Slice(feed_part(feed), table, f"t.delivery_id IN ({own})")
    elif "feed" in table.columns and table.schema == "record":
        cursor.execute(f"SELECT DISTINCT t.feed FROM {table.relation} AS t")
        for (feed,) in sorted(cursor.fetchall()):
            yield Slice(feed_part(feed), table, f"t.feed = {literal(feed)}")
    elif "partner_left" in table.columns:
        cursor.execute(f"SELECT DISTINCT t.partner_left, t.partner_right FROM {table.relation} AS t")
        for left, right in sorted(cursor.fetchall()):
            condition = f"t.partner_left = {literal(left)} AND t.partner_right = {literal(right)}"
            yield Slice(partner_part(left, right), table, condition)
    elif "partner" in table.columns:
        cursor.execute(f"SELECT DISTINCT t.partner FROM {table.relation} AS t")
        for (partner,) in sorted(cursor.fetchall()):
            yield Slice(partner_part(partner), table, f"t.partner = {literal(partner)}")
    else:
        yield Slice(COMMON, table, "TRUE")
