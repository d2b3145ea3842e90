"""The account of a delivery: every row of its file has exactly one fate, and the sum says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kinbridge.errors import KinbridgeError


@dataclass(frozen=True)
class Account:
    """Rows of one delivery by fate.

    `loaded` changed the record, `unchanged` was known already, `quarantined` broke a critical rule, `duplicate` repeats
    an earlier row of the file, `undecided` waits for a person's decision.
    """

    delivery_id: int
    source_rows: int
    loaded: int = 0
    unchanged: int = 0
    quarantined: int = 0
    duplicate: int = 0
    undecided: int = 0

    @property
    def accounted(self) -> int:
        """The rows that have a fate."""
        return self.loaded + self.unchanged + self.quarantined + self.duplicate + self.undecided

    def balances(self) -> bool:
        """Whether source rows = loaded + unchanged + quarantined + duplicate + undecided."""
        return self.source_rows == self.accounted


def read(connection: Any, delivery_id: int) -> Account | None:
    """The account of a delivery, or None when none was written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                delivery_id,
                source_rows,
                loaded,
                unchanged,
                quarantined,
                duplicate,
                undecided
            FROM ledger.account
            WHERE delivery_id = %s
            """,
            (delivery_id,),
        )
        row = cursor.fetchone()
    return Account(*row) if row else None


def write(connection: Any, account: Account) -> None:
    """Write or replace a delivery's account inside the caller's transaction. KB-D21 when it does not balance."""
    if not account.balances():
        raise KinbridgeError(
            "KB-D21",
            delivery_id=account.delivery_id,
            source_rows=account.source_rows,
            accounted=account.accounted,
        )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.account (
                delivery_id, source_rows, loaded, unchanged, quarantined, duplicate, undecided
            )
            VALUES (
                %(delivery_id)s,
                %(source_rows)s,
                %(loaded)s,
                %(unchanged)s,
                %(quarantined)s,
                %(duplicate)s,
                %(undecided)s
            )
            ON CONFLICT (delivery_id) DO UPDATE SET
                source_rows = excluded.source_rows,
                loaded = excluded.loaded,
                unchanged = excluded.unchanged,
                quarantined = excluded.quarantined,
                duplicate = excluded.duplicate,
                undecided = excluded.undecided
            """,
            asdict(account),
        )
