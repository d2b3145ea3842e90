"""From Airflow connections to what our own clients take. Secrets pass through; nothing here keeps or logs them."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import Connection

from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.errors import KinbridgeError
from kinbridge.partner.intermediary import intermediary_of
from kinbridge.warehouse.connection import Dsn

PIPELINE = "kinbridge_pipeline"
LINKAGE = "kinbridge_linkage"
# For the review page only: no task asks for it.
STEWARD = "kinbridge_steward"


def warehouse(connection_id: str) -> Dsn:
    """The warehouse as one of its roles: `kinbridge_pipeline`, `kinbridge_linkage` or `kinbridge_steward`."""
    found = Connection.get(connection_id)
    return Dsn(
        host=found.host,
        port=found.port or 5432,
        database=found.schema,
        user=found.login,
        password=found.password or "",
        sslmode=found.extra_dejson.get("sslmode", "prefer"),
    )


def sftp(partner: str) -> SftpEndpoint:
    """The partner's SFTP server, from the connection `sftp_<partner>`; that of its intermediary where it has one.

    `extra` holds `host_key` (the server's public key, pinned: one line as in known_hosts, without the host), and
    `key_file` or `private_key`. Raises `KinbridgeError` KB-D51 when no host key is pinned.
    """
    sender = intermediary_of(partner)
    found = Connection.get(f"sftp_{sender.code if sender else partner}")
    extra = found.extra_dejson
    if not extra.get("host_key"):
        raise KinbridgeError("KB-D51", partner=partner)
    return SftpEndpoint(
        partner=partner,
        host=found.host,
        port=found.port or 22,
        user=found.login,
        host_key=extra["host_key"],
        key_file=Path(extra["key_file"]) if extra.get("key_file") else None,
        private_key=extra.get("private_key"),
        folder=sender.folder if sender else "",
    )
