"""`kinbridge quarantine`: which rows wait, why, and their replay once a declaration was mended."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.printable import printable
from kinbridge.cli.way_in import PipelineUrl, StewardUrl, pipeline_dsn, steward_dsn

if TYPE_CHECKING:
    from kinbridge.quarantine.look import Look
    from kinbridge.quarantine.replay import Replay
    from kinbridge.quarantine.waiting import Waiting

quarantine_app = typer.Typer(help="Rows that were set aside, and their replay.", no_args_is_help=True)

Feed = Annotated[str | None, typer.Option("--feed", help="Only this feed, as in medicaid/eligibility_v1.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option(help="Who you are, for the ledger; by default your name on this machine.")]


@quarantine_app.command("list")
def list_command(
    *,
    feed: Feed = None,
    delivery: Annotated[int | None, typer.Option(help="Only this delivery.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that broke this rule, as in dob.range.")] = None,
    only_open: Annotated[bool, typer.Option("--open/--all", help="Only rows that still wait, or all.")] = True,
    as_json: AsJson = False,
    url: StewardUrl = None,
) -> None:
    """Count the rows in quarantine by feed, delivery and rule. No values."""
    from kinbridge.quarantine.waiting import waiting
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        found = waiting(connection, feed=feed, delivery_id=delivery, rule=rule, resolved_too=not only_open)
    if as_json:
        typer.echo(json.dumps([one.as_plain() for one in found], indent=1))
    else:
        _print_waiting(found)


@quarantine_app.command("show")
def show_command(
    *,
    delivery: Annotated[int, typer.Argument(help="The delivery's number.")],
    line: Annotated[int | None, typer.Option(help="Only this line of the file.")] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many lines.")] = 100,
    values: Annotated[bool, typer.Option("--values", help="Values too. Each look is written to the ledger.")] = False,
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Show which lines of a delivery wait, the rules they broke, and what to do."""
    from kinbridge.quarantine.look import look_at, values_of
    from kinbridge.warehouse.connection import transaction

    dsn = steward_dsn(url)
    with transaction(dsn) as connection:
        look = look_at(connection, delivery, line_no=line, most=most)
    _print_look(look, values_of(dsn, look, datetime.now(UTC).date(), by or getpass.getuser()) if values else {})


@quarantine_app.command("replay")
def replay_command(
    *,
    feed: Feed = None,
    delivery: Annotated[int | None, typer.Option(help="Only this delivery.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come of it; change nothing.")] = False,
    as_json: AsJson = False,
    by: By = None,
    url: PipelineUrl = None,
) -> None:
    """Hold the open rows against today's rules, and load those that pass."""
    from kinbridge.errors import KinbridgeError
    from kinbridge.quarantine.replay import replay_delivery
    from kinbridge.quarantine.waiting import replayable
    from kinbridge.warehouse.connection import transaction

    dsn = pipeline_dsn(url)
    chosen, refused = [delivery] if delivery is not None else [], list[int]()
    if delivery is None:
        with transaction(dsn) as connection:
            chosen, refused = replayable(connection, feed=feed)
    done: list[Replay] = []
    failed: list[KinbridgeError] = []
    for number in chosen:
        try:
            done.append(
                replay_delivery(dsn, number, datetime.now(UTC).date(), by or getpass.getuser(), dry_run=dry_run)
            )
        except KinbridgeError as error:
            # One feed's mistake must not keep the others waiting.
            failed.append(error)
    if as_json:
        problems = [{"code": error.code, "message": str(error)} for error in failed]
        replays = [one.as_plain() for one in done]
        typer.echo(json.dumps({"replays": replays, "refused": refused, "problems": problems}, indent=1))
    else:
        _print_replays(done, refused)
        for problem in failed:
            sys.stderr.write(f"{problem}\n")
    if failed:
        raise typer.Exit(1)


def _print_waiting(found: list[Waiting]) -> None:
    from kinbridge.errors import catalogue
    from kinbridge.receipt.words import counted

    if not found:
        typer.echo("No row is in quarantine.")
        return
    for one in found:
        age = "today" if one.days == 0 else counted(one.days, "day", "days")
        typer.echo(f"{one.feed}  delivery {one.delivery_id}  {one.file_name}  {one.state.value}")
        typer.echo(f"  {counted(one.rows, 'row', 'rows'):>14}, the oldest since {one.since:%Y-%m-%d} ({age})")
        for reason in one.reasons:
            entry = catalogue().get(reason.code or "")
            title = entry.title if entry else "replayed, or refused with the whole file"
            typer.echo(f"  {reason.rows:>9,}      {reason.rule or '-':32} {reason.code or '-':8} {title}")
    rows, deliveries = sum(one.rows for one in found), len(found)
    typer.echo(f"{counted(rows, 'row', 'rows')} of {counted(deliveries, 'delivery', 'deliveries')}.")


def _print_look(look: Look, values: dict[int, dict[str, str | None]]) -> None:
    from kinbridge.errors import catalogue
    from kinbridge.receipt.words import counted

    delivery = look.delivery
    typer.echo(f"{delivery.feed}  delivery {delivery.delivery_id}  {delivery.file_name}  {delivery.state.value}")
    first = f", the first {len(look.lines):,}" if look.rows > len(look.lines) else ""
    typer.echo(f"{counted(look.rows, 'row', 'rows')} in quarantine{first}.")
    for line in look.lines:
        rules = ", ".join(line.rules) or "refused by a person"
        typer.echo(f"  line {line.line_no}: {rules}{'' if line.open else ' (resolved)'}")
        for column, value in values.get(line.line_no, {}).items():
            typer.echo(f"      {column} = {'(empty)' if value is None else printable(value)}")
    for text in look.rules:
        entry = catalogue().get(text.code)
        columns = f" in {', '.join(text.columns)}" if text.columns else ""
        typer.echo(f"\n{text.rule} ({text.code}){columns}" + (f": expected {text.expected}" if text.expected else ""))
        if entry:
            typer.echo(f"  {entry.title}. {entry.meaning}\n  {entry.remedy}")


def _print_replays(done: list[Replay], refused: list[int]) -> None:
    from kinbridge.receipt.words import counted

    for one in done:
        said = "would be" if one.dry_run else "were"
        typer.echo(
            f"delivery {one.delivery_id} of {one.feed}: {counted(one.tried, 'row', 'rows')} tried; "
            f"{said} loaded {one.loaded:,}, unchanged {one.unchanged:,}, duplicate {one.duplicate:,}; "
            f"still quarantined {one.quarantined:,}; {one.state.value}"
        )
    if refused:
        numbers = ", ".join(str(number) for number in refused)
        typer.echo(f"Refused by a person, and not replayed: {numbers}. A corrected file resolves their rows.")
    if not done:
        typer.echo("Nothing to replay.")
    elif any(one.loaded or one.unchanged or one.duplicate for one in done) and not done[0].dry_run:
        typer.echo("The next run of each feed sends its new receipts, and has the figures made anew.")
