"""Attestations: a small file by which a partner says that for a period there is nothing to report.

It is a delivery like any other, accepted with no rows, so that nobody mistakes it for a missing one. Only its name
counts; its text is hashed and never kept.
"""

from __future__ import annotations

import hashlib
from typing import Any

from kinbridge.ledger.accounts import Account, write
from kinbridge.ledger.deliveries import forget_landed, set_state
from kinbridge.ledger.results import note_file_rule
from kinbridge.ledger.states import State

LARGEST_BYTES = 4096
NOTHING = "nothing to report"
RULE, CODE = "file.nothing", "KB-H08"


def identity(name: str, content: bytes) -> str:
    """What tells one attestation from another, in hexadecimal: the SHA-256 of its name, a newline and its bytes.

    The bytes alone would not do: every month's attestation may be empty.
    """
    return hashlib.sha256(name.encode() + b"\n" + content).hexdigest()


def settle(connection: Any, delivery_id: int, actor: str) -> None:
    """Accept a delivery that was just registered as an attestation; the caller commits."""
    write(connection, Account(delivery_id, source_rows=0))
    note_file_rule(connection, delivery_id, RULE, CODE, "warning")
    # There is nothing to stage and nothing to hold against the contract, so it takes these steps at once.
    for state in (State.STAGED, State.VALIDATED, State.ACCEPTED):
        set_state(connection, delivery_id, state, NOTHING, actor)
    forget_landed(connection, delivery_id)
