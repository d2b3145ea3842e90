"""Links between source records, and the people that they make.

Input: records of one or more sources (`columns.INPUT_COLUMNS`) and a declared model; output: edges and clusters.
Nothing is merged: a link is an edge between two records with its probability and the rule that brought them together.
All work is done in a DuckDB of its own, in memory; nothing is written to disk, and no value of a record is logged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from kinbridge.linkage.blocking import EACH, find_candidates, rule_name
from kinbridge.linkage.clean import clean
from kinbridge.linkage.clustering import COMMON, NONE, RARE, Evidence, Pairs, cluster, components
from kinbridge.linkage.comparing import compare, filled_comparisons
from kinbridge.linkage.conditions import sided
from kinbridge.linkage.kind import unrelated
from kinbridge.linkage.model import Contradiction, Model
from kinbridge.linkage.training import Trained, train, weights_sql

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
    `facts` are counts and names only; `settings` is the trained model for Splink.
    """

    edges: pa.Table
    review: pa.Table
    clusters: pa.Table
    facts: dict[str, Any] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)


Progress = Callable[[str], None]
# The work of a run in its order, as `progress` is told of it.
STEPS = ("clean", "block", "compare", "train", "cluster")


def link(
    records: pa.Table | duckdb.DuckDBPyRelation,
    model: Model,
    *,
    seed: int = 1,
    progress: Progress | None = None,
) -> Linkage:
    """Link `records`; the same records (in any order), model and seed give the same result.

    `records` has the columns `source` and `source_person_id`, together unique, and any of `columns.INPUT_COLUMNS`.
    `progress` is called with each of `STEPS` as it begins.
    """
    tell = progress or _say_nothing
    with duckdb.connect(":memory:") as connection:
        # Without a folder for temporary files DuckDB cannot spill personal data to disk.
        connection.execute("SET temp_directory = ''")
        connection.execute("SET enable_progress_bar = false")
        tell("clean")
        count = clean(connection, records, model)
        tell("block")
        candidates = find_candidates(connection, model, count)
        tell("compare")
        comparisons = filled_comparisons(connection, model)
        compare(connection, model, comparisons, count, seed)
        tell("train")
        trained = train(connection, model, comparisons, count)
        shift = _score(connection, trained)
        tell("cluster")
        refused = _cluster(connection, model, count)
        edges, review = _edges(connection, model)
        clusters = connection.sql(
            "SELECT source, source_person_id, cluster FROM cleaned INNER JOIN clustered USING (record) ORDER BY record"
        ).to_arrow_table()
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
    return Linkage(edges, review, clusters, facts, trained.settings)


def _say_nothing(step: str) -> None:
    del step


def _score(connection: duckdb.DuckDBPyConnection, trained: Trained) -> float:
    """Make the table `scored` (l, r, weight in bits above an even chance, rule); return the correction of the prior."""
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE scored AS
        SELECT l, r, {weights_sql(trained)} + {_bits(trained.share)!r} AS weight, rule
        FROM compared
        WHERE rule >= 0
        """
    )
    connection.execute("DROP TABLE compared")
    return max(correct_prior(connection, trained.share).values(), key=abs, default=0.0)


def correct_prior(connection: duckdb.DuckDBPyConnection, share: float) -> dict[tuple[str, str], float]:
    """Give each two sources a prior of their own, in `scored`; return the corrections in bits, the smaller name first.

    It begins with the share of certain pairs (table `kind`) and moves to the sum of the probabilities of the pairs, by
    two bits at most where that share is known: what siblings and neighbours add to that sum must not feed itself.
    """
    connection.execute(
        """
        CREATE OR REPLACE TABLE kind_of AS
        SELECT
            row_number() OVER (ORDER BY l, r) AS kind,
            *
        FROM kind;
        CREATE OR REPLACE TABLE scored AS
        SELECT
            scored.*,
            kind_of.kind
        FROM scored
        INNER JOIN cleaned AS left_record ON left_record.record = scored.l
        INNER JOIN cleaned AS right_record ON right_record.record = scored.r
        INNER JOIN kind_of ON kind_of.l = left_record.source AND kind_of.r = right_record.source
        """
    )
    rows = connection.execute("SELECT kind, possible, share, known FROM kind_of").fetchall()
    first = {kind: _bits(at) - _bits(share) for kind, _, at, _ in rows}
    possible = {kind: float(pairs) for kind, pairs, _, _ in rows}
    room = {kind: 2.0 if known >= 0.1 else 6.0 for kind, _, _, known in rows}
    shift = dict(first)
    for _ in range(4):
        connection.register("shift", pa.table({"kind": list(shift), "bits": pa.array(shift.values(), pa.float64())}))
        expected = connection.execute(
            """
            SELECT kind, sum(1 / (1 + pow(2, -greatest(-60, least(60, weight + bits)))))
            FROM scored
            INNER JOIN shift USING (kind)
            GROUP BY kind
            """
        ).fetchall()
        for kind, matches in expected:
            better = _bits(min(max(matches, 0.5) / possible[kind], 0.5)) - _bits(share)
            shift[kind] = round(min(max(better, first[kind] - room[kind]), first[kind] + room[kind]), 6)
    connection.register("shift", pa.table({"kind": list(shift), "bits": pa.array(shift.values(), pa.float64())}))
    connection.execute("UPDATE scored SET weight = weight + bits FROM shift WHERE shift.kind = scored.kind")
    names = connection.execute("SELECT kind, l, r FROM kind_of").fetchall()
    return {(left, right): shift[kind] for kind, left, right in names}


def _bits(probability: float) -> float:
    """The log2 of the odds of a probability."""
    return float(math.log2(probability / (1 - probability)))


def _cluster(connection: duckdb.DuckDBPyConnection, model: Model, count: int) -> dict[str, int]:
    """Make the tables `judged` (pairs that matter, `apart` naming a contradiction) and `clustered` (record, cluster).

    Returns how many pairs above the threshold each contradiction kept apart.
    """
    threshold = _bits(model.thresholds["link"])
    lifted = f" AND NOT ({_listed_twice(connection, model)})" if unrelated(connection, model) else ""

    def holds(entry: Contradiction) -> str:
        return f"({sided(entry.when)}){lifted if entry.name in model.lifted_if_unrelated else ''}"

    _doubt(connection, model, [holds(entry) for entry in model.doubts])
    linked = connection.sql(f"SELECT l - 1 AS l, r - 1 AS r FROM scored WHERE weight > {threshold}").to_arrow_table()
    label = components(count, _numbers(linked, "l"), _numbers(linked, "r"))
    connection.register("component", pa.table({"record": np.arange(1, count + 1, dtype=np.int64), "component": label}))
    conditions = " ".join(f"WHEN {holds(entry)} THEN '{entry.name}'" for entry in model.contradictions)
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE judged AS
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
        else "CREATE OR REPLACE TABLE judged AS SELECT scored.*, NULL::VARCHAR AS apart FROM scored"
    )
    judged = connection.sql(
        "SELECT l - 1 AS l, r - 1 AS r, weight, apart IS NOT NULL AS apart FROM judged ORDER BY l, r"
    ).to_arrow_table()
    sources = connection.sql(
        "SELECT source, (dense_rank() OVER (ORDER BY source) - 1)::BIGINT AS number FROM cleaned ORDER BY record"
    ).to_arrow_table()
    number = _numbers(sources, "number")
    names = dict(zip(number.tolist(), sources.column("source").to_pylist(), strict=True))
    habits = np.array([HABITS[model.duplicates(names[index])] for index in range(len(names))], dtype=np.int64)
    pairs = Pairs(
        _numbers(judged, "l"),
        _numbers(judged, "r"),
        judged.column("weight").to_numpy(),
        judged.column("apart").to_numpy(),
    )
    rules = Evidence(threshold=threshold, **model.clusters)
    labels = cluster(pairs, number, habits, rules) if count else number
    connection.register("label", pa.table({"record": np.arange(1, count + 1, dtype=np.int64), "cluster": labels}))
    connection.execute("CREATE OR REPLACE TABLE clustered AS SELECT record, cluster FROM label")
    kept = connection.execute(
        "SELECT apart, count(*) FROM judged WHERE apart IS NOT NULL AND weight > ? GROUP BY apart ORDER BY apart",
        [threshold],
    ).fetchall()
    return {str(name): int(pairs_apart) for name, pairs_apart in kept}


def _doubt(connection: duckdb.DuckDBPyConnection, model: Model, doubts: Sequence[str]) -> None:
    """Weigh down, in `scored`, the pairs of which the model says that what agrees is no sign of one person."""
    conditions = " OR ".join(f"({doubt})" for doubt in doubts)
    if conditions:
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE doubtful AS
            SELECT l, r
            FROM (
                SELECT scored.l, scored.r, coalesce({conditions}, false) AS doubtful
                FROM scored
                INNER JOIN cleaned AS left_record ON left_record.record = scored.l
                INNER JOIN cleaned AS right_record ON right_record.record = scored.r
                WHERE scored.weight > ?
            )
            WHERE doubtful
            """,
            [_bits(model.thresholds["review"])],
        )
        connection.execute(
            "UPDATE scored SET weight = ? FROM doubtful WHERE doubtful.l = scored.l AND doubtful.r = scored.r",
            [-model.clusters["strongest_against"]],
        )


def _listed_twice(connection: duckdb.DuckDBPyConnection, model: Model) -> str:
    """A condition in SQL: both records are of one source that commonly lists a person twice."""
    sources = [source for (source,) in connection.execute("SELECT DISTINCT source FROM cleaned").fetchall()]
    common = [source.replace("'", "''") for source in sources if model.duplicates(source) == "common"]
    listed = ", ".join(f"'{source}'" for source in common) or "NULL"
    return f"left_record.source = right_record.source AND left_record.source IN ({listed})"


def _edges(connection: duckdb.DuckDBPyConnection, model: Model) -> tuple[pa.Table, pa.Table]:
    """The pairs within people above the threshold for a link, and the others that are worth a look."""
    link_at, review_at = (_bits(model.thresholds[name]) for name in ("link", "review"))
    names = " ".join(f"WHEN {number} THEN '{rule_name(rule)}'" for number, rule in enumerate(model.blocking))
    names += f" WHEN {len(model.blocking)} THEN '{EACH}'"

    def selected(condition: str) -> pa.Table:
        table = connection.sql(
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
        ).to_arrow_table()
        return table.cast(EDGE_SCHEMA)

    edges = selected(f"l.cluster = r.cluster AND scored.weight > {link_at}")
    return edges, selected(f"l.cluster <> r.cluster AND scored.weight > {review_at}")


def _numbers(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy().astype(np.int64)
