"""The tables of `record` as a load needs them: key, columns, types; and the SQL that merges new rows into one of them.

`record` keeps history: a row is current while `known_to` is NULL; a changed row closes the old one and adds a new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kinbridge.contract.sql import ident
from kinbridge.errors import KinbridgeError
from kinbridge.standards import common_schema

PROVENANCE = (
    "partner",
    "feed",
    "delivery_id",
    "line_no",
    "contract_version",
    "as_of",
    "row_hash",
    "known_from",
    "known_to",
)


@dataclass(frozen=True)
class Target:
    """One table of `record`, as the common schema declares it."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]

    @property
    def table(self) -> str:
        """The table, qualified and quoted."""
        return f"record.{ident(self.name)}"


def target_of(name: str) -> Target:
    """The table of that name. Raises `KinbridgeError` KB-L01 when the common schema has none."""
    elements = common_schema().get(name)
    if not elements:
        raise KinbridgeError("KB-L01", target=name)
    return Target(
        name,
        tuple(e.column for e in elements if e.key),
        {e.column: e.type for e in elements},
    )


def create_incoming(target: Target, select: str, given: Iterable[str]) -> str:
    """`incoming`: what the transform says, one row per key, columns in the target's order, with a hash of the whole.

    A key may come on several lines when all else is equal; the first line then counts. `conflicting_lines` tells when
    it is not.
    """
    present = set(given)
    columns = list(target.columns)
    typed = [
        f"q.{ident(c)}::{target.columns[c]} AS {ident(c)}"
        if c in present
        else f"NULL::{target.columns[c]} AS {ident(c)}"
        for c in columns
    ]
    # The hash tells changed from unchanged within one row's history; it is no security measure.
    everything = ", ".join(ident(c) for c in columns)
    return (
        f"CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT line_no, {everything}, "
        f"md5(ROW({everything})::text)::uuid AS row_hash "
        f"FROM (SELECT q.line_no::bigint AS line_no, {', '.join(typed)} FROM ({select}) AS q) AS typed"
    )


def conflicting_lines(target: Target) -> str:
    """Lines whose key the transform gave twice with different content, as (line_no), at most 20."""
    key = ", ".join(ident(c) for c in target.key)
    return (
        f"SELECT min(line_no) FROM incoming GROUP BY {key} HAVING count(DISTINCT row_hash) > 1 "
        "ORDER BY min(line_no) LIMIT 20"
    )


def merge(target: Target) -> list[str]:
    """The statements that merge `incoming` into the table, in order.

    Parameters: feed, partner, delivery_id, contract_version, as_of, known_at (psycopg2 named style). `known_at` is the
    moment of this load, taken after its lock: a transaction that waited began before the load that it comes after. The
    fate of each line is added to the temporary table `touched` (line_no, changed).

    A current row's `as_of` is the latest day up to which a delivery has said it, so a delivery that says nothing new
    moves it on, and an older one that arrives late cannot supersede what a newer one confirmed.
    """
    key = ", ".join(ident(c) for c in target.key)
    same_key = " AND ".join(f"c.{ident(c)} = i.{ident(c)}" for c in target.key)
    columns = ", ".join(ident(c) for c in target.columns)
    values = ", ".join(f"i.{ident(c)}" for c in target.columns)
    return [
        # One row per key, with what the record now says about it. `stale`: the record already knows something newer.
        f"""
        CREATE TEMP TABLE judged ON COMMIT DROP AS
        SELECT
            i.*,
            c.known_from IS NOT NULL AS known,
            coalesce(c.row_hash = i.row_hash, false) AS same,
            coalesce(c.as_of > %(as_of)s, false) AS stale
        FROM (SELECT DISTINCT ON ({key}) * FROM incoming ORDER BY {key}, line_no) AS i
        LEFT JOIN {target.table} AS c
            ON c.feed = %(feed)s AND {same_key} AND c.known_to IS NULL
        """,
        f"""
        UPDATE {target.table} AS c
        SET known_to = %(known_at)s
        FROM judged AS i
        WHERE c.feed = %(feed)s AND {same_key} AND c.known_to IS NULL AND i.known AND NOT i.same AND NOT i.stale
        """,
        f"""
        UPDATE {target.table} AS c
        SET as_of = %(as_of)s
        FROM judged AS i
        WHERE c.feed = %(feed)s AND {same_key} AND c.known_to IS NULL AND i.same AND c.as_of < %(as_of)s
        """,
        f"""
        INSERT INTO {target.table} (
            {columns}, partner, feed, delivery_id, line_no, contract_version, as_of, row_hash, known_from, known_to
        )
        SELECT
            {values}, %(partner)s, %(feed)s, %(delivery_id)s, i.line_no, %(contract_version)s, %(as_of)s, i.row_hash,
            %(known_at)s,
            -- An older delivery that arrives late is history from the start.
            CASE WHEN i.stale THEN %(known_at)s END
        FROM judged AS i
        WHERE NOT i.same
        """,
        f"""
        INSERT INTO touched (line_no, changed)
        SELECT i.line_no, NOT j.same AND i.line_no = j.line_no
        FROM incoming AS i
        INNER JOIN judged AS j USING ({key})
        """,
        "DROP TABLE judged, incoming",
    ]
