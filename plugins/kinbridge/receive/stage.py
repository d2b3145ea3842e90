"""Step 1: the landed file into its landing table."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path

from kinbridge.agreement.gate import permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.contract.odcs import feed_of
from kinbridge.ledger.accounts import Account, write
from kinbridge.ledger.deliveries import get, set_state
from kinbridge.ledger.events import record_event
from kinbridge.ledger.states import State
from kinbridge.staging.stage import stage
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "receive.stage"
# States in which staging (again) can still change anything.
OPEN = frozenset({State.COLLECTED, State.STAGED, State.VALIDATED, State.HELD})


def stage_delivery(dsn: Dsn, delivery_id: int, today: date) -> int:
    """Stage the columns that the agreement allows today; returns the rows of the file.

    Raises `KinbridgeError`: KB-A.. when no agreement is in force any more, KB-D50 when the landed file is gone.
    """
    with transaction(dsn) as connection:
        delivery = get(connection, delivery_id)
        if delivery.state not in OPEN:
            return 0
        feed = feed_of(delivery.feed)
        granted = permit(feed.id, today, read_agreements())
        columns = feed.authorised(granted.columns)
        with connection.cursor() as cursor:
            staged = stage(cursor, Path(delivery.landed_path or ""), feed, columns, delivery_id)
        write(connection, Account(delivery_id, source_rows=staged.rows, undecided=staged.rows))
        facts = {**asdict(staged), "columns": [c.name for c in columns], "agreement": granted.agreement_id}
        record_event(connection, delivery_id, ACTOR, "staged", facts)
        set_state(connection, delivery_id, State.STAGED, None, ACTOR)
        return staged.rows
