"""How each pair of records agrees, comparison by comparison.

Input: the tables `cleaned` and `candidate`; output: the table `compared`, one row per pair, with the level that each
comparison falls into. Pairs to link and pairs to learn from are compared in one go, by Splink, whose settings hold the
model's levels; what the levels weigh is worked out afterwards, so nothing is compared twice. No value of a record is
logged or kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from splink import SettingsCreator

from kinbridge.linkage.blocking import pairs_within
from kinbridge.linkage.columnar import numbers
from kinbridge.linkage.columns import CLEANED_COLUMNS
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Comparison, Model
from kinbridge.linkage.purpose import Only, everybody

# What a pair was compared for, beside the number of a blocking rule: `RANDOM` and the passes that follow below it are
# for learning only.
RANDOM = -1
PASS_BLOCK = 1000


@contextmanager
def quiet_splink() -> Iterator[None]:
    """Keep Splink's messages, which describe data, out of every log."""
    logger = logging.getLogger("splink")
    before, propagated = logger.level, logger.propagate
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.propagate = propagated


def filled_comparisons(engine: Engine, model: Model) -> list[Comparison]:
    """The comparisons of which some column has enough values, and more than one."""
    names = sorted({name for comparison in model.comparisons for name in comparison.needs})
    counts = ", ".join(f"count({name}), approx_count_distinct({name})" for name in names)
    [(records, *found)] = engine.rows(f"SELECT count(*), {counts} FROM cleaned")
    values = dict(zip(names, zip(found[::2], found[1::2], strict=True), strict=True))

    def tells(name: str) -> bool:
        filled, different = values[name]
        return bool(filled >= model.limits["filled"] * records and filled > 1 and different > 1)

    return [comparison for comparison in model.comparisons if any(tells(name) for name in comparison.needs)]


def compare(  # noqa: PLR0917 - what is compared, how, and what may be
    engine: Engine,
    model: Model,
    comparisons: Sequence[Comparison],
    records: int,
    seed: int,
    only: Only = everybody,
) -> None:
    """Make the table `compared`: l, r (record numbers, l < r), rule, and for each comparison its level and rarity.

    `rule` is the blocking rule's number, `RANDOM`, or `RANDOM - 1 - n` for the n-th training pass. `c0`, `c1` … are
    levels counted from 1 in the model's order, 0 where missing; `t0`, `t1` … are log2 of how often the value occurs,
    where the level weighs that, else NULL. Of pairs to learn from, too, `only` leaves out those that may not be
    compared.
    """
    columns = ["0::BIGINT AS l", "0::BIGINT AS r", "0::TINYINT AS rule"]
    columns += [f"0::UTINYINT AS c{index}, NULL::FLOAT AS t{index}" for index in range(len(comparisons))]
    engine.make("compared", f"SELECT {', '.join(columns)} WHERE false")
    if not comparisons or records < 2:
        return
    _draw(engine, model, records, seed, only)
    _make_comparable(engine, comparisons)
    query = _levels_sql(comparisons)
    # Pairs with all that is compared of them are large.
    for piece in engine.pieces("to_compare", int(model.limits["pairs_at_once"])):
        engine.append("compared", query.replace("{pairs}", piece))
    engine.drop("to_compare", "comparable")


def _make_comparable(engine: Engine, comparisons: Sequence[Comparison]) -> None:
    """Make the table `comparable`: what is compared of `cleaned`, and how often values occur that are weighed so."""
    names, joins = _columns(comparisons), []
    for column in _weighed_by_rarity(comparisons):
        names.append(f"tf_{column}")
        joins.append(
            f"""
            LEFT JOIN (
                SELECT {column}, count(*) / sum(count(*)) OVER () AS tf_{column}
                FROM cleaned
                WHERE {column} IS NOT NULL
                GROUP BY {column}
            ) AS share_of_{column} USING ({column})
            """
        )
    engine.make("comparable", f"SELECT {', '.join(names)} FROM cleaned {' '.join(joins)}")


def _levels_sql(comparisons: Sequence[Comparison]) -> str:
    """SQL for the rows of `compared`, with Splink's own SQL for the levels; `{pairs}` stands for the table of pairs.

    Splink's `predict` would weigh each pair too, which is worked out here later and for good: building its queries and
    the weights takes as long as comparing thirty thousand records.
    """
    with quiet_splink():
        settings = SettingsCreator(**splink_settings(comparisons, 0.5)).get_settings("duckdb")
    # Splink counts levels from the last, 0, and gives -1 where something is missing.
    levels = []
    for index, comparison in enumerate(comparisons):
        gamma, count = f"gamma_{comparison.name}", len(comparison.levels)
        levels.append(f"(CASE WHEN {gamma} < 0 THEN 0 ELSE {count} - {gamma} END)::UTINYINT AS c{index}")
        rare = "NULL"
        for number, level in enumerate(comparison.levels, start=1):
            if level.rare_values_of:
                rare = f"CASE WHEN {gamma} = {count - number} THEN log2(tf_{level.rare_values_of}_l) END"
        levels.append(f"({rare})::FLOAT AS t{index}")
    return f"""
        SELECT record_l AS l, record_r AS r, match_key::TINYINT AS rule, {", ".join(levels)}
        FROM (
            SELECT {", ".join(settings._columns_to_select_for_comparison_vector_values)}
            FROM (
                SELECT {", ".join(settings._columns_to_select_for_blocking)}, pair.match_key
                FROM {{pairs}} AS pair
                INNER JOIN comparable AS l ON l.record = pair.join_key_l
                INNER JOIN comparable AS r ON r.record = pair.join_key_r
            ) AS both_sides
        ) AS agreement
    """


def _weighed_by_rarity(comparisons: Sequence[Comparison]) -> list[str]:
    return [level.rare_values_of for entry in comparisons for level in entry.levels if level.rare_values_of]


def _columns(comparisons: Sequence[Comparison]) -> list[str]:
    """The number of a record, and the cleaned columns that the comparisons look at."""
    conditions = [text for entry in comparisons for text in (entry.missing, *(level.when for level in entry.levels))]
    named = {name for text in conditions for name in re.findall(r"\b(\w+)_[lr]\b", text)}
    return ["record", *sorted(named & CLEANED_COLUMNS)]


def splink_settings(comparisons: Sequence[Comparison], share: float) -> dict[str, Any]:
    """`comparisons` as Splink settings with the declared m and u; `share` of all pairs are one person."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record",
        "probability_two_random_records_match": share,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "blocking_rules_to_generate_predictions": [],
        "comparisons": [
            {
                "output_column_name": comparison.name,
                "comparison_levels": [
                    {
                        "sql_condition": comparison.missing,
                        "label_for_charts": "missing",
                        "is_null_level": True,
                    },
                    *(
                        {
                            "sql_condition": level.when,
                            "label_for_charts": level.label,
                            "m_probability": level.m,
                            "u_probability": level.u,
                            **({"tf_adjustment_column": level.rare_values_of} if level.rare_values_of else {}),
                        }
                        for level in comparison.levels
                    ),
                ],
            }
            for comparison in comparisons
        ],
    }


def _draw(engine: Engine, model: Model, records: int, seed: int, only: Only) -> None:
    """Make the table `to_compare` of candidates, random pairs and each training pass's pairs."""
    engine.give("random_pair", _random_pairs(records, int(model.limits["sample_pairs"]), seed))
    keys = ("join_key_l", "join_key_r")
    passes = [_pass_sql(columns, model) for columns in model.training_passes]
    parts = "\n".join(
        f"UNION ALL SELECT '{RANDOM - 1 - number}', join_key_l, join_key_r FROM ({only(part, *keys)})"
        for number, part in enumerate(passes)
    )
    engine.make(
        "to_compare",
        f"""
        SELECT match_key, join_key_l, join_key_r FROM candidate
        UNION ALL
        {only(f"SELECT '{RANDOM}' AS match_key, l AS join_key_l, r AS join_key_r FROM random_pair", *keys)}
        {parts}
        """,
    )
    engine.drop("random_pair", "candidate")


def _random_pairs(records: int, most: int, seed: int) -> pa.Table:
    """At most about `most` different pairs of record numbers from 1 to `records`, all where there are so few."""
    if records * (records - 1) // 2 <= most:
        left, right = np.triu_indices(records, k=1)
    else:
        chance = np.random.default_rng(seed)
        drawn = chance.integers(0, records, size=(2, most))
        drawn = drawn[:, drawn[0] != drawn[1]]
        # One number for a pair: sorting these is much faster than sorting pairs.
        left, right = np.divmod(np.unique(drawn.min(axis=0) * records + drawn.max(axis=0)), records)
    return pa.table({"l": numbers(left.astype(np.int64) + 1), "r": numbers(right.astype(np.int64) + 1)})


def _pass_sql(columns: Sequence[str], model: Model) -> str:
    """SQL for pairs that agree on `columns`: whole blocks in the order of a hash, as many as the limit allows."""
    known = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    return pairs_within(
        f"""
        SELECT records
        FROM (
            SELECT
                records,
                sum(size * (size - 1) // 2) OVER (ORDER BY md5(records[1]::VARCHAR)) AS pairs
            FROM (
                SELECT
                    count(*) AS size,
                    list(record ORDER BY record) AS records
                FROM cleaned
                WHERE {known}
                GROUP BY {", ".join(columns)}
                HAVING count(*) BETWEEN 2 AND {PASS_BLOCK}
            )
        )
        WHERE pairs <= {int(model.limits["training_pairs"])}
        """
    )
