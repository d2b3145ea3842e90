"""`kinbridge link train`: a model trained anew, tried beside the one in use, for a person to approve."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.link import USAGE, said
from kinbridge.cli.way_in import LinkageUrl, linkage_dsn
from kinbridge.errors import KinbridgeError

if TYPE_CHECKING:
    from kinbridge.evaluation.trial import Trial


def train_command(
    *,
    version: Annotated[str, typer.Option(help="The version of this training, such as 2026-11.")],
    into: Annotated[Path, typer.Option(help="The new file: include/linkage/trained/NAME.yaml.")],
    config: Annotated[
        Path | None, typer.Option(help="The YAML of `link files`; without it, the warehouse's records.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A labelled sample.csv to learn from, beside decisions in the warehouse.")
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(help="A trained model to try it beside; without it, the one in use, or what a run learns."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="The page with the charts; by default beside the file, as .html.")
    ] = None,
    url: LinkageUrl = None,
) -> None:
    """Train the model on the records and on pairs that people decided on, and write it as a file with its charts.

    The share of decided pairs that include/linkage/review.yaml declares is held out and tests the new model beside the
    one in use. Nothing is put in use by this: a person approves the file in a pull request.
    """
    try:
        with said() as progress:
            from kinbridge.evaluation.given import from_files, from_warehouse
            from kinbridge.evaluation.labels import read_labels
            from kinbridge.evaluation.trial import decided_of, run_trial
            from kinbridge.linkage.trained_file import check_place, read_trained
            from kinbridge.review.terms import read_terms

            check_place(into, version)
            test = read_terms().test
            given = from_files(config, [], None) if config else from_warehouse(linkage_dsn(url), [], None)
            decided = decided_of(given.reviewed, read_labels(labels) if labels else None)
            old = read_trained(beside) if beside else None
            day = datetime.now(UTC).date()
            trial = run_trial(given, decided, version, day, test=test, beside=old, progress=progress)
        _tell(trial, into, report or into.with_suffix(".html"))
    except KinbridgeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None


def _tell(trial: Trial, into: Path, page: Path) -> None:
    from kinbridge.evaluation.report import write_trial
    from kinbridge.linkage.trained_file import write_trained

    write_trained(trial.file, into)
    write_trial(trial, page)
    decided = trial.file.decided
    typer.echo(
        f"{trial.file.title}: {trial.file.trained.records} records, {decided['training']} decided pairs,"
        f" {decided['held_out']} held out."
    )
    for name, tried in (("new", trial.new), ("in use", trial.old)):
        if tried.right.value is not None and tried.right.low is not None and tried.right.high is not None:
            typer.echo(
                f"Held out, {name}: {tried.right.value:.3f} decided as people did"
                f" ({tried.right.low:.3f} to {tried.right.high:.3f}), log loss {tried.log_loss or 0:.3f} bits"
            )
    typer.echo(trial.verdict)
    typer.echo(f"Written: {into}, {page}. It is not in use: open a pull request.")
