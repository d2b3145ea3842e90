"""What already holds an element that an amendment takes back: columns of the record, quarantined rows, landing tables,
landed files, releases. Counts only; never a value.

The amendment stops the element from the next run on. What was received before stays until retention or a decision ends
it, so people have to know where it is. Told in the ledger once, when the amended version is first obeyed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from psycopg2 import sql

from kinbridge.agreement.difference import removed_elements
from kinbridge.agreement.force import Force
from kinbridge.agreement.model import Agreement
from kinbridge.contract.odcs import feeds
from kinbridge.ledger.events import record_once
from kinbridge.load.origin import origins_of
from kinbridge.release.elements import integrated_elements

ACTOR = "agreement.holdings"
TOLD = "elements taken back"
RECORD, QUARANTINE, LANDING, FILES, RELEASES = "record", "quarantine", "landing", "files", "releases"


@dataclass(frozen=True, order=True)
class Holding:
    """One place that holds something of an element: the kind of place, its name, and how many rows (or files,
    releases)."""

    feed: str
    element: str
    place: str
    name: str
    count: int


def holdings(connection: Any, removed: dict[str, Iterable[str]]) -> list[Holding]:
    """Where the elements of each feed are held now, sorted; places that hold nothing are left out."""
    found: list[Holding] = []
    for feed_id, elements in removed.items():
        for element in sorted(elements):
            found.extend(_record(connection, feed_id, element))
            found.extend(_quarantine(connection, feed_id, element))
            found.extend(_landing(connection, feed_id, element))
            found.extend(_files(connection, feed_id, element))
            found.extend(_releases(connection, feed_id, element))
    return sorted(one for one in found if one.count)


def note_taken_back(connection: Any, feed_id: str, day: date, every: Force) -> list[Holding]:
    """Where an amendment that is in force by that day took elements of the feed back, tell what holds them, once.

    The amendment is held against the version that was in force before it. Returns what was told now.
    """
    replaced = [
        (old, new)
        for old in every.agreements
        if feed_id in old.feeds and every.took_effect(old, day) and (new := every.successor(old, day)) is not None
    ]
    if not replaced:
        return []
    return tell_once(connection, feed_id, *max(replaced, key=lambda pair: (pair[0].effective, pair[0].version)))


def tell_once(connection: Any, feed_id: str, old: Agreement, new: Agreement) -> list[Holding]:
    """Write into the ledger what holds the elements of the feed that the amendment takes back, the first time only.

    Returns what was written; nothing when it was told before, or when nothing was taken back.
    """
    gone = removed_elements(old, new).get(feed_id)
    if not gone:
        return []
    facts = {"agreement": new.id, "from": old.version, "to": new.version, "elements": sorted(gone)}
    if not record_once(connection, feed_id, ACTOR, TOLD, facts):
        return []
    found = holdings(connection, {feed_id: gone})
    held = [{name: value for name, value in asdict(one).items() if name != "feed"} for one in found]
    record_once(connection, feed_id, ACTOR, f"{TOLD}: held", {**facts, "held": held})
    return found


def _record(connection: Any, feed_id: str, element: str) -> list[Holding]:
    """Rows of the record, history included, whose column holds something of it: those that this feed brought."""
    feed = feeds().get(feed_id)
    if feed is None:
        return []
    found = []
    for origin in sorted(origins_of(feed)):
        table, column = origin.element.split(".", 1)
        if origin.column == element:
            statement = sql.SQL("SELECT count(*) FROM record.{} WHERE feed = %s AND {} IS NOT NULL").format(
                sql.Identifier(table), sql.Identifier(column)
            )
            count = _count(connection, statement, (feed_id,))
            found.append(Holding(feed_id, element, RECORD, f"record.{origin.element}", count))
    return found


def _quarantine(connection: Any, feed_id: str, element: str) -> list[Holding]:
    statement = """
        SELECT count(*)
        FROM quarantine.source_row AS q
        INNER JOIN ledger.delivery AS d USING (delivery_id)
        WHERE
            d.feed = %s
            AND nullif(q.content ->> %s, '') IS NOT NULL
    """
    count = _count(connection, statement, (feed_id, element))
    return [Holding(feed_id, element, QUARANTINE, "quarantine.source_row", count)]


def _landing(connection: Any, feed_id: str, element: str) -> list[Holding]:
    """The landing tables of deliveries that are not settled yet, or were not cleared."""
    feed = feeds().get(feed_id)
    if feed is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname
            FROM pg_catalog.pg_class AS c
            INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
            WHERE
                c.relnamespace = 'landing'::regnamespace
                AND c.relkind = 'r'
                AND c.relname ~ ('^' || %s || '__d[0-9]+$')
                AND a.attname = %s
                AND NOT a.attisdropped
            ORDER BY c.relname
            """,
            (feed.slug, element),
        )
        names = [name for (name,) in cursor.fetchall()]
    return [
        Holding(
            feed_id,
            element,
            LANDING,
            f"landing.{name}",
            _count(
                connection,
                sql.SQL("SELECT count(*) FROM landing.{} WHERE {} IS NOT NULL").format(
                    sql.Identifier(name), sql.Identifier(element)
                ),
                (),
            ),
        )
        for name in names
    ]


def _files(connection: Any, feed_id: str, element: str) -> list[Holding]:
    """Landed files that the ledger knows to be here still: a file holds all that the partner sent."""
    statement = "SELECT count(*) FROM ledger.delivery WHERE feed = %s AND landed_path IS NOT NULL"
    return [Holding(feed_id, element, FILES, "landed files", _count(connection, statement, (feed_id,)))]


def _releases(connection: Any, feed_id: str, element: str) -> list[Holding]:
    """Releases that disclosed a column of `integrated` which is made of something that comes of it."""
    feed = feeds().get(feed_id)
    if feed is None:
        return []
    said = {origin.element for origin in origins_of(feed) if origin.column == element}
    names = [one.name for one in integrated_elements().values() if said & set(one.elements)]
    statement = "SELECT count(DISTINCT release_id) FROM ledger.disclosure WHERE feed = %s AND element = ANY(%s)"
    return [Holding(feed_id, element, RELEASES, "ledger.release", _count(connection, statement, (feed_id, names)))]


def _count(connection: Any, statement: Any, parameters: tuple[Any, ...]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.fetchone()[0])
