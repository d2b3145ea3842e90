"""Open rows put back into landing tables of their delivery, and held against today's rules as intake holds a file.

The rows have the line numbers of their file. A row of broken shape stays one: what was kept of it is not the whole row.
File rules are not asked again; they were decided on when the file came.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from psycopg2.extras import execute_values

from kinbridge.agreement.gate import Permit, permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.contract.model import Kind, Rule
from kinbridge.contract.odcs import feed_of
from kinbridge.contract.sql import literal
from kinbridge.decision.approvals import read_approvals
from kinbridge.decision.standard import refuse_standard, standard
from kinbridge.errors import KinbridgeError
from kinbridge.format.table import BATCH_ROWS, encode
from kinbridge.ledger.deliveries import Delivery
from kinbridge.ledger.states import State
from kinbridge.receive.work import Work, locked
from kinbridge.staging.landing import Landing
from kinbridge.staging.stage import derive
from kinbridge.validation.findings import agree, find

SHAPE = "row.shape"


def may_be_replayed(delivery: Delivery) -> None:
    """Raises `KinbridgeError` KB-Q01 when a person refused the delivery, KB-Q02 when it is not settled."""
    if delivery.state is State.REFUSED:
        raise KinbridgeError("KB-Q01", delivery=delivery.delivery_id, feed=delivery.feed)
    if not delivery.state.settled:
        state = delivery.state.value
        raise KinbridgeError("KB-Q02", delivery=delivery.delivery_id, feed=delivery.feed, state=state)


def put_back(connection: Any, delivery_id: int, today: date) -> tuple[Work, Permit] | None:
    """Make the delivery's landing tables anew with its open rows; None when it has none.

    Only columns that the agreement allows today are put back, whatever was read when the file came. Raises
    `KinbridgeError` as `may_be_replayed`, KB-A.. when no agreement is in force, KB-G20 and KB-G21 when the standard is
    not the approved one.
    """
    delivery = locked(connection, delivery_id)
    may_be_replayed(delivery)
    with connection.cursor() as cursor:
        feed = feed_of(delivery.feed)
        # What a killed replay left, also where nothing is open any more.
        cursor.execute(Landing(feed, (), delivery_id).drop())
        cursor.execute(
            "SELECT EXISTS (SELECT FROM quarantine.source_row WHERE delivery_id = %s AND resolved_by IS NULL)",
            (delivery_id,),
        )
        if not cursor.fetchone()[0]:
            return None
        approvals = read_approvals(connection, day=today)
        refuse_standard(standard(), approvals, today)
        granted = permit(delivery.feed, today, read_agreements(), approvals)
        work = Work(replace(delivery, contract_version=feed.version), feed, feed.authorised(granted.columns))
        landing = work.landing
        cursor.execute(landing.create())
        _fill(connection, landing)
        derive(cursor, landing, {c.name for c in landing.columns})
    return work, granted


def judge(cursor: Any, work: Work, gx: Callable[[], dict[str, int]]) -> None:
    """Replace the findings of the rows that were put back; those of the delivery's other lines stay as they are.

    `gx` gives Great Expectations' counts over the same rows. Makes the temporary table `refused` for the merge. Raises
    `KinbridgeError` KB-F90 when a count differs.
    """
    delivery_id, table = work.delivery.delivery_id, work.landing.table
    cursor.execute(
        f"""
        CREATE TEMP TABLE kept ON COMMIT DROP AS
        SELECT rule, line_no
        FROM ledger.finding AS f
        WHERE
            f.delivery_id = %(delivery_id)s
            AND NOT EXISTS (SELECT FROM {table} AS t WHERE t.line_no = f.line_no)
        """,
        {"delivery_id": delivery_id},
    )
    found = find(cursor, work.landing, work.rules, work.delivery.as_of)
    counts = gx()
    # Rules of the whole file are not asked again. A rule that only an old suite knows does not agree.
    file_rules = {rule.id for rule in work.rules if rule.scope == "file"}
    agree(work.feed, found, {rule: count for rule, count in counts.items() if rule not in file_rules})
    critical = [rule.id for rule in work.rules if rule.severity == "critical"]
    cursor.execute(
        """
        CREATE TEMP TABLE refused ON COMMIT DROP AS
        SELECT DISTINCT line_no
        FROM ledger.finding
        WHERE
            delivery_id = %s
            AND rule = ANY(%s)
        """,
        (delivery_id, critical),
    )
    cursor.execute("ANALYZE refused")
    cursor.execute("INSERT INTO ledger.finding SELECT %s, rule, line_no FROM kept", (delivery_id,))
    _write_results(cursor, work, counts)


def _fill(connection: Any, landing: Landing) -> None:
    """Copy the open rows into the landing table as a reader of a file would."""
    values = ", ".join(f"q.content ->> {literal(c.name)}" for c in landing.columns)
    with connection.cursor("open_rows") as reader, connection.cursor() as writer:
        reader.execute(
            f"SELECT q.line_no, CASE WHEN {literal(SHAPE)} = ANY(q.rules) THEN 'ragged' ELSE 'whole' END, {values} "
            "FROM quarantine.source_row AS q "
            f"WHERE q.delivery_id = {landing.delivery_id} AND q.resolved_by IS NULL ORDER BY q.line_no"
        )
        while rows := reader.fetchmany(BATCH_ROWS):
            # COPY makes an empty field NULL again.
            given = [(line, shape, *(value or "" for value in row)) for line, shape, *row in rows]
            writer.copy_expert(landing.copy(), io.BytesIO(encode(given, landing.columns, set())))


def _row_rules(work: Work) -> dict[str, Rule]:
    return {rule.id: rule for rule in work.rules if rule.scope == "row" and rule.kind is not Kind.UNMAPPED}


def _write_results(cursor: Any, work: Work, gx: dict[str, int]) -> None:
    """Bring the delivery's rule results to what its findings are now.

    A rule that Great Expectations counted at intake and again now has the count of both: that over the other lines did
    not change. The database refuses the row (`ck_rule_result_agrees`) if that is not what the findings come to. The
    severity is today's, also where other lines broke the rule before it was changed. A rule that the contract has no
    more and that nothing breaks is forgotten.
    """
    delivery_id = work.delivery.delivery_id
    cursor.execute(
        """
        SELECT
            coalesce(result.rule, now.rule),
            coalesce(now.number, 0),
            coalesce(was.number, 0),
            result.gx_count,
            result.code,
            result.column_name,
            result.severity,
            result.rule IS NULL
        FROM (SELECT * FROM ledger.rule_result WHERE delivery_id = %(delivery_id)s AND scope = 'row') AS result
        FULL JOIN (
            SELECT rule, count(*) AS number
            FROM ledger.finding
            WHERE delivery_id = %(delivery_id)s
            GROUP BY rule
        ) AS now ON now.rule = result.rule
        LEFT JOIN (
            SELECT rule, count(*) AS number
            FROM kept
            GROUP BY rule
        ) AS was ON was.rule = coalesce(result.rule, now.rule)
        """,
        {"delivery_id": delivery_id},
    )
    earlier = {row[0]: row[1:] for row in cursor.fetchall()}
    rules = _row_rules(work)
    written: list[tuple[Any, ...]] = []
    gone: list[str] = []
    for name in sorted({*earlier, *rules}):
        found, kept, gx_before, code, columns, severity, new = earlier.get(name, (0, 0, None, None, None, None, True))
        rule = rules.get(name)
        if rule is None and not found:
            gone.append(name)
            continue
        if rule is not None:
            code, columns, severity = rule.code, ", ".join(rule.columns) or None, rule.severity
        counted = gx.get(name) if new else None if gx_before is None else kept + gx.get(name, 0)
        written.append((delivery_id, name, code, columns, severity, "row", found, counted))
    cursor.execute("DELETE FROM ledger.rule_result WHERE delivery_id = %s AND rule = ANY(%s)", (delivery_id, gone))
    execute_values(
        cursor,
        """
        INSERT INTO ledger.rule_result (delivery_id, rule, code, column_name, severity, scope, found, gx_count)
        VALUES %s
        ON CONFLICT (delivery_id, rule) DO UPDATE SET
            code = excluded.code,
            column_name = excluded.column_name,
            severity = excluded.severity,
            found = excluded.found,
            gx_count = excluded.gx_count
        """,
        written,
    )
