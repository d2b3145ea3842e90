"""Learning a trained model from the records at hand.

Input: the table `cleaned` in DuckDB and a declared model; output: a `TrainedModel` and how often values occur. The same
functions learn for a run and for files. No value of a record is logged; those that are counted stand only in the table
of frequencies, where each stands for more than one record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median

import pyarrow as pa

from kinbridge.linkage.clean import found_heaps
from kinbridge.linkage.comparing import compare, filled_comparisons
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.frequencies import add_rarity, count_frequencies
from kinbridge.linkage.keys import choose_blocks, find_crowded, key_records, pair_by_keys
from kinbridge.linkage.kind import unrelated
from kinbridge.linkage.known_pairs import decided_pairs, known_pairs
from kinbridge.linkage.link import correct_prior
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Only, everybody
from kinbridge.linkage.scoring import rare_columns, score
from kinbridge.linkage.trained import TrainedModel, Weighed, model_digest
from kinbridge.linkage.training import train


@dataclass(frozen=True)
class Learnt:
    """A trained model, and the share of the filled rows that each value has (`frequencies.FREQUENCY_SCHEMA`)."""

    trained: TrainedModel
    frequencies: pa.Table


def learn(
    engine: DuckDBEngine,
    model: Model,
    records: int,
    *,
    only: Only = everybody,
    seed: int = 1,
    decided: bool = False,
) -> Learnt:
    """Learn from `cleaned`, which has `records` rows; the same rows, model and seed give the same numbers.
    Of nothing but pairs that may be compared (`only`). `decided` says whether to learn from the table of that name as
    well (`known_pairs.note_decided`).

    Leaves the tables `keyed`, `crowded`, `candidate` and `scored`, the pairs weighed by what was learnt, and in
    `cleaned` the rarity of values.
    """
    connection = engine.connection
    comparisons = filled_comparisons(engine, model)
    nothing = "SELECT '0' AS match_key, 0::BIGINT AS join_key_l, 0::BIGINT AS join_key_r WHERE false"
    engine.make("candidate", decided_pairs(model) if decided else nothing)
    compare(engine, model, comparisons, records, seed, only)
    known = known_pairs(engine, model, comparisons) if decided else None
    numbers = train(engine, model, comparisons, records, only, known)
    engine.drop("compared")
    sources = connection.execute("SELECT DISTINCT source FROM cleaned ORDER BY source").fetchall()
    frequencies, unseen = count_frequencies(connection, rare_columns(comparisons))
    trained = TrainedModel(
        model=model.title,
        digest=model_digest(model),
        records=records,
        sources=tuple(source for (source,) in sources),
        comparisons=tuple(
            Weighed(entry.name, tuple(level.label for level in entry.levels), m, u)
            for entry, m, u in zip(numbers.comparisons, numbers.m, numbers.u, strict=True)
        ),
        share=numbers.share,
        priors={},
        within=0.0,
        between=0.0,
        blocks=choose_blocks(connection, model, records),
        unrelated=unrelated(engine, model, only),
        unseen=unseen,
        left_out=numbers.left_out,
        passes=numbers.passes,
        heaps=found_heaps(engine),
    )
    score_all(engine, model, trained, frequencies, only)
    priors = correct_prior(engine, trained.share)
    trained = replace(
        trained,
        priors=priors,
        within=_usual(priors, same=True),
        between=_usual(priors, same=False),
    )
    return Learnt(trained, frequencies)


def score_all(  # noqa: PLR0917 - the records, by what they are scored, and which pairs
    engine: DuckDBEngine,
    model: Model,
    trained: TrainedModel,
    frequencies: pa.Table,
    only: Only = everybody,
    further: str = "SELECT l, r FROM candidate WHERE false",
) -> None:
    """Make `scored` of all pairs of `cleaned` that the trained model's blocks find and of the `further` (SQL of l, r).

    Leaves the tables `keyed`, `crowded` and `candidate`, and in `cleaned` the rarity of values.
    """
    connection = engine.connection
    add_rarity(connection, frequencies, trained.unseen)
    key_records(connection, trained.blocks)
    find_crowded(connection, trained.blocks)
    pair_by_keys(connection, trained.blocks)
    engine.make("candidate", only("SELECT l, r, rule FROM candidate", "l", "r"))
    engine.append(
        "candidate",
        f"""
        SELECT l, r, {len(trained.blocks)}
        FROM ({further}) AS more
        WHERE NOT EXISTS (SELECT 1 FROM candidate AS known WHERE known.l = more.l AND known.r = more.r)
        """,
    )
    score(connection, model, trained)


def _usual(priors: Mapping[tuple[str, str], float], *, same: bool) -> float:
    """The middle correction of the prior, within one source or between two, for sources that were not seen."""
    seen = [bits for (left, right), bits in priors.items() if (left == right) is same]
    return float(median(seen)) if seen else 0.0
