"""Stable person ids: which id each cluster keeps, and what changed.

Input: the clusters of this run and the person ids of the run before; output: a person id for each source person, and
the changes. Pure. A new id is random and never derived from what is known of the person (45 CFR 164.514(c)). The same
clusters after the same ids change nothing, in whatever order the rows come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import duckdb
import pyarrow as pa

ID_SCHEMA = pa.schema([("source", pa.string()), ("source_person_id", pa.string()), ("person_id", pa.string())])
CHANGE_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("from_person_id", pa.string()),
        ("to_person_id", pa.string()),
        ("source_persons", pa.int64()),
    ]
)


@dataclass(frozen=True)
class People:
    """`assignments` (columns of `ID_SCHEMA`), the ids given for the first time, and `changes` (of `CHANGE_SCHEMA`).

    A change says how many source persons went from one id to another, and why: `merged` when nobody is left under the
    old id (it resolves to where most went), `split` when the new id was made in this run, `moved` between two ids
    that live on.
    """

    assignments: pa.Table
    new_ids: tuple[str, ...]
    changes: pa.Table

    def counts(self) -> dict[str, int]:
        """How many changes of each kind."""
        kinds = self.changes.column("kind").to_pylist()
        return {kind: kinds.count(kind) for kind in ("merged", "split", "moved")}


def assign_people(clusters: pa.Table, previous: pa.Table, new_id: Callable[[], UUID] = uuid4) -> People:
    """Give each cluster the id that most of its members had.

    `clusters` has (source, source_person_id, cluster), `previous` the columns of `ID_SCHEMA`. An id goes to one
    cluster at most; where counts are equal, the smaller id and then the cluster with the smallest member win.
    """
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET temp_directory = ''")
        connection.register("clusters", clusters)
        connection.register("previous", previous.cast(ID_SCHEMA))
        connection.execute(_VOTES)
        wanted = connection.sql("SELECT cluster FROM size ORDER BY first_member").fetchall()
        contested = connection.sql(_CONTESTED).fetchall()
        chosen: dict[int, str] = {}
        taken: set[str] = set()
        for cluster, person_id in contested:
            if cluster not in chosen and person_id not in taken:
                chosen[cluster] = person_id
                taken.add(person_id)
        chosen |= dict(connection.sql(_UNCONTESTED).fetchall())
        fresh = {cluster: str(new_id()) for (cluster,) in wanted if cluster not in chosen}
        ids = [*chosen.items(), *fresh.items()]
        given = pa.table(
            {
                "cluster": pa.array([cluster for cluster, _ in ids], clusters.schema.field("cluster").type),
                "person_id": pa.array([person_id for _, person_id in ids], pa.string()),
                "fresh": pa.array([cluster in fresh for cluster, _ in ids], pa.bool_()),
            }
        )
        connection.register("given", given)
        assignments = connection.sql(_ASSIGNMENTS).to_arrow_table().cast(ID_SCHEMA)
        changes = connection.sql(_CHANGES).to_arrow_table().cast(CHANGE_SCHEMA)
    return People(assignments, tuple(fresh.values()), changes)


# Grain of vote: one row per cluster and id that members of it had. sources: clusters, previous.
_VOTES = """
CREATE TEMP TABLE vote AS
SELECT
    clusters.cluster,
    previous.person_id,
    count(*) AS members,
    count(*) OVER (PARTITION BY clusters.cluster) AS ids,
    count(*) OVER (PARTITION BY previous.person_id) AS clusters
FROM clusters
INNER JOIN previous USING (source, source_person_id)
GROUP BY clusters.cluster, previous.person_id;

CREATE TEMP TABLE size AS
SELECT
    cluster,
    min((source, source_person_id)) AS first_member
FROM clusters
GROUP BY cluster
"""
_UNCONTESTED = """
SELECT cluster, person_id
FROM vote
WHERE ids = 1 AND clusters = 1
"""
_CONTESTED = """
SELECT
    vote.cluster,
    vote.person_id
FROM vote
INNER JOIN size USING (cluster)
WHERE vote.ids > 1 OR vote.clusters > 1
ORDER BY vote.members DESC, vote.person_id, size.first_member
"""
_ASSIGNMENTS = """
SELECT
    clusters.source,
    clusters.source_person_id,
    given.person_id
FROM clusters
INNER JOIN given USING (cluster)
ORDER BY clusters.source, clusters.source_person_id
"""
# Grain: one row per id that source persons left and id that they came to. sources: vote, given.
_CHANGES = """
SELECT
    CASE
        WHEN lives.person_id IS NULL
            AND row_number() OVER (
                PARTITION BY vote.person_id
                ORDER BY vote.members DESC, given.person_id
            ) = 1
            THEN 'merged'
        WHEN given.fresh THEN 'split'
        ELSE 'moved'
    END AS kind,
    vote.person_id AS from_person_id,
    given.person_id AS to_person_id,
    vote.members AS source_persons
FROM vote
INNER JOIN given USING (cluster)
LEFT JOIN given AS lives ON lives.person_id = vote.person_id
WHERE given.person_id <> vote.person_id
ORDER BY kind, from_person_id, to_person_id
"""
