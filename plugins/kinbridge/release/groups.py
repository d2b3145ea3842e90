"""Small groups: persons whose quasi-identifiers too few others share are withheld, and a second query proves it.

Input: the temporary table `extract_row` (person_id and the columns of the file as text). A person with several rows
counts with all of them together, since the code ties them: two persons are alike when the whole set of their rows is.
So every row that is left is shared by enough persons too, and taking a person out makes no other group smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from kinbridge.errors import KinbridgeError


@dataclass(frozen=True)
class Kept:
    """How many persons and rows stay, and how many persons are withheld as members of small groups."""

    persons: int
    rows: int
    withheld: int


def withhold_small_groups(cursor: Any, quasi_identifiers: Sequence[str], minimum: int) -> Kept:
    """Delete from `extract_row` everybody in a group of fewer than `minimum` persons."""
    cursor.execute("SELECT count(DISTINCT person_id) FROM pg_temp.extract_row")
    (before,) = cursor.fetchone()
    cursor.execute(
        sql.SQL(
            """
            CREATE TEMP TABLE extract_group ON COMMIT DROP AS
            SELECT
                alike.person_id,
                COUNT(*) OVER (PARTITION BY alike.signature) AS persons
            FROM (
                SELECT
                    extract_row.person_id,
                    ARRAY_AGG(ROW({0})::text ORDER BY ROW({0})::text) AS signature
                FROM pg_temp.extract_row
                GROUP BY extract_row.person_id
            ) AS alike
            """
        ).format(_columns(quasi_identifiers))
    )
    cursor.execute(
        "DELETE FROM pg_temp.extract_row USING pg_temp.extract_group "
        "WHERE extract_group.person_id = extract_row.person_id AND extract_group.persons < %s",
        (minimum,),
    )
    cursor.execute("SELECT count(DISTINCT person_id), count(*) FROM pg_temp.extract_row")
    persons, rows = cursor.fetchone()
    return Kept(persons, rows, before - persons)


def audit_groups(cursor: Any, name: str, quasi_identifiers: Sequence[str], minimum: int) -> None:
    """Look for a row of `extract_row` that fewer than `minimum` persons have, and for a person who is not like enough.

    Asked in another way than the withholding decides: row by row, and by comparing sorted texts. Raises KB-T15.
    """
    columns = _columns(quasi_identifiers)
    cursor.execute(
        sql.SQL(
            """
            SELECT
                (
                    SELECT count(*)
                    FROM (
                        SELECT 1
                        FROM pg_temp.extract_row
                        GROUP BY {0}
                        HAVING count(DISTINCT extract_row.person_id) < %(minimum)s
                    ) AS small
                )
                + (
                    SELECT count(*)
                    FROM (
                        SELECT 1
                        FROM (
                            SELECT string_agg(line.text, E'\\n' ORDER BY line.text) AS text
                            FROM pg_temp.extract_row
                            CROSS JOIN LATERAL (SELECT jsonb_build_array({1})::text AS text) AS line
                            GROUP BY extract_row.person_id
                        ) AS person
                        GROUP BY person.text
                        HAVING count(*) < %(minimum)s
                    ) AS small
                )
            """
        ).format(columns if quasi_identifiers else sql.SQL("()"), columns),
        {"minimum": minimum},
    )
    (small,) = cursor.fetchone()
    if small:
        raise KinbridgeError("KB-T15", name=name, groups=small, minimum=minimum)


def _columns(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("extract_row.{}").format(sql.Identifier(name)) for name in names)
