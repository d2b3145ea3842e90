"""A model trained anew, and tried beside the one in use on pairs that neither has learnt from.

Input: records with a declared model, and pairs that people decided on; output: the trained numbers, and how both models
do on the held-out pairs. Nothing is put in use: a person approves the file that comes of it. Counts only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from kinbridge.evaluation.given import Given
from kinbridge.evaluation.interval import Share, wilson
from kinbridge.evaluation.tables import bits
from kinbridge.linkage.blocking import find_candidates
from kinbridge.linkage.clean import clean
from kinbridge.linkage.comparing import compare, filled_comparisons
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.known_pairs import SCHEMA, add_decided, known_pairs, note_decided
from kinbridge.linkage.link import Progress, correct_prior
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import note_purposes
from kinbridge.linkage.trained_file import TrainedFile
from kinbridge.linkage.training import Trained, share_of_matches, train, weights_sql

SEED = 1


@dataclass(frozen=True)
class Tried:
    """How a model does on the held-out pairs: how many of one person it links, sends to review or parts, and so for
    those of two; the share that it decides as people did; and the mean log loss in bits (0 is best)."""

    same: dict[str, int]
    different: dict[str, int]
    right: Share
    log_loss: float | None

    def as_plain(self) -> dict[str, Any]:
        """As plain values."""
        loss = None if self.log_loss is None else round(self.log_loss, 4)
        return {"same": self.same, "different": self.different, "right": self.right.as_plain(), "log_loss_bits": loss}


@dataclass(frozen=True)
class Trial:
    """The new model beside the one in use. `only_new` and `only_old` count the held-out pairs that only one of them
    decides as people did; `chance` is how likely so uneven a split is by chance (McNemar 1947, exact)."""

    file: TrainedFile
    beside: str
    new: Tried
    old: Tried
    only_new: int
    only_old: int
    chance: float | None
    levels: Sequence[dict[str, Any]] = field(repr=False)
    histogram: Sequence[dict[str, Any]] = field(repr=False)

    @property
    def verdict(self) -> str:
        """What the held-out pairs say, in one sentence."""
        if self.chance is None:
            return "There are no held-out pairs: nothing says whether the new model is better."
        if self.chance > 0.05:
            return "The held-out pairs do not tell the two models apart."
        better = "new model" if self.only_new > self.only_old else "model in use"
        return f"The {better} decides more of the held-out pairs as people did."


def run_trial(
    given: Given,
    decided: pa.Table,
    version: str,
    day: date,
    *,
    beside: TrainedFile | None = None,
    progress: Progress | None = None,
) -> Trial:
    """Train on the records and on the decided pairs that are not held out, and try the result.

    `beside` is the trained model in use; without one, what a run learns from the records alone.
    """
    tell = progress or (lambda _step: None)
    model = given.model
    with DuckDBEngine() as engine:
        tell("clean")
        count = clean(engine, given.records, model)
        tell("block")
        only = note_purposes(engine, given.allowed)
        find_candidates(engine, model, count, only)
        training, testing = note_decided(engine, decided, only)
        add_decided(engine, model)
        tell("compare")
        comparisons = filled_comparisons(engine, model)
        compare(engine, model, comparisons, count, SEED, only)
        tell("train")
        new = train(engine, model, comparisons, count, only, known_pairs(engine, model, len(comparisons)))
        old = beside.trained(model) if beside else train(engine, model, comparisons, count, only)
        share_of_matches(engine, model, count, only)
        priors = _score(engine, new, "new")
        _score(engine, _as_compared(old, [entry.name for entry in comparisons], model), "old")
        sources = [name for (name,) in engine.rows("SELECT DISTINCT source FROM cleaned ORDER BY source")]
        file = TrainedFile(
            version=version,
            model=model.title,
            day=day,
            records=count,
            sources=tuple(sources),
            decided={"training": training, "held_out": testing},
            share=new.share,
            priors=priors,
            m={entry.name: m for entry, m in zip(new.comparisons, new.m, strict=True)},
            u={entry.name: u for entry, u in zip(new.comparisons, new.u, strict=True)},
            left_out=new.left_out,
            passes=new.passes,
        )
        return Trial(
            file=file,
            beside=beside.title if beside else f"{model.title}, as each run learns from the records alone",
            new=_tried(engine, model, "new"),
            old=_tried(engine, model, "old"),
            **_paired(engine, model),
            levels=_levels(new, old),
            histogram=_histogram(engine),
        )


def decided_of(reviewed: pa.Table | None, labels: pa.Table | None) -> pa.Table:
    """Decisions in the warehouse and a labelled sample as one table. A pair on which the two differ trains nothing."""
    tables = [table.select(SCHEMA.names).cast(SCHEMA) for table in (reviewed, labels) if table is not None]
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def _score(engine: Engine, trained: Trained, name: str) -> dict[tuple[str, str], float]:
    """Make the table `scored_<name>` (l, r, weight in bits); return the corrections of the prior."""
    engine.make(
        "scored",
        f"""
        SELECT l, r, {weights_sql(trained)} + {bits(trained.share)!r} AS weight, rule
        FROM compared
        WHERE rule >= 0
        """,
    )
    priors = correct_prior(engine, trained.share)
    engine.make(f"scored_{name}", "SELECT l, r, weight FROM scored")
    return priors


def _as_compared(trained: Trained, order: Sequence[str], model: Model) -> Trained:
    """The numbers in the order of the compared columns. A comparison that was not trained weighs nothing."""
    own = {entry.name: (m, u) for entry, m, u in zip(trained.comparisons, trained.m, trained.u, strict=True)}
    known = {entry.name: entry for entry in model.comparisons}
    even = {name: tuple([1 / len(known[name].levels)] * len(known[name].levels)) for name in order}
    pairs = [own.get(name, (even[name], even[name])) for name in order]
    return Trained(
        tuple(known[name] for name in order),
        tuple(m for m, _ in pairs),
        tuple(u for _, u in pairs),
        trained.share,
        trained.left_out,
        trained.passes,
    )


def _outcome(weight: str, model: Model) -> str:
    link_at, review_at = (bits(model.thresholds[name]) for name in ("link", "review"))
    return f"CASE WHEN {weight} > {link_at!r} THEN 'link' WHEN {weight} > {review_at!r} THEN 'review' ELSE 'part' END"


def _tried(engine: Engine, model: Model, name: str) -> Tried:
    found = _rows(
        engine,
        f"""
        SELECT
            same,
            {_outcome("weight", model)} AS outcome,
            count(*)::BIGINT AS pairs,
            sum(ln(1 + pow(2, CASE WHEN same THEN -1 ELSE 1 END * greatest(-60, least(60, weight)))) / ln(2)) AS loss
        FROM decided
        INNER JOIN scored_{name} USING (l, r)
        WHERE held_out
        GROUP BY ALL
        """,
    )
    counts = {kind: dict.fromkeys(("link", "review", "part"), 0) for kind in (True, False)}
    for row in found:
        counts[row["same"]][row["outcome"]] = row["pairs"]
    pairs = sum(row["pairs"] for row in found)
    right = counts[True]["link"] + counts[False]["review"] + counts[False]["part"]
    loss = sum(row["loss"] for row in found) / pairs if pairs else None
    return Tried(counts[True], counts[False], wilson(right / pairs if pairs else 0.0, pairs), loss)


def _paired(engine: Engine, model: Model) -> dict[str, Any]:
    at = bits(model.thresholds["link"])
    [found] = _rows(
        engine,
        f"""
        SELECT
            count(*)::BIGINT AS pairs,
            count(*) FILTER (WHERE (new.weight > {at!r}) = same AND (old.weight > {at!r}) <> same)::BIGINT AS only_new,
            count(*) FILTER (WHERE (new.weight > {at!r}) <> same AND (old.weight > {at!r}) = same)::BIGINT AS only_old
        FROM decided
        INNER JOIN scored_new AS new USING (l, r)
        INNER JOIN scored_old AS old USING (l, r)
        WHERE held_out
        """,
    )
    pairs = found.pop("pairs")
    return {**found, "chance": sign_test(found["only_new"], found["only_old"]) if pairs else None}


def sign_test(one: int, other: int) -> float:
    """How likely it is that so uneven a split of `one + other` fair coins comes by chance, both ways."""
    total, least = one + other, min(one, other)
    tail = sum(math.comb(total, number) for number in range(least + 1))
    return min(1.0, float(2 * tail / 2**total))


def _levels(new: Trained, old: Trained) -> list[dict[str, Any]]:
    before = {entry.name: (m, u) for entry, m, u in zip(old.comparisons, old.m, old.u, strict=True)}
    found = []
    for entry, m, u in zip(new.comparisons, new.m, new.u, strict=True):
        was = before.get(entry.name)
        for number, level in enumerate(entry.levels):
            found.append(
                {
                    "comparison": entry.name,
                    "level": level.label,
                    "m": m[number],
                    "u": u[number],
                    "bits": math.log2(m[number] / u[number]),
                    "m_before": was[0][number] if was else None,
                    "u_before": was[1][number] if was else None,
                    "bits_before": math.log2(was[0][number] / was[1][number]) if was else None,
                }
            )
    return found


def _histogram(engine: Engine) -> list[dict[str, Any]]:
    parts = " UNION ALL ".join(
        f"SELECT greatest(-20, least(30, floor(weight)))::INTEGER AS bits, '{name}' AS model FROM scored_{name}"
        for name in ("new", "old")
    )
    return _rows(
        engine,
        f"""
        SELECT
            bits,
            count(*) FILTER (WHERE model = 'new')::BIGINT AS one,
            count(*) FILTER (WHERE model = 'old')::BIGINT AS two
        FROM ({parts})
        GROUP BY bits
        ORDER BY bits
        """,
    )


def _rows(engine: Engine, query: str) -> list[dict[str, Any]]:
    """The rows of a query by column name; for counts only."""
    found: list[dict[str, Any]] = engine.arrow(query).to_pylist()
    return found
