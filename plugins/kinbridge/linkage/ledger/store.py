"""What a run found, written down: edges that live on, end or begin; people, their members, and what changed.

Writes `identity`, in the transaction of the run. Where only some records were judged again, the temporary table
`touched` says which; the rest is left alone.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kinbridge.linkage.known_as import LINK_FORMER, LINKS
from kinbridge.linkage.ledger.found import EDGE_COLUMNS, Found
from kinbridge.linkage.ledger.work import by_index
from kinbridge.linkage.model import Model
from kinbridge.linkage.people import ID_SCHEMA, People, assign_people
from kinbridge.linkage.scoring import bits
from kinbridge.warehouse.arrow import copy_in, copy_out


def store_edges(
    cursor: Any, run_id: int, training_id: int, model: Model, found: Found, *, whole: bool
) -> dict[str, int]:
    """Bring `identity.edge` to what was found; how many edges began, ended, and live."""
    copy_in(cursor, "given_edge", EDGE_COLUMNS, found.edges)
    cursor.execute("ANALYZE given_edge")
    facts = {"run": run_id, "training": training_id, "link": bits(model.thresholds["link"])}
    if whole:
        cursor.execute(_SCOPE_WHOLE)
    else:
        with by_index(cursor):
            cursor.execute(_SCOPE_TOUCHED)
    cursor.execute(_END, facts)
    ended = cursor.rowcount
    cursor.execute(_BEGIN, facts)
    began = cursor.rowcount
    if whole:
        cursor.execute("ANALYZE identity.edge")
    cursor.execute("SELECT count(*) FROM identity.edge WHERE until_run_id IS NULL")
    return {"edges": int(cursor.fetchone()[0]), "edges_began": began, "edges_ended": ended}


_SCOPE_WHOLE = """
CREATE TEMP TABLE edge_judged ON COMMIT DROP AS
SELECT edge_id FROM identity.edge WHERE until_run_id IS NULL
"""
_SCOPE_TOUCHED = """
CREATE TEMP TABLE edge_judged ON COMMIT DROP AS
SELECT edge.edge_id
FROM touched
INNER JOIN identity.edge
    ON edge.partner_left = touched.source AND edge.source_person_id_left = touched.source_person_id
WHERE edge.until_run_id IS NULL
UNION
SELECT edge.edge_id
FROM touched
INNER JOIN identity.edge
    ON edge.partner_right = touched.source AND edge.source_person_id_right = touched.source_person_id
WHERE edge.until_run_id IS NULL
"""

_SAME = """
    AND given.match_probability = edge.match_probability
    AND given.rule = edge.rule
    AND given.levels = edge.levels
    AND given.weights = edge.weights
    AND edge.training_id = %(training)s
"""
_PAIR = "(partner_left, source_person_id_left, partner_right, source_person_id_right)"

# Why an edge ended: the first of these that is so.
_END = f"""
UPDATE identity.edge
SET until_run_id = %(run)s, ended = why.ended
FROM (
    SELECT
        edge.edge_id,
        CASE
            WHEN l.record IS NULL OR r.record IS NULL THEN 'withdrawn'
            WHEN verdict.verdict = 'different' THEN 'decided'
            WHEN given.rule IS NOT NULL THEN 'scored anew'
            WHEN pair.weight > %(link)s AND pair.apart IS NULL THEN 'parted'
            ELSE 'no link'
        END AS ended
    FROM edge_judged
    INNER JOIN identity.edge USING (edge_id)
    LEFT JOIN given_edge AS given USING {_PAIR}
    LEFT JOIN identity.prepared AS l
        ON l.source = edge.partner_left AND l.source_person_id = edge.source_person_id_left
    LEFT JOIN identity.prepared AS r
        ON r.source = edge.partner_right AND r.source_person_id = edge.source_person_id_right
    LEFT JOIN verdict_now AS verdict USING {_PAIR}
    LEFT JOIN identity.pair ON pair.record_left = l.record AND pair.record_right = r.record
    WHERE (
        given.rule IS NOT NULL
        {_SAME}
    ) IS NOT TRUE
) AS why
WHERE why.edge_id = edge.edge_id
"""
_BEGIN = """
INSERT INTO identity.edge (
    partner_left, source_person_id_left, partner_right, source_person_id_right, match_probability, rule, levels,
    weights, training_id, since_run_id
)
SELECT
    given.partner_left,
    given.source_person_id_left,
    given.partner_right,
    given.source_person_id_right,
    given.match_probability,
    given.rule,
    given.levels,
    given.weights,
    %(training)s,
    %(run)s
FROM given_edge AS given
WHERE NOT EXISTS (
    SELECT
    FROM identity.edge
    WHERE
        edge.until_run_id IS NULL
        AND edge.partner_left = given.partner_left
        AND edge.source_person_id_left = given.source_person_id_left
        AND edge.partner_right = given.partner_right
        AND edge.source_person_id_right = given.source_person_id_right
)
"""


def store_people(cursor: Any, run_id: int, found: Found, *, whole: bool) -> People:
    """Give the clusters their persons and write down who went where; what changed."""
    clusters, previous = found.clusters, copy_out(cursor, LINKS if whole else _LINKS_TOUCHED, ID_SCHEMA)
    if not whole:
        clusters, previous = _with_bystanders(cursor, clusters, previous)
    people = assign_people(clusters, previous)
    fresh = pa.table({"person_id": pa.array(people.new_ids, pa.string())})
    copy_in(cursor, "given_person", "person_id uuid", fresh)
    copy_in(cursor, "given_link", "partner text, source_person_id text, person_id uuid", people.assignments)
    copy_in(
        cursor,
        "given_change",
        "kind text, from_person_id uuid, to_person_id uuid, source_persons bigint",
        people.changes,
    )
    cursor.execute("ANALYZE given_link")
    for statement in STATEMENTS:
        cursor.execute(statement, {"run_id": run_id})
    if whole:
        # What follows in this transaction, and a next run that comes soon, must not take them for empty.
        cursor.execute("ANALYZE identity.person_link")
        cursor.execute("ANALYZE identity.membership")
    return people


_LINKS_TOUCHED = f"""
SELECT links.*
FROM ({LINKS}) AS links
INNER JOIN touched ON touched.source = links.source AND touched.source_person_id = links.source_person_id
INNER JOIN identity.prepared USING (record)
"""

# Records that were not judged again but have a person whom one that was has had too: a record that comes back may
# find its person with others. Grain: one row per record. Sources: given_previous, identity.person_link,
# identity.prepared, touched.
_BYSTANDERS = """
SELECT
    link.partner AS source,
    link.source_person_id,
    link.person_id
FROM (SELECT DISTINCT person_id FROM given_previous) AS asked
INNER JOIN identity.person_link AS link USING (person_id)
INNER JOIN identity.prepared ON prepared.source = link.partner AND prepared.source_person_id = link.source_person_id
WHERE NOT EXISTS (SELECT FROM touched WHERE touched.record = prepared.record)
"""


def _with_bystanders(cursor: Any, clusters: pa.Table, previous: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The clusters and former links with those of `_BYSTANDERS`, each person of them one cluster as it was."""
    copy_in(cursor, "given_previous", "source text, source_person_id text, person_id uuid", previous)
    bystanders = copy_out(cursor, _BYSTANDERS, ID_SCHEMA)
    if not bystanders.num_rows:
        return clusters, previous
    number = bystanders.column("person_id").combine_chunks().dictionary_encode().indices.cast(pa.int64())
    # Below zero: no cluster of those that were judged has such a number.
    others = pa.table(
        {
            "source": bystanders.column("source"),
            "source_person_id": bystanders.column("source_person_id"),
            "cluster": pc.subtract(-1, number),
        }
    )
    return pa.concat_tables([clusters, others.cast(clusters.schema)]), pa.concat_tables([previous, bystanders])


# A source person that is not current any more keeps its link: should it come back, it is the same person.
STATEMENTS = (
    """
    INSERT INTO identity.person (person_id, first_run_id)
    SELECT person_id, %(run_id)s
    FROM given_person
    """,
    """
    INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
    SELECT partner, source_person_id, person_id, %(run_id)s
    FROM given_link AS given
    -- Most stay with their person, and need no look at the keys of others.
    WHERE NOT EXISTS (
        SELECT
        FROM identity.person_link AS link
        WHERE
            link.partner = given.partner
            AND link.source_person_id = given.source_person_id
            AND link.person_id = given.person_id
    )
    ON CONFLICT (partner, source_person_id) DO UPDATE
    SET person_id = excluded.person_id, run_id = excluded.run_id
    WHERE person_link.person_id <> excluded.person_id
    """,
    """
    INSERT INTO identity.person_change (run_id, kind, from_person_id, to_person_id, source_persons)
    SELECT %(run_id)s, kind, from_person_id, to_person_id, source_persons
    FROM given_change
    """,
    # Whatever still points to a merged person points to the one that it became, however long ago it was merged.
    """
    UPDATE identity.person
    SET merged_into = given_change.to_person_id
    FROM given_change
    WHERE given_change.kind = 'merged' AND given_change.from_person_id = person.merged_into
    """,
    """
    UPDATE identity.person
    SET merged_into = given_change.to_person_id
    FROM given_change
    WHERE given_change.kind = 'merged' AND given_change.from_person_id = person.person_id
    """,
    """
    UPDATE identity.person_link
    SET person_id = given_change.to_person_id, run_id = %(run_id)s
    FROM given_change
    WHERE given_change.kind = 'merged' AND person_link.person_id = given_change.from_person_id
    """,
    LINK_FORMER,
    # Each link that this run made or moved begins a membership, and ends the one before.
    """
    UPDATE identity.membership
    SET until_run_id = %(run_id)s
    FROM identity.person_link AS link
    WHERE
        link.run_id = %(run_id)s
        AND membership.until_run_id IS NULL
        AND membership.partner = link.partner
        AND membership.source_person_id = link.source_person_id
        AND membership.person_id <> link.person_id
    """,
    """
    INSERT INTO identity.membership (partner, source_person_id, person_id, since_run_id)
    SELECT link.partner, link.source_person_id, link.person_id, %(run_id)s
    FROM identity.person_link AS link
    WHERE
        link.run_id = %(run_id)s
        AND NOT EXISTS (
            SELECT
            FROM identity.membership
            WHERE
                membership.until_run_id IS NULL
                AND membership.partner = link.partner
                AND membership.source_person_id = link.source_person_id
        )
    """,
)
