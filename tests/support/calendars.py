"""A fictional partner with two monthly feeds, its deliveries put straight into a real ledger, and its calendar."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.support.approving import approve
from tests.support.declared import column, contract, site_of, write_agreement, write_feed

from kinbridge.calendar.read import PartnerCalendar, read_calendars
from kinbridge.calendar.status import Status
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.deliveries import NewDelivery, register
from kinbridge.ledger.events import record_event
from kinbridge.notice.message import Mail
from kinbridge.notice.post import post_alerts
from kinbridge.warehouse.connection import transaction

PARTNER = "snap"
VISITS, NOTES = f"{PARTNER}/visits_v1", f"{PARTNER}/notes_v1"
TERMS = """\
slaProperties:
  - { property: frequency, value: 1, unit: m }
  - { property: latency, value: 10, unit: d }
"""
_numbers = itertools.count(1)


@contextmanager
def calendar_site(folder: Path, effective: date, expires: date) -> Iterator[Path]:
    """A project with these two feeds only, due on the 10th by Denver's clock, and an agreement over these days."""
    with site_of(folder) as include:
        for feed in (VISITS, NOTES):
            stem = feed.split("/")[1].removesuffix("_v1")
            delivery = f"{{ filePattern: '^{stem}_(?P<period>\\d{{6}})\\.csv$' }}"
            text = contract(feed, column("id", "string", "primaryKey: true"), delivery=delivery) + TERMS
            write_feed(include, feed, text)
        profile = include / "partners" / PARTNER / "profile.yaml"
        profile.write_text(profile.read_text(encoding="utf-8") + "timezone: America/Denver\n", encoding="utf-8")
        agreement = write_agreement(include, PARTNER, {VISITS: ["id"], NOTES: ["id"]})
        text = agreement.read_text(encoding="utf-8").replace("effective: 2025-01-01", f"effective: {effective}")
        text = text.replace("expires: 2026-12-31", f"expires: {expires}").replace("signed: 2024", "signed: 2020")
        agreement.write_text(text, encoding="utf-8")
        approve(include)
        yield include


@dataclass
class Post:
    """A mail server that keeps what it is given, and fails while it is told to."""

    mails: list[Mail] = field(default_factory=list)
    failure: BaseException | None = None

    def __call__(self, mail: Mail) -> None:
        if self.failure is not None:
            raise self.failure
        self.mails.append(mail)

    def take(self) -> list[Mail]:
        mails, self.mails = self.mails, []
        return mails


@dataclass
class Office:
    """The warehouse, and what people do and see."""

    warehouse: Any
    post: Post = field(default_factory=Post)

    def deliver(self, month: str, state: str = "accepted", at: str = "", *, feed: str = VISITS, was: str = "") -> int:
        """A delivery for the month (yyyy-MM) that is in `state` now.

        It was dropped `at` a moment in UTC, by default on the 5th after the month. `was` is a state that it passed on
        its way.
        """
        first = date.fromisoformat(f"{month}-01")
        number = next(_numbers)
        arrived = at or f"{first.year + first.month // 12}-{first.month % 12 + 1:02}-05T12:00+00:00"
        with transaction(self.warehouse.pipeline) as connection:
            delivery = register(
                connection,
                NewDelivery(
                    partner=PARTNER,
                    feed=feed,
                    file_name=f"{feed.split('/')[1].removesuffix('_v1')}_{first:%Y%m}.csv",
                    size_bytes=1,
                    sha256=f"{number:064}",
                    remote_mtime=datetime.fromisoformat(arrived),
                    period=first,
                    as_of=first,
                    landed_path=None,
                    contract_version="1.0.0",
                    agreement_id="dsa-snap",
                    agreement_version="1.0.0",
                ),
                "test",
            )
            if was:
                record_event(connection, delivery.delivery_id, "test", "state", {"from": "validated", "to": was})
        self.become(delivery.delivery_id, state)
        # Tests know no clock: what arrived on a day was collected soon after.
        self.warehouse.query(
            "UPDATE ledger.delivery SET collected_at = %s::timestamptz + interval '1 hour' WHERE delivery_id = %s",
            (arrived, delivery.delivery_id),
        )
        return delivery.delivery_id

    def become(self, delivery_id: int, state: str) -> None:
        """Put a delivery into a state, whatever lies between."""
        self.warehouse.query(
            "UPDATE ledger.delivery SET state = %s, settled_at = CASE WHEN %s <> 'held' THEN clock_timestamp() END "
            "WHERE delivery_id = %s",
            (state, state, delivery_id),
        )

    def calendar(self, as_of: str) -> PartnerCalendar:
        [found] = read_calendars(self.warehouse.pipeline, noon(as_of))
        assert found.as_of == date.fromisoformat(as_of)
        return found

    def statuses(self, as_of: str, feed: str = VISITS) -> dict[str, Status]:
        """The status of each period of a feed on that day."""
        return {one.period.label: one.status for one in self.calendar(as_of).expectations if one.feed == feed}

    def tell(self, as_of: str, *, connected: bool = True) -> list[str]:
        """Work the day's alerts; what the ledger has since, as kind, feed and period."""
        before = self.told()
        try:
            post_alerts(self.warehouse.pipeline, [self.calendar(as_of)], self.post if connected else None)
        except KinbridgeError as error:
            return [error.code]
        return [one for one in self.told() if one not in before]

    def told(self) -> list[str]:
        rows = self.warehouse.query(
            "SELECT concat_ws(' ', kind, feed, to_char(period, 'YYYY-MM'), state) FROM ledger.notice ORDER BY notice_id"
        )
        return [text for (text,) in rows]

    def empty(self) -> None:
        self.warehouse.query("TRUNCATE ledger.delivery, ledger.event, ledger.mail, ledger.pause CASCADE")


def noon(day: str) -> datetime:
    """Noon of a day in Denver."""
    return datetime.fromisoformat(f"{day}T19:00:00").replace(tzinfo=UTC)
