"""`kinbridge preflight`: check a file on this machine before it is sent."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from kinbridge.errors import KinbridgeError

NOT_GOOD = 1
USAGE = 2
NOT_DONE = 3
INTERRUPTED = 130
# Columns of the table where the output is no terminal.
PRINTED_WIDTH = 150
# What the person who typed the command can mend there.
USAGE_CODES = {"KB-C03", "KB-P01", "KB-P02"}


def preflight(
    feed: Annotated[str, typer.Argument(help="The feed: partner/feed_vN, as `kinbridge feed list` shows it.")],
    file: Annotated[Path, typer.Argument(help="The file to check. It is read and never changed.")],
    sibling: Annotated[
        list[str] | None,
        typer.Option("--with", help="FEED=FILE: a file of a feed to whose keys this one refers; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything, every finding too, as JSON.")] = False,
    as_of: Annotated[
        str | None, typer.Option(help="The day up to which the file speaks, as 2026-07-31; by default from its name.")
    ] = None,
) -> None:
    """Check a file against its contract here, before it is sent: the same findings, the same state as at intake.

    Nothing leaves this machine and nothing stays on it. Exit code: 0 every row would be accepted, 1 not all would,
    2 the command is not right, 3 the check could not be done.
    """
    from rich.console import Console

    from kinbridge.contract.odcs import feed_of, feeds
    from kinbridge.preflight.render import write_json, write_page
    from kinbridge.preflight.run import preflight as check_file
    from kinbridge.preflight.siblings import Sibling, in_the_same_zip

    if sys.stderr.isatty():
        typer.echo("Checking, in a private database that is removed afterwards; this takes some seconds.", err=True)
    try:
        siblings = [Sibling(feed_of(name), path) for name, path in map(_pair, sibling or [])]
        siblings += in_the_same_zip(feed_of(feed), file, {one.feed.id for one in siblings}, feeds())
        with check_file(
            feed_of(feed), file, siblings=siblings, as_of=_day(as_of), today=datetime.now(UTC).date()
        ) as result:
            if as_json:
                write_json(result, sys.stdout)
            else:
                write_page(result, Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH))
            good = result.good
    except KinbridgeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE if error.code in USAGE_CODES else NOT_DONE) from None
    except KeyboardInterrupt:
        typer.echo("Broken off; nothing is left behind.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if not good:
        raise typer.Exit(NOT_GOOD)


def _pair(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise typer.BadParameter("write FEED=FILE", param_hint="--with")
    return name, Path(path)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write a day as 2026-07-31", param_hint="--as-of") from None
