"""`kinbridge backup`: encrypted backups whose parts can be destroyed by their keys."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated

import typer

from kinbridge.cli.retention import AsJson, By
from kinbridge.cli.way_in import OwnerUrl, owner_dsn

backup_app = typer.Typer(help="Encrypted backups, with keys for each partner's data.", no_args_is_help=True)

Keys = Annotated[
    Path | None, typer.Option(envvar="KINBRIDGE_BACKUP_KEYS", help="The folder of keys, apart from the backups.")
]


@backup_app.command("make")
def make_command(
    to: Annotated[Path, typer.Option(help="The folder of backups; each is a folder of its own in it.")],
    keys: Keys = None,
    by: By = None,
    url: OwnerUrl = None,
) -> None:
    """Make a backup of everything but staged rows, integrated tables and figures, which are made anew."""
    from kinbridge.backup.keys import KeyFolder
    from kinbridge.backup.make import make_backup
    from kinbridge.destruction.places import key_folder

    made = make_backup(owner_dsn(url), to, KeyFolder(keys or key_folder()), by or getpass.getuser())
    typer.echo(
        f"Backup {made.backup_id}: {made.rows:,} rows in {len(made.files)} files, {made.size:,} bytes, "
        f"{len(made.parts)} keys."
    )


@backup_app.command("list")
def list_command(
    folder: Annotated[Path, typer.Argument(help="The folder of backups.")], keys: Keys = None, as_json: AsJson = False
) -> None:
    """List the whole backups, and the parts whose keys are destroyed; and those that were broken off."""
    from kinbridge.backup.keys import KeyFolder
    from kinbridge.backup.manifest import backups_in
    from kinbridge.destruction.places import key_folder

    known = KeyFolder(keys or key_folder())
    whole, broken = backups_in(folder)
    rows = [
        {
            "backup": one.backup_id,
            "made_at": one.made_at.isoformat(),
            "rows": one.rows,
            "bytes": one.size,
            "parts": len(one.parts),
            "destroyed": [part for part in one.parts if known.destroyed(one.backup_id, part)],
        }
        for one in whole
    ]
    if as_json:
        typer.echo(json.dumps({"backups": rows, "broken_off": broken}, indent=1))
        return
    for row, one in zip(rows, whole, strict=True):
        gone = [part for part in one.parts if known.destroyed(one.backup_id, part)]
        typer.echo(f"{one.backup_id}  {one.rows:,} rows, {one.size:,} bytes, {row['parts']} parts")
        for part in gone:
            typer.echo(f"    destroyed: {part} ({known.destroyed(one.backup_id, part)})")
    for name in broken:
        typer.echo(f"{name}  broken off, not a backup")


@backup_app.command("restore")
def restore_command(
    folder: Annotated[Path, typer.Argument(help="The folder of one backup.")],
    url: Annotated[str, typer.Option(envvar="KINBRIDGE_OWNER_URL", help="kb_owner's address of an empty warehouse.")],
    without_lost: Annotated[bool, typer.Option("--without-lost", help="Leave out parts whose keys are gone.")] = False,
    keys: Keys = None,
) -> None:
    """Restore a backup into an empty, migrated warehouse."""
    from kinbridge.backup.keys import KeyFolder
    from kinbridge.backup.restore import restore_backup
    from kinbridge.destruction.places import key_folder
    from kinbridge.warehouse.connection import Dsn

    found = restore_backup(Dsn.from_url(url), folder, KeyFolder(keys or key_folder()), without_lost=without_lost)
    typer.echo(f"{sum(found.rows.values()):,} rows in {len(found.rows)} tables are back.")
    for part, reason in found.destroyed.items():
        typer.echo(f"Not back, its key is destroyed: {part} ({reason})")
    for part in found.lost:
        typer.echo(f"Not back, its key is gone: {part}")
