"""Make a backup: every table as of one moment, streamed through compression and encryption, the manifest last.

Run as the owner: no other role may read all of it. Nothing is written in clear, and memory does not grow with a table.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinbridge.backup.keys import KeyFolder
from kinbridge.backup.manifest import Manifest, Sealed
from kinbridge.backup.part import Slice, slices, tables
from kinbridge.backup.stream import SealedWriter
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, transaction
from kinbridge.warehouse.migrate import newest

MADE = "backup made"


def make_backup(owner: Dsn, to: Path, keys: KeyFolder, by: str) -> Manifest:
    """Make one backup in a new folder below `to`.

    Raises `KinbridgeError`: KB-U20 when `to` and the folder of keys lie in each other; KB-S20 to KB-S26.
    """
    if to.resolve().is_relative_to(keys.folder.resolve()) or keys.folder.resolve().is_relative_to(to.resolve()):
        raise KinbridgeError("KB-U20", folder=to)
    made_at = datetime.now(UTC)
    backup_id = f"{made_at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    folder = to / backup_id
    folder.mkdir(parents=True, mode=0o700)
    files: list[Sealed] = []
    with transaction(owner) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            for table in tables(cursor):
                for piece in list(slices(cursor, table)):
                    key = keys.get(backup_id, piece.part) or keys.new(backup_id, piece.part)
                    file = f"{len(files) + 1:05d}.kbb"
                    sealed = _seal(cursor, folder / file, key, f"{backup_id}/{file}", piece)
                    if sealed is not None:
                        files.append(sealed)
    manifest = Manifest(backup_id, made_at, by, newest(), tuple(files))
    manifest.write(folder)
    with transaction(owner) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.backup (backup_id, made_at, made_by, place, parts, rows, bytes)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            """,
            (backup_id, made_at, by, str(folder), len(manifest.parts), manifest.rows, manifest.size),
        )
    return manifest


def _seal(cursor: Any, path: Path, key: bytes, name: str, piece: Slice) -> Sealed | None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        writer = SealedWriter(file, key, name)
        cursor.copy_expert(f"COPY ({piece.query}) TO STDOUT", writer)
        rows = cursor.rowcount
        writer.close()
        file.flush()
        os.fsync(file.fileno())
    if rows == 0:
        path.unlink()
        return None
    return Sealed(
        path.name,
        piece.part,
        piece.table.schema,
        piece.table.name,
        piece.table.columns,
        rows,
        writer.size,
        writer.digest.hexdigest(),
    )
