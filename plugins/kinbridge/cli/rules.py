"""`kinbridge rules`: what laws and agreements demand, and which clause wins."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

rules_app = typer.Typer(help="Laws as data, and the strictest rule.", no_args_is_help=True)


@rules_app.command("explain")
def explain_command(
    target: Annotated[
        str,
        typer.Argument(
            help="A feed, a column of it (medicaid/eligibility_v1.dob), an element (person.birth_date), a program, "
            "a use case, or release:<recipient>/<use case>."
        ),
    ],
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="For this day; today by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what holds for it: each demand, the clause that won, with file and line, and what it beat.

    Not legal advice. Decisions are those that are declared; the register in the database is not asked.
    """
    from kinbridge.rule.explain import as_data, as_text
    from kinbridge.rule.grounds import read_grounds
    from kinbridge.rule.target import explain

    found = explain(target, (day or datetime.now(UTC)).date(), read_grounds())
    if as_json:
        typer.echo(json.dumps(as_data(found), indent=1))
        return
    for line in as_text(found):
        typer.echo(line)


@rules_app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the laws with their clauses and what each demands. Not legal advice."""
    from kinbridge.law.reader import read_laws
    from kinbridge.rule.explain import laws_as_data, laws_as_text

    laws = read_laws().laws
    if as_json:
        typer.echo(json.dumps(laws_as_data(laws), indent=1))
        return
    for line in laws_as_text(laws):
        typer.echo(line)
