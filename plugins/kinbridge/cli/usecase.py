"""`kinbridge usecase`: use cases, who serves them, and the worksheet that partners discuss."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinbridge.cli.agreement import Day, Register, day_of, force_on

usecase_app = typer.Typer(help="Use cases: why data are shared, and by whom.", no_args_is_help=True)


@usecase_app.command("list")
def usecase_list(*, day: Day = None, url: Register = None) -> None:
    """List the use cases, whether each may be served on a day, and by which feeds."""
    from kinbridge.agreement.reader import read_use_cases
    from kinbridge.agreement.uses import uses

    on = day_of(day)
    every = force_on(on, url)
    answer = uses(on, every.agreements, read_use_cases(), every.approvals)
    for name in sorted(answer.use_cases):
        refused = answer.why_not_served(name)
        feeds = ", ".join(sorted(answer.feeds_of(name))) or "no feed"
        state = f"not served: {refused.facts.get('state', refused.entry.title)}" if refused else f"served by {feeds}"
        typer.echo(f"{name:24} {answer.use_cases[name].status:10} {state}")


@usecase_app.command("worksheet")
def usecase_worksheet(
    name: Annotated[str, typer.Argument(help="The use case's id.")],
    *,
    out: Annotated[Path | None, typer.Option(help="The file to write; by default NAME.worksheet.html here.")] = None,
    day: Day = None,
    url: Register = None,
) -> None:
    """Write the data sharing worksheet: one page to print, with what nobody has agreed to share yet."""
    from kinbridge.agreement.reader import read_use_cases
    from kinbridge.contract.odcs import feeds
    from kinbridge.errors import KinbridgeError
    from kinbridge.partner.profile import partners, read_profile
    from kinbridge.use_case.worksheet import render, worksheet

    known = {one.id: one for one in read_use_cases()}
    if name not in known:
        raise KinbridgeError("KB-A18", name=name, known=", ".join(sorted(known)) or "none")
    on = day_of(day)
    names = {partner: read_profile(partner).name for partner in partners()}
    sheet = worksheet(known[name], on, force_on(on, url), feeds().values(), names)
    path = out or Path(f"{name}.worksheet.html")
    path.write_bytes(render(sheet))
    typer.echo(f"wrote {path}: {len(sheet.elements)} elements, {len(sheet.not_agreed)} that nobody has agreed to yet.")
    for row in sheet.not_agreed:
        typer.echo(f"  {row.element}")
