"""`kinbridge agreement`: what agreements allow, what amendments change, why a column is read; beginning a new one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.written import tell

if TYPE_CHECKING:
    from kinbridge.agreement.force import Force
    from kinbridge.agreement.model import Agreement

agreement_app = typer.Typer(help="Agreements: what they allow, day by day.", no_args_is_help=True)

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day to ask for; by default today.")]
Register = Annotated[
    str | None,
    typer.Option(
        envvar="KINBRIDGE_PIPELINE_URL",
        help="postgresql:// address of kb_pipeline, for decisions of the register; without it, those on paper.",
    ),
]


@agreement_app.command("show")
def agreement_show(
    agreement: Annotated[str | None, typer.Argument(help="Its id; without one, all are listed.")] = None,
    *,
    day: Day = None,
    url: Register = None,
) -> None:
    """Show what agreements allow on a day: their state, feed by feed, and each term with its place."""
    from kinbridge.agreement.shown import details, table

    on = day_of(day)
    every = force_on(on, url)
    lines = table(every, on) if agreement is None else details(_versions(every, agreement), every, on)
    for line in lines:
        typer.echo(line)


@agreement_app.command("diff")
def agreement_diff(
    agreement: Annotated[str, typer.Argument(help="Its id.")],
    old: Annotated[str, typer.Argument(help="The older version.")],
    new: Annotated[str, typer.Argument(help="The newer version.")],
    *,
    holdings: Annotated[
        bool, typer.Option("--holdings", help="Count what holds the elements that are taken back, in the warehouse.")
    ] = False,
    url: Register = None,
) -> None:
    """Show what a version changes: elements of each feed first, then every other clause, in plain words."""
    from kinbridge.agreement.difference import difference, removed_elements

    every = force_on(day_of(None), None)
    before, after = _version(every, agreement, old), _version(every, agreement, new)
    changes = difference(before, after)
    for change in changes:
        typer.echo(f"{change.text}\n    {change.old.place} -> {change.new.place}")
    typer.echo(f"{len(changes)} change(s) from {before.name} to {after.name}.")
    if holdings:
        _tell_holdings(removed_elements(before, after), url)


def _tell_holdings(removed: dict[str, frozenset[str]], url: str | None) -> None:
    from kinbridge.agreement.holdings import holdings
    from kinbridge.cli.way_in import pipeline_dsn
    from kinbridge.warehouse.connection import transaction

    with transaction(pipeline_dsn(url)) as connection:
        found = holdings(connection, dict(removed.items()))
    typer.echo("")
    for one in found:
        typer.echo(f"{one.feed} {one.element}: {one.count:,} in {one.name} ({one.place})")
    typer.echo(
        "What holds elements that are taken back stands above." if found else "Nothing holds what is taken back."
    )


@agreement_app.command("explain")
def agreement_explain(
    what: Annotated[str, typer.Argument(help="A feed, or a column of it: medicaid/eligibility_v1.ssn.")],
    *,
    day: Day = None,
    url: Register = None,
) -> None:
    """Say why a feed, or a column of it, is or is not read on a day, and by which clause; of a feed, too, with which
    others it may be linked."""
    from kinbridge.agreement.comparable import in_brief
    from kinbridge.agreement.reader import read_use_cases
    from kinbridge.agreement.shown import explain
    from kinbridge.agreement.uses import uses
    from kinbridge.contract.odcs import feed_of, feeds
    from kinbridge.load.origin import origins_of

    name, _, column = what.partition(".")
    feed = feed_of(name)
    on = day_of(day)
    every = force_on(on, url)
    for line in explain(feed, column or None, on, every, origins_of(feed)):
        typer.echo(line)
    if not column:
        answer = uses(on, every.agreements, read_use_cases(), every.approvals)
        for other in sorted(set(feeds()) - {feed.id}):
            typer.echo(in_brief(answer, feed.id, other))


@agreement_app.command("new")
def agreement_new(
    kind: Annotated[str, typer.Argument(help="memorandum, data_use_agreement or release_agreement.")],
    *,
    agreement_id: Annotated[str, typer.Option("--id", help="Its id, such as dsa-medicaid.")],
    out: Annotated[Path, typer.Option(help="The file to write, below an include folder's agreements/.")],
    feed: Annotated[list[str] | None, typer.Option(help="A feed that it lets in; may stand more than once.")] = None,
    recipient: Annotated[str, typer.Option(help="Who receives the release.")] = "",
    use_case: Annotated[str, typer.Option(help="The use case that is released.")] = "",
) -> None:
    """Begin a new agreement from a template, with every open decision marked."""
    from kinbridge.agreement.model import AgreementKind
    from kinbridge.agreement.new import Wanted, write_agreement
    from kinbridge.contract.odcs import feed_of

    if kind not in set(AgreementKind):
        raise typer.BadParameter(f"the kinds are {', '.join(AgreementKind)}", param_hint="KIND")
    feeds = tuple(feed_of(name) for name in feed or ())
    if kind == AgreementKind.DATA_USE and len({one.partner for one in feeds}) != 1:
        raise typer.BadParameter("name the feeds of one partner", param_hint="--feed")
    if kind == AgreementKind.RELEASE and not (recipient and use_case):
        raise typer.BadParameter("a release agreement has a recipient and a use case", param_hint="--recipient")
    wanted = Wanted(AgreementKind(kind), agreement_id, feeds, recipient, use_case)
    tell(write_agreement(wanted, out, day_of(None)), "run `kinbridge check`")


def day_of(day: datetime | None) -> date:
    """The day that was asked for, or today."""
    return day.date() if day else datetime.now(UTC).date()


def force_on(day: date, url: str | None) -> Force:
    """The declared agreements with the decisions: of the register too, where an address is given."""
    from kinbridge.agreement.force import force
    from kinbridge.agreement.reader import read_agreements
    from kinbridge.decision.approvals import read_approvals
    from kinbridge.warehouse.connection import Dsn, transaction

    agreements = read_agreements()
    if url is None:
        return force(agreements, read_approvals(None, day=day))
    with transaction(Dsn.from_url(url)) as connection:
        return force(agreements, read_approvals(connection, day=day))


def _versions(every: Force, agreement_id: str) -> tuple[Agreement, ...]:
    from kinbridge.errors import KinbridgeError

    found = every.of(agreement_id)
    if not found:
        known = ", ".join(sorted({one.id for one in every.agreements})) or "none"
        raise KinbridgeError("KB-A17", name=agreement_id, known=known)
    return found


def _version(every: Force, agreement_id: str, version: str) -> Agreement:
    from kinbridge.errors import KinbridgeError

    versions = _versions(every, agreement_id)
    for one in versions:
        if one.version == version:
            return one
    known = ", ".join(one.version for one in versions)
    raise KinbridgeError("KB-A17", name=f"{agreement_id} {version}", known=known)
