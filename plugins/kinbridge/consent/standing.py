"""What is known of one person's consent, for a steward: the statements, what follows for each use, and what stays.

Each look is an event in the ledger. Shows no name, and of the person's records no id but the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kinbridge.agreement.model import Agreement
from kinbridge.consent.form import Form
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event

LOOKED = "consent looked at"


@dataclass(frozen=True)
class Said:
    """One statement about the person as it was known: by which partner's record, and since when we know it.

    `statement` is its number where a steward recorded it, None where the partner sent it.
    """

    partner: str
    decision: str
    use_case: str | None
    program: str | None
    form: str | None
    effective_from: date
    effective_to: date | None
    known_from: datetime
    statement: int | None
    in_effect: bool


@dataclass(frozen=True)
class Use:
    """What follows for one use case and program: counted or withheld, under which rule, by which clause."""

    use_case: str
    program: str | None
    rule: str
    withheld: bool
    clause: str


@dataclass(frozen=True)
class Kept:
    """What a revocation does not reach, why, and by which clause or law."""

    what: str
    why: str
    clause: str


@dataclass(frozen=True)
class Standing:
    """All of it, for a day and as known at a moment. `partners` are those whose records are held for the person's."""

    day: date
    known: datetime
    partners: tuple[str, ...]
    said: tuple[Said, ...]
    uses: tuple[Use, ...]
    kept: tuple[Kept, ...]


_RECORDS = """
SELECT other.partner, other.source_person_id, other.person_id
FROM identity.person_link AS asked
INNER JOIN identity.person_link AS other USING (person_id)
WHERE asked.partner = %(partner)s AND asked.source_person_id = %(person)s
"""
# Grain: one row per statement on any of the person's records, or on the record alone while it is linked to no person.
_SAID = f"""
WITH of_person AS ({_RECORDS}),
record_of AS (
    SELECT partner, source_person_id FROM of_person
    UNION
    SELECT %(partner)s, %(person)s
)
SELECT
    partner, decision, use_case, program, form, effective_from, effective_to, known_from, NULL,
    effective_from <= %(day)s AND (effective_to IS NULL OR effective_to >= %(day)s)
FROM record.consent
INNER JOIN record_of USING (partner, source_person_id)
WHERE known_from <= %(known)s AND (known_to IS NULL OR known_to > %(known)s)
UNION ALL
SELECT
    partner, decision, use_case, program, form, effective_from, effective_to, known_from, statement_id,
    effective_from <= %(day)s AND (effective_to IS NULL OR effective_to >= %(day)s)
FROM identity.consent_statement AS statement
INNER JOIN record_of USING (partner, source_person_id)
WHERE
    known_from <= %(known)s
    AND NOT EXISTS (
        SELECT
        FROM identity.consent_statement AS later
        WHERE later.supersedes = statement.statement_id AND later.known_from <= %(known)s
    )
ORDER BY 6, 8, 1
"""
# Grain: one row per use case and program of which a partner that knows the person speaks.
_USES = f"""
WITH of_person AS ({_RECORDS}),
rule AS (
    SELECT DISTINCT ON (consent_rule.use_case, consent_rule.program)
        consent_rule.use_case, consent_rule.program, consent_rule.rule, consent_rule.clause
    FROM identity.consent_rule
    INNER JOIN (SELECT DISTINCT partner FROM of_person) AS knows
        ON knows.partner = split_part(consent_rule.feed, '/', 1)
    ORDER BY
        1, 2, array_position(ARRAY['written', 'opt_in', 'attested', 'opt_out', 'not_required'], consent_rule.rule), 4
)
SELECT rule.use_case, rule.program, rule.rule, withheld.clause IS NOT NULL, coalesce(withheld.clause, rule.clause)
FROM rule
LEFT JOIN LATERAL (
    SELECT found.clause
    FROM identity.withheld_person(rule.use_case, %(day)s, %(known)s) AS found
    WHERE
        found.person_id IN (SELECT person_id FROM of_person)
        AND (found.program IS NULL OR found.program = rule.program)
    LIMIT 1
) AS withheld ON TRUE
ORDER BY 1, 2
"""


def look_at(  # noqa: PLR0917 - whom, when, what was declared, and who looks
    connection: Any,
    partner: str,
    source_person_id: str,
    day: date,
    known: datetime,
    forms: Iterable[Form],
    agreements: Iterable[Agreement],
    by: str,
) -> Standing:
    """What is known of the person; the look is an event in the same transaction.

    Raises `KinbridgeError` KB-N05 when neither linkage nor any statement knows the partner's id.
    """
    given = {"partner": partner, "person": source_person_id, "day": day, "known": known}
    with connection.cursor() as cursor:
        cursor.execute(_RECORDS, given)
        partners = {row[0] for row in cursor.fetchall()}
        cursor.execute(_SAID, given)
        said = tuple(Said(*row) for row in cursor.fetchall())
        if not partners and not said:
            raise KinbridgeError("KB-N05", partner=partner)
        cursor.execute(_USES, given)
        uses = tuple(Use(*row) for row in cursor.fetchall())
    record_event(connection, None, by, LOOKED, {"partner": partner, "statements": len(said), "day": day.isoformat()})
    partners |= {partner}
    kept = (*_stands(forms, said), *_uses_that_stand(uses, said), *_retained(agreements, partners, day))
    return Standing(day, known, tuple(sorted(partners)), said, uses, tuple(dict.fromkeys(kept)))


def _stands(forms: Iterable[Form], said: tuple[Said, ...]) -> list[Kept]:
    """What the forms that were signed say of what a revocation lets stand."""
    named = {one.form for one in said}
    return [Kept(one.what, one.why, one.citation) for form in forms if form.name in named for one in form.stands]


def _uses_that_stand(uses: tuple[Use, ...], said: tuple[Said, ...]) -> list[Kept]:
    """Uses for which nobody has to be asked go on, in spite of a refusal."""
    if all(one.decision == "granted" for one in said if one.in_effect):
        return []
    return [
        Kept(f"{one.use_case}: {one.program or 'every program'} goes on", "no consent is required", one.clause)
        for one in uses
        if one.rule == "not_required" and not one.withheld
    ]


def _retained(agreements: Iterable[Agreement], partners: set[str], day: date) -> list[Kept]:
    """Records as they were received, as long as the agreement's retention says."""
    found = []
    for agreement in agreements:
        months = agreement.retention.records_months
        if agreement.contributor.code in partners and agreement.feeds and agreement.effective <= day:
            kept = f"for {months} months" if months else "until its agreement ends"
            what = f"records of {agreement.contributor.code} as received, {kept}, used for nothing"
            found.append(Kept(what, "the agreement's retention", str(agreement.clause("retention"))))
    return found
