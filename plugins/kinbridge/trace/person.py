"""The accounting of disclosures of one person (45 CFR 164.528): to whom what was given, when, for what, by which
clause.

Asked by a partner's own id of the person, since whoever asks for it is known by that. Read as kb_steward, who sees no
identities: a function of the database answers, and writes the event of each look itself. Published tables of counts are
no disclosures of anybody's health information, and are not in it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from kinbridge.release.register import Release, get
from kinbridge.trace.authority import accounts_of_persons
from kinbridge.warehouse.connection import Dsn, transaction

YEARS = 6  # 45 CFR 164.528(a)(1): what was disclosed in the six years before the request
TABLES_ARE_NONE = (
    "Published tables of counts are not in this accounting: no count in them is below the smallest that is shown, and "
    "they hold no one's health information (45 CFR 164.514)."
)


@dataclass(frozen=True)
class Disclosure:
    """One release that the person was in. `issued_at` is None for one that is on its way and may be out."""

    release_id: int
    name: str
    issued_at: datetime | None
    recipient: str
    address: str
    purpose: str
    use_case: str
    agreement: str
    elements: tuple[str, ...]
    clauses: tuple[str, ...]
    recalled_at: datetime | None
    acknowledged_at: datetime | None


@dataclass(frozen=True)
class PersonTrace:
    """All disclosures of the person since that day. `known`: whether the partner's id is linked to a person today."""

    partner: str
    since: date
    known: bool
    disclosures: tuple[Disclosure, ...]

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "note": TABLES_ARE_NONE}


def trace_person(dsn: Dsn, partner: str, source_person_id: str, since: date, by: str) -> PersonTrace:
    """What was disclosed of whom the partner knows by this id. Raises KB-T30 for a role that may not ask."""
    with transaction(dsn) as connection:
        accounts_of_persons(connection, dsn.user)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT release_id, cause, recalled_at, acknowledged_at FROM release.accounting(%s, %s, %s, %s)",
                (partner, source_person_id, since, by),
            )
            found = cursor.fetchall()
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM identity.person_link WHERE partner = %s AND source_person_id = %s)",
                (partner, source_person_id),
            )
            (known,) = cursor.fetchone()
        disclosures = tuple(
            _disclosure(connection, get(connection, release_id), recalled_at, acknowledged_at)
            for release_id, _, recalled_at, acknowledged_at in found
        )
    return PersonTrace(partner, since, bool(known), disclosures)


def six_years_before(day: date) -> date:
    """The first day that an accounting covers by default."""
    try:
        return day.replace(year=day.year - YEARS)
    except ValueError:  # 29 February
        return day.replace(year=day.year - YEARS, day=28)


def _disclosure(
    connection: Any, release: Release, recalled_at: datetime | None, acknowledged_at: datetime | None
) -> Disclosure:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT column_name || ' (' || element || ', ' || form || ')'
            FROM ledger.disclosure
            WHERE release_id = %s
            ORDER BY 1
            """,
            (release.release_id,),
        )
        elements = tuple(text for (text,) in cursor.fetchall())
        cursor.execute(
            "SELECT DISTINCT clause FROM ledger.disclosure WHERE release_id = %s ORDER BY clause", (release.release_id,)
        )
        clauses = tuple(text for (text,) in cursor.fetchall())
    return Disclosure(
        release_id=release.release_id,
        name=release.name,
        issued_at=release.issued_at,
        recipient=release.recipient_name,
        address=release.recipient_address,
        purpose=release.purpose,
        use_case=release.use_case,
        agreement=f"{release.agreement_id} {release.agreement_version}",
        elements=elements,
        clauses=clauses,
        recalled_at=recalled_at,
        acknowledged_at=acknowledged_at,
    )
