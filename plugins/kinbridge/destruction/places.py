"""Where destruction works on this machine: certificates, probes under way, keys of backups, searched folders."""

from __future__ import annotations

import os
from pathlib import Path

from kinbridge.settings import great_expectations_folder, landing_folder, state_folder


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
    """Folders in which nothing of what was destroyed may be found: files on their way, results, notices."""
    return [
        landing_folder(),
        great_expectations_folder() / "uncommitted",
        state_folder() / "work",
        state_folder() / "incidents",
        certificate_folder(),
    ]
