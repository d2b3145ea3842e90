"""`kinbridge consent`: record what a person says of consent, and show what follows from all that is known.

A partner's id of a person is asked for, or read from standard input, where `--person -` is given: what stands in a
command line can be read by others on the machine, and stays in the shell's history.
"""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.way_in import StewardUrl, steward_dsn

if TYPE_CHECKING:
    from kinbridge.consent.standing import Standing

DAY = "%Y-%m-%d"

consent_app = typer.Typer(help="Consent of persons: record it, and show what follows.", no_args_is_help=True)

Partner = Annotated[str, typer.Option(help="The partner whose id it is, as in medicaid.")]
Person = Annotated[str, typer.Option(help="The partner's own id of the person; - to be asked, or from standard input.")]
By = Annotated[str | None, typer.Option(help="Who you are, for the ledger; by default your name on this machine.")]


@consent_app.command("record")
def record_command(
    *,
    partner: Partner,
    decision: Annotated[str, typer.Option(help="granted, limited or revoked.")],
    effective: Annotated[
        datetime, typer.Option(formats=[DAY], help="First day on which it is in effect, as in 2026-10-31.")
    ],
    evidence: Annotated[str, typer.Option(help="What was seen and where it is kept; no name.")],
    person: Person = "-",
    use_case: Annotated[str | None, typer.Option(help="Only this use case; without it, all.")] = None,
    program: Annotated[str | None, typer.Option(help="Only this program; without it, all.")] = None,
    form: Annotated[str | None, typer.Option(help="The form and its version, as in family_consent/1.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=[DAY], help="Last day on which it is in effect.")] = None,
    signed: Annotated[datetime | None, typer.Option(formats=[DAY], help="Day on which the form was signed.")] = None,
    supersedes: Annotated[int | None, typer.Option(help="Number of the statement that it replaces.")] = None,
    unlinked: Annotated[bool, typer.Option("--unlinked", help="Accept an id that linkage has not met yet.")] = False,
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Record a statement on consent. The figures follow with the next integration."""
    from kinbridge.agreement.reader import read_use_cases
    from kinbridge.consent.form import read_forms
    from kinbridge.consent.statement import Statement, Words, record_statement
    from kinbridge.standards import code_set
    from kinbridge.warehouse.connection import transaction

    statement = Statement(
        partner=partner,
        source_person_id=_asked(person),
        decision=decision,
        effective_from=effective.date(),
        evidence=evidence,
        use_case=use_case,
        program=program,
        form=form,
        effective_to=until.date() if until else None,
        signed_on=signed.date() if signed else None,
        supersedes=supersedes,
    )
    words = Words({one.id for one in read_use_cases()}, code_set("program").codes, read_forms())
    with transaction(steward_dsn(url)) as connection:
        number = record_statement(connection, statement, words, by or getpass.getuser(), unlinked_too=unlinked)
    typer.echo(f"Recorded as statement {number}. The figures follow with the next integration.")


@consent_app.command("show")
def show_command(
    *,
    partner: Partner,
    person: Person = "-",
    day: Annotated[datetime | None, typer.Option(formats=[DAY], help="For this day; by default today.")] = None,
    known: Annotated[
        datetime | None,
        typer.Option(formats=[DAY, f"{DAY}T%H:%M"], help="As it was known then, in UTC; by default now."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    by: By = None,
    url: StewardUrl = None,
) -> None:
    """Show what is said of a person's consent, what follows, and what the law lets stand. Each look is an event."""
    from kinbridge.agreement.reader import read_agreements
    from kinbridge.consent.form import read_forms
    from kinbridge.consent.standing import look_at
    from kinbridge.warehouse.connection import transaction

    with transaction(steward_dsn(url)) as connection:
        found = look_at(
            connection,
            partner,
            _asked(person),
            day.date() if day else datetime.now(UTC).date(),
            known.replace(tzinfo=UTC) if known else datetime.now(UTC),
            read_forms().values(),
            read_agreements(),
            by or getpass.getuser(),
        )
    typer.echo(json.dumps(asdict(found), indent=1, default=str) if as_json else "\n".join(_lines(found)))


def _asked(person: str) -> str:
    """The id as given; for `-` from standard input, or asked for without showing it where there is a terminal."""
    if person != "-":
        return person
    given = getpass.getpass("Partner's id of the person: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise typer.BadParameter("no id was given", param_hint="--person")
    return given.strip()


def _lines(found: Standing) -> list[str]:
    lines = [
        f"On {found.day.isoformat()}, as known at {found.known:%Y-%m-%d %H:%M %Z}.",
        f"Known to: {', '.join(found.partners)}.",
        "",
        "What is said" if found.said else "Nothing is said of this person's consent.",
    ]
    for one in found.said:
        reach = f"{one.use_case or 'every use case'}, {one.program or 'every program'}"
        until = f" to {one.effective_to.isoformat()}" if one.effective_to else ""
        source = f"statement {one.statement}" if one.statement else f"sent by {one.partner}"
        lines.append(
            f"  {one.decision:8} {reach}; from {one.effective_from.isoformat()}{until}"
            f"{'' if one.in_effect else ' (not in effect)'}; form {one.form or 'none'}; {source},"
            f" known since {one.known_from:%Y-%m-%d}"
        )
    lines += ["", "What follows"]
    lines += [
        f"  {'withheld' if one.withheld else 'counted ':8} {one.use_case}, {one.program or 'every program'};"
        f" {one.rule.replace('_', ' ')}: {one.clause}"
        for one in found.uses
    ] or ["  No rule of consent is on record yet: none of its partners' feeds serves a use case."]
    if found.kept:
        lines += ["", "What stays"]
        lines += [f"  {one.what}: {one.why} ({one.clause})" for one in found.kept]
    return lines
