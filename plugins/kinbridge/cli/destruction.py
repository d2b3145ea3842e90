"""`kinbridge destruction`: what is due is proposed, a person decides, it is destroyed, and a certificate says so."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from kinbridge.cli.retention import By, Day, day_of, find
from kinbridge.cli.way_in import PipelineUrl, StewardUrl, linkage_dsn, pipeline_dsn, steward_dsn

destruction_app = typer.Typer(help="Destruction, with approval, proof and certificate.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="The batch's number.")]


@destruction_app.command("propose")
def propose_command(day: Day = None, by: By = None, url: PipelineUrl = None) -> None:
    """Propose what is due. The govern DAG does it every day; what is proposed already is not proposed again."""
    from kinbridge.destruction.proposal import propose_due
    from kinbridge.warehouse.connection import transaction

    due = find(url, day_of(day))
    with transaction(pipeline_dsn(url)) as connection:
        made = propose_due(connection, day_of(day), due, by or getpass.getuser())
    typer.echo(f"Proposed: {', '.join(str(number) for number in made)}." if made else "Nothing new is due.")


@destruction_app.command("list")
def list_command(url: StewardUrl = None) -> None:
    """List the batches: what, since when it is due, until when, and how far it is."""
    from kinbridge.destruction.batch import batches
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        found = batches(connection)
    for batch in found:
        things = ", ".join(f"{item.things:,} {item.kind.value}" for item in batch.items if item.things)
        typer.echo(f"{batch.destruction_id}  {batch.about}  {batch.cause}  {batch.standing.value}  by {batch.deadline}")
        typer.echo(f"    {things}: {batch.items[0].clause}")
    if not found:
        typer.echo("No batch was ever proposed.")


@destruction_app.command("approve")
def approve_command(
    number: Number,
    by: Annotated[str, typer.Option(help="Who approves; never whoever proposed it.")],
    reason: Annotated[str, typer.Option(help="Why, if there is something to say.")] = "",
    url: StewardUrl = None,
) -> None:
    """Approve a batch. What is destroyed cannot come back."""
    from kinbridge.destruction.proposal import APPROVE, decide
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        decide(connection, number, APPROVE, by, datetime.now(UTC), reason=reason)
    typer.echo(f"Batch {number} is approved. `kinbridge destruction carry-out {number}` destroys it.")


@destruction_app.command("reject")
def reject_command(
    number: Number,
    by: Annotated[str, typer.Option(help="Who rejects.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence without anybody's data.")],
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Ask again on this day; by default in 30 days.")
    ] = None,
    url: StewardUrl = None,
) -> None:
    """Reject a batch. It is proposed again on its day, if it is still due."""
    from kinbridge.destruction.proposal import REJECT, decide
    from kinbridge.warehouse.connection import transaction

    rest = until.date() if until else None
    with transaction(steward_dsn(url)) as connection:
        decide(connection, number, REJECT, by, datetime.now(UTC), reason=reason, not_before=rest)
    typer.echo(f"Batch {number} is rejected.")


@destruction_app.command("carry-out")
def carry_out_command(
    number: Number,
    by: By = None,
    search: Annotated[list[Path] | None, typer.Option(help="Search this folder too; may stand more than once.")] = None,
    url: PipelineUrl = None,
    linkage_url: Annotated[
        str | None,
        typer.Option(envvar="KINBRIDGE_LINKAGE_URL", help="The address of kb_linkage; by default roles.json."),
    ] = None,
) -> None:
    """Destroy an approved batch, prove it by a search, and write the certificate. Safe to repeat."""
    from kinbridge.destruction.carry_out import Site, carry_out
    from kinbridge.destruction.places import searched_folders

    site = Site(pipeline_dsn(url), linkage_dsn(linkage_url), searched=[*searched_folders(), *(search or [])])
    made = carry_out(site, number, by or getpass.getuser())
    if made is None:
        typer.echo(f"Batch {number} is certified already.")
        return
    proof = made.proof
    typer.echo(
        f"Batch {number} is destroyed. {proof.probes} probes in {proof.tables} tables with {proof.rows:,} rows and "
        f"{proof.files} files: found {proof.hits} times.\nCertificate: {made.path}\nSHA-256: {made.sha256}"
    )


@destruction_app.command("flush")
def flush_command(
    url: Annotated[str, typer.Option(envvar="KINBRIDGE_ADMIN_URL", help="postgresql:// address of an administrator.")],
) -> None:
    """Have the server give up what its statistics and write-ahead log still hold of deleted rows."""
    from kinbridge.destruction.erase import flush
    from kinbridge.warehouse.connection import Dsn

    flushed = flush(Dsn.from_url(url))
    if flushed.recycles:
        typer.echo(
            f"Statistics are written anew, and {flushed.segments} segments of the write-ahead log are overwritten. One "
            "may still hold old values: set wal_recycle = off, and flush again."
        )
    else:
        typer.echo(f"Statistics are written anew, and {flushed.segments} segments of the write-ahead log are removed.")
