"""A fictional agency that drops visits into an inbox on a real SFTP server: listed, attested or sealed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tests.support.approving import approve
from tests.support.declared import contract, site_of, write_agreement, write_feed
from tests.support.deliveries import ALLOWED, COLUMNS, HEADER, MODES, TABLE, TODAY, TRANSFORM, VISITS, Intake

from kinbridge.agreement.gate import permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.contract.odcs import feed_of
from kinbridge.decision.approvals import read_approvals
from kinbridge.delivery.collect import collect
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.plan import Collected
from kinbridge.ledger.deliveries import Delivery, get
from kinbridge.receipt.model import Receipt
from kinbridge.receive.collect import plan_of
from kinbridge.receive.receipt import receipt_of
from kinbridge.settings import landing_folder
from kinbridge.warehouse.connection import transaction

PARTNER = VISITS.split("/")[0]
DATA = r"'^visits_(?P<period>\d{6})(_[a-z])?\.csv(\.pgp)?$'"
NOTHING = r"'^visits_(?P<period>\d{6})\.nothing$'"
TERMS = """\
slaProperties:
  - { property: frequency, value: 1, unit: m }
  - { property: latency, value: 10, unit: d }
"""


@contextmanager
def agency_site(folder: Path, delivery: str = "", transmission: str = "{channel: sftp}") -> Iterator[Path]:
    """A project with this one feed; `delivery` adds to what its contract says of files. Yields the include folder."""
    with site_of(folder) as include:
        declared = f"{{ filePattern: {DATA}, nothing: {NOTHING}{delivery} }}"
        text = contract(VISITS, *COLUMNS, table=TABLE, share="0.4", delivery=declared) + TERMS
        write_feed(include, VISITS, text, TRANSFORM, {"mode.csv": MODES})
        path = write_agreement(include, PARTNER, {VISITS: ALLOWED})
        agreement = path.read_text(encoding="utf-8")
        assert "transmission: {channel: sftp}" in agreement
        path.write_text(agreement.replace("{channel: sftp}", transmission), encoding="utf-8")
        approve(include)
        yield include


def rows(*lines: str) -> bytes:
    """A file of visits with these rows."""
    return ("\n".join([HEADER, *lines]) + "\n").encode()


def entry(name: str, content: bytes, count: int | None = None, **changes: Any) -> dict[str, Any]:
    """What a manifest rightly says of a file, or wrongly with `changes`."""
    said = {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {**said, **({} if count is None else {"rows": count}), **changes}


@dataclass
class Agency:
    """The agency's side, what we collect of it, and what the ledger then says. The inbox is emptied by `leave`."""

    warehouse: Any
    server: Any
    account: str
    intake: Intake

    @property
    def inbox(self) -> Path:
        """The inbox as the agency sees it."""
        folder: Path = self.server.jail(self.account) / "inbox"
        return folder

    def drop(self, name: str, content: bytes, age: float = 60) -> bytes:
        """Put a file there, `age` seconds ago; returns its content."""
        path = self.inbox / name
        path.write_bytes(content)
        when = int(time.time() - age)
        os.utime(path, (when, when))
        return content

    def list_files(self, *entries: dict[str, Any], age: float = 50, month: str = "202606", **rest: Any) -> None:
        """Put the month's manifest there."""
        content = json.dumps({"files": list(entries), **rest}).encode()
        self.drop(f"visits_{month}.manifest.json", content, age)

    def collect(self) -> Collected:
        """One run of collect."""
        feed = feed_of(VISITS)
        plan = plan_of(feed, permit(VISITS, TODAY, read_agreements(), read_approvals(None)))
        endpoint = SftpEndpoint(
            partner=PARTNER,
            host=self.server.host,
            port=self.server.port,
            user=self.account,
            host_key=self.server.host_key,
            key_file=self.server.keys[self.account],
        )
        return collect(endpoint, plan, self.warehouse.pipeline, landing_folder(), settle_seconds=0.02)

    def delivery(self, delivery_id: int) -> Delivery:
        """The delivery in the ledger."""
        with transaction(self.warehouse.pipeline) as connection:
            return get(connection, delivery_id)

    def receipt(self, delivery_id: int) -> Receipt:
        """What the agency is told."""
        return receipt_of(self.warehouse.pipeline, delivery_id)

    def landed(self) -> list[Path]:
        """What lies in the landing folder."""
        return [path for path in landing_folder().rglob("*") if not path.is_dir()]

    def leave(self) -> None:
        """Empty inbox, landing folder and warehouse."""
        for path in [*self.inbox.glob("visits_*"), *self.landed()]:
            path.unlink()
        self.intake.empty()


MONTH = date(2026, 6, 1)
