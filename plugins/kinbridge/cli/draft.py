"""`kinbridge feed draft`: the skeleton of a feed's declarations from a sample file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

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
    for path in written.files:
        typer.echo(f"wrote {_near(path)}")
    typer.echo("")
    for problem in written.decisions:
        typer.echo(f"{_near(problem.path)}:{problem.line}: {problem.text}")
    typer.echo(
        f"{len(written.decisions)} decision(s) to take. Decide each, remove its mark, then `kinbridge suite compile` "
        "and `kinbridge check`."
    )


def _near(path: Path) -> Path:
    """The path as seen from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
