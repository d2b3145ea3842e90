"""Who and what a breach concerns, worked out from ledger and lineage: counts by partner, feed and program, and
elements. Changes nothing; gives names and counts, and never who a person is.

Run as kb_owner, who alone may count over records, links and releases together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kinbridge.agreement.model import Agreement
from kinbridge.contract.odcs import feeds as declared_feeds
from kinbridge.errors import KinbridgeError

ANALYST = "kb_analyst"
ROLES = ("kb_pipeline", "kb_linkage", "kb_owner", "kb_steward", ANALYST)


@dataclass(frozen=True)
class Affected:
    """What a breach concerns.

    `persons` distinct people, `rows` by feed, `persons_by_feed`, `programs` by program, `recipients` of releases,
    `elements` by classification (contract's `personal`, `quasi`, …), and how it was worked out (`how`).
    """

    what: str
    persons: int
    rows: dict[str, int] = field(default_factory=dict)
    persons_by_feed: dict[str, int] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    elements: dict[str, list[str]] = field(default_factory=dict)
    how: str = ""

    @property
    def partners(self) -> list[str]:
        """The partners whose data it is."""
        return sorted({feed.split("/", 1)[0] for feed in self.persons_by_feed})

    def as_plain(self) -> dict[str, Any]:
        """For the ledger and for JSON."""
        return {**asdict(self), "recipients": list(self.recipients)}


def affected_by(connection: Any, what: str, agreements: list[Agreement]) -> Affected:
    """What a breach of this concerns; see KB-I01's remedy for the forms of `what`.

    Raises `KinbridgeError` KB-I01 when it is nothing of the kind or not known here.
    """
    kind, _, name = what.strip().partition(" ")
    name = name.strip()
    match kind:
        case "delivery":
            return _of_deliveries(connection, what, agreements, _deliveries(connection, what, name), "the file's rows")
        case "file":
            found = _query(
                connection,
                "SELECT delivery_id FROM ledger.delivery WHERE file_name = %s OR landed_path = %s",
                (Path(name).name, name),
            )
            numbers = [number for (number,) in found]
            if not numbers:
                raise KinbridgeError("KB-I01", what=what, detail=": no delivery is this file")
            return _of_deliveries(connection, what, agreements, numbers, "the deliveries that were this file")
        case "outbox":
            found = _query(connection, "SELECT delivery_id FROM ledger.delivery WHERE partner = %s", (name,))
            if not found:
                raise KinbridgeError("KB-I01", what=what, detail=": nothing came from this partner")
            numbers = [number for (number,) in found]
            how = "receipts hold lines and rules and no values; counted is whom their files are about"
            return _of_deliveries(connection, what, agreements, numbers, how)
        case "release":
            return _of_release(connection, what, name)
        case "role" if name in ROLES:
            if name == ANALYST:
                return Affected(what, 0, how="the role reads published counts only; nobody can be known by them")
            return _of_everything(connection, what, agreements, "the role can read records")
        case "backup":
            if not _query(connection, "SELECT 1 FROM ledger.backup WHERE backup_id = %s", (name,)):
                raise KinbridgeError("KB-I01", what=what, detail=": no such backup")
            return _of_everything(
                connection, what, agreements, "all that was recorded; encrypted, so only with its keys"
            )
    raise KinbridgeError("KB-I01", what=what, detail="")


def _deliveries(connection: Any, what: str, name: str) -> list[int]:
    if not name.isdigit() or not _query(
        connection, "SELECT 1 FROM ledger.delivery WHERE delivery_id = %s", (int(name),)
    ):
        raise KinbridgeError("KB-I01", what=what, detail=": no such delivery")
    return [int(name)]


def _of_deliveries(connection: Any, what: str, agreements: list[Agreement], numbers: list[int], how: str) -> Affected:
    # Rows that said nothing new stand under an earlier delivery, so the account counts rows and the record persons.
    rows = dict(
        _query(
            connection,
            """
            SELECT d.feed, coalesce(sum(a.source_rows), 0)::bigint
            FROM ledger.delivery AS d
            LEFT JOIN ledger.account AS a USING (delivery_id)
            WHERE d.delivery_id = ANY(%s)
            GROUP BY d.feed
            """,
            (numbers,),
        )
    )
    return _counted(connection, what, agreements, rows, how)


def _of_everything(connection: Any, what: str, agreements: list[Agreement], how: str) -> Affected:
    found = _query(
        connection,
        """
        SELECT d.feed, coalesce(sum(a.source_rows), 0)::bigint
        FROM ledger.delivery AS d
        LEFT JOIN ledger.account AS a USING (delivery_id)
        GROUP BY d.feed
        """,
        (),
    )
    return _counted(connection, what, agreements, dict(found), how)


def _counted(connection: Any, what: str, agreements: list[Agreement], rows: dict[str, int], how: str) -> Affected:
    """Persons of these feeds (`rows`: those of the files concerned): all that the feeds ever told of, since a file may
    repeat what an earlier one said."""
    feeds = sorted(rows)
    tables = [
        name
        for (name,) in _query(
            connection,
            """
            SELECT format('%%I.%%I', n.nspname, c.relname)
            FROM pg_class AS c
            INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'record'
                AND c.relkind IN ('r', 'p')
                AND (
                    SELECT count(*)
                    FROM pg_attribute AS a
                    WHERE a.attrelid = c.oid AND a.attname IN ('feed', 'partner', 'source_person_id')
                ) = 3
            ORDER BY 1
            """,
            (),
        )
    ]
    union = " UNION ".join(f"SELECT t.feed, t.partner, t.source_person_id FROM {name} AS t" for name in tables)
    told = f"""
        WITH told AS ({union}),
        known AS (
            SELECT told.feed, coalesce(link.person_id::text, told.partner || '/' || told.source_person_id) AS person
            FROM told
            LEFT JOIN identity.person_link AS link USING (partner, source_person_id)
            WHERE told.feed = ANY(%(feeds)s) AND told.source_person_id IS NOT NULL
        )
    """
    by_feed = dict(
        _query(
            connection,
            told + "SELECT feed, count(DISTINCT person)::bigint FROM known GROUP BY feed ORDER BY feed",
            {"feeds": feeds},
        )
    )
    [(persons,)] = _query(connection, told + "SELECT count(DISTINCT person)::bigint FROM known", {"feeds": feeds})
    programs = dict(
        _query(
            connection,
            """
            SELECT program, count(DISTINCT (partner, source_person_id))::bigint
            FROM record.program_enrollment
            WHERE feed = ANY(%s)
            GROUP BY program
            ORDER BY program
            """,
            (feeds,),
        )
    )
    return Affected(
        what,
        persons,
        rows,
        {feed: by_feed.get(feed, 0) for feed in feeds},
        programs,
        (),
        _elements(agreements, feeds),
        how,
    )


def _of_release(connection: Any, what: str, name: str) -> Affected:
    found = _query(
        connection,
        "SELECT release_id, recipient_name FROM ledger.release WHERE name = %s AND built_at IS NOT NULL",
        (name,),
    )
    if not found:
        raise KinbridgeError("KB-I01", what=what, detail=": no such release was made")
    numbers = [number for number, _ in found]
    by_feed = dict(
        _query(
            connection,
            """
            SELECT d.feed, count(DISTINCT s.person_id)::bigint
            FROM (SELECT DISTINCT release_id, feed FROM ledger.disclosure) AS d
            LEFT JOIN release.member_source AS s
                ON s.release_id = d.release_id AND s.partner = split_part(d.feed, '/', 1)
            WHERE d.release_id = ANY(%s)
            GROUP BY d.feed
            ORDER BY d.feed
            """,
            (numbers,),
        )
    )
    [(persons,)] = _query(
        connection,
        "SELECT count(DISTINCT person_id)::bigint FROM release.member WHERE release_id = ANY(%s)",
        (numbers,),
    )
    elements = _query(
        connection,
        "SELECT DISTINCT element FROM ledger.disclosure WHERE release_id = ANY(%s) ORDER BY 1",
        (numbers,),
    )
    return Affected(
        what,
        persons,
        {},
        by_feed,
        {},
        tuple(sorted({recipient for _, recipient in found})),
        {"released": [element for (element,) in elements]},
        "the persons in the release, under random codes",
    )


def _elements(agreements: list[Agreement], feeds: list[str]) -> dict[str, list[str]]:
    """The columns that agreements let in, by the contract's classification."""
    allowed: dict[str, set[str]] = {}
    for agreement in agreements:
        for feed, columns in agreement.feeds.items():
            if feed in feeds:
                allowed.setdefault(feed, set()).update(columns)
    found: dict[str, list[str]] = {}
    for feed in feeds:
        declared = declared_feeds().get(feed)
        for column in declared.columns if declared else ():
            if column.name in allowed.get(feed, set()):
                found.setdefault(str(column.classification), []).append(f"{feed}.{column.name}")
    return {name: sorted(columns) for name, columns in sorted(found.items())}


def _query(connection: Any, statement: str, parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
