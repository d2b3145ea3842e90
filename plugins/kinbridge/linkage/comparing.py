"""How each pair of records agrees, comparison by comparison.

Input: the tables `cleaned` and `candidate`; output: the table `compared`, one row per pair, with the level that each
comparison falls into. Pairs to link and pairs to learn from are compared in one go, by Splink, whose settings hold the
model's levels; what the levels weigh is worked out afterwards, so nothing is compared twice. No value of a record is
logged or kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from splink import Linker, SettingsCreator

from kinbridge.linkage.blocking import pairs_within
from kinbridge.linkage.columnar import numbers
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Comparison, Model

# What a pair was compared for, beside the number of a blocking rule: `RANDOM` and the passes that follow below it are
# for learning only.
RANDOM = -1
# Splink weighs a level with log2(m / u). With u so small, m can make that the level's number, whatever it is.
TINY = 40
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


def compare(engine: Engine, model: Model, comparisons: Sequence[Comparison], records: int, seed: int) -> None:
    """Make the table `compared`: l, r (record numbers, l < r), rule, and for each comparison its level and rarity.

    `rule` is the blocking rule's number, `RANDOM`, or `RANDOM - 1 - n` for the n-th training pass. `c0`, `c1` … are
    levels counted from 1 in the model's order, 0 where missing; `t0`, `t1` … are log2 of how often the value occurs,
    where the level weighs that, else NULL.
    """
    columns = ["0::BIGINT AS l", "0::BIGINT AS r", "0::TINYINT AS rule"]
    columns += [f"0::UTINYINT AS c{index}, NULL::FLOAT AS t{index}" for index in range(len(comparisons))]
    engine.make("compared", f"SELECT {', '.join(columns)} WHERE false")
    if not comparisons or records < 2:
        return
    _draw(engine, model, records, seed)
    # What Splink makes of pairs is large.
    for piece in engine.pieces("to_compare", int(model.limits["pairs_at_once"])):
        _compare_piece(engine, comparisons, piece)
    engine.drop("to_compare")


def _compare_piece(engine: Engine, comparisons: Sequence[Comparison], piece: str) -> None:
    """Compare the pairs of the table `piece`."""
    with quiet_splink():
        api = engine.splink()
        linker = Linker(
            api.register("cleaned"),
            SettingsCreator(**_level_settings(engine, comparisons)),
            log_level=None,
            validate_settings=False,
        )
        linker.table_management.register_blocked_pairs_for_predict(api.register(piece))
        predicted = linker.inference.predict(warning_mode="never")
        levels = ", ".join(
            f"round(mw_{entry.name})::UTINYINT AS c{index}, ({_rarity(entry)})::FLOAT AS t{index}"
            for index, entry in enumerate(comparisons)
        )
        engine.append(
            "compared",
            f"""
            SELECT
                least(record_l, record_r) AS l,
                greatest(record_l, record_r) AS r,
                match_key::TINYINT AS rule,
                {levels}
            FROM {predicted.physical_name}
            """,
        )
        predicted.drop_table_from_database_and_remove_from_cache()
        linker.table_management.delete_tables_created_by_splink_from_db()


def _rarity(comparison: Comparison) -> str:
    for number, level in enumerate(comparison.levels, start=1):
        if level.rare_values_of:
            return f"CASE WHEN round(mw_{comparison.name}) = {number} THEN -{TINY} - mw_tf_adj_{comparison.name} END"
    return "NULL"


def _level_settings(engine: Engine, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    settings = splink_settings(comparisons, 0.5)
    settings["retain_intermediate_calculation_columns"] = True
    for comparison in settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            if level["sql_condition"] != "ELSE":
                level["sql_condition"] = engine.expression(level["sql_condition"])
        levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
        for number, level in enumerate(levels, start=1):
            level["u_probability"] = 2.0**-TINY
            level["m_probability"] = 2.0 ** (number - TINY)
    return settings


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


def _draw(engine: Engine, model: Model, records: int, seed: int) -> None:
    """Make the table `to_compare` of candidates, random pairs and each training pass's pairs."""
    engine.give("random_pair", _random_pairs(records, int(model.limits["sample_pairs"]), seed))
    passes = [_pass_sql(columns, model) for columns in model.training_passes]
    parts = "\n".join(
        f"UNION ALL SELECT '{RANDOM - 1 - number}', join_key_l, join_key_r FROM ({part})"
        for number, part in enumerate(passes)
    )
    engine.make(
        "to_compare",
        f"""
        SELECT match_key, join_key_l, join_key_r FROM candidate
        UNION ALL
        SELECT '{RANDOM}', l, r FROM random_pair
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
