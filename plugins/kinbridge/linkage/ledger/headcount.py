"""How many people the current records are.

Counted over all once everything has been linked. After a run over what has changed only the persons of records that
were judged again can have come or gone, so the last run's number goes on from them.
"""

from __future__ import annotations

from typing import Any

from kinbridge.linkage.ledger.work import by_index

_EVERYBODY = """
SELECT count(*)
FROM (
    SELECT DISTINCT link.person_id
    FROM identity.prepared
    INNER JOIN identity.person_link AS link
        ON link.partner = prepared.source AND link.source_person_id = prepared.source_person_id
) AS person
"""

# Grain of record_before: one row per record, current or not, of a person with a record that was judged again or has
# gone, by the links so far. Sources: touched, identity.person_link, identity.prepared.
_RECORDS_BEFORE = """
CREATE TEMP TABLE record_before ON COMMIT DROP AS
SELECT
    link.person_id,
    link.partner,
    link.source_person_id,
    prepared.record
FROM (
    SELECT DISTINCT link.person_id
    FROM touched
    INNER JOIN identity.person_link AS link
        ON link.partner = touched.source AND link.source_person_id = touched.source_person_id
) AS asked
INNER JOIN identity.person_link AS link USING (person_id)
LEFT JOIN identity.prepared
    ON prepared.source = link.partner AND prepared.source_person_id = link.source_person_id
"""
# Current before this run: what has gone in it, and what is there and did not come in it. Sources: record_before, gone,
# stale.
_BEFORE = """
SELECT count(DISTINCT record_before.person_id)
FROM record_before
LEFT JOIN gone ON gone.source = record_before.partner AND gone.source_person_id = record_before.source_person_id
LEFT JOIN stale AS fresh
    ON fresh.partner = record_before.partner
    AND fresh.source_person_id = record_before.source_person_id
    AND fresh.record IS NULL
WHERE gone.record IS NOT NULL OR (record_before.record IS NOT NULL AND fresh.partner IS NULL)
"""
_AFTER = "SELECT count(DISTINCT person_id) FROM asked_record WHERE record IS NOT NULL"
_LAST = """
SELECT (facts -> 'people')::bigint
FROM identity.run
WHERE finished_at IS NOT NULL AND run_id < %s
ORDER BY run_id DESC
LIMIT 1
"""


def count_everybody(cursor: Any) -> int:
    """How many people all current records are."""
    cursor.execute(_EVERYBODY)
    return int(cursor.fetchone()[0])


def people_before(cursor: Any) -> int:
    """How many of the persons of records judged again were people before: call it before links are stored."""
    with by_index(cursor):
        cursor.execute(_RECORDS_BEFORE)
    cursor.execute(_BEFORE)
    return int(cursor.fetchone()[0])


def count_on(cursor: Any, run_id: int, before: int) -> int:
    """How many people there are after the run, of whom `people_before` were `before`.

    Needs `asked_record`, which `review.fill` makes: the records of the same persons as they are linked now.
    """
    cursor.execute(_LAST, (run_id,))
    last = int(cursor.fetchone()[0])
    cursor.execute(_AFTER)
    return last - before + int(cursor.fetchone()[0])
