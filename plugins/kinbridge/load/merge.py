"""Merges what a transform says into one table of `record`, and notes the fate of each line in the table `touched`.

`record` keeps history: a row is current while `known_to` is NULL; a changed row closes the old one and adds a new one.
Everything is set-based and happens in the caller's transaction. A feed's first file goes straight into a table of its
own (see `partition`); where rows share a key, or the record already has some of them, a temporary table stands between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg2

from kinbridge.contract.sql import ident
from kinbridge.errors import KinbridgeError
from kinbridge.load import partition
from kinbridge.load.target import Target

LINES_NAMED = 20


@dataclass(frozen=True)
class Inserted:
    """How many rows were inserted; `at_once` when all of them were, so that the target itself tells the lines.

    `opened` when they stand in a table of the feed's own, which the caller has yet to attach.
    """

    inserted: int
    at_once: bool = False
    opened: bool = False


def merge(cursor: Any, feed_id: str, target: Target, select: str, parameters: dict[str, Any]) -> Inserted:
    """Merge the rows of `select` into the target.

    `parameters` (psycopg2 named style) are feed, partner, delivery_id, contract_version, as_of, known_at. `known_at` is
    the moment of this load, taken after its lock: a transaction that waited began before the load that it comes after.
    The table `touched` (line_no, changed) gets every line of the rows, unless they were inserted at once.

    A current row's `as_of` is the latest day up to which a delivery has said it, so a delivery that says nothing new
    moves it on, and an older one that arrives late cannot supersede what a newer one confirmed.

    Raises `KinbridgeError` KB-L02 when a key has two different rows, KB-L03 when a row has no key.
    """
    cursor.execute(f"SELECT * FROM ({select}\n) AS q LIMIT 0")
    rows = _rows(target, select, [column.name for column in cursor.description])
    cursor.execute(
        """
        SELECT EXISTS (SELECT FROM ledger.load INNER JOIN ledger.delivery USING (delivery_id) WHERE feed = %(feed)s)
        """,
        parameters,
    )
    loaded_before = bool(cursor.fetchone()[0])
    at_once = None if loaded_before else _insert_at_once(cursor, target, rows, parameters)
    if at_once is not None:
        return at_once
    # What the transform says, and below only the first row of each key.
    cursor.execute(f"CREATE TEMP TABLE incoming ON COMMIT DROP AS {rows}")
    key = ", ".join(ident(c) for c in target.key)
    cursor.execute(f"ANALYZE incoming (line_no, {key})")
    _refuse_rows_without_key(cursor, feed_id, target)
    _set_repeats_aside(cursor, feed_id, target, key)
    inserted = _update(cursor, target, parameters)
    cursor.execute("DROP TABLE incoming")
    return Inserted(inserted)


def _rows(target: Target, select: str, given: Iterable[str]) -> str:
    """The query for what the transform says: line, columns in the target's order."""
    present = set(given)
    typed = ", ".join(
        f"{f'q.{ident(name)}' if name in present else 'NULL'}::{kind} AS {ident(name)}"
        for name, kind in target.columns.items()
    )
    return f"SELECT q.line_no::bigint AS line_no, {typed} FROM ({select}\n) AS q"


def _values(target: Target, alias: str) -> str:
    """All that the common schema knows of a row, to be compared as a whole."""
    return f"ROW({', '.join(f'{alias}.{ident(name)}' for name in target.columns)})"


def _refuse_rows_without_key(cursor: Any, feed_id: str, target: Target) -> None:
    no_key = " OR ".join(f"{ident(c)} IS NULL" for c in target.key)
    cursor.execute(f"SELECT count(*), min(line_no) FROM incoming WHERE {no_key}")
    count, first = cursor.fetchone()
    if count:
        raise KinbridgeError("KB-L03", feed=feed_id, target=target.name, count=count, line=first)


def _set_repeats_aside(cursor: Any, feed_id: str, target: Target, key: str) -> None:
    """Keep the first row of each key, when all of its rows are equal; refuse the others."""
    cursor.execute(
        f"CREATE TEMP TABLE crowd ON COMMIT DROP AS SELECT {key} FROM incoming GROUP BY {key} HAVING count(*) > 1"
    )
    if cursor.rowcount:
        cursor.execute(
            f"""
            SELECT min(line_no)
            FROM incoming AS i
            INNER JOIN crowd USING ({key})
            GROUP BY {key}
            HAVING count(DISTINCT {_values(target, "i")}) > 1
            ORDER BY min(line_no)
            LIMIT {LINES_NAMED}
            """
        )
        lines = [str(line) for (line,) in cursor.fetchall()]
        if lines:
            raise KinbridgeError("KB-L02", feed=feed_id, target=target.name, lines=", ".join(lines))
        cursor.execute(
            f"""
            WITH later AS (
                DELETE FROM incoming
                WHERE ctid IN (
                    SELECT place
                    FROM (
                        SELECT i.ctid AS place, row_number() OVER (PARTITION BY {key} ORDER BY i.line_no) AS occurrence
                        FROM incoming AS i
                        INNER JOIN crowd USING ({key})
                    ) AS numbered
                    WHERE occurrence > 1
                )
                RETURNING line_no
            )
            INSERT INTO touched (line_no, changed)
            SELECT line_no, false
            FROM later
            """
        )
    cursor.execute("DROP TABLE crowd")


def _insert_at_once(cursor: Any, target: Target, rows: str, parameters: dict[str, Any]) -> Inserted | None:
    """Insert everything in one go, for a feed that the record does not know yet: into a table of its own, if it may.

    None, and nothing done, when the table's own constraints refuse a row (no key, a key twice, a value that must be
    there): the careful way then finds out which.
    """
    cursor.execute("SAVEPOINT at_once")
    try:
        own = partition.opened(cursor, target, parameters["feed"])
        # A transform may hold the percent signs that stand for parameters here.
        cursor.execute(
            f"""
            {_insert_into(target, own or target.table)}
            SELECT {_row(target)}, NULL
            FROM ({rows.replace("%", "%%")}) AS i
            """,
            parameters,
        )
        inserted = int(cursor.rowcount)
        if own:
            partition.index(cursor, target, parameters["feed"])
    except psycopg2.IntegrityError:
        cursor.execute("ROLLBACK TO SAVEPOINT at_once")
        return None
    cursor.execute("RELEASE SAVEPOINT at_once")
    return Inserted(inserted, at_once=True, opened=own is not None)


def _update(cursor: Any, target: Target, parameters: dict[str, Any]) -> int:
    """What is new or changed against the record's current rows. `stale`: the record already knows something newer.

    `place` is where a known row stands in its feed's partition, so the feed has to be named with it; the loads of a
    feed come one after the other, so nobody else moves it.

    Of two deliveries of one day the later one is the newer. What the delivery itself has said stands: rows that a
    replay brings later fill gaps, they do not overrule it.
    """
    key = ", ".join(f"i.{ident(c)}" for c in target.key)
    names = ", ".join(ident(c) for c in target.key)
    same_key = " AND ".join(f"c.{ident(c)} = i.{ident(c)}" for c in target.key)
    # What a small delivery costs should follow its rows, not the table's: the default price of a page read out of order
    # is that of a turning disk, and has the planner read the whole table instead of the index.
    cursor.execute("SET LOCAL random_page_cost = 1.1")
    cursor.execute(
        f"""
        CREATE TEMP TABLE known ON COMMIT DROP AS
        SELECT
            {key},
            c.ctid AS place,
            {_values(target, "c")} IS NOT DISTINCT FROM {_values(target, "i")} AS same,
            (c.as_of, c.delivery_id) >= (%(as_of)s, %(delivery_id)s) AS stale
        FROM incoming AS i
        INNER JOIN {target.table} AS c
            ON c.feed = %(feed)s AND {same_key} AND c.known_to IS NULL
        """,
        parameters,
    )
    cursor.execute("ANALYZE known")
    cursor.execute(
        f"""
        UPDATE {target.table} AS c
        SET known_to = %(known_at)s
        FROM known AS i
        WHERE c.feed = %(feed)s AND c.ctid = i.place AND NOT i.same AND NOT i.stale
        """,
        parameters,
    )
    cursor.execute(
        f"""
        UPDATE {target.table} AS c
        SET as_of = %(as_of)s
        FROM known AS i
        WHERE c.feed = %(feed)s AND c.ctid = i.place AND i.same AND c.as_of < %(as_of)s
        """,
        parameters,
    )
    cursor.execute(
        f"""
        {_insert_into(target, target.table)}
        SELECT
            {_row(target)},
            -- An older delivery that arrives late is history from the start.
            CASE WHEN k.stale THEN %(known_at)s END
        FROM incoming AS i
        LEFT JOIN known AS k USING ({names})
        WHERE k.same IS NOT TRUE
        """,
        parameters,
    )
    inserted = int(cursor.rowcount)
    cursor.execute(
        f"""
        INSERT INTO touched (line_no, changed)
        SELECT i.line_no, k.same IS NOT TRUE
        FROM incoming AS i
        LEFT JOIN known AS k USING ({names})
        """
    )
    cursor.execute("DROP TABLE known")
    return inserted


def _insert_into(target: Target, table: str) -> str:
    columns = ", ".join(ident(c) for c in target.columns)
    return (
        f"INSERT INTO {table} "
        f"({columns}, line_no, partner, feed, delivery_id, contract_version, as_of, known_from, known_to)"
    )


def _row(target: Target) -> str:
    """The values for `_insert_into`, but the last one."""
    columns = ", ".join(f"i.{ident(c)}" for c in target.columns)
    return (
        f"{columns}, i.line_no, %(partner)s, %(feed)s, %(delivery_id)s, %(contract_version)s, %(as_of)s, %(known_at)s"
    )
