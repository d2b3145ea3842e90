"""Puts a receipt into the partner's outbox: the page and the JSON, each in one step. Safe to repeat."""

from __future__ import annotations

from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.names import readable
from kinbridge.delivery.plan import OUTBOX
from kinbridge.delivery.sftp import Timeouts, open_sftp
from kinbridge.delivery.transfer import upload
from kinbridge.errors import KinbridgeError
from kinbridge.receipt.model import Receipt
from kinbridge.receipt.render import render_html, render_json


def send_receipt(
    endpoint: SftpEndpoint, receipt: Receipt, *, outbox: str = OUTBOX, timeouts: Timeouts | None = None
) -> tuple[str, str]:
    """Send both forms; their paths on the partner's server.

    Raises as `open_sftp` and `upload` do, and KB-D16 for a file name that must not become part of a path.
    """
    name, cause = readable(receipt.stem.encode("utf-8", "surrogateescape"))
    if name is None:
        raise KinbridgeError("KB-D16", partner=endpoint.partner, file=f"receipt {receipt.delivery_id}", cause=cause)
    page, data = f"{outbox}/{name}.html", f"{outbox}/{name}.json"
    with open_sftp(endpoint, timeouts) as session:
        upload(session, render_json(receipt), data)
        upload(session, render_html(receipt), page)
    return page, data
