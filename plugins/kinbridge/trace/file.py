"""From a partner's file, or one line of it, to what holds it: rows of the record, persons, releases and published
figures.

Reads records and identities as kb_linkage. Says how many and where; never who.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.integration.parameters import read_parameters
from kinbridge.integration.relations import ANY_PROGRAM, JOINER
from kinbridge.integration.session import making, note_parameters
from kinbridge.ledger.accounts import Account
from kinbridge.ledger.accounts import read as read_account
from kinbridge.ledger.deliveries import Delivery, get
from kinbridge.trace.authority import FILE, note, records_and_identities
from kinbridge.trace.recount import SERVED, published, recount, unlike
from kinbridge.warehouse.connection import Dsn, transaction

# Tables of the record whose rows are about a person.
TABLES = (
    "person",
    "person_address",
    "family_member",
    "program_enrollment",
    "program_exit",
    "service_event",
    "referral",
    "early_intervention",
)


@dataclass(frozen=True)
class Held:
    """Rows of one table of the record that came by the file: those in effect, and those that later ones superseded."""

    table: str
    rows: int
    current: int


@dataclass(frozen=True)
class HoldingRelease:
    """A release in which persons of the file are, and how many of them."""

    release_id: int
    name: str
    recipient: str
    state: str
    persons: int


@dataclass(frozen=True)
class CountedIn:
    """A published figure of `mart.children_served` in which the line's person is counted."""

    month: date
    grouping: str
    programs: str


@dataclass(frozen=True)
class FileTrace:
    """A file, or one line of it: what it holds, and what holds it. `outputs` are the published tables that count its
    feed; `figures`, for one line only, those in which the person is counted."""

    delivery: Delivery
    line: int | None
    account: Account | None
    held: tuple[Held, ...]
    persons: int
    releases: tuple[HoldingRelease, ...]
    outputs: tuple[str, ...]
    figures: tuple[CountedIn, ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def trace_file(dsn: Dsn, wanted: str, by: str, line: int | None = None) -> FileTrace:
    """The delivery of that number, or the newest of that file name. `dsn` is kb_linkage's way in.

    Raises `KinbridgeError` KB-T30 another role; KB-T33 there is no such file.
    """
    with transaction(dsn) as connection:
        records_and_identities(connection, dsn.user)
        delivery = _delivery(connection, wanted)
        note(connection, by, FILE, {"delivery": delivery.delivery_id, "line": line})
    with making(dsn, read_parameters()) as cursor:
        held = _held(cursor, delivery.delivery_id, line)
        cursor.execute("SELECT count(DISTINCT person_id) FROM pg_temp.behind")
        (persons,) = cursor.fetchone()
        return FileTrace(
            delivery=delivery,
            line=line,
            account=read_account(cursor.connection, delivery.delivery_id),
            held=held,
            persons=persons,
            releases=_releases(cursor, delivery.feed),
            outputs=_outputs(cursor, delivery.feed),
            figures=_figures(cursor) if line is not None and persons else (),
        )


def _delivery(connection: Any, wanted: str) -> Delivery:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT delivery_id FROM ledger.delivery WHERE delivery_id::text = %(wanted)s OR file_name = %(wanted)s "
            "ORDER BY (delivery_id::text = %(wanted)s) DESC, delivery_id DESC LIMIT 1",
            {"wanted": wanted},
        )
        row = cursor.fetchone()
    if row is None:
        raise KinbridgeError("KB-T33", what=f"of the number or file name {wanted}")
    return get(connection, row[0])


def _held(cursor: Any, delivery_id: int, line: int | None) -> tuple[Held, ...]:
    """Rows by table; and the temporary table `behind` of the persons that they are about."""
    parameters = {"delivery": delivery_id, "line": line}
    chosen = "row.delivery_id = %(delivery)s AND (%(line)s::bigint IS NULL OR row.line_no = %(line)s)"
    found: list[Held] = []
    for table in TABLES:
        cursor.execute(
            f"SELECT count(*), count(*) FILTER (WHERE row.known_to IS NULL) FROM record.{table} AS row WHERE {chosen}",
            parameters,
        )
        rows, current = cursor.fetchone()
        if rows:
            found.append(Held(table, rows, current))
    union = " UNION ".join(
        f"SELECT row.partner, row.source_person_id FROM record.{table} AS row WHERE {chosen}" for table in TABLES
    )
    cursor.execute(
        "CREATE TEMP TABLE behind ON COMMIT DROP AS "
        "SELECT link.person_id, link.partner, link.source_person_id "
        f"FROM ({union}) AS said INNER JOIN identity.person_link AS link USING (partner, source_person_id)",
        parameters,
    )
    return tuple(found)


def _releases(cursor: Any, feed: str) -> tuple[HoldingRelease, ...]:
    """Releases that are made of the feed and in which these persons are."""
    cursor.execute(
        """
        SELECT
            release.release_id,
            release.name,
            release.recipient,
            release.state,
            count(DISTINCT source.person_id)
        FROM ledger.release
        INNER JOIN release.member_source AS source ON source.release_id = release.release_id
        INNER JOIN pg_temp.behind USING (partner, source_person_id)
        WHERE EXISTS (
            SELECT 1
            FROM ledger.disclosure
            WHERE disclosure.release_id = release.release_id AND disclosure.feed = %s
        )
        GROUP BY release.release_id
        ORDER BY release.release_id
        """,
        (feed,),
    )
    return tuple(HoldingRelease(*row) for row in cursor.fetchall())


def _outputs(cursor: Any, feed: str) -> tuple[str, ...]:
    cursor.execute("SELECT DISTINCT output FROM mart.output_feed WHERE feed = %s AND counted ORDER BY output", (feed,))
    return tuple(f"mart.{output}" for (output,) in cursor.fetchall())


def _figures(cursor: Any) -> tuple[CountedIn, ...]:
    """The figures of children in which the persons are counted; none when they do not come out as published."""
    then = published(cursor)
    if then is None:
        return ()
    cursor.execute("DROP TABLE pg_temp.parameter")
    note_parameters(cursor, then.parameters)
    recount(cursor, SERVED, then)
    if unlike(cursor, SERVED):
        return ()
    cursor.execute(
        "SELECT DISTINCT month, combination FROM served_child INNER JOIN pg_temp.behind USING (person_id) ORDER BY 1, 2"
    )
    return tuple(
        CountedIn(month, grouping, programs)
        for month, combination in cursor.fetchall()
        for grouping, programs in (
            ("total", ANY_PROGRAM),
            *(("program", program) for program in combination),
            ("combination", JOINER.join(combination)),
        )
    )
