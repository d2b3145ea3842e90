"""The steps of the receive DAG in one process, in the DAG's order: the same functions, another caller."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from kinbridge.bundled.sftp import SftpService
from kinbridge.contract.odcs import feeds
from kinbridge.delivery.inbox import list_inbox
from kinbridge.delivery.sftp import open_sftp
from kinbridge.delivery.transfer import upload
from kinbridge.demo.services import endpoint_of
from kinbridge.ledger.deliveries import get
from kinbridge.ledger.states import State
from kinbridge.receive.collect import collect_feed, gate
from kinbridge.receive.load import load_delivery
from kinbridge.receive.receipt import send_receipt_of
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery
from kinbridge.warehouse.connection import Dsn, transaction

__all__ = ["SETTLE_SECONDS", "drop", "receive", "receive_all"]

# Nobody writes on at a test's files; that one who does is waited for is shown by tests of `collect`.
SETTLE_SECONDS = 0.05


def drop(server: SftpService, partner: str, path: Path, name: str | None = None) -> None:
    """Put a file into a partner's inbox, as the partner."""
    with open_sftp(endpoint_of(server, partner)) as session:
        upload(session, path.read_bytes(), f"inbox/{name or path.name}")


def inbox(server: SftpService, partner: str) -> list[str]:
    """What lies in a partner's inbox."""
    with open_sftp(endpoint_of(server, partner)) as session:
        return sorted(file.name for file in list_inbox(session, "inbox", lambda _: True).files)


def receive(dsn: Dsn, server: SftpService, feed_id: str) -> list[int]:
    """One run of a feed's receive DAG; held deliveries stay held. Returns the deliveries worked on."""
    now = datetime.now(UTC)
    feed = feeds()[feed_id]
    endpoint = endpoint_of(server, feed.partner)
    granted = gate(dsn, feed_id, now.date())
    worked = collect_feed(dsn, endpoint, feed, granted, now, settle_seconds=SETTLE_SECONDS).deliveries
    for delivery_id in worked:
        stage_delivery(dsn, delivery_id, now.date())
        validate_delivery(dsn, delivery_id, now.date())
        with transaction(dsn) as connection:
            held = get(connection, delivery_id).state is State.HELD
        if not held:
            load_delivery(dsn, delivery_id, now.date())
            send_receipt_of(dsn, endpoint, delivery_id)
    return worked


def receive_all(dsn: Dsn, server: SftpService) -> list[int]:
    """Every feed once, those that others refer to first."""
    ordered = sorted(feeds().values(), key=lambda feed: (len(feed.references), feed.id))
    return [delivery for feed in ordered for delivery in receive(dsn, server, feed.id)]
