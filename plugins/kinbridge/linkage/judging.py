"""What the weights of pairs come to: doubts, contradictions, people's decisions, and clusters.

Input: the tables `cleaned`, `scored` and `verdict` in DuckDB; output: the tables `judged` and `clustered`. What is said of
a pair depends on its two records, the trained model and what people decided; which records are one person, on the pairs
of its component. So a component may be judged alone and comes out as among all others.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from kinbridge.linkage.clustering import COMMON, NONE, RARE, Evidence, Pairs, cluster, components
from kinbridge.linkage.conditions import sided
from kinbridge.linkage.model import Contradiction, Model
from kinbridge.linkage.scoring import bits
from kinbridge.linkage.trained import TrainedModel

HABITS = {"common": COMMON, "rare": RARE, "none": NONE}
DIFFERENT = "decided"


def judge(connection: duckdb.DuckDBPyConnection, model: Model, trained: TrainedModel, records: int) -> None:
    """Make the table `judged`: the rows of `scored` that are worth a look or within one component.

    Adds `apart`, the name of a contradiction or `DIFFERENT`, and `together`, whether people said so. `verdict` (l, r,
    verdict, refused) has the pairs that people decided on; `records` is the number of rows of `cleaned`.
    """
    review, link = bits(model.thresholds["review"]), bits(model.thresholds["link"])
    _doubt(connection, model, trained, review)
    linked = connection.sql(
        f"""
        SELECT l - 1 AS l, r - 1 AS r FROM scored WHERE weight > {link}
        UNION
        SELECT l - 1, r - 1 FROM verdict WHERE verdict = 'same' AND NOT refused
        """
    ).to_arrow_table()
    label = components(records, numbers(linked, "l"), numbers(linked, "r"))
    numbered: np.ndarray = np.arange(1, records + 1, dtype=np.int64)
    connection.register("component", pa.table({"record": numbered, "component": label}))
    cases = " ".join(f"WHEN {_holds(model, trained, entry)} THEN '{entry.name}'" for entry in model.contradictions)
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE judged AS
        SELECT
            scored.*,
            coalesce(verdict.verdict = 'same' AND NOT verdict.refused, false) AS together,
            CASE
                WHEN verdict.verdict = 'different' THEN '{DIFFERENT}'
                WHEN verdict.verdict = 'same' AND NOT verdict.refused THEN NULL
                {cases}
            END AS apart
        FROM scored
        INNER JOIN component AS component_l ON component_l.record = scored.l
        INNER JOIN component AS component_r ON component_r.record = scored.r
        INNER JOIN cleaned AS left_record ON left_record.record = scored.l
        INNER JOIN cleaned AS right_record ON right_record.record = scored.r
        LEFT JOIN verdict ON verdict.l = scored.l AND verdict.r = scored.r
        WHERE component_l.component = component_r.component OR scored.weight > {review}
        """
    )
    connection.unregister("component")


def cluster_judged(connection: duckdb.DuckDBPyConnection, model: Model, records: int) -> None:
    """Make the table `clustered` (record, cluster) from `judged`."""
    judged = connection.sql(
        "SELECT l - 1 AS l, r - 1 AS r, weight, apart IS NOT NULL AS apart, together FROM judged ORDER BY l, r"
    ).to_arrow_table()
    sources = connection.sql(
        "SELECT source, (dense_rank() OVER (ORDER BY source) - 1)::BIGINT AS number FROM cleaned ORDER BY record"
    ).to_arrow_table()
    number = numbers(sources, "number")
    names = dict(zip(number.tolist(), sources.column("source").to_pylist(), strict=True))
    habits = np.array([HABITS[model.duplicates(names[index])] for index in range(len(names))], dtype=np.int64)
    pairs = Pairs(
        numbers(judged, "l"),
        numbers(judged, "r"),
        judged.column("weight").to_numpy(),
        judged.column("apart").to_numpy(),
    )
    together = judged.column("together").to_numpy()
    rules = Evidence(threshold=bits(model.thresholds["link"]), **model.clusters)
    labels = cluster(pairs, number, habits, rules, together) if records else number
    numbered: np.ndarray = np.arange(1, records + 1, dtype=np.int64)
    connection.register("label", pa.table({"record": numbered, "cluster": labels}))
    connection.execute("CREATE OR REPLACE TABLE clustered AS SELECT record, cluster FROM label")
    connection.unregister("label")


def linked_sql(model: Model) -> str:
    """SQL over `judged`, with clusters `cluster_l` and `cluster_r`: whether the pair is a link between two records."""
    link = bits(model.thresholds["link"])
    return f"cluster_l.cluster = cluster_r.cluster AND apart IS NULL AND (weight > {link} OR together)"


def numbers(table: pa.Table, name: str) -> Any:
    """A column of whole numbers as an array."""
    return table.column(name).to_numpy().astype(np.int64)


def _doubt(connection: duckdb.DuckDBPyConnection, model: Model, trained: TrainedModel, review: float) -> None:
    """Weigh down the pairs of which the model says that what agrees is no sign of one person."""
    conditions = " OR ".join(_holds(model, trained, entry) for entry in model.doubts)
    if conditions:
        connection.execute(
            f"""
            UPDATE scored SET weight = {-model.clusters["strongest_against"]!r}
            FROM (
                SELECT scored.l, scored.r
                FROM scored
                INNER JOIN cleaned AS left_record ON left_record.record = scored.l
                INNER JOIN cleaned AS right_record ON right_record.record = scored.r
                WHERE scored.weight > {review} AND coalesce({conditions}, false)
            ) AS doubtful
            WHERE doubtful.l = scored.l AND doubtful.r = scored.r
            """
        )


def _holds(model: Model, trained: TrainedModel, entry: Contradiction) -> str:
    """A doubt or contradiction in SQL; on a list of unrelated people some are lifted within one source."""
    lifted = ""
    if trained.unrelated and entry.name in model.lifted_if_unrelated:
        lifted = f" AND NOT ({_listed_twice(model)})"
    return f"(({sided(entry.when)}){lifted})"


def _listed_twice(model: Model) -> str:
    """A condition: both records are of one source that commonly lists a person twice."""
    habits = model.duplicates_by_source.items()
    listed = [_quoted(source) for source, habit in habits if (habit == "common") is not (_by_default(model))]
    among = f"left_record.source {'NOT IN' if _by_default(model) else 'IN'} ({', '.join(listed) or 'NULL'})"
    if not listed:
        among = "true" if _by_default(model) else "false"
    return f"left_record.source = right_record.source AND {among}"


def _by_default(model: Model) -> bool:
    return model.duplicates_default == "common"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
