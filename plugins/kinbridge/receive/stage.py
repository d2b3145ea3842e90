"""Step 1: the landed file into its landing table; opened and its signature checked first, where that is agreed."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.agreement.gate import Permit, permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.contract.model import Column, Feed
from kinbridge.contract.odcs import feed_of
from kinbridge.decision.approvals import read_approvals
from kinbridge.decision.standard import refuse_standard, standard
from kinbridge.delivery.refusal import refuse_unread
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.accounts import Account, write
from kinbridge.ledger.deliveries import Delivery, set_state
from kinbridge.ledger.events import record_event
from kinbridge.ledger.states import State
from kinbridge.openpgp.clear import REFUSALS, clear_file
from kinbridge.receive.work import landed, locked, work_on
from kinbridge.staging.landing import Landing
from kinbridge.staging.stage import Staged, stage
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "receive.stage"
OPENPGP_RULE = "file.openpgp"
# States in which staging (again) can still change anything.
OPEN = frozenset({State.COLLECTED, State.STAGED, State.VALIDATED, State.HELD})


def stage_delivery(dsn: Dsn, delivery_id: int, today: date) -> int:
    """Stage the columns that the agreement allows today; returns the rows of the file.

    A file that is not encrypted and signed as agreed is refused, and has no rows. Raises `KinbridgeError`: KB-A.. when
    no agreement is in force any more, KB-G20 and KB-G21 when the standard is not the one that was approved, KB-D50 when
    the landed file is gone, KB-H16 and KB-H17 when a key of ours or of the partner is not here.
    """
    with transaction(dsn) as connection:
        delivery = locked(connection, delivery_id)
        if delivery.state not in OPEN:
            return 0
        feed = feed_of(delivery.feed)
        approvals = read_approvals(connection, day=today)
        refuse_standard(standard(), approvals, today)
        granted = permit(feed.id, today, read_agreements(), approvals)
        columns = feed.authorised(granted.columns)
        staged = _stage(connection, delivery, feed, columns, granted)
        if staged is not None:
            settle_staged(connection, delivery_id, staged, columns, granted.agreement_id)
            return staged.rows
    _destroy(delivery)
    return 0


def settle_staged(
    connection: Any, delivery_id: int, staged: Staged, columns: tuple[Column, ...], agreement_id: str
) -> None:
    """Write what staging came to: the account, in which every row is undecided, the event, and the new state."""
    write(connection, Account(delivery_id, source_rows=staged.rows, undecided=staged.rows))
    _note(connection, delivery_id, staged, columns, agreement_id)
    set_state(connection, delivery_id, State.STAGED, None, ACTOR)


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
        approvals = read_approvals(connection, day=today)
        refuse_standard(standard(), approvals, today)
        granted = permit(work.feed.id, today, read_agreements(), approvals)
        columns = tuple(c for c in work.columns if c.name in granted.columns)
        staged = _stage(connection, delivery, work.feed, columns, granted)
        if staged is not None:
            _note(connection, delivery_id, staged, columns, granted.agreement_id)
            return
    _destroy(delivery)


def _note(connection: Any, delivery_id: int, staged: Staged, columns: tuple[Column, ...], agreement_id: str) -> None:
    facts = {**asdict(staged), "columns": [c.name for c in columns], "agreement": agreement_id}
    record_event(connection, delivery_id, ACTOR, "staged", facts)


def _stage(
    connection: Any, delivery: Delivery, feed: Feed, columns: tuple[Column, ...], granted: Permit
) -> Staged | None:
    """Stage the clear text of the landed file. None when the file had to be refused; the caller destroys it then.

    After the commit, for a task that is killed before it needs the file to refuse it again.
    """
    path = Path(delivery.landed_path or "")
    try:
        with (
            clear_file(path, granted.openpgp, feed.partner, delivery.file_name) as clear,
            connection.cursor() as cursor,
        ):
            return stage(cursor, clear, feed, columns, delivery.delivery_id)
    except KinbridgeError as error:
        if error.code not in REFUSALS.values():
            raise
        with connection.cursor() as cursor:
            cursor.execute(Landing(feed, columns, delivery.delivery_id).drop())
        refuse_unread(connection, delivery.delivery_id, OPENPGP_RULE, error.code, ACTOR)
        return None


def _destroy(delivery: Delivery) -> None:
    """Remove the landed file of a refused delivery; where a kill comes first, it is swept like every file of nobody."""
    with contextlib.suppress(FileNotFoundError):
        Path(delivery.landed_path or "").unlink()
