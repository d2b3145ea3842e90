"""Delivers a built release: the sealed files into the recipient's outbox, each in one step, and then the ledger.

Two transactions. The first says that it may leave from now on (`sending`), after the gate was asked once more and
nobody who is in it is withheld by now; the second, after the files are there, that it is issued. A worker that dies in
between leaves it `sending`: the next try sends the very same bytes under the same names, and issues it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from kinbridge.consent.gates import Gates, read_gates
from kinbridge.consent.rules import write_rules
from kinbridge.decision.approvals import read_approvals
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.plan import OUTBOX
from kinbridge.delivery.sftp import Session, Timeouts, open_sftp
from kinbridge.delivery.transfer import upload
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.release.build import cleared
from kinbridge.release.consent import kept_consent, stricter
from kinbridge.release.gate import Clearance
from kinbridge.release.register import Release, get, locked, move
from kinbridge.release.states import ReleaseState
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "release.deliver"
ISSUED = "release issued"
OUTBOX_SECONDS = 60.0


@dataclass(frozen=True)
class _Sealed:
    """One file as it is sent."""

    name: str
    content: bytes


def deliver_release(
    dsn: Dsn, endpoint: SftpEndpoint, release_id: int, day: date, *, timeouts: Timeouts | None = None
) -> bool:
    """Send a built release and issue it; whether that was done now (False: it was issued before).

    `dsn` is kb_linkage's way in, `endpoint` the recipient's account. Raises `KinbridgeError`: what the gate raises and
    KB-T21, after which the release is withdrawn before it left; KB-T17 it is not built; as `open_sftp` and `upload` do.
    """
    refused: KinbridgeError | None = None
    with transaction(dsn) as connection:
        release = locked(connection, release_id)
        if release.state in (ReleaseState.ISSUED, ReleaseState.DESTROYED):
            return False
        if release.state is not ReleaseState.SENDING:
            refused = _begin(connection, release, day)
        files, outbox = _files(connection, release_id), get(connection, release_id).outbox
    if refused is not None:
        raise refused
    with open_sftp(endpoint, timeouts) as session:
        make_outbox(session, outbox or OUTBOX)
        # The manifest is the last: where it is, all that it lists is there.
        for file in files:
            upload(session, file.content, f"{outbox or OUTBOX}/{file.name}")
    return _issue(dsn, release_id, [file.name for file in files])


def _begin(connection: Any, release: Release, day: date) -> KinbridgeError | None:
    """Ask the gate again, and let the release go; or withdraw it, and say why (the caller commits first)."""
    if release.state is not ReleaseState.BUILT:
        raise KinbridgeError("KB-T17", release=release.release_id, name=release.name, state=release.state.value)
    try:
        clearance = cleared(release, day, read_approvals(connection, day=day))
        _unchanged(connection, release, clearance, day)
    except KinbridgeError as error:
        _withdraw(connection, release, error.code)
        return error
    move(connection, release.release_id, ReleaseState.SENDING)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger.release SET outbox = %s WHERE release_id = %s",
            (clearance.permit.outbox or OUTBOX, release.release_id),
        )
    facts = {"release": release.release_id, "recipient": release.recipient}
    record_event(connection, None, ACTOR, "release may leave", facts)
    return None


def _unchanged(connection: Any, release: Release, clearance: Clearance, day: date) -> None:
    """Nobody in it is withheld by now, and the rule is no stricter than when it was built (KB-T21)."""
    with connection.cursor() as cursor:
        withheld = len(withheld_members(cursor, release, read_gates(connection, day)))
    stricter = clearance.minimum_group > (release.minimum_group or 0)
    if withheld or stricter:
        cause = f"{withheld} of its persons are withheld by now" if withheld else "small groups are larger by now"
        raise KinbridgeError("KB-T21", release=release.release_id, name=release.name, cause=cause)


# Grain: one row per person in the release who is withheld from its use case, in all or in a program of which the
# release tells; as linked today. What was withheld when it was built is not in it.
_WITHHELD_MEMBERS = """
SELECT DISTINCT ON (source.person_id)
    source.person_id,
    withheld.program,
    withheld.clause
FROM release.member_source AS source
INNER JOIN identity.person_link AS link
    ON link.partner = source.partner
    AND link.source_person_id = source.source_person_id
INNER JOIN identity.withheld_person(%(use_case)s, %(day)s, clock_timestamp()) AS withheld
    ON withheld.person_id = link.person_id
WHERE
    source.release_id = %(release)s
    AND (
        withheld.program IS NULL
        OR EXISTS (
            SELECT 1
            FROM identity.consent_rule AS rule
            INNER JOIN ledger.disclosure ON disclosure.feed = rule.feed
            WHERE
                disclosure.release_id = source.release_id
                AND rule.use_case = %(use_case)s
                AND rule.program = withheld.program
        )
    )
    AND NOT EXISTS (
        SELECT 1
        FROM release.withheld_before AS before
        WHERE
            before.release_id = source.release_id
            AND before.person_id = source.person_id
            AND before.program IS NOT DISTINCT FROM withheld.program
    )
ORDER BY source.person_id, withheld.program NULLS FIRST
"""


def withheld_members(cursor: Any, release: Release, gates: Gates) -> list[tuple[str, str]]:
    """Persons in the release who are withheld from its use case by now, each with the clause."""
    cursor.execute("SELECT DISTINCT feed FROM ledger.disclosure WHERE release_id = %s", (release.release_id,))
    feeds = [feed for (feed,) in cursor.fetchall()]
    strict = stricter(gates, release.use_case, feeds, kept_consent(release.sources))
    # Who is withheld follows from the rules of today, not of the last time that people were linked.
    write_rules(cursor, strict)
    cursor.execute(_WITHHELD_MEMBERS, {"release": release.release_id, "use_case": release.use_case, "day": gates.day})
    found = [(person_id, clause) for person_id, _, clause in cursor.fetchall()]
    if strict != gates:
        write_rules(cursor, gates)
    return found


def _withdraw(connection: Any, release: Release, code: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM release.package WHERE release_id = %s", (release.release_id,))
    move(connection, release.release_id, ReleaseState.WITHDRAWN, code)
    record_event(connection, None, ACTOR, "release withdrawn", {"release": release.release_id, "code": code})


def _files(connection: Any, release_id: int) -> list[_Sealed]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT file_name, content FROM release.package WHERE release_id = %s ORDER BY position", (release_id,)
        )
        return [_Sealed(name, bytes(content)) for name, content in cursor.fetchall()]


def make_outbox(session: Session, outbox: str) -> None:
    """Make the folder that the agreement names, where it is not there yet."""
    with session.bounded("opening the outbox", OUTBOX_SECONDS):
        try:
            session.stat(outbox)
        except FileNotFoundError:
            session.mkdir(outbox)


def _issue(dsn: Dsn, release_id: int, names: list[str]) -> bool:
    with transaction(dsn) as connection:
        release = locked(connection, release_id)
        if release.state is not ReleaseState.SENDING:
            return False
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE ledger.release SET state = 'issued', state_reason = NULL, issued_at = clock_timestamp() "
                "WHERE release_id = %s",
                (release_id,),
            )
            cursor.execute("DELETE FROM release.package WHERE release_id = %s", (release_id,))
        facts = {"release": release_id, "recipient": release.recipient, "persons": release.persons, "files": names}
        record_event(connection, None, ACTOR, ISSUED, facts)
    return True
