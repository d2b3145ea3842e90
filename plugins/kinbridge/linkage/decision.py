"""Decisions of people on pairs of source persons: taken down, and taken back.

Whoever reviews a pair and whoever undoes a merge decides through here, as kb_steward. A decision is about two partners'
own ids, so it outlives every run and every person id; the next run of linkage obeys it. Rows are appended, never
changed: a decision that was wrong is withdrawn by another row. The ledger gets one event for
each, which names no person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from psycopg2.extras import Json

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event

Verdict = Literal["same", "different", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
DECIDED, WITHDRAWN = "pair decided", "pair decision withdrawn"


class SourcePerson(NamedTuple):
    """A partner's own person."""

    partner: str
    source_person_id: str


@dataclass(frozen=True)
class Pair:
    """Two source persons, the smaller on the left; `pair_of` puts them in order."""

    left: SourcePerson = field(repr=False)
    right: SourcePerson = field(repr=False)


def pair_of(one: SourcePerson | tuple[str, str], two: SourcePerson | tuple[str, str]) -> Pair:
    """The pair of two source persons, in the order of their code points. Raises KB-K40 when they are the same one."""
    left, right = sorted((SourcePerson(*one), SourcePerson(*two)))
    if left == right:
        raise KinbridgeError("KB-K40", problem="a source person cannot be decided on against itself")
    return Pair(left, right)


def pair_chance(pair: Pair, purpose: str) -> float:
    """A number from 0 to under 1 that is the pair's own for a purpose; `identity.pair_chance` gives the same in SQL.

    Pairs below a declared share are chosen: in every run, on every machine, with and without a database.
    """
    # As Postgres writes an array of texts in JSON.
    text = json.dumps([purpose, *pair.left, *pair.right], ensure_ascii=False)
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32


def record_decision(
    connection: Any, pair: Pair, verdict: str, reason: str, by: str, *, seen: Mapping[str, Any] | None = None
) -> int:
    """Append a decision on the pair, and an event about it; returns its number. In the caller's transaction.

    `reason` says why in words without values of the records; `seen` is what the reviewer was shown, in numbers and
    names of comparisons. Raises `KinbridgeError`: KB-K40 a verdict that there is not, no reason, or nobody's name;
    KB-K41 a source person whom linkage has not met.
    """
    if verdict not in VERDICTS:
        raise KinbridgeError("KB-K40", problem=f"the verdict must be one of {', '.join(VERDICTS)}")
    _refuse_silence(reason, by)
    with connection.cursor() as cursor:
        for person in (pair.left, pair.right):
            cursor.execute("SELECT 1 FROM identity.person_link WHERE partner = %s AND source_person_id = %s", person)
            if cursor.fetchone() is None:
                raise KinbridgeError("KB-K41", partner=person.partner)
        cursor.execute(
            """
            INSERT INTO identity.pair_decision (
                partner_left, source_person_id_left, partner_right, source_person_id_right,
                verdict, reason, seen, decided_by
            )
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            RETURNING decision_id
            """,
            (*pair.left, *pair.right, verdict, reason.strip(), Json(dict(seen or {})), by.strip()),
        )
        number = int(cursor.fetchone()[0])
    facts = {"decision": number, "verdict": verdict, "partners": sorted({pair.left.partner, pair.right.partner})}
    record_event(connection, None, by.strip(), DECIDED, facts)
    return number


def withdraw_decision(connection: Any, decision_id: int, reason: str, by: str) -> int:
    """Append the withdrawal of a decision, and an event about it; returns its number. In the caller's transaction.

    Raises `KinbridgeError`: KB-K40 no reason, or nobody's name; KB-K42 there is no such decision, or it was withdrawn
    before.
    """
    _refuse_silence(reason, by)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO identity.pair_decision (
                partner_left, source_person_id_left, partner_right, source_person_id_right,
                withdraws, reason, decided_by
            )
            SELECT
                partner_left,
                source_person_id_left,
                partner_right,
                source_person_id_right,
                decision_id,
                %(reason)s,
                %(by)s
            FROM identity.pair_decision
            WHERE decision_id = %(decision)s AND verdict IS NOT NULL
            ON CONFLICT (withdraws) DO NOTHING
            RETURNING decision_id
            """,
            {"decision": decision_id, "reason": reason.strip(), "by": by.strip()},
        )
        row = cursor.fetchone()
    if row is None:
        raise KinbridgeError("KB-K42", decision=decision_id)
    record_event(connection, None, by.strip(), WITHDRAWN, {"decision": int(row[0]), "withdraws": decision_id})
    return int(row[0])


def _refuse_silence(reason: str, by: str) -> None:
    if not reason.strip():
        raise KinbridgeError("KB-K40", problem="nothing is said of the reason")
    if not by.strip():
        raise KinbridgeError("KB-K40", problem="nobody's name stands under it")
