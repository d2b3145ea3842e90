"""`kinbridge release`: named extracts and releases; asking for one, and what became of it and of its recalls."""

from __future__ import annotations

import getpass
import json
import uuid
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinbridge.cli.way_in import PipelineUrl, StewardUrl, pipeline_dsn, steward_dsn

if TYPE_CHECKING:
    from kinbridge.release.register import Release
    from kinbridge.trace.release import ReleaseTrace

release_app = typer.Typer(help="Named extracts for recipients: request, state, recalls.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option(help="Who you are, for the ledger; by default your name on this machine.")]


def plain(value: Any) -> str:
    """What JSON has no kind for, as text."""
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


@release_app.command("list")
def list_command(
    *,
    state: Annotated[str | None, typer.Option(help="Only those in this state, as in issued.")] = None,
    as_json: AsJson = False,
    url: StewardUrl = None,
) -> None:
    """List the declared extracts and the releases that were asked for; recalls that are overdue."""
    from kinbridge.release.reader import read_extracts
    from kinbridge.release.recall import overdue_recalls
    from kinbridge.release.register import listed
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        found = listed(connection, state=state)
        overdue = overdue_recalls(connection, datetime.now(UTC).date())
    declared = read_extracts().extracts
    if as_json:
        content = {
            "declared": [
                {"name": e.name, "version": e.version, "recipient": e.recipient, "until": e.until} for e in declared
            ],
            "releases": [vars(one) for one in found],
            "overdue_recalls": [vars(one) for one in overdue],
        }
        typer.echo(json.dumps(content, indent=1, default=plain))
        return
    for extract in declared:
        typer.echo(f"{extract.name:32} {extract.version:8} for {extract.recipient}, until {extract.until}")
    for one in found:
        typer.echo(_line(one))
    for recall in overdue:
        typer.echo(
            f"Overdue since {recall.due_on}: recall {recall.recall_id} of release {recall.release_id} "
            f"({recall.cause}), {recall.recipient}."
        )


@release_app.command("request")
def request_command(
    *,
    name: Annotated[str, typer.Argument(help="The named extract, as below include/releases/.")],
    reason: Annotated[str, typer.Option(help="What it is wanted for; put to those who decide.")],
    by: By = None,
    key: Annotated[
        str | None, typer.Option(help="The same key is one request; by default a new one each time.")
    ] = None,
    url: PipelineUrl = None,
) -> None:
    """Ask for a release: hold it against the gate, and put it to those who decide."""
    from kinbridge.release.requests import TERMINAL, request_release

    made = request_release(
        pipeline_dsn(url),
        name,
        by or getpass.getuser(),
        reason,
        datetime.now(UTC),
        TERMINAL + (key or str(uuid.uuid4())),
    )
    typer.echo(f"Release {made.release_id} is requested; proposal {made.proposal_id} is put to those who decide.")
    typer.echo(
        "The govern DAG begins its run each morning, or at once when somebody runs it: it asks, builds, delivers."
    )


@release_app.command("acknowledge")
def acknowledge_command(
    *,
    recall: Annotated[int, typer.Argument(help="Number of the recall, as the recipient names it.")],
    by: Annotated[str, typer.Option(help="Who said so, at the recipient.")],
    note: Annotated[str, typer.Option(help="How: a letter, a certificate.")] = "",
    url: StewardUrl = None,
) -> None:
    """Take down that a recipient has done what a recall asks for."""
    from kinbridge.release.recall import acknowledge
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        acknowledge(connection, recall, by, note)
    typer.echo(f"Recall {recall} is acknowledged.")


def print_release(found: ReleaseTrace) -> None:
    """A release in lines of text."""
    one = found.release
    typer.echo(_line(one))
    typer.echo(f"  for {one.recipient_name}, {one.recipient_address}")
    typer.echo(f"  use case {one.use_case}, agreement {one.agreement_id} {one.agreement_version}; {one.purpose}")
    typer.echo(f"  asked for by {one.requested_by} on {one.requested_at:%Y-%m-%d}: {one.reason}")
    for vote in found.votes:
        typer.echo(f"  {vote.choice} by {vote.member} on {vote.at:%Y-%m-%d}")
    if one.persons is not None:
        typer.echo(
            f"  {one.persons:,} persons, {one.rows:,} rows; withheld for groups below {one.minimum_group}: "
            f"{one.withheld_persons:,}; by consent: {one.excluded_persons:,}"
        )
    for given in found.given:
        typer.echo(f"  {given.column} = {given.element} ({given.form}) of {given.feed}, by {given.clause}")
    for file in one.sources.get("files", ()):
        typer.echo(f"  file {file['name']}  {file['size_bytes']:,} bytes  SHA-256 {file['sha256']}")
    for source in found.files:
        typer.echo(
            f"  made of delivery {source.delivery_id} {source.file_name} ({source.feed}, contract "
            f"{source.contract_version})  SHA-256 {source.sha256}"
        )
    for recall in found.recalls:
        told = f"told on {recall.told_at:%Y-%m-%d}" if recall.told_at else "not told yet"
        done = (
            f"acknowledged on {recall.acknowledged_at:%Y-%m-%d}" if recall.acknowledged_at else f"due {recall.due_on}"
        )
        typer.echo(
            f"  recall {recall.recall_id}: {recall.cause} {recall.detail}, {recall.persons:,} persons, "
            f"by {recall.clause}; {told}, {done}. {recall.stands}"
        )


def _line(one: Release) -> str:
    when = f", issued {one.issued_at:%Y-%m-%d}, to be destroyed by {one.expires_on}" if one.issued_at else ""
    return f"{one.release_id:>6}  {one.name} {one.version} for {one.recipient}: {one.state.value}{when}"
