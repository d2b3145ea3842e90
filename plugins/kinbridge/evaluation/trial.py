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
from kinbridge.linkage.clean import clean
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.frequencies import count_frequencies
from kinbridge.linkage.known_pairs import SCHEMA, note_decided
from kinbridge.linkage.learning import learn, score_all
from kinbridge.linkage.link import Progress
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import note_purposes
from kinbridge.linkage.scoring import rare_columns
from kinbridge.linkage.trained import TrainedModel
from kinbridge.linkage.trained_file import TrainedFile

SEED = 1
IN_USE, AS_LEARNT = "as the warehouse links by it", "as each run learns from the records alone"


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
    test: float,
    beside: TrainedFile | None = None,
    progress: Progress | None = None,
) -> Trial:
    """Train on the records and on the decided pairs that are not held out, and try the result.

    `test` is the share of decided pairs that is held out (`review.terms`). `beside` is the model to try it beside;
    without one, that which the warehouse links by, or what a run learns from the records alone.
    """
    tell = progress or (lambda _step: None)
    model = given.model
    with DuckDBEngine() as engine:
        tell("clean")
        count = clean(engine, given.records, model)
        only = note_purposes(engine, given.allowed)
        training, testing = note_decided(engine, decided, test, only)
        tell("train")
        new = learn(engine, model, count, only=only, seed=SEED, decided=True)
        in_use = given.in_use.trained if given.in_use else None
        old = beside.trained if beside else in_use or learn(engine, model, count, only=only, seed=SEED).trained
        tell("compare")
        # Both by how often values occur among these records, as a run would.
        for name, trained in (("new", new.trained), ("old", old)):
            frequencies, _ = count_frequencies(engine.connection, rare_columns(trained.declared(model)))
            score_all(engine, model, trained, frequencies, only, "SELECT l, r FROM decided")
            engine.make(f"scored_{name}", "SELECT l, r, weight FROM scored")
        return Trial(
            file=TrainedFile(version, day, {"training": training, "held_out": testing}, new.trained),
            beside=beside.title if beside else f"{model.title}, {IN_USE if in_use else AS_LEARNT}",
            new=_tried(engine, model, "new"),
            old=_tried(engine, model, "old"),
            **_paired(engine, model),
            levels=_levels(new.trained, old),
            histogram=_histogram(engine),
        )


def decided_of(reviewed: pa.Table | None, labels: pa.Table | None) -> pa.Table:
    """Decisions in the warehouse and a labelled sample as one table. A pair on which the two differ trains nothing."""
    tables = [table.select(SCHEMA.names).cast(SCHEMA) for table in (reviewed, labels) if table is not None]
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def _outcome(weight: str, model: Model) -> str:
    link_at, review_at = (bits(model.thresholds[name]) for name in ("link", "review"))
    return f"CASE WHEN {weight} > {link_at!r} THEN 'link' WHEN {weight} > {review_at!r} THEN 'review' ELSE 'part' END"


def _tried(engine: Engine, model: Model, name: str) -> Tried:
    # Losses are added up smallest first: floats added as threads happen to meet them differ in their last bits, and the
    # same trial has to say the same figure.
    found = _rows(
        engine,
        f"""
        WITH tried AS (
            SELECT
                same,
                {_outcome("weight", model)} AS outcome,
                ln(1 + pow(2, CASE WHEN same THEN -1 ELSE 1 END * greatest(-60, least(60, weight)))) / ln(2) AS loss
            FROM decided
            INNER JOIN scored_{name} USING (l, r)
            WHERE held_out
        )

        SELECT
            same,
            outcome,
            count(*)::BIGINT AS pairs,
            sum(loss ORDER BY loss) AS loss
        FROM tried
        GROUP BY ALL
        """,
    )
    counts = {kind: dict.fromkeys(("link", "review", "part"), 0) for kind in (True, False)}
    for row in found:
        counts[row["same"]][row["outcome"]] = row["pairs"]
    pairs = sum(row["pairs"] for row in found)
    right = counts[True]["link"] + counts[False]["review"] + counts[False]["part"]
    loss = math.fsum(row["loss"] for row in found) / pairs if pairs else None
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


def _levels(new: TrainedModel, old: TrainedModel) -> list[dict[str, Any]]:
    before = {entry.name: entry for entry in old.comparisons}
    found = []
    for entry in new.comparisons:
        was = before.get(entry.name)
        for number, (label, m, u) in enumerate(zip(entry.levels, entry.m, entry.u, strict=True)):
            found.append(
                {
                    "comparison": entry.name,
                    "level": label,
                    "m": m,
                    "u": u,
                    "bits": math.log2(m / u),
                    "bits_before": math.log2(was.m[number] / was.u[number]) if was else None,
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
