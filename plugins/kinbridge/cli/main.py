"""Entry of the `kinbridge` command. Commands are thin: they parse, call the package, print, and exit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kinbridge.cli import link_ledger
from kinbridge.cli.agreement import agreement_app
from kinbridge.cli.backup import backup_app
from kinbridge.cli.calendar import calendar_command
from kinbridge.cli.consent import consent_app
from kinbridge.cli.decision import decision_app
from kinbridge.cli.deploy import deploy_app
from kinbridge.cli.destruction import destruction_app
from kinbridge.cli.draft import draft
from kinbridge.cli.hmis import hmis
from kinbridge.cli.incident import incident_app
from kinbridge.cli.link import link_app
from kinbridge.cli.link_evaluate import evaluate_command
from kinbridge.cli.link_train import train_command
from kinbridge.cli.partner import partner_app
from kinbridge.cli.preflight import preflight
from kinbridge.cli.quarantine import quarantine_app
from kinbridge.cli.release import release_app
from kinbridge.cli.retention import retention_app
from kinbridge.cli.review import review_command
from kinbridge.cli.rules import rules_app
from kinbridge.cli.trace import trace_app
from kinbridge.cli.usecase import usecase_app
from kinbridge.errors import KinbridgeError

app = typer.Typer(
    name="kinbridge",
    help="The integrated data system that agreements, laws and consents govern.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
feed_app = typer.Typer(help="Feeds and their contracts.", no_args_is_help=True)
suite_app = typer.Typer(help="Great Expectations suites, compiled from contracts.", no_args_is_help=True)
demo_app = typer.Typer(help="The demo on this machine.", no_args_is_help=True)
bench_app = typer.Typer(help="Measurements that a person runs.", no_args_is_help=True)
warehouse_app = typer.Typer(help="The warehouse's roles and migrations.", no_args_is_help=True)
for name, group in (
    ("feed", feed_app),
    ("suite", suite_app),
    ("demo", demo_app),
    ("bench", bench_app),
    ("warehouse", warehouse_app),
    ("deploy", deploy_app),
    ("partner", partner_app),
    ("agreement", agreement_app),
    ("usecase", usecase_app),
    ("quarantine", quarantine_app),
    ("retention", retention_app),
    ("destruction", destruction_app),
    ("backup", backup_app),
    ("incident", incident_app),
    ("decision", decision_app),
    ("rules", rules_app),
    ("consent", consent_app),
    ("release", release_app),
    ("trace", trace_app),
    ("link", link_app),
):
    app.add_typer(group, name=name)
app.command()(preflight)
link_app.command("evaluate")(evaluate_command)
link_app.command("train")(train_command)
feed_app.command("draft")(draft)
link_app.command("review")(review_command)
link_app.command("run")(link_ledger.run_command)
link_app.command("show")(link_ledger.show_command)
link_app.command("changes")(link_ledger.changes_command)
link_app.command("undo")(link_ledger.undo_command)
app.command("calendar")(calendar_command)
app.command()(hmis)


@app.command()
def check() -> None:
    """Hold every declaration below include/ against the others; mistakes are named with file and line."""
    from kinbridge.check.declarations import check as problems_of

    problems = problems_of()
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        typer.echo(f"{len(problems)} problem(s).", err=True)
        raise typer.Exit(1)
    typer.echo("Every declaration holds.")


@feed_app.command("list")
def feed_list() -> None:
    """List the feeds with their versions and keys."""
    from kinbridge.contract.odcs import feeds

    for feed in feeds().values():
        typer.echo(f"{feed.id:40} {feed.version:8} key {', '.join(feed.key)}")


@suite_app.command("compile")
def suite_compile() -> None:
    """Compile every contract to its suite; prints the files that changed."""
    from kinbridge.check.suites import compile_suites

    changed = compile_suites()
    for path in changed:
        typer.echo(str(path))
    typer.echo(f"{len(changed)} suite(s) changed.")


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write to; one folder per partner, and truth/.")],
    families: Annotated[int, typer.Option(min=1, help="How many families.")] = 2500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    months: Annotated[int, typer.Option(min=1, max=24, help="How many months of deliveries.")] = 3,
) -> None:
    """Write the files that fictional partners would drop, and the truth beside them."""
    from kinbridge.simulator import simulate as run

    summary = run(out, families, seed, months)
    typer.echo(str(summary))


@warehouse_app.command("provision")
def warehouse_provision(
    url: Annotated[str, typer.Option(envvar="KINBRIDGE_ADMIN_URL", help="postgresql:// address of an administrator.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where roles.json with the passwords is kept; by default in the state folder.")
    ] = None,
) -> None:
    """Make the databases and roles, or bring them to their declared state, and then migrate the warehouse."""
    from kinbridge.settings import state_folder
    from kinbridge.warehouse.connection import Dsn
    from kinbridge.warehouse.migrate import migrate
    from kinbridge.warehouse.roles import OWNER, provision

    dsns = provision(Dsn.from_url(url), folder or state_folder() / "roles")
    typer.echo(f"Roles: {', '.join(dsns)}.")
    typer.echo(f"The warehouse is at migration {migrate(dsns[OWNER])}.")


@warehouse_app.command("url")
def warehouse_url(
    role: Annotated[str, typer.Argument(help="kb_analyst, kb_steward, airflow, …")],
    folder: Annotated[
        Path | None, typer.Option(help="Where roles.json is kept; by default in the state folder.")
    ] = None,
    sqlalchemy: Annotated[bool, typer.Option("--sqlalchemy", help="As SQLAlchemy wants it, driver named.")] = False,
) -> None:
    """Print the address by which a role logs in. It holds the role's password."""
    from kinbridge.settings import state_folder
    from kinbridge.warehouse.roles import role_dsns

    dsns = role_dsns(folder or state_folder() / "roles")
    if role not in dsns:
        raise typer.BadParameter(f"the roles are {', '.join(dsns)}", param_hint="ROLE")
    typer.echo(dsns[role].sqlalchemy_url if sqlalchemy else dsns[role].to_url())


@warehouse_app.command("migrate")
def warehouse_migrate(
    url: Annotated[str, typer.Option(envvar="KINBRIDGE_OWNER_URL", help="postgresql:// address of kb_owner.")],
) -> None:
    """Bring the warehouse to the newest migration."""
    from kinbridge.warehouse.connection import Dsn
    from kinbridge.warehouse.migrate import migrate

    typer.echo(f"The warehouse is at migration {migrate(Dsn.from_url(url))}.")


@warehouse_app.command("migration-sql")
def warehouse_migration_sql() -> None:
    """Print the migrations as SQL, for sites where a database administrator applies changes."""
    from kinbridge.warehouse.migrate import migration_sql

    typer.echo(migration_sql())


@app.command()
def docs() -> None:
    """Write the generated pages below docs/; prints those that changed."""
    from kinbridge.documentation.pages import write_pages

    changed = write_pages()
    for path in changed:
        typer.echo(str(path))
    typer.echo(f"{len(changed)} page(s) changed.")


@bench_app.command("intake")
def bench_intake(
    rows: Annotated[int, typer.Option(min=1, help="Rows of the generated file.")] = 1_000_000,
    bad_share: Annotated[float, typer.Option(min=0, max=0.4, help="The share of rows that break a rule.")] = 0.01,
    change_share: Annotated[
        float, typer.Option(min=0, max=1, help="Measure a second file too, that changes this share of the rows.")
    ] = 0.0,
    beside: Annotated[str | None, typer.Option(help="Run this too, on the same file and server: dlt.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure one file's way from SFTP to the record, beside a bare COPY of it."""
    from kinbridge.bench.intake import run_intake
    from kinbridge.bench.peer import ways_of

    intake = run_intake(rows, bad_share=bad_share, change_share=change_share, beside=ways_of(beside), say=_say)
    typer.echo(intake.to_json() if as_json else intake.to_table())


@bench_app.command("series")
def bench_series(
    into: Annotated[Path, typer.Option(help="The folder of performance.md; table, plot and figures go there.")],
    rows: Annotated[list[int] | None, typer.Option(help="Rows of a file; may stand more than once.")] = None,
    beside: Annotated[str | None, typer.Option(help="Run this too, for the smallest file: dlt.")] = None,
) -> None:
    """Measure 1 and 10 million rows, clean and with 5 % bad ones, and write the table and the plot."""
    from kinbridge.bench.peer import ways_of
    from kinbridge.bench.series import SIZES, run_series

    run_series(into, sizes=rows or SIZES, beside=ways_of(beside), say=_say)


@bench_app.command("link")
def bench_link(
    config: Annotated[Path, typer.Option(help="The configuration of `kinbridge link files`.")],
    beside: Annotated[str | None, typer.Option(help="Run this too, on the same records: splink.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="How often to run each; medians are printed.")] = 3,
) -> None:
    """Measure `kinbridge link files` as a whole process, beside a bare Splink model of the same records."""
    from kinbridge.bench.link import run_link

    try:
        typer.echo(run_link(config, beside=beside, runs=runs, say=_say).to_table())
    except KinbridgeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


@bench_app.command("link-delta")
def bench_link_delta(
    records: Annotated[int, typer.Option(min=1000, help="Records that are there.")] = 1_000_000,
    new: Annotated[int, typer.Option(min=1, help="Records that come then.")] = 15_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure linking new records beside linking everything, on a Postgres of its own."""
    from kinbridge.bench.link_delta import run_link_delta

    measured = run_link_delta(records, new, say=_say)
    typer.echo(measured.to_json() if as_json else measured.to_text())


@bench_app.command("check")
def bench_check(
    agreements: Annotated[int, typer.Option(min=1, help="How many agreements.")] = 1000,
    feeds: Annotated[int, typer.Option(min=1, help="How many feeds, five a partner.")] = 200,
) -> None:
    """Measure `kinbridge check` over many generated declarations."""
    from kinbridge.bench.check import run_check

    typer.echo(run_check(agreements, feeds).to_text())


def _say(text: str) -> None:
    typer.echo(text, err=True)


@demo_app.command("run")
def demo_run(
    families: Annotated[int, typer.Option(min=50, help="How many fictional families.")] = 5000,
    seed: Annotated[int, typer.Option(help="Seed of the simulator.")] = 7,
    months: Annotated[int, typer.Option(min=1, max=12, help="Months of deliveries.")] = 3,
    minutes: Annotated[float, typer.Option(help="Give up after this long.")] = 20,
) -> None:
    """Start everything on this machine, drop deliveries, and show what the DAGs make of them."""
    from kinbridge.demo.run import run_demo

    if not run_demo(families, seed, months, minutes * 60):
        raise typer.Exit(1)


@demo_app.command("stop")
def demo_stop() -> None:
    """Stop what the demo started, and nothing else."""
    from kinbridge.demo.services import stop

    stop(typer.echo)


@demo_app.command("clean")
def demo_clean() -> None:
    """Stop the demo and remove its data."""
    from kinbridge.demo.services import clean

    clean(typer.echo)


def main() -> None:
    """Run the command; an expected failure prints its code, cause and remedy, and exits with 1."""
    try:
        app()
    except KinbridgeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
