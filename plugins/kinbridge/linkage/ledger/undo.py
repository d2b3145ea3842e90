"""Taking back a merge that a run listed.

Nothing was merged but in the sense of links: it is undone by decisions, `different`, on every two records of which one
was in the person that went and the other in the one that it became. They outlive every run; the next one applies them.
As kb_steward, in one transaction, with an event in the ledger.
"""

from __future__ import annotations

from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.linkage.decision import pair_of, record_decision

UNDONE = "merge undone"

# Who was in either person right before the run of the change, as far as the two are in one person now.
# Grain: one row per source person of the one and source person of the other. Sources: identity.person_change,
# identity.membership, identity.person_link.
_PAIRS = """
WITH change AS (
    SELECT run_id, from_person_id, to_person_id
    FROM identity.person_change
    WHERE change_id = %s AND kind = 'merged'
),
member AS (
    SELECT
        membership.partner,
        membership.source_person_id,
        membership.person_id = change.from_person_id AS went,
        link.person_id
    FROM change
    INNER JOIN identity.membership ON membership.person_id IN (change.from_person_id, change.to_person_id)
    INNER JOIN identity.person_link AS link USING (partner, source_person_id)
    WHERE
        membership.since_run_id < change.run_id
        AND (membership.until_run_id IS NULL OR membership.until_run_id >= change.run_id)
)
SELECT
    one.partner,
    one.source_person_id,
    other.partner,
    other.source_person_id
FROM member AS one
INNER JOIN member AS other USING (person_id)
WHERE one.went AND NOT other.went
ORDER BY 1, 2, 3, 4
"""


def undo_change(connection: Any, change_id: int, reason: str, by: str) -> list[int]:
    """Decide that the two former parts of a listed merge are different; the decisions' numbers.

    Raises `KinbridgeError`: KB-K45 there is no such merge, or nothing of it is in one person any more; KB-K40 no reason
    or nobody's name.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, (change_id,))
        pairs = [pair_of((one, first), (other, second)) for one, first, other, second in cursor.fetchall()]
        if not pairs:
            raise KinbridgeError("KB-K45", change=change_id)
        numbers = [
            record_decision(connection, pair, "different", reason, by, seen={"change": change_id}) for pair in pairs
        ]
        cursor.execute(
            "INSERT INTO identity.change_undone (change_id, decision_id) SELECT %s, unnest(%s)", (change_id, numbers)
        )
    record_event(connection, None, by.strip(), UNDONE, {"change": change_id, "decisions": len(numbers)})
    return numbers
