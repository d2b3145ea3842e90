"""The subgroups whose figures are shown apart, so that nobody is undercounted unseen.

Input: the table `cleaned` and what else is given of the records; output: the table `member` (record, dimension, name).
A record is in one group of each dimension by its own values: what another record of the same child says does not count,
for whether the two are one child is what is asked. Names of groups are codes of a column or words of ours.
"""

from __future__ import annotations

import csv
from datetime import date

import duckdb
import pyarrow as pa

from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

# A column with more values than this is no grouping of people, and may name them.
GROUPS_AT_MOST = 40
# Groups of fewer records than this are not shown: `minimum_cell` of the mart.
SHOWN_FROM = 11
NOT_KNOWN = "not known"
SURNAMES = "hispanic_surnames.csv"


def make_members(connection: duckdb.DuckDBPyConnection, given: pa.Table | None, newest: date | None) -> date | None:
    """Make the table `member`; return the day on which infants are under a year old.

    `given` has source, row_id and one column for each further dimension. `newest` is the day of the newest delivery;
    without one it is the newest birth date, but for the latest one in a thousand, which may be slips. Raises
    `KinbridgeError` KB-K32 for a column with more than `GROUPS_AT_MOST` values.
    """
    connection.register("surname", pa.table({"surname": pa.array(_surnames(), pa.string())}))
    if newest is None:
        [(newest,)] = connection.execute(
            "SELECT quantile_disc(birth_date, 0.999) FROM cleaned WHERE birth_date <= current_date"
        ).fetchall()
    connection.execute("SET VARIABLE newest = ?::DATE", [newest])
    connection.execute(_MEMBERS)
    connection.unregister("surname")
    if given is not None:
        connection.register("given_group", given)
        for name in given.column_names:
            if name not in ("source", "row_id"):
                _add(connection, name)
        connection.unregister("given_group")
    return newest


def _add(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    column = '"' + name.replace('"', '""') + '"'
    [(values,)] = connection.execute(f"SELECT count(DISTINCT {column}) FROM given_group").fetchall()
    if values > GROUPS_AT_MOST:
        raise KinbridgeError("KB-K32", column=name, count=values, most=GROUPS_AT_MOST)
    connection.execute(
        f"""
        INSERT INTO member
        SELECT
            cleaned.record,
            ?,
            coalesce(nullif(trim(given_group.{column}::VARCHAR), ''), '{NOT_KNOWN}')
        FROM cleaned
        LEFT JOIN given_group
            ON given_group.source = cleaned.source AND given_group.row_id = cleaned.source_person_id
        """,
        [name.replace("_", " ")],
    )


def _surnames() -> list[str]:
    """The surnames of `include/linkage/hispanic_surnames.csv` of every include folder."""
    found: set[str] = set()
    for folder in include_folders():
        path = folder / "linkage" / SURNAMES
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                found |= {row["surname"] for row in csv.DictReader(file)}
    return sorted(found)


# Grain: one row per record and dimension. Sources: cleaned, surname; variable newest.
# Parts of a name are without particles: DE LA CRUZ is one name, GARCIA LOPEZ and SMITH-JONES are two.
_MEMBERS = f"""
CREATE OR REPLACE TABLE member AS
SELECT record, 'source' AS dimension, source AS name
FROM cleaned
UNION ALL
SELECT
    record,
    'sex',
    CASE sex WHEN 'F' THEN 'female' WHEN 'M' THEN 'male' ELSE '{NOT_KNOWN}' END
FROM cleaned
UNION ALL
SELECT
    record,
    'last name',
    CASE
        WHEN last_name IS NULL THEN '{NOT_KNOWN}'
        WHEN len(last_parts) > 2 THEN 'double or hyphenated'
        ELSE 'one name'
    END
FROM cleaned
UNION ALL
SELECT
    record,
    'surname list',
    CASE
        WHEN last_name IS NULL THEN '{NOT_KNOWN}'
        WHEN list_has_any(list_append(last_parts, last_name), (SELECT list(surname) FROM surname))
            THEN 'Hispanic surname'
        ELSE 'other surname'
    END
FROM cleaned
UNION ALL
SELECT
    record,
    'age',
    CASE
        WHEN birth_date IS NULL THEN '{NOT_KNOWN}'
        WHEN birth_date > getvariable('newest') - INTERVAL 1 YEAR THEN 'under one year'
        WHEN birth_date > getvariable('newest') - INTERVAL 18 YEAR THEN 'one to 17 years'
        ELSE '18 years and older'
    END
FROM cleaned
"""
