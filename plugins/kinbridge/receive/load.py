"""Step 4: accepted rows into the record, the others into quarantine, the account closed."""

from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.decision.standard import refuse_undecided_standard
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.accounts import Account, read, write
from kinbridge.ledger.deliveries import forget_landed, set_state
from kinbridge.ledger.events import record_event
from kinbridge.ledger.locks import lock_load
from kinbridge.ledger.states import State
from kinbridge.load.load import Fates, load, reject
from kinbridge.manifest.model import ROWS_RULE
from kinbridge.receive.stage import restage_approved
from kinbridge.receive.validate import validate_delivery
from kinbridge.receive.work import Work, landed, locked, work_on
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "receive.load"
# States of a delivery whose rows have been held against the contract.
VALIDATED = frozenset({State.VALIDATED, State.HELD, State.APPROVED})


def load_delivery(dsn: Dsn, delivery_id: int, today: date, *, by_approved: bool = True) -> Account | None:
    """Load once; a retry, or a second worker, finds the work done. None when a rejected file left nothing to load.

    The whole step is one transaction that begins by locking the delivery's ledger row: a killed worker leaves nothing,
    and a worker that wakes up late finds the delivery settled. Raises KB-G20 and KB-G21 when the standard is not the
    approved one; a preflight, where nothing is decided and nothing stays, does not ask (`by_approved`).
    """
    _make_ready(dsn, delivery_id, today)
    with transaction(dsn) as connection, connection.cursor() as cursor:
        locked(connection, delivery_id)
        work = work_on(connection, delivery_id)
        if work.delivery.state.settled:
            return read(connection, delivery_id) if work.delivery.state is not State.REFUSED else None
        # Loads of one feed come one after the other: each compares with what the one before left.
        lock_load(cursor, work.feed.id)
        rejected = _rejected(cursor, delivery_id)
        if work.delivery.state is State.HELD and not rejected:
            raise KinbridgeError("KB-L05", feed=work.feed.id, delivery=delivery_id)
        if by_approved and not rejected:
            refuse_undecided_standard(connection, today)
        fates = _reject(connection, cursor, work) if rejected else load(cursor, work.load_plan())
        account = _settle(connection, cursor, work, fates, rejected)
        cursor.execute(work.landing.drop())
        forget_landed(connection, delivery_id)
    _forget_file(work)
    return None if rejected else account


def _make_ready(dsn: Dsn, delivery_id: int, today: date) -> None:
    """Make up for what is missing: a validation that was skipped, rows that a crash of Postgres took."""
    with transaction(dsn) as connection:
        work = work_on(connection, delivery_id)
        state = work.delivery.state
        if state.settled or (state in VALIDATED and landed(connection, work)):
            return
    if state is State.APPROVED:
        restage_approved(dsn, delivery_id, today)
    else:
        validate_delivery(dsn, delivery_id, today)


def _rejected(cursor: Any, delivery_id: int) -> bool:
    cursor.execute("SELECT outcome FROM ledger.decision WHERE delivery_id = %s", (delivery_id,))
    row = cursor.fetchone()
    return row is not None and row[0] == "rejected"


def _reject(connection: Any, cursor: Any, work: Work) -> Fates:
    account = read(connection, work.delivery.delivery_id)
    return reject(cursor, work.load_plan(), account.source_rows if account else 0)


def _settle(connection: Any, cursor: Any, work: Work, fates: Fates, rejected: bool) -> Account:
    delivery_id = work.delivery.delivery_id
    account = Account(
        delivery_id,
        source_rows=fates.source_rows,
        loaded=fates.loaded,
        unchanged=fates.unchanged,
        quarantined=fates.quarantined,
        duplicate=fates.duplicate,
        undecided=0,
    )
    write(connection, account)
    state = State.REFUSED if rejected else accepted_state(cursor, account)
    record_event(connection, delivery_id, ACTOR, "settled", {"state": state.value, "closed": fates.closed})
    # Rejected for its manifest alone: the same file may come again under a manifest that was mended.
    held_by = work.delivery.state_reason
    set_state(connection, delivery_id, state, ROWS_RULE if rejected and held_by == ROWS_RULE else None, ACTOR)
    return account


def accepted_state(cursor: Any, account: Account) -> State:
    """The state of a delivery with this account, by its findings in the ledger, after a load or a replay."""
    if account.quarantined:
        return State.PARTLY_ACCEPTED
    cursor.execute(
        "SELECT EXISTS (SELECT FROM ledger.rule_result WHERE delivery_id = %s AND found > 0)", (account.delivery_id,)
    )
    return State.ACCEPTED_WITH_FINDINGS if cursor.fetchone()[0] else State.ACCEPTED


def _forget_file(work: Work) -> None:
    """The landed copy has done its work; the partner's own file stays in the inbox."""
    if work.delivery.landed_path:
        with contextlib.suppress(FileNotFoundError):
            Path(work.delivery.landed_path).unlink()
