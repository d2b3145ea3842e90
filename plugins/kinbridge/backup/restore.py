"""Restore a backup into an empty, migrated warehouse: all parts whose keys are there, in one transaction.

What a partner's data were encrypted with may have been destroyed meanwhile: that part stays away, and the report says
so. A key that is gone without having been destroyed is an error, unless it is asked to go on without.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from kinbridge.backup.keys import KeyFolder
from kinbridge.backup.manifest import Manifest, Sealed, read_manifest
from kinbridge.backup.part import Table, tables
from kinbridge.backup.stream import SealedReader
from kinbridge.contract.sql import ident
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, transaction
from kinbridge.warehouse.migrate import newest


@dataclass(frozen=True)
class Restored:
    """What came back: rows by table, and the parts whose keys are destroyed or (`lost`) gone."""

    rows: dict[str, int]
    destroyed: dict[str, str]
    lost: tuple[str, ...]


def restore_backup(owner: Dsn, folder: Path, keys: KeyFolder, *, without_lost: bool = False) -> Restored:
    """Restore the backup in `folder`.

    Raises `KinbridgeError`: KB-U21 no whole backup; KB-U25 of another migration; KB-U24 the warehouse is not empty;
    KB-U22 a key is gone; KB-U23 a file is damaged; KB-S20 to KB-S26.
    """
    manifest = read_manifest(folder)
    if manifest.migration != newest():
        raise KinbridgeError("KB-U25", backup=manifest.backup_id, made=manifest.migration, here=newest())
    destroyed, lost = _without_key(manifest, keys)
    if lost and not without_lost:
        raise KinbridgeError("KB-U22", backup=manifest.backup_id, parts=", ".join(lost))
    with transaction(owner) as connection, connection.cursor() as cursor:
        every = tables(cursor)
        _require_empty(cursor, every)
        # What a migration put there comes back from the backup.
        cursor.execute(f"TRUNCATE {', '.join(table.relation for table in every)}")
        rows: dict[str, int] = {}
        for table in every:
            for sealed in manifest.files:
                if (sealed.schema, sealed.table) == (table.schema, table.name):
                    key = keys.get(manifest.backup_id, sealed.part)
                    if key is not None:
                        _unseal(cursor, folder, sealed, key, f"{manifest.backup_id}/{sealed.file}")
                        name = f"{table.schema}.{table.name}"
                        rows[name] = rows.get(name, 0) + sealed.rows
            _set_sequences(cursor, table)
    return Restored(rows, destroyed, lost)


def _without_key(manifest: Manifest, keys: KeyFolder) -> tuple[dict[str, str], tuple[str, ...]]:
    destroyed: dict[str, str] = {}
    lost: list[str] = []
    for part in manifest.parts:
        if keys.get(manifest.backup_id, part) is None:
            reason = keys.destroyed(manifest.backup_id, part)
            if reason is None:
                lost.append(part)
            else:
                destroyed[part] = reason
    return destroyed, tuple(lost)


def _require_empty(cursor: Any, every: list[Table]) -> None:
    for table in every:
        if table.schema in {"record", "quarantine"} or table.name in {"delivery", "event", "person_link"}:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table.relation})")
            if cursor.fetchone()[0]:
                raise KinbridgeError("KB-U24", table=f"{table.schema}.{table.name}")


def _unseal(cursor: Any, folder: Path, sealed: Sealed, key: bytes, name: str) -> None:
    columns = ", ".join(ident(column) for column in sealed.columns)
    path = folder / sealed.file
    if not path.is_file():
        raise KinbridgeError("KB-U23", file=name)
    with path.open("rb") as file:
        reader = SealedReader(file, key, name)
        try:
            cursor.copy_expert(f"COPY {sealed.schema}.{ident(sealed.table)} ({columns}) FROM STDIN", reader)
        except psycopg2.Error:
            if reader.damaged:
                raise KinbridgeError("KB-U23", file=name) from None
            raise
        if cursor.rowcount != sealed.rows:
            raise KinbridgeError("KB-U23", file=name)


def _set_sequences(cursor: Any, table: Table) -> None:
    """New rows are numbered on from what came back."""
    for column in table.columns:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", (table.relation, column))
        (sequence,) = cursor.fetchone()
        if sequence:
            cursor.execute(
                f"SELECT setval(%s, coalesce((SELECT max({ident(column)}) FROM {table.relation}), 0) + 1, FALSE)",
                (sequence,),
            )
