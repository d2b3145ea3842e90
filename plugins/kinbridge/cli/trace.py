"""`kinbridge trace`: whom what was disclosed to, and from figures and releases back to lines of files. Each is an
event."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.release import AsJson, By, plain, print_release, release_app
from kinbridge.cli.way_in import LinkageUrl, StewardUrl, linkage_dsn, steward_dsn

if TYPE_CHECKING:
    from kinbridge.trace.figure import FigureTrace
    from kinbridge.trace.file import FileTrace

trace_app = typer.Typer(help="From figures, releases and persons to files, and back.", no_args_is_help=True)


@trace_app.command("person")
def person_command(
    *,
    partner: Annotated[str, typer.Option(help="Who knows the person.")],
    person: Annotated[str, typer.Option(help="The partner's own id of the person.")],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; by default six years back.")
    ] = None,
    as_json: AsJson = False,
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """The accounting of disclosures of one person (45 CFR 164.528). Each look is an event."""
    from kinbridge.trace.person import TABLES_ARE_NONE, six_years_before, trace_person

    first = since.date() if since else six_years_before(datetime.now(UTC).date())
    found = trace_person(steward_dsn(url), partner, person, first, by or getpass.getuser())
    if as_json:
        typer.echo(json.dumps(found.as_plain(), indent=1, default=plain))
        return
    if not found.known:
        typer.echo(f"Nobody whom {partner} knows by this id is linked to a person today.")
    for one in found.disclosures:
        when = f"{one.issued_at:%Y-%m-%d}" if one.issued_at else "on its way"
        typer.echo(f"{when}  to {one.recipient}, {one.address}")
        typer.echo(f"  for {one.use_case}: {one.purpose}")
        typer.echo(f"  release {one.release_id}, {one.name}, under {one.agreement}")
        for element in one.elements:
            typer.echo(f"    {element}")
        for clause in one.clauses:
            typer.echo(f"    by {clause}")
        if one.recalled_at:
            done = f"acknowledged on {one.acknowledged_at:%Y-%m-%d}" if one.acknowledged_at else "not acknowledged yet"
            typer.echo(f"    recalled on {one.recalled_at:%Y-%m-%d}, {done}")
    typer.echo(f"{len(found.disclosures)} disclosure(s) since {first}. {TABLES_ARE_NONE}")


@release_app.command("show")
@trace_app.command("release")
def release_command(
    *,
    release: Annotated[str, typer.Argument(help="Number of the release, or name of the extract for the newest.")],
    as_json: AsJson = False,
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Show a release: who asked and decided, what is in it, its clauses, feeds, deliveries, files and recalls."""
    from kinbridge.trace.release import trace_release

    found = trace_release(steward_dsn(url), release, by or getpass.getuser())
    if as_json:
        typer.echo(json.dumps(found.as_plain(), indent=1, default=plain))
    else:
        print_release(found)


@trace_app.command("file")
def file_command(
    *,
    file: Annotated[str, typer.Argument(help="Number of the delivery, or the file's name for the newest.")],
    line: Annotated[int | None, typer.Option(min=1, help="Only this line of the file.")] = None,
    as_json: AsJson = False,
    by: By = None,
    url: LinkageUrl = None,
) -> None:
    """From a file, or one line of it, to rows, persons, releases and published figures."""
    from kinbridge.trace.file import trace_file

    found = trace_file(linkage_dsn(url), file, by or getpass.getuser(), line)
    if as_json:
        typer.echo(json.dumps(found.as_plain(), indent=1, default=plain))
    else:
        _print_file(found)


@trace_app.command("figure")
def figure_command(
    *,
    table: Annotated[str, typer.Argument(help="children_served, children_by_characteristic or referral_outcomes.")],
    programs: Annotated[str, typer.Option(help='A program, "any program", or a combination as in "medicaid + snap".')],
    month: Annotated[datetime | None, typer.Option(formats=["%Y-%m"], help="The month.")] = None,
    unit: Annotated[str, typer.Option(help="children or families.")] = "children",
    characteristic: Annotated[str | None, typer.Option(help="Of children by characteristic; or the outcome.")] = None,
    value: Annotated[str | None, typer.Option(help="Its value; of referrals the county.")] = None,
    exactly: Annotated[bool, typer.Option("--exactly", help="One program as a combination: it and no other.")] = False,
    most: Annotated[int, typer.Option(min=1, help="At most so many lines of each file.")] = 10,
    as_json: AsJson = False,
    by: By = None,
    url: LinkageUrl = None,
) -> None:
    """From a published figure to the persons counted and the lines of files behind it."""
    from kinbridge.trace.figure import Wanted, trace_figure

    wanted = Wanted(
        table.removeprefix("mart."), programs, month.date() if month else None, unit, characteristic, value, exactly
    )
    found = trace_figure(linkage_dsn(url), wanted, by or getpass.getuser())
    if as_json:
        typer.echo(json.dumps(found.as_plain(), indent=1, default=plain))
    else:
        _print_figure(found, most)


def _print_figure(found: FigureTrace, most: int) -> None:
    shown = "withheld" if found.shown is None else f"{found.shown:,}"
    typer.echo(f"{found.table}, {found.what}: {shown}, published {found.published_at:%Y-%m-%d %H:%M}")
    typer.echo(
        f"  counted again from the records of that time: {found.counted:,}; persons behind it: {found.persons:,}"
    )
    for source in found.sources:
        lines = ", ".join(str(number) for number in source.lines[:most])
        more = f" and {len(source.lines) - most:,} more" if len(source.lines) > most else ""
        typer.echo(
            f"  delivery {source.delivery_id} {source.file_name} ({source.feed}), {source.table}: lines {lines}{more}"
        )
        typer.echo(f"    SHA-256 {source.sha256}")


def _print_file(found: FileTrace) -> None:
    one = found.delivery
    where = f", line {found.line}" if found.line is not None else ""
    typer.echo(f"delivery {one.delivery_id} {one.file_name}{where} ({one.feed}): {one.state.value}")
    typer.echo(f"  SHA-256 {one.sha256}")
    if found.account and found.line is None:
        account = found.account
        typer.echo(
            f"  {account.source_rows:,} rows: loaded {account.loaded:,}, unchanged {account.unchanged:,}, "
            f"quarantined {account.quarantined:,}, duplicate {account.duplicate:,}"
        )
    for held in found.held:
        typer.echo(f"  {held.table}: {held.rows:,} rows came by it, {held.current:,} are in effect")
    if not found.held:
        typer.echo("  No row of the record came by it: unchanged, repeated, or set aside.")
    typer.echo(f"  about {found.persons:,} linked persons")
    for release in found.releases:
        typer.echo(
            f"  in release {release.release_id} {release.name} for {release.recipient} ({release.state}): "
            f"{release.persons:,} persons"
        )
    for output in found.outputs:
        typer.echo(f"  its feed is counted in {output}")
    for figure in found.figures:
        typer.echo(f"  counted in {figure.month:%Y-%m}: {figure.grouping} {figure.programs}")
