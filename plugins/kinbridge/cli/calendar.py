"""`kinbridge calendar`: which deliveries are owed, which came, and what was told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from kinbridge.cli.way_in import PipelineUrl, pipeline_dsn


def calendar_command(
    *,
    feed: Annotated[str | None, typer.Option(help="Only this feed, such as medicaid/eligibility_v1.")] = None,
    partner: Annotated[str | None, typer.Option(help="Only the feeds of this partner.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Look back to the end of this day.")
    ] = None,
    months: Annotated[int, typer.Option(min=0, max=600, help="How many months back to show.")] = 6,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    url: PipelineUrl = None,
) -> None:
    """Show the deliveries that each feed owes: due day, status, what came, and what was told."""
    from kinbridge.calendar.read import read_calendars
    from kinbridge.calendar.table import as_data, table
    from kinbridge.contract.odcs import feed_of, feeds
    from kinbridge.errors import KinbridgeError
    from kinbridge.notice.post import told_so_far
    from kinbridge.partner.profile import partners

    if partner is not None and partner not in partners():
        raise KinbridgeError("KB-E06", partner=partner, partners=", ".join(partners()))
    if feed and partner not in {None, feed.split("/", 1)[0]}:
        raise typer.BadParameter(f"{feed} is no feed of {partner}", param_hint="--feed")
    owner = feed_of(feed).partner if feed else partner
    # All feeds of a partner, whichever is shown: whether it is silent is told by all of them.
    chosen = [one for one in feeds().values() if owner in {None, one.partner}]
    dsn = pipeline_dsn(url)
    calendars = read_calendars(dsn, datetime.now(UTC), chosen, as_of=as_of.date() if as_of else None)
    told = told_so_far(dsn, [calendar.partner for calendar in calendars])
    if as_json:
        typer.echo(json.dumps(as_data(calendars, months, told, feed=feed), indent=1))
        return
    for line in table(calendars, months, told, feed=feed):
        typer.echo(line)
