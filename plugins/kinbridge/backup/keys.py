"""The folder of keys: one random key for each part of each backup, apart from what it opens.

A key that was destroyed leaves a mark that says when and why, so that a restore can tell it from one that was lost.
Overwriting and removing a file destroys what is on an ordinary disk; snapshots and copies of the key folder would
defeat it, so there must be none (docs/retention.md).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from kinbridge.warehouse.secret_file import write_private

KEY_BYTES = 32
_KEY, _MARK = ".key", ".destroyed"


@dataclass(frozen=True)
class KeyFolder:
    """Keys by group (a backup's id) and part."""

    folder: Path

    def new(self, group: str, part: str) -> bytes:
        """Make, keep and give a random key."""
        key = secrets.token_bytes(KEY_BYTES)
        (self.folder / group).mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._path(group, part), key.hex())
        return key

    def get(self, group: str, part: str) -> bytes | None:
        """The key, or None when it is not there."""
        try:
            return bytes.fromhex(self._path(group, part).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def destroyed(self, group: str, part: str) -> str | None:
        """Why the key was destroyed; None when it was not."""
        try:
            return str(json.loads(self._path(group, part, _MARK).read_text(encoding="utf-8"))["reason"])
        except FileNotFoundError:
            return None

    def groups(self) -> list[str]:
        """The backups that have or had keys, oldest first."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir()) if self.folder.is_dir() else []

    def parts(self, group: str) -> list[str]:
        """The parts whose keys are there."""
        return sorted(self._names(group, _KEY))

    def marked(self, group: str) -> list[str]:
        """The parts whose keys were destroyed."""
        return sorted(self._names(group, _MARK))

    def destroy(self, group: str, part: str, reason: str) -> bool:
        """Destroy a key; whether there was one. The mark comes first, so a kill in between leaves both: repeat it."""
        path = self._path(group, part)
        if not path.exists():
            return False
        said = {"reason": reason, "destroyed_at": datetime.now(UTC).isoformat()}
        write_private(self._path(group, part, _MARK), json.dumps(said))
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True

    def _names(self, group: str, suffix: str) -> Iterator[str]:
        for path in (self.folder / group).glob(f"*{suffix}"):
            if not path.name.startswith("."):
                yield unquote(path.name.removesuffix(suffix))

    def _path(self, group: str, part: str, suffix: str = _KEY) -> Path:
        return self.folder / group / f"{quote(part, safe='')}{suffix}"
