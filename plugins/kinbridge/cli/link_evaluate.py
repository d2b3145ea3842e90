"""`kinbridge link evaluate`: how good linkage is here, by subgroup, with a report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.link import USAGE, said
from kinbridge.cli.way_in import LinkageUrl, linkage_dsn
from kinbridge.errors import KinbridgeError

if TYPE_CHECKING:
    import pyarrow as pa

    from kinbridge.evaluation.evaluation import Evaluation
    from kinbridge.evaluation.given import Given
    from kinbridge.linkage.link import Progress

SAMPLE = "sample.csv"


def evaluate_command(
    *,
    out: Annotated[Path, typer.Option(help="Folder for evaluation.html and evaluation.json, or for sample.csv.")],
    config: Annotated[
        Path | None, typer.Option(help="The YAML of `link files`; without it, the warehouse is evaluated.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="CSV with source, row_id and person: who the records are in truth.")
    ] = None,
    people: Annotated[
        Path | None, typer.Option(help="The people.csv to hold against the truth; without it, people are made anew.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A labelled sample.csv; empty labels are taken from decisions in the warehouse.")
    ] = None,
    draw: Annotated[
        int | None, typer.Option(min=20, help="Draw about so many pairs at random for people to label, and stop.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw: another one draws another sample.")] = 1,
    by: Annotated[
        list[str] | None,
        typer.Option(help="A further column to group people by; may be given several times."),
    ] = None,
    newest: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Day on which infants are under a year; by default the newest delivery."
        ),
    ] = None,
    url: LinkageUrl = None,
) -> None:
    """Estimate precision and recall, overall and by subgroup, and write a report with plots.

    The ground is a truth (--truth), a labelled sample (--labels), or, in the warehouse, the pairs that people reviewed.
    The records are linked once more in memory as the model stands; nothing that is linked changes.
    """
    try:
        with said() as progress:
            given = _given(config, by or [], newest, url)
            if draw is not None:
                _draw(given, draw, seed, out, progress)
                return
            found = _evaluate(given, truth, people, labels, progress)
        _tell(found, out)
    except KinbridgeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None


def _given(config: Path | None, by: list[str], newest: datetime | None, url: str | None) -> Given:
    from kinbridge.evaluation.given import from_files, from_warehouse

    day = newest.date() if newest else None
    return from_files(config, by, day) if config else from_warehouse(linkage_dsn(url), by, day)


def _draw(given: Given, size: int, seed: int, out: Path, progress: Progress) -> None:
    from kinbridge.evaluation.evaluation import draw_sample
    from kinbridge.evaluation.sample import write_sample

    sample = draw_sample(given, size, seed, progress)
    path = write_sample(sample, out / SAMPLE)
    typer.echo(f"{sample.num_rows} pairs to label: {path}.")
    typer.echo("Write same, different or unsure into the column label, and run `kinbridge link evaluate --labels`.")


def _evaluate(
    given: Given, truth: Path | None, people: Path | None, labels: Path | None, progress: Progress
) -> Evaluation:
    from kinbridge.evaluation import given as grounds
    from kinbridge.evaluation.evaluation import evaluate_labels, evaluate_truth
    from kinbridge.evaluation.labels import read_labels

    if truth:
        compared: pa.Table | None = grounds.read_people(people) if people else None
        return evaluate_truth(given, grounds.read_truth(truth), compared, progress)
    if labels:
        return evaluate_labels(given, grounds.with_verdicts(read_labels(labels), given.reviewed), "sample", progress)
    if given.reviewed is None:
        raise KinbridgeError("KB-K34", problem="neither --truth nor --labels was given")
    if not given.reviewed.num_rows:
        raise KinbridgeError("KB-K34", problem="no pair in the warehouse has been reviewed")
    return evaluate_labels(given, given.reviewed, "reviewed", progress)


def _tell(found: Evaluation, out: Path) -> None:
    from kinbridge.evaluation.groups import flagged
    from kinbridge.evaluation.report import GROUNDS, write_report

    page, figures = write_report(found, out)
    typer.echo(f"Model {found.model}, {found.records} records, measured on {GROUNDS[found.ground]}.")
    for name, share in (("Precision", found.precision), ("Recall", found.recall), ("Blocking recall", found.blocking)):
        if share.value is not None:
            reach = f" ({share.low:.4f} to {share.high:.4f})" if share.low is not None else ""
            typer.echo(f"{name} {share.value:.4f}{reach}")
    if found.bounds_recall and found.unseen:
        typer.echo(
            f"Nobody labelled anything in {len(found.unseen)} bands; whatever is true there, recall is"
            f" {found.bounds_recall[0]:.4f} to {found.bounds_recall[1]:.4f}."
        )
    for group in flagged(list(found.groups)):
        typer.echo(f"Clearly lower {' and '.join(group.flags)}: {group.dimension}: {group.name}")
    typer.echo(f"Written: {page}, {figures}.")
