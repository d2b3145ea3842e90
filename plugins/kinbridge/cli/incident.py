"""`kinbridge incident`: a breach, or a drill of one: who is affected, who must be told by when, and what was told."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.retention import AsJson, By
from kinbridge.cli.way_in import OwnerUrl

if TYPE_CHECKING:
    from kinbridge.incident.book import Incident
    from kinbridge.warehouse.connection import Dsn

incident_app = typer.Typer(help="Breaches and drills: who is affected, and who is told by when.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="The incident's number.")]
NoticeNumber = Annotated[int, typer.Argument(help="The notice's number, as `incident show` lists it.")]
Note = Annotated[str, typer.Option(help="A sentence without anybody's data.")]


@incident_app.command("open")
def open_command(
    *,
    what: Annotated[
        str, typer.Option(help='"delivery 12", "release NAME", "role kb_analyst", "file PATH", "outbox PARTNER", …')
    ],
    discovered: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="When it was found out, in UTC.")
    ],
    note: Note = "",
    drill: Annotated[bool, typer.Option("--drill", help="A drill: every notice says so.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where drafts go; by default incidents/ of the state.")] = None,
    by: By = None,
    url: OwnerUrl = None,
) -> None:
    """Work out what a breach concerns and which notices are owed by when, and draft them."""
    from kinbridge.agreement.reader import read_agreements
    from kinbridge.incident.book import incident_folder, open_incident
    from kinbridge.incident.classes import classes_of_feeds
    from kinbridge.incident.deadline import read_deadlines

    found = open_incident(
        owner_dsn(url),
        what,
        discovered.replace(tzinfo=UTC),
        by or getpass.getuser(),
        agreements=read_agreements(),
        deadlines=read_deadlines(),
        classes=classes_of_feeds(),
        note=note,
        drill=drill,
        folder=folder,
    )
    _print(found)
    if found.notices:
        typer.echo(f"Drafts: {(folder or incident_folder()) / str(found.incident_id)}")


@incident_app.command("list")
def list_command(as_json: AsJson = False, url: OwnerUrl = None) -> None:
    """List the incidents, and the next notice that each still owes."""
    from kinbridge.incident.book import DRAFTED, incidents

    found = incidents(owner_dsn(url))
    if as_json:
        plain = [{"incident": one.incident_id, "what": one.what, "persons": one.persons} for one in found]
        typer.echo(json.dumps(plain, indent=1))
        return
    for one in found:
        waiting = [notice for notice in one.notices if notice.state == DRAFTED]
        state = "closed" if one.closed else f"{len(waiting)} notices to send"
        following = f", the next by {waiting[0].due_at:%Y-%m-%d %H:%M} UTC" if waiting and not one.closed else ""
        kind = "drill" if one.drill else "incident"
        typer.echo(f"{one.incident_id}  {kind}  {one.what}  {one.persons:,} people  {state}{following}")
    if not found:
        typer.echo("No incident was ever opened.")


@incident_app.command("show")
def show_command(number: Number, url: OwnerUrl = None) -> None:
    """Show one incident: who and what is affected, and every notice with its deadline."""
    from kinbridge.incident.book import incidents

    _print(incidents(owner_dsn(url), number)[0])


@incident_app.command("sent")
def sent_command(number: Number, notice: NoticeNumber, note: Note = "", by: By = None, url: OwnerUrl = None) -> None:
    """Take down that a notice was sent."""
    from kinbridge.incident.book import SENT, take_step

    take_step(owner_dsn(url), number, notice, SENT, by or getpass.getuser(), note=note)
    typer.echo(f"Notice {notice} was sent.")


@incident_app.command("acknowledged")
def acknowledged_command(
    number: Number, notice: NoticeNumber, note: Note = "", by: By = None, url: OwnerUrl = None
) -> None:
    """Take down that a notice was acknowledged."""
    from kinbridge.incident.book import ACKNOWLEDGED, take_step

    take_step(owner_dsn(url), number, notice, ACKNOWLEDGED, by or getpass.getuser(), note=note)
    typer.echo(f"Notice {notice} was acknowledged.")


@incident_app.command("close")
def close_command(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why notices that were not sent are not owed.")] = "",
    by: By = None,
    url: OwnerUrl = None,
) -> None:
    """Close an incident, once every notice was sent or is not owed."""
    from kinbridge.incident.book import close_incident

    close_incident(owner_dsn(url), number, by or getpass.getuser(), reason)
    typer.echo(f"Incident {number} is closed.")


def owner_dsn(url: str | None) -> Dsn:
    """The way in as kb_owner: the address that was given, or the one that provisioning left in the state folder."""
    from kinbridge.settings import state_folder
    from kinbridge.warehouse.connection import Dsn
    from kinbridge.warehouse.roles import OWNER, role_dsns

    return Dsn.from_url(url) if url else role_dsns(state_folder() / "roles")[OWNER]


def _print(one: Incident) -> None:
    from kinbridge.incident.book import late

    kind = "Drill" if one.drill else "Incident"
    typer.echo(
        f"{kind} {one.incident_id}: {one.what}, found out {one.discovered_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )
    typer.echo(f"Affected: {one.persons:,} people ({one.affected['how']})")
    for feed, count in one.affected["persons_by_feed"].items():
        typer.echo(f"  {feed:40} {count:>9,} people")
    for program, count in one.affected["programs"].items():
        typer.echo(f"  program {program:32} {count:>9,} people")
    for name, elements in one.affected["elements"].items():
        typer.echo(f"  {name}: {', '.join(elements)}")
    if one.affected["recipients"]:
        typer.echo(f"  recipients: {', '.join(one.affected['recipients'])}")
    for notice in one.notices:
        state = f"{notice.state}  LATE" if late(notice) and not one.closed else notice.state
        due = f"{notice.due_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        typer.echo(f"{notice.notice_id:>4}  {due}  {notice.addressee}  {state}")
        typer.echo(f"      {notice.clause}")
    if not one.notices:
        typer.echo("No notice is owed.")
    if one.closed:
        typer.echo("Closed.")
