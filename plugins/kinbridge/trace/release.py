"""From a release to what stands behind it: agreement and clauses, who approved, counts, feeds, files, recalls.

Reads the ledger, as kb_steward; names no person and no code.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from kinbridge.decision.register import registered
from kinbridge.release.register import Release, find
from kinbridge.trace.authority import RELEASE, ledger_of_releases, note
from kinbridge.warehouse.connection import Dsn, transaction


@dataclass(frozen=True)
class Given:
    """One line of the disclosure ledger."""

    column: str
    element: str
    feed: str
    form: str
    clause: str


@dataclass(frozen=True)
class SourceFile:
    """A partner's file whose rows were in the record when the release was built."""

    delivery_id: int
    feed: str
    file_name: str
    sha256: str
    as_of: date
    contract_version: str
    loaded_at: datetime


@dataclass(frozen=True)
class RecallLine:
    """A recall of the release, and what became of it."""

    recall_id: int
    cause: str
    detail: str
    clause: str
    persons: int
    stands: str
    told_at: datetime | None
    due_on: date
    acknowledged_at: datetime | None


@dataclass(frozen=True)
class Vote:
    """Who answered what, and when."""

    member: str
    choice: str
    at: datetime


@dataclass(frozen=True)
class ReleaseTrace:
    """A release with all that the ledger knows of it."""

    release: Release
    votes: tuple[Vote, ...]
    given: tuple[Given, ...]
    files: tuple[SourceFile, ...]
    recalls: tuple[RecallLine, ...]

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def trace_release(dsn: Dsn, wanted: str, by: str) -> ReleaseTrace:
    """The release of that number, or the newest of that name. Raises KB-T20 when there is none, KB-T30."""
    with transaction(dsn) as connection:
        ledger_of_releases(connection, dsn.user)
        release = find(connection, wanted)[0]
        note(connection, by, RELEASE, {"release": release.release_id, "name": release.name})
        return describe(connection, release)


def describe(connection: Any, release: Release) -> ReleaseTrace:
    """All that the ledger knows of the release."""
    with connection.cursor() as cursor:
        return ReleaseTrace(
            release,
            _votes(connection, release),
            _given(cursor, release),
            _files(cursor, release),
            _recalls(cursor, release),
        )


def _votes(connection: Any, release: Release) -> tuple[Vote, ...]:
    if release.proposal_id is None:
        return ()
    entered = registered(connection, release.proposal_id).entered
    return tuple(Vote(one.ballot.member, one.ballot.choice.value, one.at) for one in entered)


def _given(cursor: Any, release: Release) -> tuple[Given, ...]:
    cursor.execute(
        """
        SELECT column_name, element, feed, form, clause
        FROM ledger.disclosure
        WHERE release_id = %s
        ORDER BY column_name, element, feed
        """,
        (release.release_id,),
    )
    return tuple(Given(*row) for row in cursor.fetchall())


def _files(cursor: Any, release: Release) -> tuple[SourceFile, ...]:
    """Of each feed the files that were loaded before the release was built."""
    feeds: dict[str, Any] = release.sources.get("feeds", {})
    cursor.execute(
        """
        SELECT
            delivery.delivery_id,
            delivery.feed,
            delivery.file_name,
            delivery.sha256,
            delivery.as_of,
            delivery.contract_version,
            load.loaded_at
        FROM ledger.delivery
        INNER JOIN ledger.load USING (delivery_id)
        WHERE delivery.feed = ANY(%s) AND load.loaded_at <= %s
        ORDER BY delivery.feed, delivery.delivery_id
        """,
        (sorted(feeds), release.built_at),
    )
    return tuple(SourceFile(*row) for row in cursor.fetchall())


def _recalls(cursor: Any, release: Release) -> tuple[RecallLine, ...]:
    cursor.execute(
        """
        SELECT recall_id, cause, detail, clause, persons, stands, told_at, due_on, acknowledged_at
        FROM ledger.recall
        WHERE release_id = %s
        ORDER BY recall_id
        """,
        (release.release_id,),
    )
    return tuple(RecallLine(*row) for row in cursor.fetchall())
