"""The gate at link: which records may be compared with others at all.

Temporary tables of the caller's transaction. Records of feeds that may not be linked, and of persons whom every use is
withheld from, are left out as if they had not come; what linkage said of them before stays, and so do their ids.
"""

from __future__ import annotations

from typing import Any

from kinbridge.consent.gates import Gates
from kinbridge.consent.rules import ACTOR
from kinbridge.ledger.events import record_event

NOT_LINKED = "left out of linkage"


def note_linkable(cursor: Any, gates: Gates) -> None:
    """Make `linkable_feed (feed)` and `withheld_record (partner, source_person_id)`.

    Needs `rules.write_rules` before it. Writes one event with the feeds that are left out, each with its clause, and
    how many records are withheld by consent.
    """
    cursor.execute("CREATE TEMP TABLE linkable_feed (feed text PRIMARY KEY) ON COMMIT DROP")
    cursor.execute("INSERT INTO linkable_feed SELECT UNNEST(%s::text[])", (sorted(gates.linkable),))
    cursor.execute(
        """
        CREATE TEMP TABLE withheld_record ON COMMIT DROP AS
        SELECT partner, source_person_id
        FROM identity.withheld_record(%s, statement_timestamp())
        """,
        (gates.day,),
    )
    cursor.execute("ANALYZE withheld_record")
    cursor.execute("SELECT count(*) FROM withheld_record")
    (withheld,) = cursor.fetchone()
    if withheld or gates.unlinkable:
        facts = {"feeds": dict(gates.unlinkable), "records withheld by consent": withheld}
        record_event(cursor.connection, None, ACTOR, NOT_LINKED, facts)
