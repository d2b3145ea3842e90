"""`kinbridge retention`: how long things are kept, what is due for destruction, holds, requests."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.way_in import PipelineUrl, StewardUrl, pipeline_dsn, steward_dsn

if TYPE_CHECKING:
    from kinbridge.retention.due import Due
    from kinbridge.retention.rule import FeedRules

retention_app = typer.Typer(help="How long things are kept, and what is due for destruction.", no_args_is_help=True)

Day = Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="As of this day; by default today.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option(help="Who you are, for the ledger; by default your name on this machine.")]
FeedName = Annotated[str, typer.Argument(help="The feed, as in medicaid/eligibility_v1.")]


def day_of(given: datetime | None) -> date:
    """The day that was asked for, or today."""
    return given.date() if given else datetime.now(UTC).date()


@retention_app.command("rules")
def rules_command(day: Day = None, as_json: AsJson = False, url: PipelineUrl = None) -> None:
    """Show for every feed how long each kind of thing is kept, and which clause says so."""
    found = _rules(url, day_of(day))
    if as_json:
        plain = [
            {
                "feed": one.feed,
                "ended": one.ended.clause if one.ended else None,
                "terms": {
                    kind.value: {"days": term.days, "months": term.months, "clause": term.clause}
                    for kind, term in one.terms.items()
                },
            }
            for one in found
        ]
        typer.echo(json.dumps(plain, indent=1))
        return
    for one in found:
        typer.echo(one.feed + (f"  ended: {one.ended.clause}" if one.ended else ""))
        for kind, term in one.terms.items():
            length = f"{term.months} months" if term.months is not None else f"{term.days} days"
            typer.echo(f"  {kind.value:12}{length:>11}  {term.clause}")


@retention_app.command("due")
def due_command(day: Day = None, as_json: AsJson = False, url: PipelineUrl = None) -> None:
    """List what is due for destruction: kind, feed, how much, since when, under which clause. Changes nothing."""
    found = find(url, day_of(day))
    if as_json:
        typer.echo(json.dumps([one.as_plain() for one in found], indent=1))
        return
    for one in found:
        about = one.feed or f"request {one.request_id} to {one.partner}"
        typer.echo(
            f"{about}  {one.kind.value}  {one.things:,}, the oldest of {one.oldest or '-'}, due since {one.since}, "
            f"until {one.deadline}{'  HELD' if one.held else ''}\n    {one.cause}: {one.clause}"
        )
    typer.echo("Nothing is due." if not found else f"{len(found)} due.")


@retention_app.command("holds")
def holds_command(url: StewardUrl = None) -> None:
    """List the legal holds that stand."""
    from kinbridge.retention.hold import holds
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        found = holds(connection)
    for hold in found:
        typer.echo(f"{hold.feed}  since {hold.placed_at:%Y-%m-%d} by {hold.placed_by}: {hold.reason}")
    if not found:
        typer.echo("No feed is held.")


@retention_app.command("hold")
def hold_command(
    feed: FeedName,
    reason: Annotated[str, typer.Option(help="Why, in a sentence without anybody's data.")],
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Hold a feed: nothing of it is destroyed until the hold is lifted."""
    from kinbridge.retention.hold import place_hold
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        place_hold(connection, feed, reason, by or getpass.getuser())
    typer.echo(f"{feed} is held. Nothing of it is destroyed.")


@retention_app.command("lift")
def lift_command(feed: FeedName, by: By = None, url: StewardUrl = None) -> None:
    """Lift the hold of a feed."""
    from kinbridge.retention.hold import lift_hold
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        lift_hold(connection, feed, by or getpass.getuser())
    typer.echo(f"The hold of {feed} is lifted.")


@retention_app.command("request")
def request_command(
    *,
    partner: Annotated[str, typer.Option(help="Whose records of the person are to go.")],
    person: Annotated[str, typer.Option(help="The person, by the partner's own id.", prompt=True, hide_input=True)],
    ground: Annotated[str, typer.Option(help="parent (34 CFR 303.416), court or partner.")] = "parent",
    reason: Annotated[str, typer.Option(help="Why, in a sentence without anybody's data.")],
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Note a request to destroy what a partner sent of one person. It is due at once, and a person approves it."""
    from kinbridge.retention.request import request_destruction
    from kinbridge.warehouse.connection import transaction

    if ground not in {"parent", "court", "partner"}:
        raise typer.BadParameter("parent, court or partner", param_hint="--ground")
    with transaction(steward_dsn(url)) as connection:
        number = request_destruction(
            connection,
            partner,
            person,
            ground=ground,  # type: ignore[arg-type]
            reason=reason,
            by=by or getpass.getuser(),
        )
    typer.echo(f"Request {number} is noted. It waits for approval; `kinbridge destruction list` shows it.")


def find(url: str | None, day: date) -> list[Due]:
    """What is due on that day, by the declarations of here."""
    from kinbridge.agreement.reader import read_agreements
    from kinbridge.retention.due import feed_rules, find_due
    from kinbridge.retention.laws import law_terms
    from kinbridge.retention.office import read_office_rules
    from kinbridge.warehouse.connection import transaction

    with transaction(pipeline_dsn(url)) as connection:
        rules = feed_rules(connection, day, read_agreements(), read_office_rules(), law_terms(day))
        return find_due(connection, day, rules)


def _rules(url: str | None, day: date) -> list[FeedRules]:
    from kinbridge.agreement.reader import read_agreements
    from kinbridge.retention.due import feed_rules
    from kinbridge.retention.laws import law_terms
    from kinbridge.retention.office import read_office_rules
    from kinbridge.warehouse.connection import transaction

    with transaction(pipeline_dsn(url)) as connection:
        return feed_rules(connection, day, read_agreements(), read_office_rules(), law_terms(day))
