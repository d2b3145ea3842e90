"""The Airflow connections of a deployment, as the file that `airflow connections import` takes.

The file holds secrets: it is written for its owner only, and removed once it is imported. Airflow keeps what it read
encrypted with the Fernet key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kinbridge.warehouse.connection import Dsn
from kinbridge.warehouse.secret_file import write_private

# Airflow's name for each role that tasks and the review page log in as.
ROLES = {"kinbridge_pipeline": "kb_pipeline", "kinbridge_linkage": "kb_linkage", "kinbridge_steward": "kb_steward"}


@dataclass(frozen=True)
class SftpServer:
    """Where the partners' accounts are, and the one host key that we accept."""

    host: str
    port: int
    host_key: str


def connections(dsns: Mapping[str, Dsn], server: SftpServer, keys: Path, partners: Iterable[str]) -> dict[str, object]:
    """Every connection by id. `keys` is the folder of our private keys, one file named for each partner."""
    found: dict[str, object] = {}
    for connection_id, role in ROLES.items():
        dsn = dsns[role]
        found[connection_id] = {
            "conn_type": "postgres",
            "host": dsn.host,
            "port": dsn.port,
            "login": dsn.user,
            "password": dsn.password,
            "schema": dsn.database,
            "extra": json.dumps({"sslmode": dsn.sslmode}),
        }
    for partner in partners:
        private_key = (keys / partner).read_text(encoding="ascii")
        found[f"sftp_{partner}"] = {
            "conn_type": "sftp",
            "host": server.host,
            "port": server.port,
            "login": partner,
            "extra": json.dumps({"host_key": server.host_key, "private_key": private_key}),
        }
    return found


def write_connections(path: Path, found: Mapping[str, object]) -> None:
    """Write the file for its owner only."""
    write_private(path, json.dumps(found, indent=1) + "\n")
