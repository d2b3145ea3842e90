"""`kinbridge link`: which records are one person."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kinbridge.cli.agreement import Day, Register, day_of, force_on
from kinbridge.errors import KinbridgeError

USAGE = 2
WORDS = {
    "read": "Reading the files",
    "clean": "Preparing names, dates, numbers and addresses",
    "block": "Finding the pairs to compare",
    "compare": "Comparing them",
    "train": "Learning what agreement is worth",
    "cluster": "Putting people together",
    "write": "Writing",
}

link_app = typer.Typer(help="Which records are one person.", no_args_is_help=True)


@link_app.callback()
def link() -> None:
    """Which records are one person."""


@contextmanager
def said() -> Iterator[Callable[[str], None]]:
    """Says on the terminal which step of linking is under way: a bar, or a line for each where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    steps = list(WORDS)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(WORDS["read"], total=len(steps))

        def progress(step: str) -> None:
            bar.update(task, description=WORDS[step], completed=steps.index(step))
            if bar.disable:
                typer.echo(f"{WORDS[step]} …", err=True)

        yield progress


@link_app.command("files")
def link_files_command(
    config: Annotated[Path, typer.Option(help="YAML that names the files and what their columns mean.")],
    out: Annotated[Path, typer.Option(help="Folder for people.csv and review.csv; it is made if need be.")],
) -> None:
    """Link the rows of CSV files, without a database; learns from the files themselves, no labels are needed."""
    from kinbridge.linkage.files import link_files

    try:
        with said() as progress:
            done = link_files(config, out, progress=progress)
    except KinbridgeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None
    typer.echo(f"{done.records} rows are {done.people} people; {done.review} pairs are for a person to see.")
    typer.echo(f"Weighed: {', '.join(done.weighed) or 'nothing'}.")
    if done.left_out:
        typer.echo(f"Left out, for want of values: {', '.join(done.left_out)}.")
    typer.echo(f"Written: {done.people_file}, {done.review_file}.")


@link_app.command("may")
def link_may_command(
    one: Annotated[str, typer.Argument(help="A feed: medicaid/eligibility_v1.")],
    other: Annotated[str, typer.Argument(help="Another feed.")],
    *,
    day: Day = None,
    url: Register = None,
) -> None:
    """Say whether records of two feeds may be linked on a day, for which use cases, and by which clauses.

    Ends with status 1 when they may not.
    """
    from kinbridge.agreement.comparable import explain, why_not_compared
    from kinbridge.agreement.reader import read_use_cases
    from kinbridge.agreement.uses import uses
    from kinbridge.contract.odcs import feed_of

    on = day_of(day)
    names = [feed_of(name).id for name in (one, other)]
    every = force_on(on, url)
    answer = uses(on, every.agreements, read_use_cases(), every.approvals)
    for line in explain(answer, *names):
        typer.echo(line)
    if why_not_compared(answer, *names) is not None:
        raise typer.Exit(1)
