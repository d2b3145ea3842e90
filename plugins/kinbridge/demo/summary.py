"""What the demo says at its end: answers, accounts, quarantine, receipts, what waits, and whether all went well."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console
from rich.table import Table

from kinbridge.agreement.force import force
from kinbridge.agreement.reader import read_agreements
from kinbridge.agreement.shown import state_in_words
from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.decision.approvals import Approvals, Decided, read_approvals
from kinbridge.demo.services import Stack, landing_zone
from kinbridge.errors import catalogue
from kinbridge.partner.profile import partners
from kinbridge.settings import great_expectations_folder, include_folders
from kinbridge.warehouse.connection import Dsn, transaction

ROWS_SHOWN = 24
ACCOUNT = "source = loaded + unchanged + quarantined + duplicate + undecided"


def summarise(console: Console, stack: Stack, api: AirflowApi, runs: list[dict[str, Any]], seconds: float) -> bool:
    """Print the summary; True when all accounts balance and every run succeeded but those that wait for a person."""
    for path in sorted((include_folders()[0] / "sql" / "answers").glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        title = sql.splitlines()[0].removeprefix("-- ")
        _print(console, title, *_query(stack.dsns["kb_analyst"], sql))
    steward = stack.dsns["kb_steward"]
    _print(console, f"Row accounts: {ACCOUNT}", *_accounts(steward))
    _print(console, "Quarantined rows, and why", *_quarantine(steward))
    _print(console, "Agreements today", *_agreements(steward))
    _print(console, "Withheld by consent, by use case", *_withheld(steward))
    balanced = _balanced(steward)
    questions = api.questions()
    failed = _failed(runs, questions)
    _where(console, stack, questions)
    if failed:
        console.print(f"[bold red]{len(failed)} DAG run(s) did not succeed:[/bold red] {', '.join(failed)}")
    if not balanced:
        console.print("[bold red]An account does not balance.[/bold red]")
    minutes, rest = divmod(int(seconds), 60)
    console.print(f"\nAll of this took {minutes} min {rest:02d} s, after installation. `make stop` stops it.")
    return balanced and not failed


def _query(dsn: Dsn, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return [column.name for column in cursor.description], cursor.fetchall()


def _accounts(dsn: Dsn) -> tuple[list[str], list[tuple[Any, ...]]]:
    return _query(
        dsn,
        """
        SELECT d.delivery_id AS id, d.feed, d.file_name AS file, replace(d.state, '_', ' ') AS state,
            a.source_rows AS source, a.loaded, a.unchanged, a.quarantined, a.duplicate, a.undecided
        FROM ledger.delivery AS d
        LEFT JOIN ledger.account AS a USING (delivery_id)
        ORDER BY d.feed, d.period, d.delivery_id
        """,
    )


def _quarantine(dsn: Dsn) -> tuple[list[str], list[tuple[Any, ...]]]:
    columns, rows = _query(
        dsn,
        """
        SELECT d.feed, f.rule, f.code, count(*) AS rows
        FROM (SELECT delivery_id, unnest(rules) AS rule FROM quarantine.source_row) AS q
        INNER JOIN ledger.delivery AS d USING (delivery_id)
        INNER JOIN ledger.rule_result AS f USING (delivery_id, rule)
        WHERE f.severity = 'critical'
        GROUP BY d.feed, f.rule, f.code
        ORDER BY count(*) DESC, d.feed, f.rule
        """,
    )
    words = catalogue()
    return [*columns, "meaning"], [(*row, words[row[2]].title) for row in rows]


def _agreements(dsn: Dsn) -> tuple[list[str], list[tuple[Any, ...]]]:
    with transaction(dsn) as connection:
        every = force(read_agreements(), read_approvals(connection))
    day = every.approvals.day
    shown = [(one, state_in_words(every.standing(one, day), day)) for one in every.agreements]
    return ["agreement", "version", "state"], sorted((one.id, one.version, state) for one, state in shown)


def _approvals(stack: Stack) -> Approvals:
    with transaction(stack.dsns["kb_steward"]) as connection:
        return read_approvals(connection)


def _keeps_unread(decision: Decided) -> bool:
    return decision.kind == "element" and not decision.approved


def _withheld(dsn: Dsn) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Of the last integration: records that were not compared at all, and persons left out of a use case's figures."""
    return _query(
        dsn,
        """
        WITH latest AS (
            SELECT DISTINCT ON (what) what, facts
            FROM ledger.event
            WHERE what IN ('left out of linkage', 'left out of figures')
            ORDER BY what, event_id DESC
        )

        SELECT
            'every one' AS use_case,
            'not compared with other records' AS how,
            (facts ->> 'records withheld by consent')::integer AS number
        FROM latest
        WHERE what = 'left out of linkage'
        UNION ALL
        SELECT use_case.name, clause.name, clause.persons::integer
        FROM latest
        CROSS JOIN LATERAL jsonb_each(latest.facts -> 'persons') AS use_case (name, clauses)
        CROSS JOIN LATERAL jsonb_each_text(use_case.clauses) AS clause (name, persons)
        WHERE latest.what = 'left out of figures'
        """,
    )


def _balanced(dsn: Dsn) -> bool:
    _, rows = _query(
        dsn,
        """
        SELECT count(*)
        FROM ledger.delivery AS d
        LEFT JOIN ledger.account AS a USING (delivery_id)
        WHERE d.state <> 'duplicate'
            AND (
                a.source_rows IS DISTINCT FROM a.loaded + a.unchanged + a.quarantined + a.duplicate + a.undecided
                OR (a.undecided > 0 AND d.state <> 'held')
                OR a.delivery_id IS NULL
            )
        """,
    )
    return bool(rows[0][0] == 0)


def _failed(runs: list[dict[str, Any]], questions: list[dict[str, Any]]) -> list[str]:
    instances = [question["task_instance"] for question in questions]
    waiting = {(instance["dag_id"], instance["dag_run_id"]) for instance in instances}
    return sorted(
        {
            run["dag_id"]
            for run in runs
            if run["state"] != "success" and (run["dag_id"], run["dag_run_id"]) not in waiting
        }
    )


def _where(console: Console, stack: Stack, questions: list[dict[str, Any]]) -> None:
    console.rule("Where to look")
    for partner in partners():
        console.print(f"Receipts of {partner}: {landing_zone(stack.sftp, partner)}", soft_wrap=True)
    docs = great_expectations_folder() / "uncommitted" / "data_docs" / "local_site" / "index.html"
    console.print(f"Data Docs: {docs}", soft_wrap=True)
    rejected = sorted(decision.subject for decision in _approvals(stack).decisions if _keeps_unread(decision))
    console.print(f"Rejected elements, which stay unread: {', '.join(rejected) or 'none'}", soft_wrap=True)
    console.print(
        f"The demo's own declarations: export KINBRIDGE_INCLUDE={os.environ['KINBRIDGE_INCLUDE']}", soft_wrap=True
    )
    console.print(f"Airflow: {stack.airflow.url}   user {stack.airflow.user}   password {stack.airflow.password}")
    _, [(pairs,)] = _query(stack.dsns["kb_steward"], "SELECT count(*) FROM identity.review_pair WHERE waiting")
    console.print(f"[bold]{pairs:,} pairs of records wait for a person:[/bold] {stack.airflow.url}/plugin/review")
    for question in questions:
        instance = question["task_instance"]
        console.print(f"[bold]Waits for your decision:[/bold] {question['subject']}")
        console.print(
            f"  {stack.airflow.url}/dags/{instance['dag_id']}/runs/{instance['dag_run_id']}"
            f"/tasks/{instance['task_id']}/mapped/{instance['map_index']}/required_actions",
            soft_wrap=True,
        )


def _print(console: Console, title: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        numeric = bool(rows) and all(isinstance(row[columns.index(name)], int | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*("" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        console.print(f"… and {len(rows) - ROWS_SHOWN} more rows")
