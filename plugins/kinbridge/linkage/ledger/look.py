"""Looking into the link ledger, as kb_steward: who belongs to a person and why, and what runs have changed.

Ids, names of comparisons, weights and counts; no value of a record. Each look at a person is an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.linkage.decision import SourcePerson
from kinbridge.linkage.trained import evidence, from_plain

LOOKED = "person looked at"


@dataclass(frozen=True)
class Change:
    """A person that a run merged into another, split, or moved source persons between; `undone` by decisions."""

    change_id: int
    run_id: int
    kind: str
    from_person_id: str
    to_person_id: str
    source_persons: int
    undone: tuple[int, ...]


@dataclass(frozen=True)
class Member:
    """A source person's time in the person; `until_run` is None while it lasts."""

    person: SourcePerson
    since_run: int
    until_run: int | None


@dataclass(frozen=True)
class Link:
    """An edge between two source persons; `evidence` is comparison, level and weight in bits."""

    left: SourcePerson
    right: SourcePerson
    probability: float
    rule: str
    training: int | None
    since_run: int
    until_run: int | None
    ended: str | None
    evidence: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class Decided:
    """A decision on a pair of the person's; `withdrawn` by another row, or not."""

    decision_id: int
    left: SourcePerson
    right: SourcePerson
    verdict: str
    decided_by: str
    decided_at: datetime
    withdrawn: bool


@dataclass(frozen=True)
class Look:
    """A person as the ledger has it; `asked` is the id that was given, where another has taken its place."""

    person_id: str
    asked: str | None
    members: tuple[Member, ...]
    links: tuple[Link, ...]
    decisions: tuple[Decided, ...]
    changes: tuple[Change, ...]


def person_of(connection: Any, subject: str, source_person_id: str | None = None) -> tuple[str, str | None]:
    """The person of a person's id, or of a partner's own; and the id asked for, where it was merged.

    Raises `KinbridgeError` KB-K46 when nobody has it.
    """
    with connection.cursor() as cursor:
        if source_person_id is not None:
            cursor.execute(
                "SELECT person_id::text FROM identity.person_link WHERE partner = %s AND source_person_id = %s",
                (subject, source_person_id),
            )
            row = cursor.fetchone()
            if row is None:
                raise KinbridgeError("KB-K46")
            return str(row[0]), None
        try:
            asked = str(UUID(subject))
        except ValueError:
            raise KinbridgeError("KB-K46") from None
        cursor.execute(
            "SELECT coalesce(merged_into, person_id)::text FROM identity.person WHERE person_id = %s", (asked,)
        )
        row = cursor.fetchone()
        if row is None:
            raise KinbridgeError("KB-K46")
        return str(row[0]), asked if row[0] != asked else None


def look_at_person(connection: Any, subject: str, source_person_id: str | None, by: str) -> Look:
    """The person with its members, links, decisions and changes; an event tells that somebody looked.

    Raises `KinbridgeError` KB-K46 when there is none.
    """
    person_id, asked = person_of(connection, subject, source_person_id)
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS, {"person": person_id})
        members = tuple(Member(SourcePerson(*row[:2]), row[2], row[3]) for row in cursor.fetchall())
        cursor.execute("SELECT training_id, content FROM identity.trained_model")
        trained = {number: from_plain(content).comparisons for number, content in cursor.fetchall()}
        cursor.execute(_LINKS, {"person": person_id})
        links = tuple(
            Link(
                SourcePerson(*row[:2]),
                SourcePerson(*row[2:4]),
                row[4],
                row[5],
                row[6],
                row[7],
                row[8],
                row[9],
                tuple(evidence(trained.get(row[6], ()), row[10], row[11])),
            )
            for row in cursor.fetchall()
        )
        cursor.execute(_DECISIONS, {"person": person_id})
        decisions = tuple(
            Decided(row[0], SourcePerson(*row[1:3]), SourcePerson(*row[3:5]), *row[5:]) for row in cursor.fetchall()
        )
        cursor.execute(_CHANGES.format(which="%(person)s IN (from_person_id, to_person_id)"), {"person": person_id})
        changes = tuple(_change(row) for row in cursor.fetchall())
    record_event(connection, None, by, LOOKED, {"members": len(members), "links": len(links)})
    return Look(person_id, asked, members, links, decisions, changes)


def changes_of(connection: Any, run_id: int | None = None) -> list[Change]:
    """What a run merged, split and moved; without a number, the last run that did any of it."""
    with connection.cursor() as cursor:
        if run_id is None:
            cursor.execute("SELECT max(run_id) FROM identity.person_change")
            run_id = cursor.fetchone()[0]
        cursor.execute(_CHANGES.format(which="run_id = %(run)s"), {"run": run_id})
        return [_change(row) for row in cursor.fetchall()]


def _change(row: tuple[Any, ...]) -> Change:
    return Change(row[0], row[1], row[2], row[3], row[4], row[5], tuple(row[6]))


# Grain: one row per source person and time in the person, now or formerly. Sources: identity.membership.
_MEMBERS = """
SELECT partner, source_person_id, since_run_id, until_run_id
FROM identity.membership
WHERE person_id = %(person)s
ORDER BY until_run_id IS NOT NULL, partner, source_person_id, since_run_id
"""
# Grain: one row per edge, alive or ended, between two records of which one is in the person now.
# Sources: identity.edge, identity.person_link.
_LINKS = """
SELECT DISTINCT
    edge.partner_left,
    edge.source_person_id_left,
    edge.partner_right,
    edge.source_person_id_right,
    edge.match_probability,
    edge.rule,
    edge.training_id,
    edge.since_run_id,
    edge.until_run_id,
    edge.ended,
    edge.levels,
    edge.weights
FROM identity.person_link AS link
INNER JOIN identity.edge
    ON (edge.partner_left = link.partner AND edge.source_person_id_left = link.source_person_id)
    OR (edge.partner_right = link.partner AND edge.source_person_id_right = link.source_person_id)
WHERE link.person_id = %(person)s
ORDER BY 1, 2, 3, 4, 8
"""
# Grain: one row per decision on a pair with a record of the person. Sources: identity.pair_decision,
# identity.person_link.
_DECISIONS = """
SELECT DISTINCT
    decision.decision_id,
    decision.partner_left,
    decision.source_person_id_left,
    decision.partner_right,
    decision.source_person_id_right,
    decision.verdict,
    decision.decided_by,
    decision.decided_at,
    EXISTS (SELECT FROM identity.pair_decision AS later WHERE later.withdraws = decision.decision_id) AS withdrawn
FROM identity.person_link AS link
INNER JOIN identity.pair_decision AS decision
    ON (decision.partner_left = link.partner AND decision.source_person_id_left = link.source_person_id)
    OR (decision.partner_right = link.partner AND decision.source_person_id_right = link.source_person_id)
WHERE link.person_id = %(person)s AND decision.verdict IS NOT NULL
ORDER BY decision.decision_id
"""
# Grain: one row per change. Sources: identity.person_change, identity.change_undone.
_CHANGES = """
SELECT
    change_id,
    run_id,
    kind,
    from_person_id::text,
    to_person_id::text,
    source_persons,
    ARRAY(
        SELECT undone.decision_id
        FROM identity.change_undone AS undone
        WHERE undone.change_id = person_change.change_id
        ORDER BY 1
    )
FROM identity.person_change
WHERE {which}
ORDER BY change_id
"""
