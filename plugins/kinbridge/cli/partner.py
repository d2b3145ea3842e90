"""`kinbridge partner`: who contributes, and pausing one without losing a file."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from kinbridge.cli.way_in import PipelineUrl, pipeline_dsn

partner_app = typer.Typer(help="Partners: who they are, and pausing them.", no_args_is_help=True)


@partner_app.command("list")
def partner_list(url: PipelineUrl = None) -> None:
    """List the partners, and which of them are paused, by whom and why."""
    from kinbridge.calendar.pause import pauses
    from kinbridge.partner.profile import partners, read_profile
    from kinbridge.partner.reminders import reminders_of
    from kinbridge.warehouse.connection import transaction

    moment = datetime.now(UTC)
    with transaction(pipeline_dsn(url)) as connection:
        paused = pauses(connection, partners())
    for partner in partners():
        timezone = reminders_of(partner).timezone
        found = next((one for one in paused[partner] if one.in_force(moment, timezone)), None)
        state = "active"
        if found:
            since = f"{found.paused_at.astimezone(timezone):%Y-%m-%d}"
            state = f"paused since {since} by {found.paused_by}, {found.ends}: {found.reason}"
        typer.echo(f"{partner:20} {read_profile(partner).name:50} {state}")


@partner_app.command("pause")
def partner_pause(
    partner: Annotated[str, typer.Argument(help="The partner's code, such as medicaid.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence without anybody's data; it is kept and shown.")],
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of the pause; without it, until resumed.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who decided it; by default the user who runs this.")] = None,
    url: PipelineUrl = None,
) -> None:
    """Stop collecting from a partner. Its files stay in the inbox, and nobody is reminded."""
    from kinbridge.calendar.pause import pause
    from kinbridge.warehouse.connection import transaction

    last = until.date() if until else None
    with transaction(pipeline_dsn(url)) as connection:
        made = pause(connection, partner, reason, by or getpass.getuser(), datetime.now(UTC), until=last)
    typer.echo(f"{partner} is paused {made.ends}. Files stay in its inbox; no connection is made.")


@partner_app.command("resume")
def partner_resume(
    partner: Annotated[str, typer.Argument(help="The partner's code, such as medicaid.")],
    by: Annotated[str | None, typer.Option(help="Who decided it; by default the user who runs this.")] = None,
    url: PipelineUrl = None,
) -> None:
    """End a partner's pause. The next run of each of its feeds collects what lies in the inbox."""
    from kinbridge.calendar.pause import resume
    from kinbridge.warehouse.connection import transaction

    with transaction(pipeline_dsn(url)) as connection:
        resume(connection, partner, by or getpass.getuser(), datetime.now(UTC))
    typer.echo(f"{partner} is resumed. The next run of each feed collects every file in its inbox.")
