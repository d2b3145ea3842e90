"""Statements on consent that a steward records: what a person told us, or a partner wrote to us, beside its files.

Appended, never changed: a statement that was recorded wrongly is superseded by the right one and stays. The ledger gets
one event for each, which names no person. Partners' own statements come with their files (`record.consent`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from kinbridge.consent.form import Form
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event

DECISIONS = ("granted", "limited", "revoked")
RECORDED = "consent recorded"


@dataclass(frozen=True)
class Statement:
    """What is said of one person of one partner. Without a use case or program it is about all of them.

    `form` names a form and its version, as in `family_consent/1`; `evidence` says what was seen and where it is kept;
    `supersedes` is the number of a statement in whose place it stands.
    """

    partner: str
    source_person_id: str = field(repr=False)
    decision: str
    effective_from: date
    evidence: str = field(repr=False)
    use_case: str | None = None
    program: str | None = None
    form: str | None = None
    effective_to: date | None = None
    signed_on: date | None = None
    supersedes: int | None = None


@dataclass(frozen=True)
class Words:
    """What a statement may name: declared use cases, programs and forms."""

    use_cases: Collection[str]
    programs: Collection[str]
    forms: Mapping[str, Form]


def record_statement(
    connection: Any, statement: Statement, words: Words, by: str, *, unlinked_too: bool = False
) -> int:
    """Append the statement, and an event about it; returns its number.

    Raises `KinbridgeError`: KB-N02 a word that nobody declared; KB-N03 a grant without a form, or on one that does not
    cover what is granted; KB-N04 days the wrong way round, or no evidence; KB-N05 the partner has no such person (with
    `unlinked_too` one that is not linked yet is taken at the steward's word); KB-N06 what is superseded is not there,
    is about somebody else, or was superseded before.
    """
    _refuse_unknown(statement, words)
    _refuse_days(statement)
    with connection.cursor() as cursor:
        person = (statement.partner, statement.source_person_id)
        if not unlinked_too:
            cursor.execute("SELECT 1 FROM identity.person_link WHERE partner = %s AND source_person_id = %s", person)
            if cursor.fetchone() is None:
                raise KinbridgeError("KB-N05", partner=statement.partner)
        if statement.supersedes is not None:
            cursor.execute(
                """
                SELECT 1
                FROM identity.consent_statement AS former
                WHERE
                    former.statement_id = %s
                    AND (former.partner, former.source_person_id) = (%s, %s)
                    AND NOT EXISTS (
                        SELECT FROM identity.consent_statement AS later WHERE later.supersedes = former.statement_id
                    )
                """,
                (statement.supersedes, *person),
            )
            if cursor.fetchone() is None:
                raise KinbridgeError("KB-N06", statement=statement.supersedes, partner=statement.partner)
        cursor.execute(
            """
            INSERT INTO identity.consent_statement (
                partner, source_person_id, decision, use_case, program, form, effective_from, effective_to, signed_on,
                evidence, supersedes, recorded_by
            )
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            RETURNING statement_id
            """,
            (
                *person,
                statement.decision,
                statement.use_case,
                statement.program,
                statement.form,
                statement.effective_from,
                statement.effective_to,
                statement.signed_on,
                statement.evidence.strip(),
                statement.supersedes,
                by,
            ),
        )
        number = int(cursor.fetchone()[0])
    facts = {
        "statement": number,
        "partner": statement.partner,
        "decision": statement.decision,
        "use_case": statement.use_case,
        "program": statement.program,
        "form": statement.form,
        "effective_from": statement.effective_from.isoformat(),
        "supersedes": statement.supersedes,
    }
    record_event(connection, None, by, RECORDED, {name: value for name, value in facts.items() if value is not None})
    return number


def _refuse_unknown(statement: Statement, words: Words) -> None:
    given: tuple[tuple[str, str | None, Collection[str]], ...] = (
        ("decision", statement.decision, DECISIONS),
        ("use case", statement.use_case, words.use_cases),
        ("program", statement.program, words.programs),
        ("form", statement.form, words.forms),
    )
    for what, name, known in given:
        if name is not None and name not in known:
            raise KinbridgeError("KB-N02", what=what, known=", ".join(sorted(known)) or "none is declared")
    if statement.decision != "granted":
        return
    form = words.forms.get(statement.form or "")
    if form is None:
        raise KinbridgeError("KB-N03", form="no form", use_case=statement.use_case or "every use case")
    # A grant of everything on a form that covers less counts as far as the form reaches.
    if statement.use_case is not None and form.use_cases is not None and statement.use_case not in form.use_cases:
        raise KinbridgeError("KB-N03", form=form.name, use_case=statement.use_case)
    if statement.program is not None and form.programs is not None and statement.program not in form.programs:
        raise KinbridgeError("KB-N03", form=form.name, use_case=statement.program)


def _refuse_days(statement: Statement) -> None:
    if statement.effective_to is not None and statement.effective_to < statement.effective_from:
        raise KinbridgeError("KB-N04", problem="it ends before it begins")
    if not statement.evidence.strip():
        raise KinbridgeError("KB-N04", problem="nothing is said of the evidence")
