"""`kinbridge link run`, `show`, `changes` and `undo`: the link ledger in the warehouse.

A partner's id of a person is asked for, or read from standard input, where it is left out or given as `-`.
"""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from kinbridge.cli.way_in import LinkageUrl, StewardUrl, linkage_dsn, steward_dsn

By = Annotated[str | None, typer.Option(help="Who you are, for the ledger; by default your name on this machine.")]


def run_command(
    *,
    anew: Annotated[bool, typer.Option("--anew", help="Link everything, though little has changed.")] = False,
    url: LinkageUrl = None,
) -> None:
    """Link what has changed in the warehouse since the last run, as the integrate DAG does."""
    from kinbridge.linkage.model import read_model
    from kinbridge.linkage.run import link_people

    done = link_people(linkage_dsn(url), read_model(), anew=anew)
    what = "everything anew" if done.scope == "whole" else f"{done.changed} records that changed or were touched"
    typer.echo(f"Run {done.run_id} linked {what}: {done.records} records are {done.people} people.")
    typer.echo(f"{done.edges} links; {done.review} pairs are for a person to see.")
    typer.echo(f"New people: {done.new_people}. Merged: {done.merged}, split: {done.split}, moved: {done.moved}.")
    if done.refused:
        typer.echo(f"{done.refused} decisions `same` stand against a `different` and were not followed.")


def show_command(
    subject: Annotated[str, typer.Argument(help="A person's id, or a partner, as in medicaid.")],
    source_person_id: Annotated[
        str | None,
        typer.Argument(help="With a partner: its own id of the person; - to be asked, or from standard input."),
    ] = None,
    *,
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Show who belongs to a person and why: members, links with their evidence, decisions, changes. A look is an
    event."""
    from uuid import UUID

    from kinbridge.linkage.ledger.look import look_at_person
    from kinbridge.warehouse.connection import transaction

    try:
        UUID(subject)
        own = None
    except ValueError:
        own = _asked(source_person_id or "-")
    with transaction(steward_dsn(url)) as connection:
        found = look_at_person(connection, subject, own, by or getpass.getuser())
    typer.echo(f"Person {found.person_id}" + (f", which {found.asked} was merged into" if found.asked else ""))
    typer.echo("Members")
    for member in found.members:
        until = f" until run {member.until_run}" if member.until_run else ""
        typer.echo(f"  {' '.join(member.person)}  since run {member.since_run}{until}")
    typer.echo("Links")
    for link in found.links:
        end = f" until run {link.until_run}: {link.ended}" if link.until_run else ""
        typer.echo(
            f"  {' '.join(link.left)} – {' '.join(link.right)}  {link.probability:.4f} by {link.rule}"
            f" (trained model {link.training or 'unknown'}), since run {link.since_run}{end}"
        )
        for name, label, weight in link.evidence:
            typer.echo(f"    {name}: {label}, {weight:+.1f} bits")
    typer.echo("Decisions")
    for one in found.decisions:
        taken_back = ", withdrawn" if one.withdrawn else ""
        typer.echo(
            f"  {one.decision_id}: {' '.join(one.left)} – {' '.join(one.right)}  {one.verdict},"
            f" {one.decided_by}, {one.decided_at:%Y-%m-%d}{taken_back}"
        )
    typer.echo("Changes")
    for change in found.changes:
        typer.echo(f"  {_line(change)}")


def changes_command(
    *,
    run: Annotated[
        int | None, typer.Option(help="The run's number; by default the last run that changed people.")
    ] = None,
    url: StewardUrl = None,
) -> None:
    """List which people a run merged, split, and moved records between. Ids and counts only."""
    from kinbridge.linkage.ledger.look import changes_of
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        found = changes_of(connection, run)
    for change in found:
        typer.echo(_line(change))
    if not found:
        typer.echo("Nobody was merged, split or moved.")


def undo_command(
    *,
    reason: Annotated[str, typer.Option(help="Why, in words without values of the records.")],
    change: Annotated[
        int | None, typer.Option(help="Take back this merge, as `kinbridge link changes` numbers it.")
    ] = None,
    decision: Annotated[int | None, typer.Option(help="Withdraw this decision on a pair.")] = None,
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Take back a merge that a run listed, or withdraw a decision. The next integration, or `kinbridge link run`,
    follows."""
    from kinbridge.linkage.decision import withdraw_decision
    from kinbridge.linkage.ledger.undo import undo_change
    from kinbridge.warehouse.connection import transaction

    who = by or getpass.getuser()
    if (change is None) == (decision is None):
        raise typer.BadParameter("name either --change or --decision")
    with transaction(steward_dsn(url)) as connection:
        if change is not None:
            numbers = undo_change(connection, change, reason, who)
            typer.echo(f"Decided {len(numbers)} pairs apart (decisions {numbers[0]} to {numbers[-1]}).")
        elif decision is not None:
            number = withdraw_decision(connection, decision, reason, who)
            typer.echo(f"Withdrawn as decision {number}.")
    typer.echo("The next integration, or `kinbridge link run`, follows it.")


def _line(change: object) -> str:
    from kinbridge.linkage.ledger.look import Change

    assert isinstance(change, Change)
    undone = f"; undone by decisions {', '.join(map(str, change.undone))}" if change.undone else ""
    return (
        f"{change.change_id}: {change.kind} {change.from_person_id} -> {change.to_person_id},"
        f" {change.source_persons} source persons, run {change.run_id}{undone}"
    )


def _asked(number: str) -> str:
    if number != "-":
        return number
    given = getpass.getpass("Partner's id of the person: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise typer.BadParameter("no id was given")
    return given.strip()
