"""Closes what a delta feed says is deleted, and keeps the word of it for what comes late.

A row whose change code means deletion (`intake.change`) says nothing but its key. The transform is run over these rows
for the keys of each table; the feed's current rows of these keys are closed and stay in the history. Each deletion is
kept in `record.deleted_key`, so that an older delivery which arrives later cannot bring the row back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kinbridge.contract.sql import ident
from kinbridge.load.target import Target, target_of
from kinbridge.load.transform import Statement


def close_deleted(cursor: Any, statements: Iterable[Statement], parameters: dict[str, Any]) -> dict[str, int]:
    """Close the deleted keys of each target; returns the rows closed by target.

    The view `source` must hold the deleting rows alone. The table `touched` gets each of their lines. `parameters` are
    those of the merge.
    """
    closed = {}
    for statement in statements:
        target = target_of(statement.target)
        cursor.execute(_note_deleted(target, statement.sql), parameters)
        closed[statement.target] = _close(cursor, target, parameters)
        cursor.execute("DROP TABLE deleted")
    return closed


def keep_deleted_away(cursor: Any, target: Target, parameters: dict[str, Any]) -> None:
    """Close what this delivery just brought although a later one, which was here before, has deleted it."""
    cursor.execute(
        f"""
        UPDATE {target.table} AS c
        SET known_to = %(known_at)s
        FROM record.deleted_key AS d
        WHERE
            c.delivery_id = %(delivery_id)s
            AND c.known_from = %(known_at)s
            AND c.known_to IS NULL
            AND d.feed = %(feed)s
            AND d.target = %(target)s
            AND d.key_values = {_key_values("c", target)}
            AND d.as_of > %(as_of)s
        """,
        {**parameters, "target": target.name},
    )


def _note_deleted(target: Target, select: str) -> str:
    typed = ", ".join(f"q.{ident(c)}::{target.columns[c]} AS {ident(c)}" for c in target.key)
    whole = " AND ".join(f"{ident(c)} IS NOT NULL" for c in target.key)
    return f"""
        CREATE TEMP TABLE deleted ON COMMIT DROP AS
        SELECT *
        FROM (
            SELECT q.line_no::bigint AS line_no, {typed}
            FROM ({select.replace("%", "%%")}) AS q
        ) AS typed
        WHERE {whole}
    """


def _close(cursor: Any, target: Target, parameters: dict[str, Any]) -> int:
    same = " AND ".join(f"c.{ident(c)} = d.{ident(c)}" for c in target.key)
    cursor.execute(
        f"""
        WITH closed AS (
            UPDATE {target.table} AS c
            SET known_to = %(known_at)s
            FROM deleted AS d
            WHERE c.feed = %(feed)s AND {same} AND c.known_to IS NULL AND c.as_of <= %(as_of)s
            RETURNING d.line_no
        ),

        noted AS (
            INSERT INTO touched (line_no, changed)
            SELECT
                d.line_no,
                closed.line_no IS NOT NULL
            FROM deleted AS d
            LEFT JOIN closed
                ON closed.line_no = d.line_no
        )

        SELECT count(*)
        FROM closed
        """,
        parameters,
    )
    number = int(cursor.fetchone()[0])
    cursor.execute(
        f"""
        INSERT INTO record.deleted_key (feed, target, key_values, as_of, delivery_id)
        SELECT DISTINCT
            %(feed)s,
            %(target)s,
            {_key_values("d", target)},
            %(as_of)s::date,
            %(delivery_id)s::bigint
        FROM deleted AS d
        ON CONFLICT (feed, target, key_values) DO UPDATE
        SET as_of = excluded.as_of, delivery_id = excluded.delivery_id
        WHERE deleted_key.as_of < excluded.as_of
        """,
        {**parameters, "target": target.name},
    )
    return number


def _key_values(alias: str, target: Target) -> str:
    return f"ARRAY[{', '.join(f'{alias}.{ident(c)}::text' for c in target.key)}]"
