"""`kinbridge link`: which records are one person."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

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
