"""Puts a receipt into the partner's outbox: page, JSON and findings file, each in one step. Safe to repeat."""

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
    endpoint: SftpEndpoint,
    receipt: Receipt,
    findings: bytes,
    *,
    outbox: str = OUTBOX,
    timeouts: Timeouts | None = None,
) -> tuple[str, str, str]:
    """Send the three forms, the page last, since it points to the others; their paths on the partner's server.

    `findings` are the bytes of the findings file.

    Raises as `open_sftp` and `upload` do, and KB-D16 for a file name that must not become part of a path.
    """
    name, cause = readable(receipt.stem.encode("utf-8", "surrogateescape"))
    if name is None:
        raise KinbridgeError("KB-D16", partner=endpoint.partner, file=f"receipt {receipt.delivery_id}", cause=cause)
    page, data, lines = (f"{endpoint.place(outbox)}/{name}.{form}" for form in ("html", "json", "csv"))
    with open_sftp(endpoint, timeouts) as session:
        upload(session, render_json(receipt), data)
        upload(session, findings, lines)
        upload(session, render_html(receipt), page)
    return page, data, lines
