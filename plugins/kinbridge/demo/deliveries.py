"""Drops the simulator's files into the partners' inboxes, over SFTP, as each partner."""

from __future__ import annotations

from pathlib import Path

from kinbridge.bundled.sftp import SftpService
from kinbridge.delivery.inbox import list_inbox
from kinbridge.delivery.plan import INBOX
from kinbridge.delivery.sftp import open_sftp
from kinbridge.delivery.transfer import upload
from kinbridge.demo.services import endpoint_of
from kinbridge.settings import state_folder
from kinbridge.simulator import simulate


def simulated_folder() -> Path:
    """Where the simulator's files and its truth lie."""
    return state_folder() / "simulated"


def prepare(families: int, seed: int, months: int) -> Path:
    """Simulate once; a later demo drops the same files again."""
    folder = simulated_folder()
    if not (folder / "truth").is_dir():
        simulate(folder, families, seed, months)
    return folder


def drop(service: SftpService, folder: Path) -> int:
    """Upload every file that is not in the partner's inbox yet; returns how many were uploaded."""
    count = 0
    for partner in sorted(service.keys):
        files = sorted((folder / partner).glob("*"))
        with open_sftp(endpoint_of(service, partner)) as session:
            there = {file.name for file in list_inbox(session, INBOX, lambda _: True).files}
            for file in files:
                if file.name not in there:
                    upload(session, file.read_bytes(), f"{INBOX}/{file.name}")
                    count += 1
    return count
