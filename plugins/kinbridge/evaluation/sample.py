"""A labelled sample: pairs, and records to search mates of, drawn at random for people to label.

Input: the tables of `tables` and `subgroup`; output: a table of pairs by the sources' own ids, with the inverse of
each one's chance and an empty label. Half of the pairs is drawn from the bands (as many from each as its uncertainty
asks for, Neyman 1934), and spread over the smaller subgroups, so that these have labels too. The other half are the
likeliest mates of records drawn at random, among pairs that are neither linked nor in a band: found by keys broader
than those of blocking, so that what blocking lost is seen. The same tables and seed draw the same sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv

from kinbridge.errors import KinbridgeError
from kinbridge.evaluation.subgroup import NOT_KNOWN, SHOWN_FROM
from kinbridge.evaluation.tables import rows
from kinbridge.linkage.purpose import Only, everybody

COLUMNS = (
    "part",
    "source_left",
    "row_id_left",
    "source_right",
    "row_id_right",
    "weight",
    "label",
)
PAIR, RECORD = "pair", "record"
# How many likeliest mates of a drawn record are shown.
MATES = 3
# A band from which fewer labels than this come says hardly anything.
LEAST = 8
# Groups of at most this share of the records are small, and get labels of their own.
SMALL = 0.2
# Keys of which none is a blocking rule, for each is broader than one that is.
BROADER: tuple[tuple[str, ...], ...] = (
    ("first_sound",),
    ("last_sound",),
    ("birth_year", "sex"),
    ("birth_month",),
    ("birth_day",),
    ("street",),
    ("phone",),
    ("ssn_end",),
    ("email_name",),
    ("postal_code", "first_initial"),
    ("mother", "birth_year"),
)


def draw(connection: duckdb.DuckDBPyConnection, size: int, seed: int, only: Only = everybody) -> pa.Table:
    """A sample of about `size` pairs with the columns `COLUMNS`, in random order.

    `only` leaves out what may not be compared: that is not shown to a reviewer either.
    A drawn record without any likely mate has a row without a right side: that nothing was found says something too.
    """
    _cells(connection)
    counted = rows(
        connection,
        f"""
        SELECT
            band,
            count(*)::BIGINT AS pairs,
            avg(coalesce(1 / (1 + pow(2, -greatest(-60, least(60, weight)))), {UNSCORED_TRUE})) AS expected
        FROM pair
        GROUP BY band
        ORDER BY band
        """,
    )
    shares = allocate(size // 2, [row["pairs"] for row in counted], [row["expected"] for row in counted])
    _draw_pairs(connection, {row["band"]: share for row, share in zip(counted, shares, strict=True)}, seed)
    _draw_records(connection, max(1, (size - sum(shares)) // MATES), seed, only)
    return connection.sql(
        f"""
        SELECT
            part,
            one.source AS source_left,
            one.source_person_id AS row_id_left,
            other.source AS source_right,
            other.source_person_id AS row_id_right,
            round(drawn.weight, 4) AS weight,
            NULL::VARCHAR AS label
        FROM drawn
        INNER JOIN cleaned AS one ON one.record = drawn.l
        LEFT JOIN cleaned AS other ON other.record = drawn.r
        ORDER BY part, md5('{int(seed)} order ' || drawn.l || ' ' || coalesce(drawn.r, 0))
        """
    ).to_arrow_table()


# What a pair that was linked through others is taken to be, before anybody has seen one.
UNSCORED_TRUE = 0.9


def allocate(total: int, sizes: Sequence[int], expected: Sequence[float]) -> list[int]:
    """How many labels each band gets of `total`: in proportion to its size times the spread of what is expected
    (√(p(1 - p)), with p not nearer to 0 or 1 than 0.02), at least `LEAST`, and never more than it has."""
    spread = [size * math.sqrt(max(p * (1 - p), 0.02 * 0.98)) for size, p in zip(sizes, expected, strict=True)]
    given = [min(size, LEAST) for size in sizes]
    for _ in range(len(sizes) + 1):
        left = total - sum(given)
        open_ = [index for index, size in enumerate(sizes) if given[index] < size]
        whole = sum(spread[index] for index in open_)
        if left <= 0 or not whole:
            break
        for index in open_:
            given[index] = min(sizes[index], given[index] + math.floor(left * spread[index] / whole))
    return given


def _cells(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table `cell` (record, name, size): the smallest of the small groups that a record is in, if any."""
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE cell AS
        WITH small AS (
            SELECT dimension, name, count(*) AS size
            FROM member
            WHERE name <> '{NOT_KNOWN}' AND dimension <> 'source'
            GROUP BY dimension, name
            HAVING count(*) BETWEEN {SHOWN_FROM} AND {SMALL} * (SELECT count(*) FROM cleaned)
        ),
        own AS (
            SELECT
                member.record,
                arg_min(dimension || ': ' || name, (size, dimension, name)) AS name,
                min(size) AS size
            FROM member
            INNER JOIN small USING (dimension, name)
            GROUP BY member.record
        )
        SELECT cleaned.record, coalesce(own.name, 'others') AS name, coalesce(own.size, {2**40}) AS size
        FROM cleaned
        LEFT JOIN own USING (record)
        """
    )


def _draw_pairs(connection: duckdb.DuckDBPyConnection, wanted: dict[int, int], seed: int) -> None:
    """Make the table `drawn` (part, l, r, weight) of pairs; each band's labels go to its cells by √size."""
    connection.register(
        "wanted",
        pa.table({"band": pa.array(list(wanted), pa.int8()), "labels": pa.array(list(wanted.values()), pa.int64())}),
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE drawn AS
        WITH placed AS (
            SELECT
                pair.band,
                CASE WHEN one.size <= other.size THEN one.name ELSE other.name END AS cell,
                l,
                r,
                md5('{int(seed)} ' || l || ' ' || r) AS chance
            FROM pair
            INNER JOIN cell AS one ON one.record = l
            INNER JOIN cell AS other ON other.record = r
        ),
        {_shared_out("placed", "band")}
        SELECT '{PAIR}' AS part, l, r, size / labels AS weight
        FROM ordered
        WHERE place <= labels
        """
    )
    connection.unregister("wanted")


def _shared_out(table: str, by: str) -> str:
    """SQL for `ordered`: the rows of `table` with their place in their cell, its size and how many it may give."""
    return f"""
        sized AS (
            SELECT {by}, cell, count(*) AS size, sqrt(count(*)) AS root
            FROM {table}
            GROUP BY {by}, cell
        ),
        given AS (
            SELECT
                sized.*,
                least(size, greatest(1, round(
                    wanted.labels * root / sum(root) OVER (PARTITION BY {by})
                ))) AS labels
            FROM sized
            INNER JOIN wanted USING ({by})
        ),
        ordered AS (
            SELECT
                {table}.*,
                given.size,
                given.labels,
                row_number() OVER (PARTITION BY {by}, cell ORDER BY chance) AS place
            FROM {table}
            INNER JOIN given USING ({by}, cell)
        )
    """


def _draw_records(connection: duckdb.DuckDBPyConnection, records: int, seed: int, only: Only) -> None:
    """Add `records` drawn records to `drawn`, each with its likeliest mates outside the bands."""
    connection.register("wanted", pa.table({"everyone": [1], "labels": [records]}))
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE drawn_record AS
        WITH everybody AS (
            SELECT 1 AS everyone, name AS cell, record, md5('{int(seed)} record ' || record) AS chance
            FROM cell
        ),
        {_shared_out("everybody", "everyone")}
        SELECT record, size / labels AS weight
        FROM ordered
        WHERE place <= labels
        """
    )
    connection.unregister("wanted")
    columns = "record, first_root, last_name, birth_digits, sex, phone, street, ssn, email, both_names"
    keys = "\nUNION\n".join(
        f"SELECT a.record AS own, b.record AS mate FROM drawn_record INNER JOIN cleaned AS a USING (record)"
        f" INNER JOIN cleaned AS b ON {' AND '.join(f'a.{column} = b.{column}' for column in key)}"
        for key in BROADER
    )
    connection.execute(
        f"""
        INSERT INTO drawn
        WITH reached AS ({only(keys, "own", "mate")}),
        near AS (
            SELECT reached.own, reached.mate
            FROM reached
            WHERE reached.own <> reached.mate AND NOT EXISTS (
                SELECT 1 FROM pair
                WHERE pair.l = least(reached.own, reached.mate) AND pair.r = greatest(reached.own, reached.mate)
            )
        ),
        a AS (SELECT {columns} FROM cleaned),
        b AS (SELECT {columns} FROM cleaned),
        ranked AS (
            SELECT own, mate
            FROM near
            INNER JOIN a ON a.record = own
            INNER JOIN b ON b.record = mate
            QUALIFY row_number() OVER (PARTITION BY own ORDER BY {_LIKENESS} DESC, mate) <= {MATES}
        )
        SELECT '{RECORD}', record, mate, weight
        FROM drawn_record
        LEFT JOIN ranked ON own = record
        """
    )


# How alike two records are, without the model: it must not search where it has found nothing itself.
_LIKENESS = """
    2 * greatest(
        coalesce(jaro_winkler_similarity(a.first_root, b.first_root), 0.5)
        + coalesce(jaro_winkler_similarity(a.last_name, b.last_name), 0.5),
        coalesce(jaro_winkler_similarity(a.both_names, b.both_names), 0) * 2 - 0.2
    )
    + 3 * coalesce(1 - levenshtein(a.birth_digits, b.birth_digits) / 8.0, 0.4)
    + 3 * coalesce(1 - levenshtein(a.ssn, b.ssn) / 9.0, 0.3)
    + 0.5 * coalesce((a.sex = b.sex)::INTEGER, 0.5)
    + coalesce((a.phone = b.phone)::INTEGER, 0)
    + coalesce((a.email = b.email)::INTEGER, 0)
    + coalesce(jaro_winkler_similarity(a.street, b.street), 0.5)
"""


def write_sample(sample: pa.Table, path: Path) -> Path:
    """Write a sample as CSV, in its order. Raises `KinbridgeError` KB-K08."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.csv.write_csv(sample, path)
    except OSError:
        raise KinbridgeError("KB-K08", folder=path.parent) from None
    return path
