"""Reads a receipt from the ledger.

The numbers were counted when the delivery was validated, and the lines come from the head of an index, so that a
delivery with a million findings takes as long as one with ten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from kinbridge.errors import CatalogueEntry, catalogue
from kinbridge.ledger import accounts, deliveries
from kinbridge.ledger.events import latest_facts
from kinbridge.receipt.model import Cause, Decision, Earlier, LineRange, Receipt, RuleText

MOST_LINES = 5_000  # lines named for each rule; the others are counted


def read_receipt(
    connection: Any,
    delivery_id: int,
    rules: Mapping[str, RuleText],
    *,
    partner_name: str,
    feed_title: str,
    contact: str,
    headers: Mapping[str, str] | None = None,
) -> Receipt:
    """The receipt of a delivery as the ledger stands now. KB-D18 when there is no such delivery.

    `rules` say each rule in the partner's terms; a rule without an entry is told by the names the ledger has.
    `partner_name`, `feed_title` and `contact` are words for people; `headers` are the partner's names of columns.
    """
    delivery = deliveries.get(connection, delivery_id)
    return Receipt(
        delivery_id=delivery.delivery_id,
        partner=delivery.partner,
        partner_name=partner_name,
        feed=delivery.feed,
        feed_title=feed_title,
        file_name=delivery.file_name,
        size_bytes=delivery.size_bytes,
        sha256=delivery.sha256,
        period=delivery.period,
        as_of=delivery.as_of,
        collected_at=delivery.collected_at,
        settled_at=delivery.settled_at,
        contract_version=delivery.contract_version,
        agreement_id=delivery.agreement_id,
        agreement_version=delivery.agreement_version,
        state=delivery.state,
        account=accounts.read(connection, delivery_id),
        causes=_causes(connection, delivery_id, rules, headers or {}),
        decision=_decision(connection, delivery_id),
        earlier=_earlier(connection, delivery.duplicate_of),
        contact=contact,
        corrected=_corrected(connection, delivery_id),
    )


def _causes(
    connection: Any, delivery_id: int, rules: Mapping[str, RuleText], headers: Mapping[str, str]
) -> tuple[Cause, ...]:
    """The broken rules: what holds a file first, then critical before warning, the most frequent first."""
    ranges = _ranges(connection, delivery_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                rule,
                code,
                column_name,
                severity,
                scope,
                found
            FROM ledger.rule_result
            WHERE
                delivery_id = %s
                AND found > 0
            ORDER BY
                severity,
                scope,
                found DESC,
                rule
            """,
            (delivery_id,),
        )
        rows = cursor.fetchall()
    seen = _seen(connection, delivery_id, headers)
    return tuple(_cause(row, rules, headers, tuple(ranges[row[0]]), seen.get(row[0], "")) for row in rows)


def _seen(connection: Any, delivery_id: int, headers: Mapping[str, str]) -> dict[str, str]:
    """What staging and validation met, by rule: why a file cannot be read, and which columns changed how."""
    staged = latest_facts(connection, delivery_id, "staged") or {}
    validated = latest_facts(connection, delivery_id, "validated") or {}
    changes = [change.partition(": ") for change in validated.get("changes", ())]
    seen = {"file.drift": "; ".join(f"{headers.get(name, name)}: {what}" for name, _, what in changes)}
    if staged.get("unreadable_why"):
        seen["file.readable"] = f"line {staged['unreadable_line']}: {staged['unreadable_why']}"
    return seen


def _cause(
    row: tuple[Any, ...],
    rules: Mapping[str, RuleText],
    headers: Mapping[str, str],
    ranges: tuple[LineRange, ...],
    seen: str,
) -> Cause:
    rule, code, column_name, severity, scope, found = row
    # A rule of the file is about other columns each time; the ledger has their names in the contract.
    named = tuple(headers.get(name, name) for name in (column_name or "").split(", ") if name)
    text = rules.get(rule) or RuleText(rule, code)
    entry: CatalogueEntry | None = catalogue().get(text.code)
    listed = sum(span.lines for span in ranges)
    return Cause(
        rule=rule,
        code=text.code,
        title=entry.title if entry else rule,
        severity=severity,
        scope=scope,
        columns=text.columns or named,
        expected=text.expected,
        count=found,
        meaning=entry.meaning if entry else "",
        remedy=entry.remedy if entry else "",
        ranges=ranges,
        unlisted=max(found - listed, 0) if scope == "row" else 0,
        seen=seen,
    )


def _ranges(connection: Any, delivery_id: int) -> dict[str, list[LineRange]]:
    """The first `MOST_LINES` lines of each rule, neighbours joined (gaps and islands)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH named AS (
                SELECT
                    result.rule,
                    head.line_no,
                    head.line_no - row_number() OVER (PARTITION BY result.rule ORDER BY head.line_no) AS island
                FROM ledger.rule_result AS result
                CROSS JOIN LATERAL (
                    SELECT finding.line_no
                    FROM ledger.finding AS finding
                    WHERE
                        finding.delivery_id = result.delivery_id
                        AND finding.rule = result.rule
                    ORDER BY finding.line_no
                    LIMIT %(most)s
                ) AS head
                WHERE
                    result.delivery_id = %(delivery_id)s
                    AND result.found > 0
            )

            SELECT
                rule,
                min(line_no) AS first_line,
                max(line_no) AS last_line
            FROM named
            GROUP BY
                rule,
                island
            ORDER BY
                rule,
                first_line
            """,
            {"delivery_id": delivery_id, "most": MOST_LINES},
        )
        found: dict[str, list[LineRange]] = defaultdict(list)
        for rule, first, last in cursor.fetchall():
            found[rule].append(LineRange(first, last))
    return found


def _corrected(connection: Any, delivery_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM quarantine.source_row WHERE delivery_id = %s AND resolved_by <> delivery_id",
            (delivery_id,),
        )
        return int(cursor.fetchone()[0])


def _decision(connection: Any, delivery_id: int) -> Decision | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT outcome, decided_at FROM ledger.decision WHERE delivery_id = %s", (delivery_id,))
        row = cursor.fetchone()
    return Decision(*row) if row else None


def _earlier(connection: Any, duplicate_of: int | None) -> Earlier | None:
    if duplicate_of is None:
        return None
    first = deliveries.get(connection, duplicate_of)
    return Earlier(first.delivery_id, first.file_name, first.collected_at)
