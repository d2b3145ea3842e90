"""Whether the gates, what is said of consent, or what people decided on pairs of records have changed since people were
last linked and figures published.

A revocation, an agreement that ended or began, a decision, a form that ran out: each calls for an integration although
no feed loaded. What is compared is a fingerprint that each integration keeps; it tells nothing of a person.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from kinbridge.consent.gates import Gates, fingerprint, read_gates
from kinbridge.warehouse.connection import Dsn, transaction

# The statements in effect, and of each grant whether its form has run out by the day; the rows' order does not matter.
# Grain: one row. Sources: identity.consent_said, the forms as declared.
_STATEMENTS = """
SELECT count(*)::text || ':' || coalesce(sum(hashtextextended(said.content, 0)::numeric), 0)::text
FROM (
    SELECT
        row(
            consent.partner, consent.source_person_id, consent.decision, consent.use_case, consent.program,
            consent.form, consent.effective_from,
            coalesce(consent.signed_on, consent.effective_from) + make_interval(months => form.valid_months) <= %(day)s
        )::text AS content
    FROM identity.consent_said(%(day)s, statement_timestamp()) AS consent
    LEFT JOIN jsonb_to_recordset(%(forms)s) AS form (name text, valid_months integer) ON form.name = consent.form
) AS said
"""


# People's decisions on pairs; they are appended, so their number and the newest one tell.
# Grain: one row. Sources: identity.pair_decision.
_DECISIONS = """
SELECT count(*)::text || ':' || coalesce(max(decision_id), 0)::text
FROM identity.pair_decision
WHERE verdict IS DISTINCT FROM 'unsure'
"""


def gates_now(dsn: Dsn, day: date | None = None, gates: Gates | None = None) -> str:
    """The fingerprint of the day's gates (today's by default) and of what is said of consent. As kb_linkage."""
    with transaction(dsn) as connection:
        day = day or (gates.day if gates else datetime.now(UTC).date())
        return _fingerprint(connection, day, gates or read_gates(connection, day))


def gates_changed(dsn: Dsn, day: date | None = None, gates: Gates | None = None) -> bool:
    """Whether an integration is due for the gates' sake: they are others than when the last one that ended began.

    False where nothing was ever integrated: the first load calls for that.
    """
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT gates
            FROM ledger.integration
            WHERE finished_at IS NOT NULL
            ORDER BY integration_id DESC
            LIMIT 1
            """
        )
        last = cursor.fetchone()
        if last is None:
            return False
        day = day or (gates.day if gates else datetime.now(UTC).date())
        return bool(last[0] != _fingerprint(connection, day, gates or read_gates(connection, day)))


def _fingerprint(connection: Any, day: date, gates: Gates) -> str:
    forms = [{"name": form.name, "valid_months": form.valid_months} for form in gates.forms]
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENTS, {"day": day, "forms": json.dumps(forms)})
        said = str(cursor.fetchone()[0])
        cursor.execute(_DECISIONS)
        return fingerprint(gates, f"{said} {cursor.fetchone()[0]}")
