"""What judging came to, as rows for the ledger: pairs, edges and clusters.

Reads the tables `cleaned` (with `number`), `judged` and `clustered` of DuckDB; plain tables out.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from kinbridge.linkage.judging import linked_sql
from kinbridge.linkage.keys import rule_names_sql
from kinbridge.linkage.model import Model
from kinbridge.linkage.scoring import bits, levels_sql, weights_sql
from kinbridge.linkage.trained import TrainedModel

PAIR_COLUMNS = (
    "record_left bigint, record_right bigint, weight double precision, match_probability double precision, rule text,"
    " apart text, levels smallint[], weights real[]"
)
EDGE_COLUMNS = (
    "partner_left text, source_person_id_left text, partner_right text, source_person_id_right text,"
    " match_probability double precision, rule text, levels smallint[], weights real[]"
)
CHANCE = "1 / (1 + pow(2, -greatest(-60, least(60, judged.weight))))"


@dataclass(frozen=True)
class Found:
    """Rows for the ledger: `edges` (`EDGE_COLUMNS`) and `clusters` (source, source_person_id, cluster)."""

    edges: pa.Table
    clusters: pa.Table


def found_pairs(connection: duckdb.DuckDBPyConnection, model: Model, trained: TrainedModel) -> pa.Table:
    """The pairs that are worth a look or more, as `PAIR_COLUMNS`."""
    return connection.sql(
        f"""
        SELECT
            left_record.number AS record_left,
            right_record.number AS record_right,
            judged.weight,
            {CHANCE} AS match_probability,
            {rule_names_sql(trained.blocks, "judged.rule")} AS rule,
            judged.apart,
            {_evidence(model, trained)}
        FROM judged
        INNER JOIN cleaned AS left_record ON left_record.record = judged.l
        INNER JOIN cleaned AS right_record ON right_record.record = judged.r
        WHERE judged.weight > {bits(model.thresholds["review"])}
        """
    ).to_arrow_table()


def found_people(connection: duckdb.DuckDBPyConnection, model: Model, trained: TrainedModel) -> Found:
    """The edges between records of one person, and every record's cluster."""
    edges = connection.sql(
        f"""
        SELECT
            left_record.source AS partner_left,
            left_record.source_person_id AS source_person_id_left,
            right_record.source AS partner_right,
            right_record.source_person_id AS source_person_id_right,
            {CHANCE} AS match_probability,
            {rule_names_sql(trained.blocks, "judged.rule")} AS rule,
            {_evidence(model, trained)}
        FROM judged
        INNER JOIN clustered AS cluster_l ON cluster_l.record = judged.l
        INNER JOIN clustered AS cluster_r ON cluster_r.record = judged.r
        INNER JOIN cleaned AS left_record ON left_record.record = judged.l
        INNER JOIN cleaned AS right_record ON right_record.record = judged.r
        WHERE {linked_sql(model)}
        ORDER BY judged.l, judged.r
        """
    ).to_arrow_table()
    clusters = connection.sql(
        "SELECT source, source_person_id, cluster FROM cleaned INNER JOIN clustered USING (record) ORDER BY record"
    ).to_arrow_table()
    return Found(edges, clusters)


def _evidence(model: Model, trained: TrainedModel) -> str:
    """Levels and weights of a row of `judged`, as Postgres reads arrays."""
    weights = f"list_transform({weights_sql(model, trained)}, lambda x: round(x, 3)::FLOAT)"
    return (
        f"'{{' || array_to_string({levels_sql(trained)}, ',') || '}}' AS levels,"
        f" '{{' || array_to_string({weights}, ',') || '}}' AS weights"
    )
