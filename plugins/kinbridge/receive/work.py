"""What every step needs to know of a delivery, read from the ledger and the declarations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinbridge.contract.model import Column, Feed, Rule
from kinbridge.contract.odcs import feed_of, feeds
from kinbridge.contract.rules import rules
from kinbridge.ledger.deliveries import Delivery, get
from kinbridge.ledger.events import latest_facts
from kinbridge.load.load import LoadPlan
from kinbridge.staging.landing import Landing


@dataclass(frozen=True)
class Work:
    """One delivery at work: its ledger row, its feed, and the columns that were staged."""

    delivery: Delivery
    feed: Feed
    columns: tuple[Column, ...]

    @property
    def landing(self) -> Landing:
        """The delivery's landing tables."""
        return Landing(self.feed, self.columns, self.delivery.delivery_id)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules over the staged columns."""
        return rules(self.feed, self.columns)

    def load_plan(self) -> LoadPlan:
        """The delivery as the load wants it."""
        return LoadPlan(
            feed=self.feed,
            columns=self.columns,
            delivery_id=self.delivery.delivery_id,
            contract_version=self.delivery.contract_version,
            as_of=self.delivery.as_of,
            referred_columns=referred_columns(self.feed),
        )


def work_on(connection: Any, delivery_id: int) -> Work:
    """The delivery as it was staged. Columns are those that the agreement allowed then, whatever it allows by now."""
    delivery = get(connection, delivery_id)
    feed = feed_of(delivery.feed)
    staged = latest_facts(connection, delivery_id, "staged") or {}
    return Work(delivery, feed, feed.authorised(staged.get("columns", ())))


def locked(connection: Any, delivery_id: int) -> Delivery:
    """The delivery, and nobody else's to change until the transaction ends. KB-D18 when there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM ledger.delivery WHERE delivery_id = %s FOR UPDATE", (delivery_id,))
    return get(connection, delivery_id)


def landed(connection: Any, work: Work) -> bool:
    """Whether the landing tables still hold what was staged.

    They are filled in one transaction and never changed; but a crash of Postgres empties unlogged tables, each of them
    as a whole. So it is enough to see that none is empty that should not be.
    """
    staged = latest_facts(connection, work.delivery.delivery_id, "staged")
    relations = [work.landing.table, work.landing.repeat, work.landing.view]
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s) AS name", (relations,))
        if staged is None or not cursor.fetchone()[0]:
            return False
        filled = ", ".join(f"EXISTS (SELECT FROM {relation})" for relation in relations)
        cursor.execute(f"SELECT {filled}")
        rows, repeats = staged["rows"], staged["repeats"]
        return bool(cursor.fetchone() == (rows > 0, repeats > 0, rows > repeats))


def referred_columns(feed: Feed) -> tuple[tuple[str, ...], ...]:
    """The column combinations of this feed that contracts refer to, its own too; its key, where keys change."""
    found = {
        reference.their_columns
        for other in feeds().values()
        for reference in (*other.references, *([other.former_reference] if other.former_reference else []))
        if reference.feed == feed.id
    }
    return tuple(sorted(found))
