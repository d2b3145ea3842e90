"""Sends mails through Airflow's SMTP provider, by the connection `smtp_default`.

The connection's extra may hold `from_email`; our office's address is the sender when it does not. A failure's text can
repeat addresses, so only its kind is told.
"""

from __future__ import annotations

import html
import logging

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from kinbridge.errors import KinbridgeError
from kinbridge.notice.message import Mail, Sender
from kinbridge.orchestration.connections import PIPELINE, warehouse

log = logging.getLogger(__name__)

CONNECTION = "smtp_default"
# The provider sends HTML only; the text keeps its lines in it.
PAGE = '<html><body><div style="white-space: pre-wrap">{}</div></body></html>'


def tell_of(delivery_id: int) -> None:
    """Mail the partner about a delivery that is held or settled; the calendar's next run tries a failed mail again."""
    # Here, since every task of every feed would pay for this import.
    from kinbridge.notice.post import post_delivery

    try:
        post_delivery(warehouse(PIPELINE), delivery_id, mail_sender())
    except KinbridgeError as error:
        log.warning("no mail about delivery %d: %s", delivery_id, error)


def mail_sender() -> Sender | None:
    """What sends a mail; None when there is no mail connection."""
    try:
        Connection.get(CONNECTION)
    except AirflowNotFoundException:
        return None
    return send


def send(mail: Mail) -> None:
    """Send one mail. Raises `KinbridgeError` KB-E08 when the server does not take it."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    try:
        with SmtpHook(smtp_conn_id=CONNECTION) as hook:
            hook.send_email_smtp(
                to=mail.to,
                cc=mail.cc,
                subject=mail.subject,
                html_content=PAGE.format(html.escape(mail.body)),
                from_email=hook.from_email or mail.cc[0],
                # No out-of-office answers, please (RFC 3834).
                custom_headers={"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated"},
            )
    except Exception as error:
        raise KinbridgeError("KB-E08", count=1, cause=type(error).__name__) from None
