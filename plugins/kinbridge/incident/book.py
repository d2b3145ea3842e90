"""Incidents in the ledger: opened with drafted notices, each sent and acknowledged, closed when nobody is owed one.

What is affected is worked out when the incident is opened and kept as it was; drafts are files, and the ledger keeps
their SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg2.extras import Json

from kinbridge.agreement.model import Agreement
from kinbridge.errors import KinbridgeError
from kinbridge.incident.affected import affected_by
from kinbridge.incident.deadline import Deadline, Owed, owed
from kinbridge.incident.draft import Facts, draft
from kinbridge.partner.profile import office_contact, read_profile
from kinbridge.settings import state_folder
from kinbridge.warehouse.connection import Dsn, transaction
from kinbridge.warehouse.secret_file import write_private

OPENED, DRAFTED, SENT, ACKNOWLEDGED, CLOSED = "opened", "drafted", "sent", "acknowledged", "closed"


@dataclass(frozen=True)
class Notice:
    """One notice of an incident, how far it is, and its draft."""

    notice_id: int
    addressee: str
    clause: str
    due_at: datetime
    file_name: str
    state: str


@dataclass(frozen=True)
class Incident:
    """One incident, or drill of one."""

    incident_id: int
    what: str
    drill: bool
    discovered_at: datetime
    opened_by: str
    note: str
    persons: int
    affected: dict[str, Any]
    closed: bool
    notices: tuple[Notice, ...]


def incident_folder() -> Path:
    """Where drafts of notices are kept, a folder for each incident."""
    return state_folder() / "incidents"


def open_incident(
    dsn: Dsn,
    what: str,
    discovered: datetime,
    by: str,
    *,
    agreements: list[Agreement],
    deadlines: list[Deadline],
    classes: Mapping[str, frozenset[str]],
    note: str = "",
    drill: bool = False,
    folder: Path | None = None,
) -> Incident:
    """Work out what is affected, note the incident, and draft the notices; as kb_owner. Raises KB-I01, KB-C40, KB-C41.

    The drafts are written before the incident is kept, so that none is missing of an incident that is there.
    """
    with transaction(dsn) as connection:
        affected = affected_by(connection, what, agreements)
        concerned = [one for one in agreements if set(one.feeds) & set(affected.persons_by_feed)]
        counts = affected.persons_by_feed
        notices = owed(deadlines, concerned, counts, classes, discovered) if affected.persons else []
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO ledger.incident (what, drill, discovered_at, opened_by, note, persons, affected)
                VALUES (%s, %s, %s, %s, %s, %s, %s)
                RETURNING incident_id
                """,
                (what, drill, discovered, by, note, affected.persons, Json(affected.as_plain())),
            )
            number = int(cursor.fetchone()[0])
            _step(cursor, number, OPENED, by, note=note)
            target = (folder or incident_folder()) / str(number)
            facts = Facts(number, drill, office_contact(), discovered, note)
            for position, notice in enumerate(notices, 1):
                contact = _contact(notice.addressee, concerned)
                _draft(cursor, target / f"{position:02d}", notice, draft(notice, facts, affected, contact), by)
        return _read(connection, number)


def take_step(dsn: Dsn, incident_id: int, notice_id: int, what: str, by: str, *, note: str = "") -> Incident:
    """Take down that a notice was sent or acknowledged. Raises KB-I02, KB-I04, KB-I06."""
    with transaction(dsn) as connection, connection.cursor() as cursor:
        found = _read(connection, incident_id)
        if found.closed:
            raise KinbridgeError("KB-I06", incident=incident_id)
        if notice_id not in {notice.notice_id for notice in found.notices}:
            raise KinbridgeError("KB-I04", incident=incident_id, notice=notice_id)
        _step(cursor, incident_id, what, by, notice_id=notice_id, note=note)
        return _read(connection, incident_id)


def close_incident(dsn: Dsn, incident_id: int, by: str, reason: str = "") -> Incident:
    """Close an incident. Raises KB-I05 while a notice was not sent and no `reason` says why it is not owed; KB-I02."""
    with transaction(dsn) as connection, connection.cursor() as cursor:
        found = _read(connection, incident_id)
        if found.closed:
            return found
        waiting = [notice for notice in found.notices if notice.state == DRAFTED]
        if waiting and not reason.strip():
            raise KinbridgeError("KB-I05", incident=incident_id, count=len(waiting))
        _step(cursor, incident_id, CLOSED, by, note=reason)
        return _read(connection, incident_id)


def incidents(dsn: Dsn, incident_id: int | None = None) -> list[Incident]:
    """All incidents, oldest first, or the one named. Raises KB-I02 when there is none of that number."""
    with transaction(dsn) as connection, connection.cursor() as cursor:
        if incident_id is not None:
            return [_read(connection, incident_id)]
        cursor.execute("SELECT incident_id FROM ledger.incident ORDER BY incident_id")
        return [_read(connection, number) for (number,) in cursor.fetchall()]


def _draft(cursor: Any, stem: Path, notice: Owed, text: str, by: str) -> None:
    """Write one draft below the incident's folder, and note it."""
    incident_id = int(stem.parent.name)
    stem.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{stem.name}_{notice.addressee.lower().replace(' ', '_')}.txt"
    write_private(stem.parent / name, text)
    cursor.execute(
        """
        INSERT INTO ledger.incident_notice (incident_id, addressee, clause, due_at, file_name, sha256)
        VALUES (%s, %s, %s, %s, %s, %s)
        RETURNING notice_id
        """,
        (
            incident_id,
            notice.addressee,
            "; ".join(notice.clauses),
            notice.due_at,
            f"{incident_id}/{name}",
            hashlib.sha256(text.encode()).hexdigest(),
        ),
    )
    _step(cursor, incident_id, DRAFTED, by, notice_id=int(cursor.fetchone()[0]))


def _contact(addressee: str, agreements: list[Agreement]) -> str:
    kind, _, name = addressee.partition(" ")
    if kind != "partner":
        return name or {"families": "Each affected family", "media": "Media of the state"}[kind]
    breach = next((one.breach for one in agreements if one.contributor.code == name), None)
    office = read_profile(name).name
    return f"{breach.contact}, {office}, {breach.email}" if breach and breach.contact else office


def _step(cursor: Any, incident_id: int, what: str, by: str, *, notice_id: int | None = None, note: str = "") -> None:
    cursor.execute(
        "INSERT INTO ledger.incident_step (incident_id, notice_id, what, taken_by, note) VALUES (%s, %s, %s, %s, %s)",
        (incident_id, notice_id, what, by, note),
    )


def _read(connection: Any, incident_id: int) -> Incident:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                i.incident_id,
                i.what,
                i.drill,
                i.discovered_at,
                i.opened_by,
                i.note,
                i.persons,
                i.affected,
                EXISTS (
                    SELECT
                    FROM ledger.incident_step AS s
                    WHERE s.incident_id = i.incident_id AND s.what = 'closed'
                )
            FROM ledger.incident AS i
            WHERE i.incident_id = %s
            """,
            (incident_id,),
        )
        row = cursor.fetchone()
        if row is None:
            raise KinbridgeError("KB-I02", incident=incident_id)
        cursor.execute(
            """
            SELECT
                n.notice_id,
                n.addressee,
                n.clause,
                n.due_at,
                n.file_name,
                (
                    SELECT s.what
                    FROM ledger.incident_step AS s
                    WHERE s.notice_id = n.notice_id
                    ORDER BY s.step_id DESC
                    LIMIT 1
                )
            FROM ledger.incident_notice AS n
            WHERE n.incident_id = %s
            ORDER BY n.due_at, n.notice_id
            """,
            (incident_id,),
        )
        notices = tuple(Notice(*found) for found in cursor.fetchall())
    number, what, drill, discovered, by, note, persons, affected, closed = row
    return Incident(number, what, drill, discovered, by, note, persons, affected, closed, notices)


def late(notice: Notice, now: datetime | None = None) -> bool:
    """Whether a notice that was not sent is past its time."""
    return notice.state == DRAFTED and notice.due_at < (now or datetime.now(UTC))
