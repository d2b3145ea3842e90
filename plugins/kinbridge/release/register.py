"""Releases in the ledger: reading them, and the step from one state to the next. No decision is taken here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.release.states import ReleaseState

_COLUMNS = (
    "release_id, name, version, digest, recipient, recipient_name, recipient_address, use_case, purpose, agreement_id, "
    "agreement_version, requested_by, requested_at, reason, proposal_id, first_approver, second_approver, state, "
    "state_reason, minimum_group, persons, rows, withheld_persons, excluded_persons, sha256, size_bytes, built_at, "
    "sources, outbox, issued_at, expires_on, destroyed_on"
)


@dataclass(frozen=True)
class Release:
    """One row of `ledger.release`; counts are None until it was built. `withheld_persons` are those of small groups,
    `excluded_persons` those whom consent keeps out. `sha256` is that of the sealed file of rows."""

    release_id: int
    name: str
    version: str
    digest: str
    recipient: str
    recipient_name: str
    recipient_address: str
    use_case: str
    purpose: str
    agreement_id: str
    agreement_version: str
    requested_by: str
    requested_at: datetime
    reason: str
    proposal_id: int | None
    first_approver: str | None
    second_approver: str | None
    state: ReleaseState
    state_reason: str | None
    minimum_group: int | None
    persons: int | None
    rows: int | None
    withheld_persons: int | None
    excluded_persons: int | None
    sha256: str | None
    size_bytes: int | None
    built_at: datetime | None
    sources: dict[str, Any]
    outbox: str | None
    issued_at: datetime | None
    expires_on: date | None
    destroyed_on: date | None


def get(connection: Any, release_id: int) -> Release:
    """The release. Raises KB-T20 when there is none of that number."""
    return _one(connection, release_id, "")


def locked(connection: Any, release_id: int) -> Release:
    """The release, and nobody else's to change until the transaction ends. Raises KB-T20 like `get`."""
    return _one(connection, release_id, " FOR UPDATE")


def find(connection: Any, wanted: str) -> list[Release]:
    """The releases of a name, the newest first; or the one of a number. Raises KB-T20 when there is none."""
    if wanted.isdigit():
        return [get(connection, int(wanted))]
    found = listed(connection, name=wanted)
    if not found:
        raise KinbridgeError("KB-T20", release=wanted)
    return found


def listed(connection: Any, *, name: str | None = None, state: str | None = None) -> list[Release]:
    """Releases, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {_COLUMNS}
            FROM ledger.release
            WHERE
                (%(name)s::text IS NULL OR name = %(name)s)
                AND (%(state)s::text IS NULL OR state = %(state)s)
            ORDER BY release_id DESC
            """,
            {"name": name, "state": state},
        )
        return [_release(row) for row in cursor.fetchall()]


def move(connection: Any, release_id: int, to: ReleaseState, reason: str | None = None) -> None:
    """Write the next state inside the caller's transaction, which holds the lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger.release SET state = %s, state_reason = %s WHERE release_id = %s",
            (to.value, reason, release_id),
        )


def _one(connection: Any, release_id: int, suffix: str) -> Release:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM ledger.release WHERE release_id = %s{suffix}", (release_id,))
        row = cursor.fetchone()
    if row is None:
        raise KinbridgeError("KB-T20", release=release_id)
    return _release(row)


def _release(row: tuple[Any, ...]) -> Release:
    values = dict(zip((name.strip() for name in _COLUMNS.split(",")), row, strict=True))
    return Release(**{**values, "state": ReleaseState(values["state"])})
