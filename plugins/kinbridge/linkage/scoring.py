"""What each candidate pair weighs by a trained model.

Input: the tables `cleaned` (with a column `rarity_<column>` for each column whose frequency counts) and `candidate` in
DuckDB; output: the table `scored`. A pair's weight is a pure function of its two records and the trained model: in
whatever run, and beside whatever other records, it comes out the same to the last bit. So terms are always added in one
order, and the left record is always the smaller by source and id.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from kinbridge.linkage.conditions import sided
from kinbridge.linkage.model import Comparison, Model
from kinbridge.linkage.trained import TrainedModel, Weighed


def score(connection: duckdb.DuckDBPyConnection, model: Model, trained: TrainedModel) -> None:
    """Make the table `scored`: l, r, rule, weight (bits above an even chance), and `c0`, `c1` … the levels.

    Levels count from 1 in the model's order, 0 where missing.
    """
    comparisons = trained.declared(model)
    levels = [f"{_level(entry)} AS c{index}" for index, entry in enumerate(comparisons)]
    rare = [f"left_record.rarity_{column}" for column in rare_columns(comparisons)]
    numbers = [f"c{index}" for index in range(len(comparisons))]
    terms = " + ".join(["0.0::DOUBLE", *_terms(comparisons, trained.comparisons)])
    connection.register("prior", _priors(trained))
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE scored AS
        SELECT
            l,
            r,
            rule,
            ({terms} + {bits(trained.share)!r}) + coalesce(
                prior.bits,
                CASE WHEN compared.source_left = compared.source_right THEN {trained.within!r} ELSE {trained.between!r} END
            ) AS weight
            {"".join(f", {number}" for number in numbers)}
        FROM (
            SELECT
                {", ".join(["candidate.l", "candidate.r", "candidate.rule", *rare, *levels])},
                left_record.source AS source_left,
                right_record.source AS source_right
            FROM candidate
            INNER JOIN cleaned AS left_record ON left_record.record = candidate.l
            INNER JOIN cleaned AS right_record ON right_record.record = candidate.r
        ) AS compared
        LEFT JOIN prior ON prior.source_left = compared.source_left AND prior.source_right = compared.source_right
        """
    )
    connection.unregister("prior")


def weights_sql(model: Model, trained: TrainedModel) -> str:
    """SQL for the list of what each comparison weighs, over `scored` joined to `left_record`."""
    return f"[{', '.join(_terms(trained.declared(model), trained.comparisons, 'left_record')) or '0.0'}]"


def levels_sql(trained: TrainedModel) -> str:
    """SQL for the list of levels of a row of `scored`."""
    return f"[{', '.join(f'c{index}' for index in range(len(trained.comparisons))) or '0'}]"


def rare_columns(comparisons: Sequence[Comparison]) -> list[str]:
    """The columns of which it counts how often a value occurs."""
    return sorted({level.rare_values_of for entry in comparisons for level in entry.levels if level.rare_values_of})


def bits(probability: float) -> float:
    """The log2 of the odds of a probability."""
    return float(math.log2(probability / (1 - probability)))


def _level(comparison: Comparison) -> str:
    """SQL for the level into which a pair falls."""
    cases = [f"WHEN {sided(comparison.missing)} THEN 0"]
    last = len(comparison.levels)
    for number, level in enumerate(comparison.levels, start=1):
        if level.when == "ELSE":
            last = number
            break
        cases.append(f"WHEN {sided(level.when)} THEN {number}")
    return f"(CASE {' '.join(cases)} ELSE {last} END)::UTINYINT"


def _terms(comparisons: Sequence[Comparison], weighed: Sequence[Weighed], table: str = "compared") -> list[str]:
    """SQL for what each comparison weighs, in bits; `table` has the rarity of the left record's values."""
    terms = []
    for index, (comparison, own) in enumerate(zip(comparisons, weighed, strict=True)):
        cases = " ".join(
            # A value that occurs seldom says more than one that many have.
            f"WHEN {number} THEN {math.log2(m)!r} - coalesce({table}.rarity_{level.rare_values_of}, {math.log2(u)!r})"
            if level.rare_values_of
            else f"WHEN {number} THEN {math.log2(m / u)!r}"
            for number, (level, m, u) in enumerate(zip(comparison.levels, own.m, own.u, strict=True), start=1)
        )
        terms.append(f"(CASE c{index} {cases} ELSE 0.0 END)::DOUBLE")
    return terms


def _priors(trained: TrainedModel) -> pa.Table:
    pairs = sorted(trained.priors)
    return pa.table(
        {
            "source_left": pa.array([left for left, _ in pairs], pa.string()),
            "source_right": pa.array([right for _, right in pairs], pa.string()),
            "bits": pa.array([trained.priors[pair] for pair in pairs], pa.float64()),
        }
    )
