"""The gate at link: which records may be compared with others at all.

Temporary tables of the caller's transaction. Records of feeds that may not be linked, and what a feed says of persons
from whom every use of it is withheld, are left out as if they had not come; what linkage said of them before stays, and
so do their ids. Who may be compared with whom, `comparable` says.
"""

from __future__ import annotations

from typing import Any

from psycopg2.extras import execute_values

from kinbridge.consent.gates import Gates
from kinbridge.consent.rules import ACTOR
from kinbridge.ledger.events import record_event

NOT_LINKED = "left out of linkage"


def note_linkable(cursor: Any, gates: Gates) -> None:
    """Make `linkable_feed (feed)`, `linked_for (feed, use_case)`, `withheld_purpose (partner, source_person_id, feed,
    use_case)` of these, and `withheld_row (partner, source_person_id, feed)` where none of them is left.

    Needs `rules.write_rules` before it. Writes one event with the feeds that are left out, each with its clause, and of
    how many records nothing is left.
    """
    cursor.execute("CREATE TEMP TABLE linkable_feed (feed text PRIMARY KEY) ON COMMIT DROP")
    cursor.execute("INSERT INTO linkable_feed SELECT UNNEST(%s::text[])", (sorted(gates.linkable),))
    cursor.execute("CREATE TEMP TABLE linked_for (feed text, use_case text) ON COMMIT DROP")
    purposes = [(feed, use_case) for feed in sorted(gates.linkable) for use_case in sorted(gates.linked_for(feed))]
    if purposes:
        execute_values(cursor, "INSERT INTO linked_for VALUES %s", purposes)
    for statement in _WITHHELD:
        cursor.execute(statement, {"day": gates.day})
    cursor.execute(_NOTHING_LEFT)
    (withheld,) = cursor.fetchone()
    if withheld or gates.unlinkable:
        facts = {"feeds": dict(gates.unlinkable), "records withheld by consent": withheld}
        record_event(cursor.connection, None, ACTOR, NOT_LINKED, facts)


_WITHHELD = (
    """
    CREATE TEMP TABLE withheld_purpose ON COMMIT DROP AS
    SELECT withheld.partner, withheld.source_person_id, withheld.feed, withheld.use_case
    FROM identity.withheld_record(%(day)s, statement_timestamp()) AS withheld
    INNER JOIN linked_for USING (feed, use_case)
    """,
    """
    CREATE TEMP TABLE withheld_row ON COMMIT DROP AS
    SELECT withheld.partner, withheld.source_person_id, withheld.feed
    FROM withheld_purpose AS withheld
    INNER JOIN (
        SELECT feed, count(*) AS purposes
        FROM linked_for
        GROUP BY feed
    ) AS linked USING (feed)
    GROUP BY withheld.partner, withheld.source_person_id, withheld.feed, linked.purposes
    HAVING count(*) = linked.purposes
    """,
    "ANALYZE withheld_purpose",
    "ANALYZE withheld_row",
)
_NOTHING_LEFT = """
SELECT count(*)
FROM (
    SELECT withheld.partner
    FROM withheld_row AS withheld
    INNER JOIN (
        SELECT split_part(feed, '/', 1) AS partner, count(*) AS feeds
        FROM linkable_feed
        GROUP BY 1
    ) AS linkable USING (partner)
    GROUP BY withheld.partner, withheld.source_person_id, linkable.feeds
    HAVING count(*) = linkable.feeds
) AS record
"""
