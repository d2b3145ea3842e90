"""Learning, without labels, how much each agreement weighs in the records at hand.

Input: the tables `cleaned` and a declared model; output: a Splink settings dictionary with every m and u filled in. u
comes from pairs drawn at random (seeded), m from expectation maximisation over several blocking passes. Both are
drawn towards the declared values by as many pairs as the model's `prior_pairs`, so that a level that was never seen,
a pass that found nothing and a handful of records all lead to sane weights. No value of a record is logged or kept.

Formulas: Fellegi and Sunter (1969), "A Theory for Record Linkage"; Winkler (2000) for EM. With a share `lam` of all
pairs being one person, random pairs show u' = lam * m + (1 - lam) * u, which is solved for u: in small sets it
matters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator
from splink.internals.exceptions import EMTrainingException

from kinbridge.linkage.model import Comparison, Model

DIGITS = 6


@dataclass(frozen=True)
class Trained:
    """A trained model: Splink settings, and what was weighed and what not."""

    settings: dict[str, Any]
    weighed: tuple[str, ...]
    left_out: tuple[str, ...]
    passes: tuple[str, ...]


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


def train(connection: duckdb.DuckDBPyConnection, model: Model, records: int, seed: int) -> Trained:
    """Fill in the model's m and u for the table `cleaned`.

    `records` is its number of rows. The same table, model and seed give the same numbers.
    """
    weighed = [comparison for comparison in model.comparisons if _is_filled(connection, comparison, model)]
    left_out = tuple(entry.name for entry in model.comparisons if entry not in weighed)
    share = share_of_matches(connection, model, records)
    settings = splink_settings(weighed, share)
    if not weighed or records < 2:
        return Trained(settings, tuple(entry.name for entry in weighed), left_out, ())
    with quiet_splink():
        api = DuckDBAPI(connection=connection)
        cleaned = api.register("cleaned")
        sampled = _estimate_u(cleaned, settings, model, seed).misc.save_model_to_json()
        # A linker of its own for each pass: one that fails half-way stays without the comparisons it had put aside.
        passes = list(
            _maximise(connection, lambda: Linker(cleaned, sampled, log_level=None, validate_settings=False), model)
        )
    drawn = min(model.limits["sample_pairs"], records * (records - 1) / 2)
    _fill_in(settings, sampled, passes, model, drawn)
    names = tuple(" + ".join(columns) for columns, _, _ in passes)
    return Trained(settings, tuple(entry.name for entry in weighed), left_out, names)


def splink_settings(comparisons: Sequence[Comparison], share: float) -> dict[str, Any]:
    """`comparisons` as Splink settings with the declared m and u; `share` of all pairs are one person."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record",
        "probability_two_random_records_match": share,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "max_iterations": 50,
        "em_convergence": 0.0005,
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


def share_of_matches(connection: duckdb.DuckDBPyConnection, model: Model, records: int) -> float:
    """The share of all pairs of records that are one person, from the pairs that the model calls certain.

    Makes the table `kind` as well, with one row per two sources that pairs join (`l` may be `r`): its `possible` pairs,
    the `share` of these that are one person, and how far that is `known`. A census lists nobody twice and meets nearly
    everybody in another file: with one share for both, siblings become one person in the first.
    """
    pairs = "\nUNION\n".join(
        f"""
        SELECT
            l.record AS l,
            r.record AS r
        FROM cleaned AS l
        INNER JOIN cleaned AS r
            ON l.record < r.record AND {" AND ".join(f"l.{column} = r.{column}" for column in columns)}
        """
        for columns in model.certain_rules
    )
    filled = "\nUNION ALL\n".join(
        f"""
        SELECT
            source,
            {number} AS rule,
            avg(({" AND ".join(f"{column} IS NOT NULL" for column in columns)})::INTEGER) AS share,
            count(*) AS records
        FROM cleaned
        GROUP BY source
        """
        for number, columns in enumerate(model.certain_rules)
    )
    connection.execute(_KIND.format(pairs=pairs, filled=filled, recall=model.certain_recall))
    [(expected,)] = connection.execute("SELECT coalesce(sum(share * possible), 0) FROM kind").fetchall()
    return float(min(max(expected, 1.0) / max(1.0, records * (records - 1) / 2), 0.5))


# Grain of kind: one row per two sources. Sources: cleaned.
# `known` is the share of pairs to which some certain rule could apply at all. Where that is hardly any, half of the
# smaller source is taken to be in the larger, and one record in a hundred to be listed twice. Half a pair more than was
# seen, so that nothing is impossible.
_KIND = """
CREATE OR REPLACE TABLE kind AS
WITH filled AS ({filled}),
certain AS (
    SELECT
        l.source AS l,
        r.source AS r,
        count(*) AS pairs
    FROM ({pairs}) AS pair
    INNER JOIN cleaned AS l ON l.record = pair.l
    INNER JOIN cleaned AS r ON r.record = pair.r
    GROUP BY l.source, r.source
),
joined AS (
    SELECT
        a.source AS l,
        b.source AS r,
        max(a.share * b.share) AS known,
        least(any_value(a.records), any_value(b.records)) AS smaller,
        greatest(1, CASE
            WHEN a.source = b.source THEN any_value(a.records) * (any_value(a.records) - 1) / 2
            ELSE any_value(a.records) * any_value(b.records)
        END) AS possible
    FROM filled AS a
    INNER JOIN filled AS b ON a.source <= b.source AND a.rule = b.rule
    GROUP BY a.source, b.source
)
SELECT
    joined.l,
    joined.r,
    joined.possible,
    joined.known,
    least(0.5, CASE
        WHEN joined.known >= 0.1 THEN (coalesce(certain.pairs, 0) / joined.known / {recall} + 0.5) / joined.possible
        WHEN joined.l = joined.r THEN 0.01 * joined.smaller / joined.possible
        ELSE 0.5 * joined.smaller / joined.possible
    END) AS share
FROM joined
LEFT JOIN certain ON certain.l = joined.l AND certain.r = joined.r
"""


def _is_filled(connection: duckdb.DuckDBPyConnection, comparison: Comparison, model: Model) -> bool:
    """Whether some column of a comparison has enough values, and more than one."""
    tests = " OR ".join(
        f"(count({name}) >= {model.limits['filled']} * count(*) AND count({name}) > 1 AND count(DISTINCT {name}) > 1)"
        for name in comparison.needs
    )
    [(filled,)] = connection.execute(f"SELECT coalesce({tests}, false) FROM cleaned").fetchall()
    return bool(filled)


def _estimate_u(cleaned: Any, settings: dict[str, Any], model: Model, seed: int) -> Linker:
    linker = Linker(cleaned, SettingsCreator(**settings), log_level=None, validate_settings=False)
    linker.training.estimate_u_using_random_sampling(
        max_pairs=model.limits["sample_pairs"], seed=seed, min_count_per_level=None, num_chunks=1
    )
    return linker


def _maximise(
    connection: duckdb.DuckDBPyConnection, new_linker: Callable[[], Linker], model: Model
) -> Iterator[tuple[tuple[str, ...], dict[str, list[float]], float]]:
    """Each training pass that found matches: its columns, the m it learnt by comparison, and its matches."""
    for columns in model.training_passes:
        on = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        [(pairs,)] = connection.execute(
            f"""
            SELECT coalesce(sum(size * (size - 1) // 2), 0)
            FROM (SELECT count(*) AS size FROM cleaned WHERE {on} GROUP BY {", ".join(columns)})
            """
        ).fetchall()
        if pairs < 2:
            continue
        most = model.limits["training_pairs"]
        try:
            session = new_linker().training.estimate_parameters_using_expectation_maximisation(
                " AND ".join(f"l.{column} = r.{column}" for column in columns),
                estimate_without_term_frequencies=True,
                max_pairs=most if pairs > most else None,
                record_sample_proportion=1.0,
            )
        except (EMTrainingException, ValueError):
            # Too few matches to learn from: an answer that none of them gives would get the probability 0, which Splink
            # refuses with a ValueError. The other passes and the declared m stand.
            continue
        result = session.core_model_settings
        matches = result.probability_two_random_records_match * min(float(pairs), most)
        learnt = {
            comparison.output_column_name: [
                float(level.m_probability) for level in comparison.comparison_levels if not level.is_null_level
            ]
            for comparison in result.comparisons
        }
        if matches >= 1:
            yield columns, learnt, matches


def _fill_in(
    settings: dict[str, Any],
    sampled: dict[str, Any],
    passes: Sequence[tuple[tuple[str, ...], dict[str, list[float]], float]],
    model: Model,
    drawn: float,
) -> None:
    """Put blended m and u into `settings`; `drawn` pairs were drawn at random."""
    share = settings["probability_two_random_records_match"]
    seen_u = {
        entry["output_column_name"]: [
            float(level.get("u_probability", 0.0))
            for level in entry["comparison_levels"]
            if not level.get("is_null_level")
        ]
        for entry in sampled["comparisons"]
    }
    most = {comparison.name: [level.most for level in comparison.levels] for comparison in model.comparisons}
    for comparison in settings["comparisons"]:
        name = comparison["output_column_name"]
        levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
        prior_m = [level["m_probability"] for level in levels]
        prior_u = [level["u_probability"] for level in levels]
        weight = model.prior_pairs
        total = [value * weight for value in prior_m]
        for _, learnt, matches in passes:
            for index, value in enumerate(learnt.get(name, ())):
                total[index] += value * matches
            weight += matches if name in learnt else 0.0
        m = _within(_normal([value / weight for value in total]), most[name])
        # Random pairs hold some of one person; what these add to u is taken out again, down to the declared u.
        cleared = [
            max((seen - share * own) / (1 - share), min(seen, prior))
            for seen, own, prior in zip(seen_u[name], m, prior_u, strict=True)
        ]
        u = _normal(
            [
                (value * drawn + prior * model.prior_pairs) / (drawn + model.prior_pairs)
                for value, prior in zip(cleared, prior_u, strict=True)
            ]
        )
        for level, m_value, u_value in zip(levels, m, u, strict=True):
            level["m_probability"] = m_value
            level["u_probability"] = u_value


def _within(values: Sequence[float], most: Sequence[float]) -> list[float]:
    """Shares of one, none above its bound; what a bound takes away goes to the others in proportion."""
    bounded = [value > bound for value, bound in zip(values, most, strict=True)]
    kept = [min(value, bound) for value, bound in zip(values, most, strict=True)]
    free = sum(value for value, out in zip(kept, bounded, strict=True) if not out)
    left = 1 - sum(value for value, out in zip(kept, bounded, strict=True) if out)
    if free <= 0 or not any(bounded):
        return list(values)
    return [value if out else value * left / free for value, out in zip(kept, bounded, strict=True)]


def _normal(values: Sequence[float]) -> list[float]:
    """The values as shares of one, rounded so that the order of floating-point sums cannot show."""
    total = sum(values)
    return [max(float(f"{value / total:.{DIGITS}g}"), 1e-9) for value in values]
