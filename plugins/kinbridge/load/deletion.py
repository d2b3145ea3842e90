"""Closes what a delta feed says is deleted, or known by another key now, and keeps the word of it for what comes late.

A row whose change code means deletion (`intake.change`) says nothing but its key. The transform is run over these rows
for the keys of each table; the feed's current rows of these keys are closed and stay in the history. Each deletion is
kept in `record.deleted_key`, so that an older delivery which arrives later cannot bring the row back.

A row whose change code means a changed key is loaded under its key as any other. The transform is run once more over
these rows as if they still had their former keys; what the record has under those is closed like a deletion, unless the
delivery itself says the key of another row: keys may be handed on, or swapped. Which person was known by another id is
kept in `record.person_key_change`, for the records of the partner's other feeds that still have the former one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kinbridge.contract.sql import ident
from kinbridge.load.target import Target, target_of
from kinbridge.load.transform import Statement

PERSON = "source_person_id"
_PERSONS = """
    INSERT INTO record.person_key_change (partner, source_person_id, became, feed, as_of, delivery_id)
    SELECT DISTINCT ON (d.source_person_id)
        %(partner)s,
        d.source_person_id,
        s.source_person_id,
        %(feed)s,
        %(as_of)s::date,
        %(delivery_id)s::bigint
    FROM deleted AS d
    INNER JOIN {said} AS s
        ON s.line_no = d.line_no
    WHERE s.source_person_id <> d.source_person_id
    ORDER BY
        d.source_person_id,
        d.line_no DESC
    ON CONFLICT (partner, source_person_id) DO UPDATE
    SET became = excluded.became, feed = excluded.feed, as_of = excluded.as_of, delivery_id = excluded.delivery_id
    WHERE (person_key_change.as_of, person_key_change.delivery_id) < (excluded.as_of, excluded.delivery_id)
"""


def close_deleted(cursor: Any, statements: Iterable[Statement], parameters: dict[str, Any]) -> dict[str, int]:
    """Close the deleted keys of each target; returns the rows closed by target.

    The view `source` must hold the deleting rows alone. The table `touched` gets each of their lines. `parameters` are
    those of the merge.
    """
    closed = {}
    for statement in statements:
        target = target_of(statement.target)
        cursor.execute(_note(target, statement.sql, "deleted", target.key), parameters)
        closed[statement.target] = _close(cursor, target, parameters)
        cursor.execute("DROP TABLE deleted")
    return closed


def note_said(cursor: Any, statements: Iterable[Statement], parameters: dict[str, Any]) -> None:
    """Note the keys that the delivery says, in a temporary table for each target. `source` must hold the rows to load.

    What `close_former` needs; not for deliveries without changed keys.
    """
    for statement in statements:
        target = target_of(statement.target)
        named = _named(cursor, target, statement.sql)
        cursor.execute(_note(target, statement.sql, _said(target), named), parameters)
        cursor.execute(f"ANALYZE {_said(target)}")


def close_former(cursor: Any, statements: Iterable[Statement], parameters: dict[str, Any]) -> dict[str, int]:
    """Close what stands under former keys, of each target; returns the rows closed by target.

    The view `source` must hold the rows with a changed key alone, under their former keys, and `note_said` have been
    called. Lines that closed anything are noted in `touched`.
    """
    closed = {}
    for statement in statements:
        target = target_of(statement.target)
        named = _named(cursor, target, statement.sql)
        cursor.execute(_note(target, statement.sql, "deleted", named), parameters)
        if PERSON in named:
            cursor.execute(_PERSONS.format(said=_said(target)), parameters)
        same = " AND ".join(f"s.{ident(c)} = d.{ident(c)}" for c in target.key)
        cursor.execute(f"DELETE FROM deleted AS d USING {_said(target)} AS s WHERE {same}")
        # What the delivery itself brought stays: a replay brings only some of its rows.
        closed[statement.target] = _close(cursor, target, parameters, "AND c.delivery_id <> %(delivery_id)s")
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
            c.feed = %(feed)s
            AND c.delivery_id = %(delivery_id)s
            AND c.known_from = %(known_at)s
            AND c.known_to IS NULL
            AND d.feed = %(feed)s
            AND d.target = %(target)s
            AND d.key_values = {_key_values("c", target)}
            AND d.as_of > %(as_of)s
        """,
        {**parameters, "target": target.name},
    )


def _named(cursor: Any, target: Target, select: str) -> tuple[str, ...]:
    """The target's key columns, and that of the person where the transform gives it."""
    cursor.execute(f"SELECT * FROM ({select}\n) AS q LIMIT 0")
    person = PERSON in target.columns and PERSON in {column.name for column in cursor.description}
    return tuple(dict.fromkeys([*target.key, *([PERSON] if person else [])]))


def _note(target: Target, select: str, table: str, columns: Iterable[str]) -> str:
    """Makes the temporary table of the lines that `source` holds, with these columns of the target; key and all."""
    typed = ", ".join(f"q.{ident(c)}::{target.columns[c]} AS {ident(c)}" for c in columns)
    whole = " AND ".join(f"{ident(c)} IS NOT NULL" for c in target.key)
    return f"""
        CREATE TEMP TABLE {table} ON COMMIT DROP AS
        SELECT *
        FROM (
            SELECT q.line_no::bigint AS line_no, {typed}
            FROM ({select.replace("%", "%%")}\n) AS q
        ) AS typed
        WHERE {whole}
    """


def _said(target: Target) -> str:
    return ident(f"said_{target.name}")


def _close(cursor: Any, target: Target, parameters: dict[str, Any], which: str = "") -> int:
    """Close the current rows of the keys in `deleted` that `which` admits, and keep the word of it; how many."""
    same = " AND ".join(f"c.{ident(c)} = d.{ident(c)}" for c in target.key)
    cursor.execute(
        f"""
        WITH closed AS (
            UPDATE {target.table} AS c
            SET known_to = %(known_at)s
            FROM deleted AS d
            WHERE c.feed = %(feed)s AND {same} AND c.known_to IS NULL AND c.as_of <= %(as_of)s {which}
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
