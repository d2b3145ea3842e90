"""`kinbridge feed draft`: the skeleton of a feed's declarations from a sample file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from kinbridge.cli.written import tell
from kinbridge.errors import KinbridgeError

USAGE = 2


def draft(
    feed: Annotated[str, typer.Argument(help="The feed to be: partner/feed_vN.")],
    sample: Annotated[Path, typer.Argument(help="A sample of the file: delimited text.")],
    out: Annotated[
        Path | None, typer.Option(help="The include folder to write to; by default the last one of KINBRIDGE_INCLUDE.")
    ] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Whether the first line names the columns.")
    ] = None,
) -> None:
    """Draft a feed from a sample: contract, transform, crosswalks; what a person has to decide is marked and listed."""
    from kinbridge.draft.write import write_draft

    try:
        written = write_draft(feed, sample, out=out, header=header, today=datetime.now(UTC).date())
    except KinbridgeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None
    tell(written, "`kinbridge suite compile` and `kinbridge check`")
