"""Blocking keys: by what records are found that are worth comparing.

Input: the table `cleaned` in DuckDB; output: the table `keyed`, one row per record and rule that it has all values for,
with rule and values as one number, and the pairs that share such a key. A key that more records share than the rule's
block allows is crowded and finds nobody. Which rules are used, and how large a block may be, is learnt once with the
model and stays, so whether two records are compared depends on the records that share their keys and on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from kinbridge.linkage.blocking import rule_name
from kinbridge.linkage.model import Model

DECIDED = "decided"


@dataclass(frozen=True)
class Block:
    """A blocking rule in use: its columns, and how many records may share a key at most."""

    columns: tuple[str, ...]
    size: int

    @property
    def name(self) -> str:
        """The rule's name, as it stands beside an edge."""
        return rule_name(self.columns)


def choose_blocks(connection: duckdb.DuckDBPyConnection, model: Model, records: int) -> tuple[Block, ...]:
    """The rules that fit in the model's budget of pairs, each with the largest block with which it does.

    A rule without pairs yet stands by for later records, with blocks as large as the model allows; one of which every
    shared key is crowded does not.
    """
    left = min(model.limits["pairs_per_record"] * records, model.limits["pairs_at_most"])
    # For so few records no rule has to be narrowed.
    roomy = records <= model.limits["few_records"]
    limit = int(model.limits["block_size"])
    blocks = []
    for columns in model.blocking:
        sizes = connection.execute(
            f"""
            SELECT
                size,
                sum(count(*) * (size * (size - 1) // 2)) OVER (ORDER BY size) AS pairs
            FROM (SELECT count(*) AS size FROM cleaned WHERE {_known(columns)} GROUP BY {", ".join(columns)})
            WHERE size > 1
            GROUP BY size
            ORDER BY size
            """
        ).fetchall()
        fitting = [(int(size), int(pairs)) for size, pairs in sizes if size <= limit and (roomy or pairs <= left)]
        if sizes and not fitting:
            continue
        # What is narrowed for the budget's sake stays so; the rest may grow to the model's own limit.
        size, pairs = fitting[-1] if fitting else (limit, 0)
        if not any(size < other <= limit for other, _ in sizes):
            size = limit
        left -= pairs
        blocks.append(Block(columns, size))
    return tuple(blocks)


def key_records(connection: duckdb.DuckDBPyConnection, blocks: Sequence[Block], *, among: str | None = None) -> None:
    """Make the table `keyed` (rule, key, record); `rule` is the position of the block.

    `among` is a query for the records that it is made for; without one, for all.
    """
    of_these = f" AND record IN ({among})" if among else ""
    parts = [
        f"""
        SELECT
            {number}::UTINYINT AS rule,
            (hash('{block.name}', {", ".join(block.columns)}) >> 1)::BIGINT AS key,
            record
        FROM cleaned
        WHERE {_known(block.columns)}{of_these}
        """
        for number, block in enumerate(blocks)
    ]
    empty = "SELECT 0::UTINYINT AS rule, 0::BIGINT AS key, 0::BIGINT AS record WHERE false"
    connection.execute("CREATE OR REPLACE TABLE keyed AS " + "\nUNION ALL\n".join(parts or [empty]))


def find_crowded(connection: duckdb.DuckDBPyConnection, blocks: Sequence[Block]) -> None:
    """Make the table `crowded` (key), where `keyed` has all records there are."""
    sizes = " ".join(f"WHEN {number} THEN {block.size}" for number, block in enumerate(blocks))
    limit = f"CASE any_value(rule) {sizes} END" if blocks else "0"
    connection.execute(
        f"CREATE OR REPLACE TABLE crowded AS SELECT key FROM keyed GROUP BY key HAVING count(*) > {limit}"
    )


def pair_by_keys(connection: duckdb.DuckDBPyConnection, blocks: Sequence[Block]) -> None:
    """Make the table `candidate` (l, r, rule) of the pairs in `keyed` that share a key which is not in `crowded`.

    Each pair once, l < r, under the number of the first rule that found it.
    """
    parts = [
        f"""
        SELECT
            l.record AS l,
            r.record AS r,
            {number}::UTINYINT AS rule
        FROM (
            SELECT list(record ORDER BY record) AS records
            FROM keyed
            WHERE rule = {number} AND key NOT IN (SELECT key FROM crowded)
            GROUP BY key
            HAVING count(*) > 1
        ) AS block, unnest(block.records) AS l (record), unnest(block.records) AS r (record)
        WHERE l.record < r.record
        """
        for number in range(len(blocks))
    ]
    empty = "SELECT 0::BIGINT AS l, 0::BIGINT AS r, 0::UTINYINT AS rule WHERE false"
    union = "\nUNION ALL\n".join(parts or [empty])
    connection.execute(
        f"CREATE OR REPLACE TABLE candidate AS SELECT l, r, min(rule) AS rule FROM ({union}) GROUP BY l, r"
    )


def rule_names_sql(blocks: Sequence[Block], column: str) -> str:
    """SQL for the name of the rule whose number is in `column`; what no rule found, a person decided on."""
    names = " ".join(f"WHEN {number} THEN '{block.name}'" for number, block in enumerate(blocks))
    return f"CASE {column} {names} ELSE '{DECIDED}' END" if blocks else f"'{DECIDED}'"


def _known(columns: Sequence[str]) -> str:
    return " AND ".join(f"{column} IS NOT NULL" for column in columns)
