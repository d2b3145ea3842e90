"""Links between source records, and the people that they make.

Input: records of one or more sources (`columns.INPUT_COLUMNS`) and a declared model; output: edges and clusters.
Nothing is merged: a link is an edge between two records with its probability and the rule that brought them together.
All work is done in an engine of its own, of which nothing is left; no value of a record is logged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kinbridge.linkage.blocking import find_candidates, rule_name, rules_of, sources_with
from kinbridge.linkage.clean import clean
from kinbridge.linkage.clustering import COMMON, NONE, RARE, Evidence, Pairs, cluster, components
from kinbridge.linkage.columnar import numbers, numbers_of
from kinbridge.linkage.comparing import compare, filled_comparisons
from kinbridge.linkage.conditions import sided
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.kind import unrelated
from kinbridge.linkage.model import Contradiction, Model
from kinbridge.linkage.purpose import Allowed, Barred, Only, note_purposes, read_barred
from kinbridge.linkage.training import Trained, double, train, weights_sql

HABITS = {"common": COMMON, "rare": RARE, "none": NONE}
EDGE_SCHEMA = pa.schema(
    [
        ("source_left", pa.string()),
        ("id_left", pa.string()),
        ("source_right", pa.string()),
        ("id_right", pa.string()),
        ("match_probability", pa.float64()),
        ("rule", pa.string()),
    ]
)


@dataclass(frozen=True)
class Linkage:
    """What a run found.

    `edges` (columns of `EDGE_SCHEMA`) are the pairs held for one person; `review`, likewise, the pairs between the
    model's two thresholds, or above them but kept apart. `clusters` (source, source_person_id, cluster) has every
    record.
    `facts` are counts and names only; `settings` is the trained model for Splink. `kept` are tables of the run, where
    they were asked for.
    """

    edges: pa.Table
    review: pa.Table
    clusters: pa.Table
    facts: dict[str, Any] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    kept: dict[str, pa.Table] = field(repr=False, default_factory=dict)


Progress = Callable[[str], None]
# What an evaluation looks at: prepared records, compared pairs (l, r, weight in bits, …) and each record's cluster.
KEPT = ("cleaned", "scored", "clustered")
# The work of a run in its order, as `progress` is told of it.
STEPS = ("clean", "block", "compare", "train", "cluster")


def link(
    records: pa.Table,
    model: Model,
    *,
    seed: int = 1,
    progress: Progress | None = None,
    open_engine: Callable[[], AbstractContextManager[Engine]] = DuckDBEngine,
    allowed: Allowed | None = None,
    keep: bool = False,
) -> Linkage:
    """Link `records`; the same records (in any order), model and seed give the same result.

    `records` has the columns `source` and `source_person_id`, together unique, and any of `columns.INPUT_COLUMNS`.
    `progress` is called with each of `STEPS` as it begins; `open_engine` makes the engine, which is closed at the end.
    `allowed` says which records may be compared; without it, all. With `keep` the result has the tables of
    `KEPT` as well.
    """
    tell = progress or _say_nothing
    with open_engine() as engine:
        tell("clean")
        count = clean(engine, records, model)
        tell("block")
        only = note_purposes(engine, allowed)
        candidates = find_candidates(engine, model, count, only)
        tell("compare")
        comparisons = filled_comparisons(engine, model)
        compare(engine, model, comparisons, count, seed, only)
        tell("train")
        trained = train(engine, model, comparisons, count, only)
        shift = _score(engine, trained)
        tell("cluster")
        refused = _cluster(engine, model, count, read_barred(engine, allowed), only)
        edges, review = _edges(engine, model)
        clusters = engine.arrow(
            "SELECT source, source_person_id, cluster FROM cleaned INNER JOIN clustered USING (record) ORDER BY record"
        )
        facts = {
            "records": count,
            "pairs_compared": sum(candidates.values()),
            "pairs_by_rule": candidates,
            "weighed": list(trained.weighed),
            "left_out": list(trained.left_out),
            "training_passes": list(trained.passes),
            "largest_prior_correction_bits": round(shift, 3),
            "kept_apart": refused,
            "edges": edges.num_rows,
            "review": review.num_rows,
            "clusters": len(clusters.column("cluster").unique()),
        }
        kept = {name: engine.arrow(f"SELECT * FROM {name}") for name in KEPT} if keep else {}
    return Linkage(edges, review, clusters, facts, trained.settings, kept)


def _say_nothing(step: str) -> None:
    del step


def _score(engine: Engine, trained: Trained) -> float:
    """Make the table `scored` (l, r, weight in bits above an even chance, rule); return the correction of the prior."""
    engine.make(
        "scored",
        f"""
        SELECT l, r, {weights_sql(trained)} + {double(_bits(trained.share))} AS weight, rule
        FROM compared
        WHERE rule >= 0
        """,
    )
    engine.drop("compared")
    return max(correct_prior(engine, trained.share).values(), key=abs, default=0.0)


def correct_prior(engine: Engine, share: float) -> dict[tuple[str, str], float]:
    """Give each two sources a prior of their own, in `scored`; return the corrections in bits, the smaller name first.

    It begins with the share of certain pairs (table `kind`) and moves to the sum of the probabilities of the pairs, by
    two bits at most where that share is known: what siblings and neighbours add to that sum must not feed itself.
    """
    engine.make("kind_of", "SELECT row_number() OVER (ORDER BY l, r) AS kind, * FROM kind")
    engine.make(
        "scored",
        """
        SELECT
            scored.*,
            kind_of.kind
        FROM scored
        INNER JOIN cleaned AS left_record ON left_record.record = scored.l
        INNER JOIN cleaned AS right_record ON right_record.record = scored.r
        INNER JOIN kind_of ON kind_of.l = left_record.source AND kind_of.r = right_record.source
        """,
    )
    rows = engine.rows("SELECT kind, possible, share, known FROM kind_of")
    first = {kind: _bits(at) - _bits(share) for kind, _, at, _ in rows}
    possible = {kind: float(pairs) for kind, pairs, _, _ in rows}
    room = {kind: 2.0 if known >= 0.1 else 6.0 for kind, _, _, known in rows}
    shift = dict(first)
    for _ in range(4):
        expected = engine.rows(
            f"""
            SELECT kind, sum(1 / (1 + pow(2, -greatest(-60, least(60, weight + {_shifted(shift)})))))
            FROM scored
            GROUP BY kind
            """
        )
        for kind, matches in expected:
            better = _bits(min(max(matches, 0.5) / possible[kind], 0.5)) - _bits(share)
            shift[kind] = round(min(max(better, first[kind] - room[kind]), first[kind] + room[kind]), 6)
    engine.make("scored", f"SELECT * EXCLUDE (weight, kind), weight + {_shifted(shift)} AS weight FROM scored")
    return {(left, right): shift[kind] for kind, left, right in engine.rows("SELECT kind, l, r FROM kind_of")}


def _shifted(shift: Mapping[int, float]) -> str:
    """SQL for the bits of each kind."""
    cases = " ".join(f"WHEN {kind} THEN {double(bits)}" for kind, bits in shift.items())
    return f"CASE kind {cases} ELSE {double(0.0)} END" if cases else double(0.0)


def _bits(probability: float) -> float:
    """The log2 of the odds of a probability."""
    return float(math.log2(probability / (1 - probability)))


def _cluster(engine: Engine, model: Model, count: int, barred: Barred | None, only: Only) -> dict[str, int]:
    """Make the tables `judged` (pairs that matter, `apart` naming a contradiction) and `clustered` (record, cluster).

    Returns how many pairs above the threshold each contradiction kept apart.
    """
    threshold = _bits(model.thresholds["link"])
    lifted = f" AND NOT ({_listed_twice(engine, model)})" if unrelated(engine, model, only) else ""

    def holds(entry: Contradiction) -> str:
        return f"({sided(entry.when)}){lifted if entry.name in model.lifted_if_unrelated else ''}"

    _doubt(engine, model, [holds(entry) for entry in model.doubts])
    linked = engine.arrow(f"SELECT l - 1 AS l, r - 1 AS r FROM scored WHERE weight > {threshold!r}")
    label = components(count, numbers_of(linked.column("l")), numbers_of(linked.column("r")))
    engine.give("component", _by_record("component", label))
    conditions = " ".join(f"WHEN {holds(entry)} THEN '{entry.name}'" for entry in model.contradictions)
    engine.make(
        "judged",
        f"""
        SELECT
            scored.*,
            CASE {conditions} END AS apart
        FROM scored
        INNER JOIN component AS component_l ON component_l.record = scored.l
        INNER JOIN component AS component_r ON component_r.record = scored.r
        INNER JOIN cleaned AS left_record ON left_record.record = scored.l
        INNER JOIN cleaned AS right_record ON right_record.record = scored.r
        WHERE component_l.component = component_r.component
        """
        if model.contradictions
        else "SELECT scored.*, NULL::VARCHAR AS apart FROM scored",
    )
    judged = engine.arrow(
        "SELECT l - 1 AS l, r - 1 AS r, weight, (apart IS NOT NULL)::BIGINT AS apart FROM judged ORDER BY l, r"
    )
    # Records are numbered by source first.
    sizes = engine.rows("SELECT source, count(*) FROM cleaned GROUP BY source ORDER BY min(record)")
    number: np.ndarray = np.repeat(np.arange(len(sizes)), [size for _, size in sizes])
    habits = np.array([HABITS[model.duplicates(source)] for source, _ in sizes], dtype=np.int64)
    left, right, weight, apart = (numbers_of(judged.column(name)) for name in ("l", "r", "weight", "apart"))
    pairs = Pairs(left, right, weight, apart == 1)
    rules = Evidence(threshold=threshold, **model.clusters)
    labels = cluster(pairs, number, habits, rules, barred) if count else number
    engine.give("clustered", _by_record("cluster", labels))
    kept = engine.rows(
        f"""
        SELECT apart, count(*)
        FROM judged
        WHERE apart IS NOT NULL AND weight > {threshold!r}
        GROUP BY apart
        ORDER BY apart
        """
    )
    return {str(name): int(pairs_apart) for name, pairs_apart in kept}


def _doubt(engine: Engine, model: Model, doubts: Sequence[str]) -> None:
    """Weigh down, in `scored`, the pairs of which the model says that what agrees is no sign of one person."""
    conditions = " OR ".join(f"({doubt})" for doubt in doubts)
    if conditions:
        engine.make(
            "doubtful",
            f"""
            SELECT l, r
            FROM (
                SELECT scored.l, scored.r, coalesce({conditions}, false) AS doubtful
                FROM scored
                INNER JOIN cleaned AS left_record ON left_record.record = scored.l
                INNER JOIN cleaned AS right_record ON right_record.record = scored.r
                WHERE scored.weight > {_bits(model.thresholds["review"])!r}
            )
            WHERE doubtful
            """,
        )
        engine.make(
            "scored",
            f"""
            SELECT
                scored.l,
                scored.r,
                if(doubtful.l IS NULL, scored.weight, {double(-model.clusters["strongest_against"])}) AS weight,
                scored.rule
            FROM scored
            LEFT JOIN doubtful ON doubtful.l = scored.l AND doubtful.r = scored.r
            """,
        )
        engine.drop("doubtful")


def _listed_twice(engine: Engine, model: Model) -> str:
    """A condition in SQL: both records are of one source that commonly lists a person twice."""
    common = sources_with(engine, model, "common")
    return f"left_record.source = right_record.source AND left_record.source IN ({common})"


def _edges(engine: Engine, model: Model) -> tuple[pa.Table, pa.Table]:
    """The pairs within people above the threshold for a link, and the others that are worth a look."""
    link_at, review_at = (_bits(model.thresholds[name]) for name in ("link", "review"))
    names = " ".join(f"WHEN {number} THEN '{rule_name(rule)}'" for number, rule in enumerate(rules_of(model)))

    def selected(condition: str) -> pa.Table:
        table = engine.arrow(
            f"""
            SELECT
                left_record.source AS source_left,
                left_record.source_person_id AS id_left,
                right_record.source AS source_right,
                right_record.source_person_id AS id_right,
                1 / (1 + pow(2, -greatest(-60, least(60, scored.weight)))) AS match_probability,
                CASE scored.rule {names} END AS rule
            FROM scored
            INNER JOIN clustered AS l ON l.record = scored.l
            INNER JOIN clustered AS r ON r.record = scored.r
            INNER JOIN cleaned AS left_record ON left_record.record = scored.l
            INNER JOIN cleaned AS right_record ON right_record.record = scored.r
            WHERE {condition}
            ORDER BY scored.l, scored.r
            """
        )
        return table.cast(EDGE_SCHEMA)

    edges = selected(f"l.cluster = r.cluster AND scored.weight > {link_at}")
    return edges, selected(f"l.cluster <> r.cluster AND scored.weight > {review_at}")


def _by_record(name: str, values: np.ndarray) -> pa.Table:
    """A number for each record, in the order of the records."""
    return pa.table({"record": numbers(np.arange(1, len(values) + 1)), name: numbers(values)})
