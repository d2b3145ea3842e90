"""What people decided on pairs, as linkage obeys it.

Input: the standing verdicts (`identity.pair_verdict`); output: which of them a run applies, and which `same` it
refuses, because it would put two into one person of whom another decision says that they are different. Decisions
outlive runs and ids, so they are about source persons.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kinbridge.linkage.known_as import KNOWN_AS
from kinbridge.linkage.ledger.work import by_index

# The standing verdicts. Who is known by a new id is still who the former one was, so a decision goes along.
# Grain: one row per pair that people decided on. Sources: identity.pair_verdict, record.person_key_change.
_SAID = f"""
CREATE TEMP TABLE verdict_said ON COMMIT DROP AS
WITH RECURSIVE {KNOWN_AS}
SELECT
    verdict.partner_left AS partner_one,
    coalesce(l.became, verdict.source_person_id_left) AS id_one,
    verdict.partner_right AS partner_other,
    coalesce(r.became, verdict.source_person_id_right) AS id_other,
    verdict.verdict,
    verdict.newest_decision_id
FROM identity.pair_verdict AS verdict
LEFT JOIN known_as AS l
    ON l.partner = verdict.partner_left AND l.source_person_id = verdict.source_person_id_left
LEFT JOIN known_as AS r
    ON r.partner = verdict.partner_right AND r.source_person_id = verdict.source_person_id_right
WHERE verdict.verdict IN ('same', 'different')
"""

# Those of pairs whose two records are both prepared, with the records' numbers.
# Grain: one row per pair. Sources: verdict_said, identity.prepared.
_VERDICTS = """
CREATE TEMP TABLE verdict_now ON COMMIT DROP AS
WITH sided AS (
    SELECT
        prepared_one.record AS one,
        prepared_other.record AS other,
        (partner_one, id_one) < (partner_other, id_other) AS ordered,
        now.verdict,
        now.newest_decision_id
    FROM verdict_said AS now
    INNER JOIN identity.prepared AS prepared_one
        ON prepared_one.source = partner_one AND prepared_one.source_person_id = id_one
    INNER JOIN identity.prepared AS prepared_other
        ON prepared_other.source = partner_other AND prepared_other.source_person_id = id_other
    WHERE (partner_one, id_one) <> (partner_other, id_other)
),
pair AS (
    SELECT
        CASE WHEN ordered THEN one ELSE other END AS record_left,
        CASE WHEN ordered THEN other ELSE one END AS record_right,
        CASE WHEN bool_or(verdict = 'different') THEN 'different' ELSE 'same' END AS verdict,
        max(newest_decision_id) AS decision_id
    FROM sided
    GROUP BY 1, 2
)
SELECT
    l.source AS partner_left,
    l.source_person_id AS source_person_id_left,
    r.source AS partner_right,
    r.source_person_id AS source_person_id_right,
    pair.verdict,
    pair.decision_id,
    false AS refused,
    pair.record_left,
    pair.record_right
FROM pair
INNER JOIN identity.prepared AS l ON l.record = pair.record_left
INNER JOIN identity.prepared AS r ON r.record = pair.record_right
"""

# What the last run obeyed and what stands now differ.
# Grain: one row per record of such a pair. Sources: verdict_now, identity.verdict_applied, identity.prepared.
RECORDS_DECIDED = """
SELECT prepared.record
FROM (
    (
        SELECT partner_left, source_person_id_left, partner_right, source_person_id_right, verdict, refused
        FROM verdict_now
        EXCEPT
        SELECT partner_left, source_person_id_left, partner_right, source_person_id_right, verdict, refused
        FROM identity.verdict_applied
    )
    UNION ALL
    (
        SELECT partner_left, source_person_id_left, partner_right, source_person_id_right, verdict, refused
        FROM identity.verdict_applied
        EXCEPT
        SELECT partner_left, source_person_id_left, partner_right, source_person_id_right, verdict, refused
        FROM verdict_now
    )
) AS other
INNER JOIN identity.prepared
    ON (prepared.source, prepared.source_person_id) IN (
        (other.partner_left, other.source_person_id_left), (other.partner_right, other.source_person_id_right)
    )
"""


def note_verdicts(cursor: Any) -> dict[str, int]:
    """Make the temporary table `verdict_now`; how many of each verdict there are, and how many are refused."""
    cursor.execute(_SAID)
    cursor.execute("ANALYZE verdict_said")
    with by_index(cursor):
        cursor.execute(_VERDICTS)
    cursor.execute("SELECT record_left, record_right, verdict, decision_id FROM verdict_now")
    rows = cursor.fetchall()
    refused = refuse(rows)
    for left, right in refused:
        cursor.execute(
            "UPDATE verdict_now SET refused = true WHERE record_left = %s AND record_right = %s", (left, right)
        )
    kinds = [verdict for _, _, verdict, _ in rows]
    return {"same": kinds.count("same"), "different": kinds.count("different"), "refused": len(refused)}


def apply_verdicts(cursor: Any, run_id: int) -> None:
    """Note in `identity.verdict_applied` what this run obeyed."""
    columns = (
        "partner_left, source_person_id_left, partner_right, source_person_id_right, verdict, decision_id, refused"
    )
    cursor.execute("DELETE FROM identity.verdict_applied")
    cursor.execute(
        f"INSERT INTO identity.verdict_applied ({columns}, run_id) SELECT {columns}, %s FROM verdict_now", (run_id,)
    )


def refuse(verdicts: Iterable[tuple[int, int, str, int]]) -> list[tuple[int, int]]:
    """The `same` pairs that cannot be obeyed, of rows (left, right, verdict, number of the decision).

    A `different` always stands. Of the others, a newer decision goes before an older one.
    """
    rows = sorted(verdicts, key=lambda row: (-row[3], row[0], row[1]))
    group: dict[int, set[int]] = {}
    enemies: dict[int, set[int]] = {}
    for left, right, verdict, _ in rows:
        group.setdefault(left, {left})
        group.setdefault(right, {right})
        if verdict == "different":
            enemies.setdefault(left, set()).add(right)
            enemies.setdefault(right, set()).add(left)
    refused = []
    for left, right, verdict, _ in rows:
        one, two = group[left], group[right]
        if verdict != "same" or one is two:
            continue
        if any(enemies.get(record, set()) & two for record in one):
            refused.append((left, right))
            continue
        one |= two
        for record in two:
            group[record] = one
    return refused
