"""Fills the queue of pairs that wait for a person, after each linkage and each build.

Works as kb_linkage in the caller's transaction, set-based. It writes ids, weights and counts, and no value of a record.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from kinbridge.linkage.ledger.work import by_index
from kinbridge.linkage.model import Model
from kinbridge.linkage.scoring import bits


def fill_queue(cursor: Any, model: Model, *, changed: bool = False) -> int:
    """Bring the queue up to the links and figures of now; returns how many pairs wait, decided ones included.

    A pair that is no longer worth a look leaves the queue, unless somebody has decided on it. After a run over what has
    `changed`, in its transaction, only the pairs of persons whose records were judged again (`touched`), or were theirs
    before (`given_previous`).
    """
    # A few of many are looked up; for all, whole tables are joined.
    with by_index(cursor) if changed else nullcontext():
        for statement in (*(_CHANGED if changed else _EVERYBODY), "ANALYZE asked_pair"):
            cursor.execute(statement)
        cursor.execute(_LINKED, {"review": bits(model.thresholds["review"])})
    cursor.execute("ANALYZE linked_pair")
    cursor.execute(_FOUND)
    for statement in _FILL:
        cursor.execute(statement)
    if not changed:
        cursor.execute("ANALYZE identity.review_pair")
    cursor.execute("SELECT count(*) FROM identity.review_pair WHERE waiting")
    return int(cursor.fetchone()[0])


# What is looked at: `asked_pair` (record_left, record_right) of identity.pair, `queued` (pair_id) of the queue.
_EVERYBODY = (
    "CREATE TEMP TABLE asked_pair ON COMMIT DROP AS SELECT record_left, record_right FROM identity.pair",
    "CREATE TEMP TABLE queued ON COMMIT DROP AS SELECT pair_id FROM identity.review_pair",
)

# A person who lost a record to another has fewer that would move, so those count too who had one before.
# Grain of asked_record: one row per record, current or not, of such persons. Sources: touched, given_previous,
# identity.person_link, identity.prepared.
_CHANGED = (
    """
    CREATE TEMP TABLE asked_record ON COMMIT DROP AS
    SELECT
        link.person_id,
        link.partner,
        link.source_person_id,
        prepared.record
    FROM (
        SELECT link.person_id
        FROM touched
        INNER JOIN identity.person_link AS link
            ON link.partner = touched.source AND link.source_person_id = touched.source_person_id
        UNION
        SELECT person_id
        FROM given_previous
    ) AS asked
    INNER JOIN identity.person_link AS link USING (person_id)
    LEFT JOIN identity.prepared
        ON prepared.source = link.partner AND prepared.source_person_id = link.source_person_id
    """,
    "CREATE INDEX ix_asked_record ON asked_record (record)",
    "ANALYZE asked_record",
    # Most pairs of such a person are within it, and wait for nobody.
    """
    CREATE TEMP TABLE asked_pair ON COMMIT DROP AS
    SELECT pair.record_left, pair.record_right
    FROM asked_record AS own
    INNER JOIN identity.pair ON pair.record_left = own.record
    LEFT JOIN asked_record AS other ON other.record = pair.record_right
    WHERE other.person_id IS DISTINCT FROM own.person_id
    UNION
    SELECT pair.record_left, pair.record_right
    FROM asked_record AS own
    INNER JOIN identity.pair ON pair.record_right = own.record
    LEFT JOIN asked_record AS other ON other.record = pair.record_left
    WHERE other.person_id IS DISTINCT FROM own.person_id
    """,
    """
    CREATE TEMP TABLE queued ON COMMIT DROP AS
    SELECT pair.pair_id
    FROM asked_record
    INNER JOIN identity.review_pair AS pair
        ON pair.partner_left = asked_record.partner AND pair.source_person_id_left = asked_record.source_person_id
    UNION
    SELECT pair.pair_id
    FROM asked_record
    INNER JOIN identity.review_pair AS pair
        ON pair.partner_right = asked_record.partner AND pair.source_person_id_right = asked_record.source_person_id
    """,
)


# Grain: one row per asked pair of two persons that is worth a look. Sources: asked_pair, identity.pair,
# identity.prepared, identity.person_link.
_LINKED = """
CREATE TEMP TABLE linked_pair ON COMMIT DROP AS
SELECT
    l.source AS partner_left,
    l.source_person_id AS source_person_id_left,
    r.source AS partner_right,
    r.source_person_id AS source_person_id_right,
    link_l.person_id AS person_left,
    link_r.person_id AS person_right,
    pair.weight,
    pair.apart,
    pair.levels,
    pair.weights
FROM asked_pair
INNER JOIN identity.pair AS pair USING (record_left, record_right)
INNER JOIN identity.prepared AS l ON l.record = pair.record_left
INNER JOIN identity.prepared AS r ON r.record = pair.record_right
INNER JOIN identity.person_link AS link_l
    ON link_l.partner = l.source AND link_l.source_person_id = l.source_person_id
INNER JOIN identity.person_link AS link_r
    ON link_r.partner = r.source AND link_r.source_person_id = r.source_person_id
WHERE pair.weight > %(review)s AND link_l.person_id <> link_r.person_id
"""
# Grain: as linked_pair. Sources: linked_pair, identity.person_link, record.person_key_change,
# integrated.participation.
# Figures that change when two persons become one: that of any program falls by one, and so does that of each program
# that serves both; each combination of programs changes that the two, or the one, are counted in.
_FOUND = """
CREATE TEMP TABLE found_pair ON COMMIT DROP AS
WITH concerned AS (
    SELECT person_left AS person_id FROM linked_pair
    UNION
    SELECT person_right FROM linked_pair
),

member AS (
    SELECT
        link.person_id,
        count(*) AS records,
        array_agg(DISTINCT link.partner) AS partners
    FROM concerned
    INNER JOIN identity.person_link AS link USING (person_id)
    WHERE NOT EXISTS (
        SELECT
        FROM record.person_key_change AS changed
        WHERE changed.partner = link.partner AND changed.source_person_id = link.source_person_id
    )
    GROUP BY link.person_id
),

served AS (
    SELECT
        spell.person_id,
        array_agg(DISTINCT spell.program) AS programs
    FROM concerned
    INNER JOIN integrated.participation AS spell USING (person_id)
    CROSS JOIN (SELECT identity.newest_month() AS month) AS newest
    WHERE
        spell.entry_date < newest.month + INTERVAL '1 month'
        AND (spell.exit_date IS NULL OR spell.exit_date >= newest.month)
    GROUP BY spell.person_id
)

SELECT
    pair.partner_left,
    pair.source_person_id_left,
    pair.partner_right,
    pair.source_person_id_right,
    pair.weight,
    pair.apart,
    pair.levels,
    pair.weights,
    least(coalesce(member_l.records, 1), coalesce(member_r.records, 1)) AS records,
    CASE
        WHEN served_l.programs IS NULL OR served_r.programs IS NULL THEN 0
        ELSE
            1
            + (SELECT count(*) FROM unnest(served_l.programs) AS program WHERE program = ANY(served_r.programs))
            + CASE
                WHEN served_l.programs <@ served_r.programs AND served_r.programs <@ served_l.programs THEN 1
                WHEN served_l.programs <@ served_r.programs OR served_r.programs <@ served_l.programs THEN 2
                ELSE 3
            END
    END AS figures,
    NOT coalesce(
        member_l.partners <@ member_r.partners AND member_r.partners <@ member_l.partners,
        pair.partner_left = pair.partner_right
    ) AS partners
FROM linked_pair AS pair
LEFT JOIN member AS member_l ON member_l.person_id = pair.person_left
LEFT JOIN member AS member_r ON member_r.person_id = pair.person_right
LEFT JOIN served AS served_l ON served_l.person_id = pair.person_left
LEFT JOIN served AS served_r ON served_r.person_id = pair.person_right
"""
_SAME_PAIR = """
    {one}.partner_left = {two}.partner_left
    AND {one}.source_person_id_left = {two}.source_person_id_left
    AND {one}.partner_right = {two}.partner_right
    AND {one}.source_person_id_right = {two}.source_person_id_right
"""
_FILL = (
    "ANALYZE found_pair",
    "ANALYZE queued",
    f"""
    DELETE FROM identity.review_pair AS pair
    USING queued
    WHERE
        queued.pair_id = pair.pair_id
        AND NOT EXISTS (SELECT FROM found_pair AS found WHERE {_SAME_PAIR.format(one="found", two="pair")})
        AND NOT EXISTS (
            SELECT FROM identity.pair_decision AS decision WHERE {_SAME_PAIR.format(one="decision", two="pair")}
        )
    """,
    f"""
    UPDATE identity.review_pair AS pair
    SET waiting = FALSE
    FROM queued
    WHERE
        queued.pair_id = pair.pair_id
        AND pair.waiting
        AND NOT EXISTS (SELECT FROM found_pair AS found WHERE {_SAME_PAIR.format(one="found", two="pair")})
    """,
    """
    INSERT INTO identity.review_pair (
        partner_left, source_person_id_left, partner_right, source_person_id_right, waiting, weight, apart, levels,
        weights, training_id, records, figures, partners
    )
    SELECT
        found.partner_left,
        found.source_person_id_left,
        found.partner_right,
        found.source_person_id_right,
        TRUE,
        found.weight,
        found.apart,
        found.levels,
        found.weights,
        (SELECT training_id FROM identity.run WHERE training_id IS NOT NULL ORDER BY run_id DESC LIMIT 1),
        found.records,
        found.figures,
        found.partners
    FROM found_pair AS found
    ORDER BY
        found.partner_left,
        found.source_person_id_left,
        found.partner_right,
        found.source_person_id_right
    ON CONFLICT ON CONSTRAINT uq_review_pair DO UPDATE
    SET
        waiting = TRUE,
        weight = excluded.weight,
        apart = excluded.apart,
        levels = excluded.levels,
        weights = excluded.weights,
        training_id = excluded.training_id,
        records = excluded.records,
        figures = excluded.figures,
        partners = excluded.partners
    -- Most wait as they did: a row that says the same is not written again.
    WHERE
        (
            review_pair.waiting,
            review_pair.weight,
            review_pair.apart,
            review_pair.levels,
            review_pair.weights,
            review_pair.training_id,
            review_pair.records,
            review_pair.figures,
            review_pair.partners
        )
        IS DISTINCT FROM (
            TRUE,
            excluded.weight,
            excluded.apart,
            excluded.levels,
            excluded.weights,
            excluded.training_id,
            excluded.records,
            excluded.figures,
            excluded.partners
        )
    """,
    "DROP TABLE found_pair, linked_pair, asked_pair, queued",
)
