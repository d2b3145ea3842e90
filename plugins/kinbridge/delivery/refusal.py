"""Refuses a delivery before anything of it is read: for its manifest, its signature or its encryption."""

from __future__ import annotations

from typing import Any

from kinbridge.ledger.accounts import Account, write
from kinbridge.ledger.deliveries import forget_landed, set_state
from kinbridge.ledger.results import note_file_rule
from kinbridge.ledger.states import State


def refuse_unread(connection: Any, delivery_id: int, rule: str, code: str, actor: str) -> None:
    """Settle the delivery as refused, with `code` as the reason and as what its receipt says; the caller commits.

    Its landed file belongs to nobody afterwards; the caller removes it once that is committed.
    """
    note_file_rule(connection, delivery_id, rule, code, "critical")
    write(connection, Account(delivery_id, source_rows=0))
    set_state(connection, delivery_id, State.REFUSED, code, actor)
    forget_landed(connection, delivery_id)
