"""Writes down in the warehouse what is declared of consent, so that SQL decides who is withheld.

Input: the day's gates. Replaces `identity.consent_rule`, `consent_form` and `consent_scope`; what the rules were before
stands in the events. Never touches a statement.
"""

from __future__ import annotations

from typing import Any

from psycopg2.extras import execute_values

from kinbridge.consent.gates import Gates
from kinbridge.ledger.events import record_event

ACTOR = "integrate"
RULES_CHANGED = "consent rules changed"

# Which programs a feed speaks of: those its current records name. A feed whose records name none speaks of those of its
# partner; where these name none either, of all (NULL).
# Grain: one row per feed and program. Sources: record.program_enrollment, service_event, referral, early_intervention.
_FEED_PROGRAM = """
CREATE TEMP TABLE feed_program ON COMMIT DROP AS
WITH named AS (
    SELECT DISTINCT feed, program FROM record.program_enrollment WHERE known_to IS NULL
    UNION
    SELECT DISTINCT feed, program FROM record.service_event WHERE known_to IS NULL
    UNION
    SELECT DISTINCT feed, referring_program FROM record.referral WHERE known_to IS NULL
    UNION
    SELECT DISTINCT feed, 'early_intervention' FROM record.early_intervention WHERE known_to IS NULL
)
SELECT
    given.feed,
    coalesce(own.program, partners.program) AS program
FROM (SELECT DISTINCT feed FROM given_rule) AS given
LEFT JOIN named AS own ON own.feed = given.feed
LEFT JOIN (
    SELECT DISTINCT split_part(feed, '/', 1) AS partner, program
    FROM named
) AS partners ON own.feed IS NULL AND partners.partner = split_part(given.feed, '/', 1)
"""
_RULES = """
SELECT use_case, feed, program, rule, coalesce(form, ''), clause
FROM identity.consent_rule
ORDER BY 1, 2, 3
"""


def write_rules(cursor: Any, gates: Gates) -> None:
    """Make the three tables say what the gates say, in the caller's transaction; an event when the rules changed."""
    # Two at once would both find nothing of the other's to replace.
    cursor.execute("LOCK TABLE identity.consent_rule IN SHARE ROW EXCLUSIVE MODE")
    cursor.execute(_RULES)
    before = cursor.fetchall()
    cursor.execute(
        "CREATE TEMP TABLE given_rule (use_case text, feed text, rule text, form text, clause text) ON COMMIT DROP"
    )
    _insert(
        cursor,
        "given_rule (use_case, feed, rule, form, clause)",
        [(one.use_case, one.feed, one.rule, one.form or None, one.clause) for one in gates.rules],
    )
    cursor.execute(_FEED_PROGRAM)
    cursor.execute("DELETE FROM identity.consent_rule")
    cursor.execute(
        """
        INSERT INTO identity.consent_rule (use_case, feed, program, rule, form, clause)
        SELECT given_rule.use_case, feed, feed_program.program, given_rule.rule, given_rule.form, given_rule.clause
        FROM given_rule
        INNER JOIN feed_program USING (feed)
        """
    )
    cursor.execute("DELETE FROM identity.consent_form")
    _insert(
        cursor,
        "identity.consent_form (form, use_case, program, valid_months)",
        [
            (form.name, use_case, program, form.valid_months)
            for form in gates.forms
            for use_case in form.use_cases or (None,)
            for program in form.programs or (None,)
        ],
    )
    cursor.execute("DELETE FROM identity.consent_scope")
    _insert(
        cursor,
        "identity.consent_scope (kind, name)",
        [("use_case", name) for name in gates.served] + [("program", name) for name in gates.programs],
    )
    cursor.execute("DROP TABLE given_rule, feed_program")
    cursor.execute(_RULES)
    after = cursor.fetchall()
    if after != before:
        names = ("use_case", "feed", "program", "rule", "form", "clause")
        facts = {"rules": [dict(zip(names, row, strict=True)) for row in after]}
        record_event(cursor.connection, None, ACTOR, RULES_CHANGED, facts)


def _insert(cursor: Any, into: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        execute_values(cursor, f"INSERT INTO {into} VALUES %s", rows)
