"""Starts and stops what the demo runs: Postgres, the SFTP server, Airflow. Nothing else of the machine is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinbridge.bundled import airflow_service, postgres, sftp
from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.bundled.airflow_service import AirflowService
from kinbridge.bundled.postgres import PostgresService
from kinbridge.bundled.sftp import SftpService
from kinbridge.contract.odcs import feeds
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.deployment.connections import ROLES
from kinbridge.partner.profile import partners
from kinbridge.release.recipient import recipients
from kinbridge.settings import great_expectations_folder, state_folder
from kinbridge.warehouse.connection import Dsn
from kinbridge.warehouse.migrate import migrate
from kinbridge.warehouse.roles import provision, role_dsns

Say = Callable[[str], None]
# How many tasks may hold a partner's connection at once.
SFTP_SLOTS = 4


@dataclass(frozen=True)
class Stack:
    """The running services of the demo."""

    postgres: PostgresService
    dsns: dict[str, Dsn]
    sftp: SftpService
    airflow: AirflowService

    def endpoint(self, partner: str) -> SftpEndpoint:
        """How to reach the partner's account, host key pinned."""
        return endpoint_of(self.sftp, partner)


def endpoint_of(service: SftpService, partner: str) -> SftpEndpoint:
    """A partner's account on the bundled server."""
    return SftpEndpoint(partner, service.host, service.port, partner, service.host_key, service.keys[partner])


def start_storage(say: Say) -> tuple[PostgresService, dict[str, Dsn], SftpService]:
    """Start Postgres and the SFTP server, make roles and databases, migrate the warehouse."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    server = postgres.start(folder / "postgres")
    say(f"Postgres on 127.0.0.1:{server.port}")
    dsns = provision(server.dsn(), folder / "roles")
    say(f"warehouse at migration {migrate(dsns['kb_owner'])}")
    files = sftp.start(folder / "sftp", [*partners(), *recipients()])
    say(f"SFTP server on 127.0.0.1:{files.port}, accounts {', '.join(sorted(files.keys))}")
    return server, dsns, files


def start_airflow(
    dsns: dict[str, Dsn], files: SftpService, say: Say, *, environment: dict[str, str] | None = None
) -> AirflowService:
    """Start Airflow and give it the pool and the connections; secrets go through its API into its encrypted store.

    `environment` is added to that of its processes, for tests.
    """
    service = airflow_service.start(state_folder() / "airflow", dsns["airflow"], environment=environment)
    say(f"Airflow on {service.url}")
    api = AirflowApi(service)
    api.put_pool("sftp", SFTP_SLOTS, "Connections to partners' servers at one time")
    for connection_id, role in ROLES.items():
        dsn = dsns[role]
        api.put_connection(
            connection_id,
            conn_type="postgres",
            host=dsn.host,
            port=dsn.port,
            login=dsn.user,
            password=dsn.password,
            schema=dsn.database,
            extra=json.dumps({"sslmode": dsn.sslmode}),
        )
    for partner, key in files.keys.items():
        extra = {"host_key": files.host_key, "key_file": str(key)}
        api.put_connection(
            f"sftp_{partner}",
            conn_type="sftp",
            host=files.host,
            port=files.port,
            login=partner,
            extra=json.dumps(extra),
        )
    return service


def stop(say: Say) -> None:
    """Stop what the pid files of the state folder name."""
    folder = state_folder()
    for name, ran in (
        ("Airflow", airflow_service.stop(folder / "airflow")),
        ("SFTP server", sftp.stop(folder / "sftp")),
        ("Postgres", postgres.stop(folder / "postgres")),
    ):
        say(f"{name}: {'stopped' if ran else 'was not running'}")


def clean(say: Say) -> None:
    """Stop everything and remove its data: the state folder, the GX results, nothing that git keeps."""
    stop(say)
    for folder in (state_folder(), great_expectations_folder() / "uncommitted"):
        if folder.exists():
            shutil.rmtree(folder)
            say(f"removed {folder}")


def running_dsns() -> dict[str, Dsn]:
    """The way in for each role of the demo's warehouse."""
    return role_dsns(state_folder() / "roles")


def landing_zone(files: SftpService, partner: str) -> Path:
    """The partner's outbox on this machine, where receipts lie."""
    return files.jail(partner) / "outbox"


def feed_count() -> int:
    """How many feeds the declarations have."""
    return len(feeds())
