"""Requests to destroy what a partner sent of one person: by a parent (34 CFR 303.416), a court, or the partner.

The partner's own id of the person stands in `retention.requested_person`, which the ledger does not copy, and only
until the request is done.
"""

from __future__ import annotations

from typing import Any, Literal

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event

Ground = Literal["parent", "court", "partner"]
REQUESTED = "destruction requested"


def request_destruction(connection: Any, partner: str, person: str, *, ground: Ground, reason: str, by: str) -> int:
    """Note a request; its number. Raises `KinbridgeError` KB-U07 without a reason, KB-U11 without a person."""
    if not reason.strip():
        raise KinbridgeError("KB-U07", what="a request")
    if not person.strip():
        raise KinbridgeError("KB-U11", partner=partner)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.destruction_request (partner, ground, reason, requested_by)
            VALUES (%s, %s, %s, %s)
            RETURNING request_id
            """,
            (partner, ground, reason.strip(), by),
        )
        (request_id,) = cursor.fetchone()
        cursor.execute(
            "INSERT INTO retention.requested_person (request_id, partner, source_person_id) VALUES (%s, %s, %s)",
            (request_id, partner, person.strip()),
        )
    record_event(connection, None, by, REQUESTED, {"request": request_id, "partner": partner, "ground": ground})
    return int(request_id)
