"""Deliveries in the ledger: registered once, found again, moved from state to state by legal steps only.

Every function takes a psycopg2 connection and works inside its transaction; the caller commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.ledger.states import SETTLED, WORKED_OFF, State, before

_TERMINAL = sorted(state.value for state in SETTLED)


@dataclass(frozen=True)
class NewDelivery:
    """What is known of a file when it has been collected.

    `period` is the first day of the month covered (None when the name tells none), `as_of` the day up to which the file
    speaks, `remote_mtime` the time the partner's server gives it, `size_bytes` and `sha256` are of its bytes as sent.
    """

    partner: str
    feed: str
    file_name: str
    size_bytes: int
    sha256: str
    remote_mtime: datetime | None
    period: date | None
    as_of: date
    landed_path: str | None
    contract_version: str
    agreement_id: str
    agreement_version: str


@dataclass(frozen=True)
class Delivery(NewDelivery):
    """One row of `ledger.delivery`."""

    delivery_id: int
    state: State
    state_reason: str | None
    duplicate_of: int | None
    collected_at: datetime
    settled_at: datetime | None


_COLUMNS = tuple(field.name for field in fields(Delivery))
_SELECT = "SELECT " + ", ".join(_COLUMNS) + " FROM ledger.delivery"


def get(connection: Any, delivery_id: int) -> Delivery:
    """One delivery; KB-D18 when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + " WHERE delivery_id = %s", (delivery_id,))
        row = cursor.fetchone()
    if row is None:
        raise KinbridgeError("KB-D18", delivery_id=delivery_id)
    return _delivery(row)


def find(
    connection: Any,
    feed: str,
    *,
    states: Collection[State] | None = None,
    period: date | None = None,
    file_name: str | None = None,
) -> list[Delivery]:
    """The deliveries of a feed, oldest first, narrowed by what is given."""
    conditions, values = ["feed = %s"], [feed]
    if states is not None:
        conditions.append("state = ANY(%s)")
        values.append([State(state).value for state in states])  # type: ignore[arg-type]
    if period is not None:
        conditions.append("period = %s")
        values.append(period)  # type: ignore[arg-type]
    if file_name is not None:
        conditions.append("file_name = %s")
        values.append(file_name)
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + f" WHERE {' AND '.join(conditions)} ORDER BY delivery_id", values)
        return [_delivery(row) for row in cursor.fetchall()]


def register(connection: Any, new: NewDelivery, actor: str) -> Delivery:
    """Write a collected file into the ledger, once.

    Bytes that the feed has had before make a delivery in state `duplicate`, which keeps no landed file. Bytes of a
    refused delivery count as had before only under the same contract and agreement versions: under others the verdict
    may differ. Nor do they when the delivery was refused before it was read, for its manifest or its key, or rejected
    for its manifest's number of rows alone: what is asked of those can change at any time.
    """
    earlier = _same_bytes(connection, new)
    if earlier is None:
        delivery_id = _insert(connection, new)
        if delivery_id is not None:
            record_event(connection, delivery_id, actor, "collected", {"bytes": new.size_bytes})
            return get(connection, delivery_id)
        earlier = _same_bytes(connection, new)  # another run registered the same bytes a moment ago
        if earlier is None:
            raise KinbridgeError("KB-D20", feed=new.feed, seconds=0)
    return get(connection, _insert_duplicate(connection, new, earlier, actor))


def set_state(
    connection: Any, delivery_id: int, state: State | str, reason: str | None = None, actor: str = "pipeline"
) -> bool:
    """Move a delivery to `state` and record it. False, and nothing written, when it is there already.

    Raises KB-D17 when no step leads there, KB-D18 when there is no such delivery. `reason` is a code, a rule or words
    of ours, never a value from a file.
    """
    wanted = State(state)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, state_reason FROM ledger.delivery WHERE delivery_id = %s FOR UPDATE", (delivery_id,)
        )
        row = cursor.fetchone()
        if row is None:
            raise KinbridgeError("KB-D18", delivery_id=delivery_id)
        if row[0] == wanted.value and (wanted.settled or row[1] == reason):
            return False
        if row[0] != wanted.value and row[0] not in before(wanted):
            raise KinbridgeError("KB-D17", delivery_id=delivery_id, state=row[0], wanted=wanted.value)
        cursor.execute(
            """
            UPDATE ledger.delivery
            SET
                state = %(state)s,
                state_reason = %(reason)s,
                settled_at = CASE WHEN %(state)s = ANY(%(terminal)s) THEN clock_timestamp() END
            WHERE delivery_id = %(delivery_id)s
            """,
            {"state": wanted.value, "reason": reason, "terminal": _TERMINAL, "delivery_id": delivery_id},
        )
    facts = {"from": row[0], "to": wanted.value, "reason": reason}
    record_event(connection, delivery_id, actor, "state", facts)
    return True


def forget_landed(connection: Any, delivery_id: int) -> None:
    """Note that the landed file of a delivery is no longer on this machine."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger.delivery SET landed_path = NULL WHERE delivery_id = %s AND landed_path IS NOT NULL",
            (delivery_id,),
        )


def land_again(connection: Any, delivery_id: int, landed_path: str, actor: str) -> None:
    """Give a delivery whose landed file was lost the same bytes, fetched once more."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger.delivery SET landed_path = %s WHERE delivery_id = %s", (landed_path, delivery_id))
    record_event(connection, delivery_id, actor, "fetched again")


def settled_periods(connection: Any, feeds: Iterable[str]) -> set[tuple[str, date]]:
    """The (feed, period) pairs of which a delivery has been worked off: accepted in any way, or refused."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT
                feed,
                period
            FROM ledger.delivery
            WHERE
                feed = ANY(%s)
                AND period IS NOT NULL
                AND state = ANY(%s)
            """,
            (list(feeds), [state.value for state in WORKED_OFF]),
        )
        return set(cursor.fetchall())


def seen_files(connection: Any, feed: str, without: Iterable[int] = ()) -> set[tuple[str, int, datetime]]:
    """Name, size and remote time of every file of the feed that the ledger knows, `without` these deliveries."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT
                file_name,
                size_bytes,
                remote_mtime
            FROM ledger.delivery
            WHERE
                feed = %s
                AND remote_mtime IS NOT NULL
                AND delivery_id <> ALL(%s::bigint [])
            """,
            (feed, list(without)),
        )
        return set(cursor.fetchall())


def landed_paths(connection: Any, feed: str) -> set[str]:
    """The paths of the landed files that deliveries of the feed still own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT landed_path FROM ledger.delivery WHERE feed = %s AND landed_path IS NOT NULL", (feed,))
        return {path for (path,) in cursor.fetchall()}


def _same_bytes(connection: Any, new: NewDelivery) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT delivery_id
            FROM ledger.delivery
            WHERE
                feed = %(feed)s
                AND sha256 = %(sha256)s
                AND duplicate_of IS NULL
                AND (
                    state <> 'refused'
                    OR (
                        contract_version = %(contract_version)s
                        AND agreement_id = %(agreement_id)s
                        AND agreement_version = %(agreement_version)s
                        AND coalesce(state_reason, '') NOT LIKE 'KB-H%%'
                        AND coalesce(state_reason, '') <> 'file.manifest_rows'
                    )
                )
            ORDER BY
                state = 'refused',
                delivery_id DESC
            LIMIT 1
            """,
            asdict(new),
        )
        row = cursor.fetchone()
    return row[0] if row else None


_NEW_COLUMNS = tuple(field.name for field in fields(NewDelivery))
_INSERT = (
    f"INSERT INTO ledger.delivery ({', '.join(_NEW_COLUMNS)}) "
    f"VALUES ({', '.join(f'%({name})s' for name in _NEW_COLUMNS)}) "
    "ON CONFLICT (feed, sha256) WHERE duplicate_of IS NULL AND state <> 'refused' DO NOTHING "
    "RETURNING delivery_id"
)
_INSERT_DUPLICATE = (
    f"INSERT INTO ledger.delivery ({', '.join(_NEW_COLUMNS)}, state, state_reason, duplicate_of, settled_at) "
    f"VALUES ({', '.join(f'%({name})s' for name in _NEW_COLUMNS)}, "
    "'duplicate', 'same bytes', %(duplicate_of)s, clock_timestamp()) "
    "RETURNING delivery_id"
)


def _insert(connection: Any, new: NewDelivery) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, asdict(new))
        row = cursor.fetchone()
    return row[0] if row else None


def _insert_duplicate(connection: Any, new: NewDelivery, earlier: int, actor: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_DUPLICATE, {**asdict(new), "landed_path": None, "duplicate_of": earlier})
        delivery_id: int = cursor.fetchone()[0]
    record_event(connection, delivery_id, actor, "duplicate", {"duplicate_of": earlier})
    return delivery_id


def _delivery(row: tuple[Any, ...]) -> Delivery:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Delivery(**{**values, "state": State(values["state"])})
