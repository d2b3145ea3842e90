"""Which pairs of records are compared at all.

Input: the table `cleaned`; output: the table `candidate` with the pairs that agree on every column of at least one
blocking rule, each once, under the number of the first rule that found it. A key shared by too many records says too
little about a person and is left out, and broad rules are narrowed until the work stays within the model's limit: so
the same rules lose few true pairs among a thousand records and stay affordable among a million.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Only, everybody

EACH = "each with each"


def rule_name(columns: Sequence[str]) -> str:
    """The name of a blocking rule, as it stands beside an edge."""
    return " + ".join(columns)


def find_candidates(
    connection: duckdb.DuckDBPyConnection, model: Model, records: int, only: Only = everybody
) -> dict[str, int]:
    """Make the table `candidate` (match_key, join_key_l, join_key_r) and return the pairs that each rule added.

    `match_key` is the position of the rule in the model, as Splink wants it; `join_key_l < join_key_r` are record
    numbers. `only` leaves out the pairs that may not be compared.
    """
    if records <= model.limits["all_pairs"]:
        return _compare_all(connection, model, only)
    left_out = int(min(model.limits["pairs_per_record"] * records, model.limits["pairs_at_most"]))
    parts = []
    for number, columns in enumerate(model.blocking):
        size, pairs = _block_size(connection, columns, model.limits["block_size"], left_out)
        if pairs == 0:
            continue
        left_out -= pairs
        parts.append(_pairs_sql(number, columns, size))
    union = "\nUNION ALL\n".join(parts) or "SELECT 0 AS match_key, 0 AS join_key_l, 0 AS join_key_r WHERE false"
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE candidate AS
        SELECT
            min(match_key)::VARCHAR AS match_key,
            join_key_l,
            join_key_r
        FROM ({only(union, "join_key_l", "join_key_r")})
        GROUP BY join_key_l, join_key_r
        """
    )
    _leave_out_single_sources(connection, model)
    counted = connection.execute(
        "SELECT match_key::INTEGER AS rule, count(*) FROM candidate GROUP BY rule ORDER BY rule"
    ).fetchall()
    return {rule_name(model.blocking[number]): int(count) for number, count in counted}


def _compare_all(connection: duckdb.DuckDBPyConnection, model: Model, only: Only) -> dict[str, int]:
    """Every pair, under the number behind the last rule."""
    pairs = f"""
        SELECT
            '{len(model.blocking)}' AS match_key,
            l.record AS join_key_l,
            r.record AS join_key_r
        FROM cleaned AS l
        INNER JOIN cleaned AS r ON l.record < r.record
    """
    connection.execute(f"CREATE OR REPLACE TABLE candidate AS {only(pairs, 'join_key_l', 'join_key_r')}")
    _leave_out_single_sources(connection, model)
    [(count,)] = connection.execute("SELECT count(*) FROM candidate").fetchall()
    return {EACH: int(count)}


def _leave_out_single_sources(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Ids of a source that never lists a person twice are not compared with each other."""
    sources = connection.execute("SELECT DISTINCT source FROM cleaned").fetchall()
    for (source,) in sources:
        if model.duplicates(source) == "none":
            connection.execute(
                """
                DELETE FROM candidate
                USING cleaned AS l, cleaned AS r
                WHERE l.record = join_key_l AND r.record = join_key_r AND l.source = ? AND r.source = ?
                """,
                [source, source],
            )


def _block_size(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], limit: float, budget: int
) -> tuple[int, int]:
    """The largest block, at most `limit` records, with which a rule stays within `budget` pairs, and its pairs."""
    rows = connection.execute(
        f"""
        SELECT
            size,
            sum(count(*) * (size * (size - 1) // 2)) OVER (ORDER BY size) AS pairs
        FROM (SELECT count(*) AS size FROM cleaned WHERE {_known(columns)} GROUP BY {", ".join(columns)})
        WHERE size BETWEEN 2 AND {int(limit)}
        GROUP BY size
        ORDER BY size
        """
    ).fetchall()
    fitting = [(int(size), int(pairs)) for size, pairs in rows if pairs <= budget]
    return fitting[-1] if fitting else (0, 0)


def _pairs_sql(number: int, columns: Sequence[str], size: int) -> str:
    keys = ", ".join(columns)
    block = f"""
        SELECT
            {keys},
            list(record ORDER BY record) AS records
        FROM cleaned
        WHERE {_known(columns)}
        GROUP BY {keys}
        HAVING count(*) BETWEEN 2 AND {size}
    """
    return f"""
        SELECT
            {number} AS match_key,
            l.record AS join_key_l,
            r.record AS join_key_r
        FROM ({block}) AS block, unnest(block.records) AS l (record), unnest(block.records) AS r (record)
        WHERE l.record < r.record
    """


def _known(columns: Sequence[str]) -> str:
    return " AND ".join(f"{column} IS NOT NULL" for column in columns)
