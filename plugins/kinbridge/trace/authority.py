"""Who may trace, and the event that every trace leaves before it says anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event

FIGURE, FILE, RELEASE, PERSON = "traced a figure", "traced a file", "traced a release", "traced a person"


def records_and_identities(connection: Any, role: str) -> None:
    """Traces that read records and identities are for the role of linkage. Raises KB-T30 for any other."""
    _allowed(
        connection,
        role,
        "SELECT has_schema_privilege('integrated', 'USAGE') AND has_schema_privilege('identity', 'USAGE') "
        "AND has_table_privilege('record.person', 'SELECT')",
    )


def ledger_of_releases(connection: Any, role: str) -> None:
    """Traces of releases are for whoever reads the ledger of releases. Raises KB-T30 for any other."""
    _allowed(
        connection,
        role,
        "SELECT has_schema_privilege('ledger', 'USAGE') AND has_table_privilege('ledger.disclosure', 'SELECT')",
    )


def accounts_of_persons(connection: Any, role: str) -> None:
    """An accounting of disclosures is for stewards. Raises KB-T30 for any other role."""
    # One question after the other: a function cannot be asked about whose schema is closed.
    _allowed(connection, role, "SELECT has_schema_privilege('release', 'USAGE')")
    accounting = "release.accounting(text, text, date, text)"
    _allowed(connection, role, f"SELECT has_function_privilege('{accounting}', 'EXECUTE')")


def note(connection: Any, by: str, what: str, facts: Mapping[str, Any]) -> None:
    """Write the event of a trace; facts name tables, months, files and releases, never a person."""
    record_event(connection, None, by, what, facts)


def _allowed(connection: Any, role: str, question: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_schema_privilege('ledger', 'USAGE')")
        allowed = bool(cursor.fetchone()[0])
        if allowed:
            cursor.execute(question)
            allowed = bool(cursor.fetchone()[0])
    if not allowed:
        raise KinbridgeError("KB-T30", role=role)
