"""Learning a trained model from the records at hand.

Input: the table `cleaned` in DuckDB and a declared model; output: a `TrainedModel` and how often values occur. The same
functions learn for a run and for files. No value of a record is logged; those that are counted stand only in the table
of frequencies, where each stands for more than one record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median

import duckdb
import pyarrow as pa

from kinbridge.linkage.comparing import compare, filled_comparisons
from kinbridge.linkage.keys import choose_blocks, find_crowded, key_records, pair_by_keys
from kinbridge.linkage.kind import unrelated
from kinbridge.linkage.link import correct_prior
from kinbridge.linkage.model import Model
from kinbridge.linkage.scoring import rare_columns, score
from kinbridge.linkage.trained import TrainedModel, Weighed, model_digest
from kinbridge.linkage.training import train

FREQUENCY_SCHEMA = pa.schema([("column_name", pa.string()), ("value", pa.string()), ("frequency", pa.float64())])


@dataclass(frozen=True)
class Learnt:
    """A trained model, and the share of the filled rows that each value has (columns of `FREQUENCY_SCHEMA`)."""

    trained: TrainedModel
    frequencies: pa.Table


def learn(connection: duckdb.DuckDBPyConnection, model: Model, records: int, *, seed: int = 1) -> Learnt:
    """Learn from `cleaned`, which has `records` rows; the same rows, model and seed give the same numbers.

    Leaves the tables `keyed`, `crowded`, `candidate` and `scored`, the pairs weighed by what was learnt, and in
    `cleaned` the rarity of values.
    """
    comparisons = filled_comparisons(connection, model)
    connection.execute(
        "CREATE OR REPLACE TABLE candidate AS"
        " SELECT '0' AS match_key, 0::BIGINT AS join_key_l, 0::BIGINT AS join_key_r WHERE false"
    )
    compare(connection, model, comparisons, records, seed)
    numbers = train(connection, model, comparisons, records)
    connection.execute("DROP TABLE compared")
    sources = connection.execute("SELECT DISTINCT source FROM cleaned ORDER BY source").fetchall()
    frequencies, unseen = count_frequencies(connection, rare_columns(comparisons))
    trained = TrainedModel(
        model=model.title,
        digest=model_digest(model),
        records=records,
        sources=tuple(source for (source,) in sources),
        comparisons=tuple(
            Weighed(entry.name, m, u) for entry, m, u in zip(numbers.comparisons, numbers.m, numbers.u, strict=True)
        ),
        share=numbers.share,
        priors={},
        within=0.0,
        between=0.0,
        blocks=choose_blocks(connection, model, records),
        unrelated=unrelated(connection, model),
        unseen=unseen,
        left_out=numbers.left_out,
        passes=numbers.passes,
    )
    add_rarity(connection, frequencies, unseen)
    key_records(connection, trained.blocks)
    find_crowded(connection, trained.blocks)
    pair_by_keys(connection, trained.blocks)
    score(connection, model, trained)
    priors = correct_prior(connection, trained.share)
    trained = replace(
        trained,
        priors=priors,
        within=_usual(priors, same=True),
        between=_usual(priors, same=False),
    )
    return Learnt(trained, frequencies)


def count_frequencies(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> tuple[pa.Table, dict[str, float]]:
    """How often each value of these columns of `cleaned` occurs, and log2 of the share of one that was not counted.

    A value that one record alone has is not kept: it is as rare as one that nobody has.
    """
    tables, unseen = [FREQUENCY_SCHEMA.empty_table()], {}
    for column in columns:
        [(filled,)] = connection.execute(f"SELECT count({column}) FROM cleaned").fetchall()
        if filled:
            unseen[column] = -math.log2(filled)
        tables.append(
            connection.sql(
                f"""
                SELECT
                    '{column}' AS column_name,
                    {column} AS value,
                    count(*) / {max(filled, 1)}::DOUBLE AS frequency
                FROM cleaned
                WHERE {column} IS NOT NULL
                GROUP BY {column}
                HAVING count(*) > 1
                ORDER BY {column}
                """
            )
            .to_arrow_table()
            .cast(FREQUENCY_SCHEMA)
        )
    return pa.concat_tables(tables), unseen


def add_rarity(connection: duckdb.DuckDBPyConnection, frequencies: pa.Table, unseen: Mapping[str, float]) -> None:
    """Add `rarity_<column>` to `cleaned`: log2 of how often the record's value occurs."""
    connection.register("term_frequency", frequencies)
    columns = ["cleaned.*"]
    joins = []
    for column in sorted(unseen):
        columns.append(rarity_sql(f"frequency_{column}.frequency", f"cleaned.{column}", unseen[column], column))
        joins.append(
            f"LEFT JOIN (SELECT value, frequency FROM term_frequency WHERE column_name = '{column}')"
            f" AS frequency_{column} ON frequency_{column}.value = cleaned.{column}"
        )
    connection.execute(
        f"CREATE OR REPLACE TABLE cleaned AS SELECT {', '.join(columns)} FROM cleaned {' '.join(joins)} ORDER BY record"
    )
    connection.unregister("term_frequency")


def rarity_sql(frequency: str, value: str, unseen: float, column: str) -> str:
    """SQL for the column `rarity_<column>`."""
    return f"CASE WHEN {value} IS NOT NULL THEN coalesce(log2({frequency}), {unseen!r}) END AS rarity_{column}"


def _usual(priors: Mapping[tuple[str, str], float], *, same: bool) -> float:
    """The middle correction of the prior, within one source or between two, for sources that were not seen."""
    seen = [bits for (left, right), bits in priors.items() if (left == right) is same]
    return float(median(seen)) if seen else 0.0
