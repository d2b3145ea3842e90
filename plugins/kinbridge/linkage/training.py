"""Learning, without labels, how much each agreement weighs in the records at hand.

Input: the tables `cleaned` and `compared`, and a declared model; output: m and u for every level. u comes from pairs
drawn at random (seeded), m from expectation maximisation over several passes, each over pairs that agree on other
columns. Both are drawn towards the declared values by as many pairs as the model's `prior_pairs`, so that a level that
was never seen, a pass that found nothing and a handful of records all lead to sane weights. Only counts of agreement
patterns are looked at.

Formulas: Fellegi and Sunter (1969), "A Theory for Record Linkage"; Winkler (2000) for EM. With a share `lam` of all
pairs being one person, random pairs show u' = lam * m + (1 - lam) * u, which is solved for u: in small sets it
matters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinbridge.linkage.comparing import RANDOM, splink_settings
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Comparison, Model
from kinbridge.linkage.purpose import Only, everybody

DIGITS = 6
STEPS_AT_MOST = 100
CLOSE_ENOUGH = 0.0002


@dataclass(frozen=True)
class Trained:
    """What was learnt: m and u by comparison and level, the share of pairs that are one person, and from what."""

    comparisons: tuple[Comparison, ...]
    m: tuple[tuple[float, ...], ...]
    u: tuple[tuple[float, ...], ...]
    share: float
    left_out: tuple[str, ...]
    passes: tuple[str, ...]

    @property
    def weighed(self) -> tuple[str, ...]:
        """The names of the comparisons that count."""
        return tuple(comparison.name for comparison in self.comparisons)

    @property
    def settings(self) -> dict[str, Any]:
        """The trained model for Splink."""
        settings = splink_settings(self.comparisons, self.share)
        for comparison, m, u in zip(settings["comparisons"], self.m, self.u, strict=True):
            levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
            for level, m_value, u_value in zip(levels, m, u, strict=True):
                level["m_probability"], level["u_probability"] = m_value, u_value
        return settings


@dataclass(frozen=True)
class Patterns:
    """How often each combination of levels was seen: `levels` is (patterns, comparisons), 0 where missing."""

    levels: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class KnownPairs:
    """Pairs of which people said whether they are one person, as patterns.

    `by_pass` has, for each training pass by its number, those among its pairs: of one person, and of two. `same` are
    the pairs of one person that no pass reaches. What is known of a pass is not guessed there; pairs of two people say
    nothing of `u`, for they were looked at because they are alike.
    """

    by_pass: Mapping[int, tuple[Patterns, Patterns]]
    same: Patterns


def train(  # noqa: PLR0917 - the records, the model, what may be compared, and labels
    engine: Engine,
    model: Model,
    comparisons: Sequence[Comparison],
    records: int,
    only: Only = everybody,
    known: KnownPairs | None = None,
) -> Trained:
    """Learn m and u from the table `compared`, and from what people said of pairs where that is `known`.

    `records` is the number of rows of `cleaned`. The same tables and model give the same numbers.
    """
    left_out = tuple(entry.name for entry in model.comparisons if entry not in comparisons)
    share = share_of_matches(engine, model, records, only)
    drawn = _patterns(engine, RANDOM, len(comparisons))
    u = [_seen(drawn, index, len(entry.levels)) for index, entry in enumerate(comparisons)]
    for index, comparison in enumerate(comparisons):
        u[index] = _counted_exactly(engine, comparison, u[index])
    passes = list(_passes(engine, model, comparisons, u, known))
    m = []
    for index, comparison in enumerate(comparisons):
        weight = model.prior_pairs
        total = np.array([level.m for level in comparison.levels]) * weight
        for _, learnt, matches in passes:
            if index in learnt:
                total += learnt[index] * matches
                weight += matches
        if known is not None:
            seen = _seen(known.same, index, len(comparison.levels))
            total += seen
            weight += float(seen.sum())
        m.append(_within(_normal((total / weight).tolist()), [level.most for level in comparison.levels]))
    blended = [
        _cleared(comparison, own, seen, share, model.prior_pairs)
        for comparison, own, seen in zip(comparisons, m, u, strict=True)
    ]
    names = tuple(" + ".join(columns) for columns, _, _ in passes)
    return Trained(tuple(comparisons), tuple(map(tuple, m)), tuple(map(tuple, blended)), share, left_out, names)


def _patterns(engine: Engine, rule: int, comparisons: int) -> Patterns:
    columns = ", ".join(f"c{index}" for index in range(comparisons))
    if not comparisons:
        return Patterns(np.zeros((0, 0), dtype=np.int64), np.zeros(0))
    rows = engine.rows(f"SELECT {columns}, count(*) FROM compared WHERE rule = {rule} GROUP BY ALL ORDER BY ALL")
    table = np.array(rows, dtype=np.int64).reshape(-1, comparisons + 1)
    return Patterns(table[:, :-1], table[:, -1].astype(np.float64))


def _seen(patterns: Patterns, index: int, levels: int) -> np.ndarray:
    """How many pairs fell into each level of a comparison."""
    counted: np.ndarray = np.bincount(patterns.levels[:, index], weights=patterns.counts, minlength=levels + 1)[1:]
    return counted


def _counted_exactly(engine: Engine, comparison: Comparison, seen: np.ndarray) -> np.ndarray:
    """`seen` with its first level as often as in all pairs: how often two values are equal needs no sample."""
    column = comparison.levels[0].when.partition("_l =")[0]
    if comparison.levels[0].when != f"{column}_l = {column}_r" or seen.sum() <= 0:
        return seen
    [(equal, filled)] = engine.rows(
        f"""
        SELECT coalesce(sum(records * (records - 1.0)), 0), coalesce(sum(records), 0)
        FROM (SELECT count(*) AS records FROM cleaned WHERE {column} IS NOT NULL GROUP BY {column})
        """
    )
    exact = seen.copy()
    if filled > 1:
        exact[0] = float(seen.sum()) * float(equal) / (float(filled) * (float(filled) - 1))
    return exact


def _passes(
    engine: Engine,
    model: Model,
    comparisons: Sequence[Comparison],
    u: Sequence[np.ndarray],
    known: KnownPairs | None,
) -> Iterator[tuple[tuple[str, ...], dict[int, np.ndarray], float]]:
    """Each training pass that found matches: its columns, the m it learnt by comparison, and its matches."""
    random_u = []
    for comparison, seen in zip(comparisons, u, strict=True):
        declared = np.array([level.u for level in comparison.levels])
        random_u.append((seen + declared * model.prior_pairs) / (seen.sum() + model.prior_pairs))
    for number, columns in enumerate(model.training_passes):
        patterns = _patterns(engine, RANDOM - 1 - number, len(comparisons))
        free = [index for index, entry in enumerate(comparisons) if not set(entry.needs) & set(columns)]
        if len(free) < 2 or patterns.counts.sum() < 2:
            continue
        patterns, fixed = _with_known(patterns, known.by_pass.get(number) if known else None)
        learnt, matches = maximise(
            patterns,
            {index: np.array([level.m for level in comparisons[index].levels]) for index in free},
            {index: random_u[index] for index in free},
            {index: [level.most for level in comparisons[index].levels] for index in free},
            fixed,
        )
        if matches >= 1:
            yield columns, learnt, matches


def maximise(
    patterns: Patterns,
    m: dict[int, np.ndarray],
    u: dict[int, np.ndarray],
    most: dict[int, list[float]],
    fixed: np.ndarray | None = None,
) -> tuple[dict[int, np.ndarray], float]:
    """m by comparison after expectation maximisation with `u` held, and how many of the pairs are matches.

    `m` is where it begins; no share passes its bound in `most` at any step. `fixed` says for each pattern whether its
    pairs are known to be matches (1), known not to be (0) or unknown (nan): known ones are not guessed. That pairs are
    chosen for review by their pattern does not bias this (Larsen and Rubin 2001, "Iterative automated record linkage
    using mixture models", JASA 96).
    """
    share = 0.5
    total = patterns.counts.sum()
    against = _likelihood(patterns, u)
    matches = 0.0
    for _ in range(STEPS_AT_MOST):
        matched = share * _likelihood(patterns, m)
        one = matched / (matched + (1 - share) * against)
        if fixed is not None:
            one = np.where(np.isnan(fixed), one, fixed)
        weights = one * patterns.counts
        matches = float(weights.sum())
        before, m = m, {index: _improved(patterns, weights, index, m[index], most[index]) for index in m}
        share = min(max(matches / total, 1e-9), 1 - 1e-9)
        if max(float(np.abs(m[index] - before[index]).max()) for index in m) < CLOSE_ENOUGH:
            break
    return m, matches


def _with_known(patterns: Patterns, known: tuple[Patterns, Patterns] | None) -> tuple[Patterns, np.ndarray | None]:
    """The patterns with their known pairs apart, and for each whether it is known (as `maximise` wants it)."""
    if known is None:
        return patterns, None
    same, different = known
    taken: dict[bytes, float] = {}
    for part in known:
        for levels, count in zip(part.levels, part.counts, strict=True):
            taken[levels.tobytes()] = taken.get(levels.tobytes(), 0.0) + float(count)
    left = np.array(
        [
            max(0.0, float(count) - taken.get(levels.tobytes(), 0.0))
            for levels, count in zip(patterns.levels, patterns.counts, strict=True)
        ]
    )
    fixed = np.concatenate([np.full(len(left), np.nan), np.ones(len(same.counts)), np.zeros(len(different.counts))])
    whole = Patterns(
        np.concatenate([patterns.levels, same.levels, different.levels]),
        np.concatenate([left, same.counts, different.counts]),
    )
    return whole, fixed


def _likelihood(patterns: Patterns, chances: dict[int, np.ndarray]) -> np.ndarray:
    result: np.ndarray = np.ones(len(patterns.counts))
    for index, values in chances.items():
        result = result * np.concatenate([[1.0], np.maximum(values, 1e-12)])[patterns.levels[:, index]]
    return result


def _improved(
    patterns: Patterns, weights: np.ndarray, index: int, before: np.ndarray, most: Sequence[float]
) -> np.ndarray:
    seen: np.ndarray = np.bincount(patterns.levels[:, index], weights=weights, minlength=len(before) + 1)[1:]
    if seen.sum() <= 0:
        return before
    # One pair that falls as before, so that a level never seen is not impossible.
    improved: np.ndarray = np.array(_within(((seen + before) / (seen.sum() + 1)).tolist(), most))
    return improved


def _cleared(comparison: Comparison, m: Sequence[float], seen: np.ndarray, share: float, prior: float) -> list[float]:
    """u of a comparison: random pairs hold some of one person; what these add is taken out, down to the declared u."""
    drawn = float(seen.sum())
    shares = (seen / drawn if drawn else seen).tolist()
    values = []
    for level, own, found in zip(comparison.levels, m, shares, strict=True):
        cleared = max((found - share * own) / (1 - share), min(found, level.u))
        values.append((cleared * drawn + level.u * prior) / (drawn + prior))
    return _normal(values)


def weights_sql(trained: Trained) -> str:
    """SQL for what a row of `compared` weighs, in bits, without the prior."""
    terms = [double(0.0)]
    for index, (comparison, m, u) in enumerate(zip(trained.comparisons, trained.m, trained.u, strict=True)):
        cases = " ".join(
            f"WHEN {number} THEN {double(math.log2(own))} - coalesce(t{index}, {double(math.log2(other))})"
            if level.rare_values_of
            else f"WHEN {number} THEN {double(math.log2(own / other))}"
            for number, (level, own, other) in enumerate(zip(comparison.levels, m, u, strict=True), start=1)
        )
        terms.append(f"CASE c{index} {cases} ELSE {double(0.0)} END")
    return " + ".join(terms)


def double(value: float) -> str:
    """A number in SQL; without an exponent it would be a decimal, with which engines reckon far slower."""
    return f"{value:.16e}"


def share_of_matches(engine: Engine, model: Model, records: int, only: Only = everybody) -> float:
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
    engine.make("kind", _KIND.format(pairs=only(pairs, "l", "r"), filled=filled, recall=model.certain_recall))
    [(expected,)] = engine.rows("SELECT coalesce(sum(share * possible), 0) FROM kind")
    return float(min(max(expected, 1.0) / max(1.0, records * (records - 1) / 2), 0.5))


# Grain of kind: one row per two sources. Sources: cleaned.
# `known` is the share of pairs to which some certain rule could apply at all. Where that is hardly any, half of the
# smaller source is taken to be in the larger, and one record in a hundred to be listed twice. Half a pair more than was
# seen, so that nothing is impossible.
_KIND = """
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
