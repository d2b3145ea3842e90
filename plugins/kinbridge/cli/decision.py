"""`kinbridge decision`: what was decided and what is open; proposals, ballots taken in a room, minutes."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinbridge.cli.way_in import PipelineUrl, pipeline_dsn

if TYPE_CHECKING:
    from kinbridge.decision.item import Item

decision_app = typer.Typer(help="Proposals, ballots, decisions and their minutes.", no_args_is_help=True)

DAYS = ["%Y-%m-%d"]
By = Annotated[str | None, typer.Option(help="Who you are, for the register; by default your name on this machine.")]
First = Annotated[datetime | None, typer.Option("--from", formats=DAYS, help="The first day.")]
Last = Annotated[datetime | None, typer.Option("--to", formats=DAYS, help="The last day.")]
Number = Annotated[int, typer.Argument(help="The proposal's number.")]
Kind = Annotated[str, typer.Argument(help="agreement, use_case, standard or element.")]
Subject = Annotated[str, typer.Argument(help="Its id; an element as in snap/participation_v1.benefit_amount.")]
Version = Annotated[str | None, typer.Option("--version", help="The version; by default the newest declared one.")]


@decision_app.command("list")
def list_command(
    *,
    paper: Annotated[bool, typer.Option("--paper", help="Only what is on paper; no database is asked.")] = False,
    url: PipelineUrl = None,
) -> None:
    """List decisions and open proposals, oldest first."""
    for item in _items(None if paper else pipeline_dsn(url)):
        typer.echo(f"{item.day}  {item.outcome:9} {item.kind:10} {item.subject:44} {item.source.split(',')[0]}")


@decision_app.command("show")
def show_command(proposal: Number, url: PipelineUrl = None) -> None:
    """Show a proposal, who was asked, who has answered, and where it stands."""
    from kinbridge.decision.register import registered
    from kinbridge.decision.standing import standing_of
    from kinbridge.warehouse.connection import transaction

    with transaction(pipeline_dsn(url)) as connection:
        one = registered(connection, proposal)
    found = standing_of(one, datetime.now(UTC).date())
    text = one.proposal
    typer.echo(f"proposal {proposal}: {text.kind} {text.subject} {text.version}\n  {text.title}\n  {text.reasons}")
    typer.echo(f"  proposed by {text.proposed_by} on {one.proposed_at:%Y-%m-%d}, {text.digest}")
    typer.echo(f"  {one.body} decides: {one.rule} (charter {one.charter_version}); answers until {one.closes_on}")
    for ballot in one.ballots:
        typer.echo(f"    {ballot.member:24} {ballot.choice.value:8} {ballot.on}  {ballot.reason}".rstrip())
    for member in found.missing:
        typer.echo(f"    {member:24} has not answered")
    takes = f", from {found.effective} on" if found.effective and found.state.value == "approved" else ""
    typer.echo(f"  {found.state.value}{takes}: {found.why}")


@decision_app.command("propose")
def propose_command(
    *,
    kind: Kind,
    subject: Subject,
    reasons: Annotated[str, typer.Option(help="What it is for.")],
    option: Annotated[
        list[str] | None, typer.Option(help="What is weighed, the proposed one first; repeat it.")
    ] = None,
    version: Version = None,
    effective: Annotated[datetime | None, typer.Option(formats=DAYS, help="The first day, if approved.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Anew, after it was rejected or lapsed.")] = False,
    by: By = None,
    url: PipelineUrl = None,
) -> None:
    """Propose a declared text, as it stands now. Those whom the charter names are asked."""
    from kinbridge.decision.model import Proposal
    from kinbridge.decision.proposal import propose
    from kinbridge.decision.text import text_of
    from kinbridge.warehouse.connection import transaction

    text = text_of(kind, subject, version)
    proposal = Proposal(
        kind=text.kind,
        subject=text.subject,
        version=text.version,
        digest=text.digest,
        title=text.title,
        reasons=reasons,
        proposed_by=by or getpass.getuser(),
        partners=text.partners,
        options=tuple(option or ()),
        effective=effective.date() if effective else None,
    )
    with transaction(pipeline_dsn(url)) as connection:
        number = propose(connection, proposal, again=again)
    typer.echo(f"Proposal {number}. The DAG `decide` asks the members who have a log-in; run it to ask at once.")


@decision_app.command("vote")
def vote_command(
    *,
    proposal: Number,
    member: Annotated[str, typer.Argument(help="The member's id in the charter.")],
    choice: Annotated[str, typer.Argument(help="approve, reject, abstain or recuse.")],
    evidence: Annotated[str, typer.Option(help="What shows the answer: minutes with day and item, a letter.")],
    reason: Annotated[str, typer.Option(help="Why; needed to reject and to recuse.")] = "",
    by: By = None,
    url: PipelineUrl = None,
) -> None:
    """Enter a ballot that a member gave where the body met. In Airflow members answer by themselves."""
    from kinbridge.decision.ballot import cast
    from kinbridge.warehouse.connection import transaction

    with transaction(pipeline_dsn(url)) as connection:
        found = cast(
            connection,
            proposal,
            member,
            choice,
            datetime.now(UTC),
            reason,
            recorded_by=by or getpass.getuser(),
            evidence=evidence,
        )
    typer.echo(f"Proposal {proposal} is {found.state.value}: {found.why}. Not answered: {len(found.missing)}.")


@decision_app.command("minutes")
def minutes_command(
    *,
    out: Annotated[Path, typer.Option(help="The file to write: .md or .html.")],
    body: Annotated[str | None, typer.Option(help="Only this body, by its id in the charter.")] = None,
    first: First = None,
    last: Last = None,
    paper: Annotated[bool, typer.Option("--paper", help="Only what is on paper; no database is asked.")] = False,
    url: PipelineUrl = None,
) -> None:
    """Write minutes: what was proposed, who was asked, how they voted, the rule, the outcome, and why."""
    from kinbridge.decision.minutes import as_html, as_markdown

    begin, end = (day.date() if day else None for day in (first, last))
    found = _items(None if paper else pipeline_dsn(url), body=body, first=begin, last=end)
    written = as_html if out.suffix == ".html" else as_markdown
    out.write_text(written(found, begin, end), encoding="utf-8")
    typer.echo(f"wrote {out}: {len(found)} decision(s)")


@decision_app.command("digest")
def digest_command(file: Annotated[Path, typer.Argument(help="A declaration; or the folder of the standard.")]) -> None:
    """Print the digest by which a decision names the text of a declaration."""
    from kinbridge.decision.approvals import digest_of_declaration
    from kinbridge.decision.standard import digest_of_standard
    from kinbridge.declaration.document import DocumentError
    from kinbridge.errors import KinbridgeError

    try:
        whole = file.is_dir() or file.name == "standard.yaml"
        folder = file if file.is_dir() else file.parent
        typer.echo(digest_of_standard(folder) if whole else digest_of_declaration(file))
    except DocumentError as error:
        problem = error.problem
        raise KinbridgeError("KB-C01", path=problem.path, line=problem.line, problem=problem.text) from None
    except FileNotFoundError as error:
        raise KinbridgeError("KB-C01", path=error.filename, line=1, problem="there is no such file") from None


@decision_app.command("draft")
def draft_command(
    *,
    kind: Kind,
    subject: Subject,
    version: Version = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default below the last folder of KINBRIDGE_INCLUDE.")
    ] = None,
) -> None:
    """Write the skeleton of a paper decision: text, digest and who is to be asked; what people decided is marked."""
    from kinbridge.cli.written import tell
    from kinbridge.decision.draft import draft

    tell(draft(kind, subject, datetime.now(UTC).date(), version=version, out=out), "`kinbridge check`")


@decision_app.command("paper")
def paper_command(
    proposal: Number,
    out: Annotated[Path | None, typer.Option(help="The file to write; as for `draft`.")] = None,
    url: PipelineUrl = None,
) -> None:
    """Write a decision of the register down as a declaration, so that it holds where no database is, too."""
    from kinbridge.decision.draft import write_down
    from kinbridge.decision.register import registered
    from kinbridge.warehouse.connection import transaction

    with transaction(pipeline_dsn(url)) as connection:
        one = registered(connection, proposal)
    typer.echo(f"wrote {write_down(one, getpass.getuser(), out=out)}")


def _items(dsn: Any, *, body: str | None = None, first: date | None = None, last: date | None = None) -> list[Item]:
    from kinbridge.decision.item import items
    from kinbridge.warehouse.connection import transaction

    today = datetime.now(UTC).date()
    if dsn is None:
        return items(None, today, body=body, first=first, last=last)
    with transaction(dsn) as connection:
        return items(connection, today, body=body, first=first, last=last)
