"""Where destruction works on this machine: certificates, probes under way, keys of backups, searched folders."""

from __future__ import annotations

import os
from pathlib import Path

from kinbridge.errors import KinbridgeError
from kinbridge.settings import great_expectations_folder, landing_folder, state_folder
from kinbridge.warehouse.connection import Dsn
from kinbridge.warehouse.roles import AIRFLOW, role_dsns


def certificate_folder() -> Path:
    """Where certificates are kept. They hold counts, names and clauses."""
    return state_folder() / "certificates"


def probe_folder() -> Path:
    """Where the probes of a batch wait, encrypted, while it is carried out."""
    return state_folder() / "probes"


def key_folder() -> Path:
    """Where keys are kept: apart from what they open. `KINBRIDGE_BACKUP_KEYS` puts it on another disk."""
    return Path(os.environ.get("KINBRIDGE_BACKUP_KEYS") or state_folder() / "backup_keys")


def searched_folders() -> list[Path]:
    """Folders in which nothing of what was destroyed may be found: files on their way, results, notices, logs."""
    return [
        landing_folder(),
        great_expectations_folder() / "uncommitted",
        state_folder() / "work",
        state_folder() / "incidents",
        certificate_folder(),
        airflow_logs(),
    ]


def airflow_logs() -> Path:
    """Airflow's own logs, where this process can tell: by its settings, or those of the bundled Airflow."""
    named = os.environ.get("AIRFLOW__LOGGING__BASE_LOG_FOLDER")
    return Path(named) if named else Path(os.environ.get("AIRFLOW_HOME") or state_folder() / "airflow") / "logs"


def airflow_metadata() -> Dsn | None:
    """The way into Airflow's metadata, where it is at hand: `KINBRIDGE_AIRFLOW_URL`, or that of the bundled Airflow."""
    url = os.environ.get("KINBRIDGE_AIRFLOW_URL")
    if url:
        return Dsn.from_url(url)
    try:
        return role_dsns(state_folder() / "roles").get(AIRFLOW)
    except KinbridgeError:
        return None
