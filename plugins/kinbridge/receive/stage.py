"""Step 1: the landed file into its landing table."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path

from kinbridge.agreement.gate import permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.contract.odcs import feed_of
from kinbridge.ledger.accounts import Account, write
from kinbridge.ledger.deliveries import set_state
from kinbridge.ledger.events import record_event
from kinbridge.ledger.states import State
from kinbridge.receive.work import landed, locked, work_on
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
        delivery = locked(connection, delivery_id)
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


def restage_approved(dsn: Dsn, delivery_id: int, today: date) -> None:
    """Bring back the rows of an approved delivery that a crash of Postgres took; nothing else of it changes.

    The person's decision and the findings stand: the same bytes have the same lines. Columns are those that were
    validated, as far as the agreement still allows them today. Raises like `stage_delivery`.
    """
    with transaction(dsn) as connection:
        delivery = locked(connection, delivery_id)
        work = work_on(connection, delivery_id)
        if delivery.state is not State.APPROVED or landed(connection, work):
            return
        granted = permit(work.feed.id, today, read_agreements())
        columns = tuple(c for c in work.columns if c.name in granted.columns)
        with connection.cursor() as cursor:
            staged = stage(cursor, Path(delivery.landed_path or ""), work.feed, columns, delivery_id)
        facts = {**asdict(staged), "columns": [c.name for c in columns], "agreement": granted.agreement_id}
        record_event(connection, delivery_id, ACTOR, "staged", facts)
