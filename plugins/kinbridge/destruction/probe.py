"""Probes: values that only the rows of a batch hold, drawn by chance before these are destroyed, and looked for after.

They are values of people, so they are kept in memory, and for the time of the work in one encrypted file, so that a
batch whose worker was killed can still be proven. File and key are destroyed with the certificate.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kinbridge.backup.keys import KeyFolder
from kinbridge.backup.stream import SealedReader, SealedWriter
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, transaction

MOST = 50
_PART = "probes"


class Probes:
    """The probes of one batch, in a folder and under a key of their own."""

    def __init__(self, folder: Path, keys: KeyFolder, destruction_id: int) -> None:
        self._path, self._keys = folder / f"{destruction_id}.kbb", keys
        self._group, self._id = f"destruction-{destruction_id}", destruction_id

    def draw(self, dsn: Dsn, most: int = MOST) -> list[str]:
        """Draw up to so many, and keep them. Call it before anything is destroyed."""
        with transaction(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT retention.probes(%s, %s)", (self._id, most))
            found = [probe for (probe,) in cursor.fetchall()]
        self.keep(found)
        return found

    def keep(self, probes: list[str]) -> None:
        """Write them down, encrypted."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = self._keys.get(self._group, _PART) or self._keys.new(self._group, _PART)
        temporary = self._path.with_suffix(".part")
        with temporary.open("wb") as file:
            temporary.chmod(0o600)
            writer = SealedWriter(file, key, self._path.name)
            writer.write(json.dumps(probes))
            writer.close()
        temporary.replace(self._path)

    def read(self) -> list[str]:
        """What was drawn. Raises `KinbridgeError` KB-U08 when it is gone: then nothing can be proven."""
        key = self._keys.get(self._group, _PART)
        if key is None or not self._path.is_file():
            raise KinbridgeError("KB-U08", batch=self._id)
        with self._path.open("rb") as file:
            found: list[Any] = json.loads(SealedReader(file, key, self._path.name).read())
        return [str(probe) for probe in found]

    def forget(self) -> None:
        """Destroy them. Safe to repeat."""
        self._keys.destroy(self._group, _PART, "certified")
        self._path.unlink(missing_ok=True)
