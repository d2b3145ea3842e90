"""Step 2: the staged delivery held against its contract; the decision whether a person has to decide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg2.extras import execute_values

from kinbridge.contract.model import CODES
from kinbridge.ledger.deliveries import set_state
from kinbridge.ledger.events import latest_facts, record_event
from kinbridge.ledger.states import State
from kinbridge.load.load import absent_of
from kinbridge.receive.counts import filled, last_good
from kinbridge.receive.stage import OPEN, stage_delivery
from kinbridge.receive.work import Work, landed, locked, work_on
from kinbridge.validation.documents import keep_result
from kinbridge.validation.drift import Counts, changes, shrunk
from kinbridge.validation.expectations import run_suite
from kinbridge.validation.findings import agree, find
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "receive.validate"


@dataclass(frozen=True)
class Verdict:
    """What validation came to: rows with a critical finding, and the file rules that hold the delivery."""

    source_rows: int
    bad_rows: int
    held_by: tuple[str, ...]


def validate_delivery(dsn: Dsn, delivery_id: int, today: date) -> Verdict | None:
    """Validate; writes rule results, findings and the new state. None when the delivery is past that.

    Great Expectations and our own findings evaluate every rule independently of each other. Raises `KinbridgeError`
    KB-F90 when a count differs: then neither is trusted and nothing is loaded.
    """
    _heal(dsn, delivery_id, today)
    with transaction(dsn) as connection:
        work = work_on(connection, delivery_id)
    if work.delivery.state not in OPEN:
        return None
    # Side by side: the library takes seconds to import, during which Postgres can look for the rows.
    with ThreadPoolExecutor(1) as aside, transaction(dsn) as connection:
        if locked(connection, delivery_id).state not in OPEN:
            return None
        running = aside.submit(
            run_suite, dsn.sqlalchemy_url, work.feed, work.landing.view_name, work.delivery.as_of, work.columns
        )
        with connection.cursor() as cursor:
            found = find(cursor, work.landing, work.rules, work.delivery.as_of)
            outcome = running.result()
            verdict = judge(connection, cursor, work, found, outcome.counts)
    keep_result(work.feed, delivery_id, outcome.result)
    return verdict


def _heal(dsn: Dsn, delivery_id: int, today: date) -> None:
    """Stage again when the landing tables do not hold what was staged."""
    with transaction(dsn) as connection:
        work = work_on(connection, delivery_id)
        there = work.delivery.state not in OPEN or landed(connection, work)
    if not there:
        stage_delivery(dsn, delivery_id, today)


def judge(connection: Any, cursor: Any, work: Work, found: dict[str, int], gx: dict[str, int]) -> Verdict:
    """Write what was found, compare with the last good delivery, and decide whether a person has to; the new state.

    `found` and `gx` are the counts by rule of our findings and of Great Expectations. Raises KB-F90 when they differ.
    """
    staged = latest_facts(connection, work.delivery.delivery_id, "staged") or {}
    cursor.execute(
        "SELECT count(DISTINCT line_no) FROM ledger.finding WHERE delivery_id = %s AND rule = ANY(%s)",
        (work.delivery.delivery_id, [r.id for r in work.rules if r.severity == "critical"]),
    )
    bad = int(cursor.fetchone()[0])
    rows, distinct = int(staged["rows"]), int(staged["rows"]) - int(staged["repeats"])
    now = Counts(distinct, filled(cursor, work, tuple(staged["missing_optional"])), found)
    before = last_good(cursor, work)
    drifted = changes(work.feed, work.rules, now, before.counts if before else None)
    counts = {
        **found,
        **_file_findings(work, staged, bad),
        "file.manifest_rows": _off_manifest(latest_facts(connection, work.delivery.delivery_id, "manifest"), rows),
        "file.drift": len(drifted),
        "file.shrunk": int(shrunk(work.feed, now, before.counts if before else None)),
    }
    absent = absent_of(cursor, work.load_plan())
    if work.feed.extent.closes:
        most = work.feed.extent.max_closed_share
        counts["file.closed_share"] = sum(a.absent for a in absent.values() if a.absent > most * a.current)
    agree(work.feed, counts, gx)
    about = {
        "file.drift": tuple(change.column for change in drifted),
        "file.missing_column": tuple(staged["missing_optional"]),
        "file.header": tuple(staged["missing_required"]),
    }
    _write_results(cursor, work, counts, gx, about)
    held = tuple(r.id for r in work.rules if r.scope == "file" and r.severity == "critical" and counts.get(r.id))
    facts: dict[str, Any] = {"distinct_rows": distinct, "filled": now.filled}
    if absent:
        facts["absent"] = {name: [a.absent, a.current] for name, a in absent.items()}
    if before:
        facts["compared_with"] = {"delivery": before.delivery_id, "file": before.file_name, "rows": before.counts.rows}
        facts["changes"] = [str(change) for change in drifted]
    record_event(
        connection,
        work.delivery.delivery_id,
        ACTOR,
        "validated",
        {"rows": rows, "bad_rows": bad, "held_by": list(held), **facts},
    )
    set_state(
        connection, work.delivery.delivery_id, State.HELD if held else State.VALIDATED, ", ".join(held) or None, ACTOR
    )
    return Verdict(rows, bad, held)


def _file_findings(work: Work, staged: dict[str, Any], bad: int) -> dict[str, int]:
    rows, repeats = int(staged["rows"]), int(staged["repeats"])
    low, high = work.feed.row_count or (0, rows)
    return {
        "file.row_count": int(work.feed.row_count is not None and not low <= rows - repeats <= high),
        "file.header": int(bool(staged["missing_required"])),
        "file.new_column": int(staged["unknown_columns"] > 0),
        "file.missing_column": len(staged["missing_optional"]),
        "file.readable": int(staged["unreadable_line"] is not None),
        "file.bad_share": int(rows > 0 and bad / rows > work.feed.max_bad_row_share),
    }


def _off_manifest(manifest: dict[str, Any] | None, rows: int) -> int:
    """By how many rows the file differs from its manifest; none where that counts no rows."""
    listed = (manifest or {}).get("rows")
    return 0 if listed is None else abs(rows - int(listed))


def _write_results(
    cursor: Any, work: Work, counts: dict[str, int], gx: dict[str, int], about: dict[str, tuple[str, ...]]
) -> None:
    """One row for each rule; `about` names the columns that a file rule is about this time."""
    delivery_id = work.delivery.delivery_id
    cursor.execute("DELETE FROM ledger.rule_result WHERE delivery_id = %s", (delivery_id,))
    execute_values(
        cursor,
        """
        INSERT INTO ledger.rule_result (delivery_id, rule, code, column_name, severity, scope, found, gx_count)
        VALUES %s
        """,
        [
            (
                delivery_id,
                rule.id,
                CODES[rule.kind],
                ", ".join(rule.columns or about.get(rule.id, ())) or None,
                rule.severity,
                rule.scope,
                counts[rule.id],
                gx.get(rule.id),
            )
            for rule in work.rules
            if rule.id in counts
        ],
    )
