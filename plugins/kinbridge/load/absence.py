"""Closes what a snapshot no longer holds, where the contract says that absence means the end.

A row of the record that the delivery's feed said before, and that is in none of the delivery's rows, is closed: it
stays in the history with `known_to`. Rows of the file that were refused are not absent, so their keys count as present.
With a scope (`intake.scope`), only rows whose values in these columns the delivery speaks of can be absent; a table
that lacks one of these columns is left alone. What a later day has confirmed an earlier snapshot cannot close, and what
a late snapshot brings although a later one no longer held it is history from the start: so the order does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kinbridge.contract.model import Feed
from kinbridge.contract.sql import ident
from kinbridge.load.target import Target, target_of
from kinbridge.load.transform import Statement


@dataclass(frozen=True)
class Absent:
    """Of one table: how many current rows the delivery speaks of, and how many of them it no longer holds."""

    current: int
    absent: int


def close_absent(
    cursor: Any, feed: Feed, statements: Iterable[Statement], parameters: dict[str, Any]
) -> dict[str, Absent]:
    """Close what is absent, by target; nothing for feeds whose absence means nothing.

    The view `source` must hold every landed row, the refused ones too. `parameters` are those of the merge: feed,
    delivery_id, as_of, known_at.
    """
    found = find_absent(cursor, feed, statements, parameters)
    for name in found:
        target = target_of(name)
        cursor.execute(
            f"""
            UPDATE {target.table} AS c
            SET known_to = %(known_at)s
            FROM {_table(target)} AS a
            WHERE c.feed = %(feed)s AND c.ctid = a.place AND a.gone
            """,
            parameters,
        )
    return found


def find_absent(
    cursor: Any, feed: Feed, statements: Iterable[Statement], parameters: dict[str, Any]
) -> dict[str, Absent]:
    """What is absent, by target, noted in a temporary table each; `source` and `parameters` as for `close_absent`."""
    found: dict[str, Absent] = {}
    if not feed.extent.closes:
        return found
    for statement in statements:
        target = target_of(statement.target)
        if not set(feed.extent.scope) <= set(target.columns):
            continue
        cursor.execute(_note_absent(feed, target, statement.sql), parameters)
        cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE gone) FROM {_table(target)}")
        found[statement.target] = Absent(*map(int, cursor.fetchone()))
    return found


def _note_absent(feed: Feed, target: Target, select: str) -> str:
    """The temporary table of the feed's current rows that the delivery speaks of: their place, and whether gone."""
    key = ", ".join(ident(c) for c in target.key)
    same = " AND ".join(f"s.{ident(c)} = c.{ident(c)}" for c in target.key)
    scope = ", ".join(ident(c) for c in feed.extent.scope)
    names = list(dict.fromkeys([*target.key, *feed.extent.scope]))
    typed = ", ".join(f"q.{ident(c)}::{target.columns[c]} AS {ident(c)}" for c in names)
    spoken = f"AND ({_of('c', feed.extent.scope)}) IN (SELECT {scope} FROM said)" if scope else ""
    # A transform may hold the percent signs that stand for parameters here.
    return f"""
        CREATE TEMP TABLE {_table(target)} ON COMMIT DROP AS
        WITH said AS MATERIALIZED (
            SELECT {typed}
            FROM ({select.replace("%", "%%")}) AS q
        ),

        present AS MATERIALIZED (
            SELECT DISTINCT {key}
            FROM said
        )

        SELECT
            c.ctid AS place,
            s.* IS NULL AS gone
        FROM {target.table} AS c
        LEFT JOIN present AS s
            ON {same}
        WHERE
            c.feed = %(feed)s
            AND c.known_to IS NULL
            AND (c.as_of, c.delivery_id) < (%(as_of)s, %(delivery_id)s)
            {spoken}
    """


def close_what_came_late(cursor: Any, feed: Feed, target: Target, parameters: dict[str, Any]) -> None:
    """Rows of this delivery that a later snapshot, which was here before, did not hold any more."""
    if not feed.extent.closes or not set(feed.extent.scope) <= set(target.columns):
        return
    spoken = feed.extent.scope or ("feed",)
    cursor.execute(
        f"""
        UPDATE {target.table} AS c
        SET known_to = %(known_at)s
        WHERE
            c.feed = %(feed)s
            AND c.delivery_id = %(delivery_id)s
            AND c.known_from = %(known_at)s
            AND c.known_to IS NULL
            AND ({_of("c", spoken)}) IN (
                SELECT {_of("later", spoken)}
                FROM {target.table} AS later
                WHERE later.feed = %(feed)s AND later.as_of > %(as_of)s
            )
        """,
        parameters,
    )


def _table(target: Target) -> str:
    return ident(f"absent_{target.name}")


def _of(alias: str, columns: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{ident(c)}" for c in columns)
