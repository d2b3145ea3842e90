"""The minimum cell of a publication: the strictest rule over every loaded feed, noted with the clauses that won.

Runs inside the transaction that publishes, as kb_linkage, so that a feed that is loaded meanwhile is not counted under
a rule that did not know it. Never loosens the office's own minimum, which is one of the demands.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from kinbridge.law.demand import Kind
from kinbridge.ledger.events import record_event
from kinbridge.rule.effective import for_publication
from kinbridge.rule.grounds import read_grounds
from kinbridge.rule.sources import Grounds

ACTOR = "integrate"
MINIMUM_CELL = "minimum cell of a publication"


def apply_minimum_cell(cursor: Any, day: date, grounds: Grounds | None = None) -> int:
    """The minimum cell for all that is loaded. It is put into the table `parameter`, and its clauses into the ledger.

    Raises `KinbridgeError` like `rule.grounds.read_grounds`: then nothing is published.
    """
    cursor.execute("SELECT DISTINCT delivery.feed FROM ledger.delivery INNER JOIN ledger.load USING (delivery_id)")
    feeds = sorted(row[0] for row in cursor.fetchall())
    rule = for_publication(feeds, day, grounds or read_grounds(cursor.connection))
    cursor.execute("UPDATE parameter SET minimum_cell = %s", (rule.minimum_cell,))
    record_event(cursor.connection, None, ACTOR, MINIMUM_CELL, {"feeds": feeds, **rule.facts(Kind.MINIMUM_CELL)})
    return rule.minimum_cell
