"""Recalls: what a recipient must take out of a release that it has, and why.

A release that is out and not yet expired is recalled for persons who are withheld by now, for an element that nobody
covers any more, and when its agreement has ended. Each is written once per release and cause; a person is recalled from
a release once. What an earlier use lets stand is said with its citation. Telling the recipient is `recall_notice`'s
part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from kinbridge.agreement.reader import read_agreements, read_use_cases
from kinbridge.agreement.uses import ReleasePermit, release_permit
from kinbridge.consent.gates import Gates, read_gates
from kinbridge.decision.approvals import Approvals, read_approvals
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.release.check import covered
from kinbridge.release.deliver import withheld_members
from kinbridge.release.elements import integrated_elements
from kinbridge.release.register import Release, locked
from kinbridge.release.states import OUT

ACTOR = "release.recall"
RECALLED = "release recalled"
WITHHELD, ELEMENT, AGREEMENT = "withheld", "element", "agreement"
# Days to take something out and say so, where the agreement sets none for destruction.
DAYS = 30

# What stands, with the citation by which it may. Not legal advice: counsel edits agreements and laws; see
# docs/releases.md.
STANDS = {
    WITHHELD: "What was done in reliance on the consent before it was revoked stands: analyses that are finished and "
    "published tables stay (45 CFR 164.508(b)(5)(i)). Rows of these persons are not used again.",
    ELEMENT: "Results that were finished before the element was removed stand. The column is not used again.",
    AGREEMENT: "Results that were published while the agreement was in force stand. Rows about persons do not.",
}


@dataclass(frozen=True)
class Recall:
    """One recall: of which release, why, by which clause, how many persons it concerns, and by when it is to be
    done."""

    recall_id: int
    release_id: int
    recipient: str
    cause: str
    detail: str
    clause: str
    persons: int
    due_on: date


def recall_withheld(connection: Any, day: date) -> list[Recall]:
    """Write what has to be recalled as of that day and is not yet, in the caller's transaction; as kb_linkage.

    Safe to repeat. Raises what reading agreements, use cases and decisions raises.
    """
    approvals = read_approvals(connection, day=day)
    found: list[Recall] = []
    out = _out(connection, day)
    gates = read_gates(connection, day) if out else None
    for release_id in out:
        release = locked(connection, release_id)
        if release.state not in OUT or gates is None:
            continue
        for recall in _of_release(connection, release, gates, approvals):
            facts = {
                "recall": recall.recall_id,
                "release": release_id,
                "cause": recall.cause,
                "persons": recall.persons,
            }
            record_event(connection, None, ACTOR, RECALLED, facts)
            found.append(recall)
    return found


def overdue_recalls(connection: Any, day: date) -> list[Recall]:
    """Recalls that were told and not acknowledged by their day, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                recall.recall_id,
                recall.release_id,
                release.recipient,
                recall.cause,
                recall.detail,
                recall.clause,
                recall.persons,
                recall.due_on
            FROM ledger.recall
            INNER JOIN ledger.release USING (release_id)
            WHERE recall.acknowledged_at IS NULL AND recall.due_on < %s
            ORDER BY recall.due_on, recall.recall_id
            """,
            (day,),
        )
        return [Recall(*row) for row in cursor.fetchall()]


def acknowledge(connection: Any, recall_id: int, by: str, note: str = "") -> None:
    """Take down that the recipient has done what a recall asks for; as kb_steward. Done twice, the first counts.

    Raises KB-T24 when there is no such recall, or it was not told yet.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE ledger.recall
            SET acknowledged_at = clock_timestamp(), acknowledged_by = %s, note = %s
            WHERE recall_id = %s AND told_at IS NOT NULL AND acknowledged_at IS NULL
            RETURNING release_id
            """,
            (by, note or None, recall_id),
        )
        row = cursor.fetchone()
        if row is None:
            cursor.execute("SELECT told_at IS NOT NULL FROM ledger.recall WHERE recall_id = %s", (recall_id,))
            told = cursor.fetchone()
            if told is None or not told[0]:
                raise KinbridgeError("KB-T24", recall=recall_id)
            return
    record_event(connection, None, by, "recall acknowledged", {"recall": recall_id, "release": row[0]})


def _out(connection: Any, day: date) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT release_id FROM ledger.release WHERE state = ANY(%s) AND expires_on >= %s ORDER BY release_id",
            ([state.value for state in OUT], day),
        )
        return [release_id for (release_id,) in cursor.fetchall()]


def _of_persons(connection: Any, release: Release, gates: Gates) -> Iterator[Recall]:
    """One recall for all persons of a clause who are withheld by now and were not recalled before."""
    with connection.cursor() as cursor:
        withheld = withheld_members(cursor, release, gates)
        cursor.execute("SELECT person_id FROM release.recall_member WHERE release_id = %s", (release.release_id,))
        before = {person_id for (person_id,) in cursor.fetchall()}
        by_clause: dict[str, list[str]] = {}
        for person_id, clause in withheld:
            if person_id not in before:
                by_clause.setdefault(str(clause), []).append(person_id)
        for clause, persons in sorted(by_clause.items()):
            reason = "These persons have revoked or limited their consent to this use, or it has run out."
            recall = _write(
                cursor, release, WITHHELD, "", clause, reason, len(persons), gates.day, _stands(release, gates)
            )
            cursor.execute(
                "INSERT INTO release.recall_member (release_id, person_id, recall_id) "
                "SELECT %s, person_id, %s FROM UNNEST(%s::uuid[]) AS t (person_id)",
                (release.release_id, recall.recall_id, persons),
            )
            yield recall


def _stands(release: Release, gates: Gates) -> str:
    """What a revocation lets stand: as the forms say that cover the use case, or as the law does."""
    said = (
        f"{one.what}: {one.why} ({one.citation})"
        for form in gates.forms
        if form.covers(release.use_case, None)
        for one in form.stands
    )
    return " ".join(dict.fromkeys(said)) or STANDS[WITHHELD]


def _of_release(connection: Any, release: Release, gates: Gates, approvals: Approvals) -> Iterator[Recall]:
    """A recall of all of it when no agreement lets it be there; else of elements and of persons."""
    day = gates.day
    try:
        permit = release_permit(
            release.recipient, release.use_case, day, read_agreements(), read_use_cases(), approvals
        )
    except KinbridgeError as error:
        clause = str(error.facts.get("clause") or error.code)
        detail = f"{release.agreement_id} {release.agreement_version}"
        reason = f"No agreement lets you have it any more ({error.code})."
        yield from _once(connection, release, AGREEMENT, detail, clause, reason, day)
        return
    with connection.cursor() as cursor:
        uncovered = _uncovered(cursor, release, permit)
    for element, clause in uncovered:
        reason = f"The element {element} is not covered any more: remove the columns that are made of it."
        yield from _once(connection, release, ELEMENT, element, clause, reason, day)
    yield from _of_persons(connection, release, gates)


def _once(  # noqa: PLR0917 - one row
    connection: Any, release: Release, cause: str, detail: str, clause: str, reason: str, day: date
) -> Iterator[Recall]:
    """The recall, unless this release was recalled for it before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM ledger.recall WHERE release_id = %s AND cause = %s AND detail = %s",
            (release.release_id, cause, detail),
        )
        if cursor.fetchone() is None:
            yield _write(cursor, release, cause, detail, clause, reason, release.persons or 0, day)


def _uncovered(cursor: Any, release: Release, permit: ReleasePermit) -> list[tuple[str, str]]:
    """The elements in the release that the agreement no longer names, or that come from a feed that is out by now."""
    cursor.execute(
        "SELECT DISTINCT element, feed FROM ledger.disclosure WHERE release_id = %s ORDER BY element, feed",
        (release.release_id,),
    )
    found: dict[str, str] = {}
    for element, feed in cursor.fetchall():
        if element not in integrated_elements() or not covered(element, permit.elements):
            found.setdefault(element, str(permit.clauses["elements"]))
        elif feed not in permit.feeds:
            why = permit.left_out.get(feed)
            found.setdefault(element, str(why.facts.get("clause", why.code)) if why else f"no agreement over {feed}")
    return sorted(found.items())


def _write(  # noqa: PLR0917 - one row
    cursor: Any,
    release: Release,
    cause: str,
    detail: str,
    clause: str,
    reason: str,
    persons: int,
    day: date,
    stands: str | None = None,
) -> Recall:
    due_on = day + timedelta(days=DAYS)
    cursor.execute(
        """
        INSERT INTO ledger.recall (release_id, cause, detail, clause, reason, stands, persons, due_on)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        RETURNING recall_id
        """,
        (release.release_id, cause, detail, clause, reason, stands or STANDS[cause], persons, due_on),
    )
    recall_id = int(cursor.fetchone()[0])
    return Recall(recall_id, release.release_id, release.recipient, cause, detail, clause, persons, due_on)
