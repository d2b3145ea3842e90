"""What a backup consists of: `manifest.json`, written last. A folder without one is a backup that was broken off."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.secret_file import write_private

NAME = "manifest.json"


@dataclass(frozen=True)
class Sealed:
    """One encrypted file: its part, table and columns, and what it holds."""

    file: str
    part: str
    schema: str
    table: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One whole backup."""

    backup_id: str
    made_at: datetime
    made_by: str
    migration: str
    files: tuple[Sealed, ...]

    @property
    def parts(self) -> list[str]:
        """The parts, each once."""
        return sorted({sealed.part for sealed in self.files})

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(sealed.rows for sealed in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(sealed.bytes for sealed in self.files)

    def write(self, folder: Path) -> None:
        """Make the backup in `folder` whole, in one step."""
        said: dict[str, Any] = {**asdict(self), "made_at": self.made_at.isoformat()}
        write_private(folder / NAME, json.dumps(said, indent=1) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the backup in `folder`. Raises `KinbridgeError` KB-U21 when there is no whole one."""
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        files = tuple(Sealed(**{**one, "columns": tuple(one["columns"])}) for one in data["files"])
        return Manifest(
            data["backup_id"], datetime.fromisoformat(data["made_at"]), data["made_by"], data["migration"], files
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise KinbridgeError("KB-U21", folder=folder) from None


def backups_in(folder: Path) -> tuple[list[Manifest], list[str]]:
    """The whole backups below `folder`, oldest first, and the names of those that were broken off."""
    whole: list[Manifest] = []
    broken: list[str] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.is_dir():
            continue
        try:
            whole.append(read_manifest(path))
        except KinbridgeError:
            broken.append(path.name)
    return whole, broken
