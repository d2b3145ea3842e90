"""A look at a delivery's quarantined rows: lines and rules in the partner's own words; values only for stewards.

A look at values is written to the ledger before a value is read, and committed, so that no look goes unseen. The event
says who looked at which delivery and how many lines, never what stood there. Of a row, only the columns are shown that
the broken rules speak of, and the key by which the partner finds it; and none that no agreement allows today.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from kinbridge.agreement.gate import permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import feed_of
from kinbridge.contract.rules import rules as rules_of
from kinbridge.decision.approvals import read_approvals
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.deliveries import Delivery, get
from kinbridge.ledger.events import record_event
from kinbridge.receipt.model import RuleText
from kinbridge.receive.receipt import rule_texts
from kinbridge.warehouse.connection import Dsn, transaction

LOOKED = "looked at values"


@dataclass(frozen=True)
class Line:
    """One quarantined row: its line, the rules it broke, whether it still waits."""

    line_no: int
    rules: tuple[str, ...]
    open: bool


@dataclass(frozen=True)
class Look:
    """What is shown of a delivery's quarantine: some `lines` of `rows`, the rules that they broke, in words."""

    delivery: Delivery
    rows: int
    lines: tuple[Line, ...]
    rules: tuple[RuleText, ...]


def look_at(connection: Any, delivery_id: int, *, line_no: int | None = None, most: int = 100) -> Look:
    """The first `most` quarantined lines of a delivery, or the one named.

    Raises `KinbridgeError`: KB-D18 when there is no such delivery, KB-Q06 when it has no such line in quarantine.
    """
    delivery = get(connection, delivery_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT line_no, rules, resolved_by IS NULL, count(*) OVER ()
            FROM quarantine.source_row
            WHERE
                delivery_id = %(delivery_id)s
                AND (%(line_no)s::bigint IS NULL OR line_no = %(line_no)s)
            ORDER BY line_no
            LIMIT %(most)s
            """,
            {"delivery_id": delivery_id, "line_no": line_no, "most": most},
        )
        found = cursor.fetchall()
        cursor.execute("SELECT rule, code, column_name FROM ledger.rule_result WHERE delivery_id = %s", (delivery_id,))
        results = cursor.fetchall()
    if not found and line_no is not None:
        raise KinbridgeError("KB-Q06", delivery=delivery_id, line=line_no)
    lines = tuple(Line(number, tuple(rules), is_open) for number, rules, is_open, _ in found)
    declared = rule_texts(feed_of(delivery.feed))
    named = {rule for line in lines for rule in line.rules}
    rules = tuple(
        declared.get(rule) or RuleText(rule, code, tuple((columns or "").split(", ")) if columns else ())
        for rule, code, columns in sorted(results)
        if rule in named
    )
    return Look(delivery, int(found[0][3]) if found else 0, lines, rules)


def values_of(dsn: Dsn, look: Look, today: date, by: str) -> dict[int, dict[str, str | None]]:
    """The values of the lines that `look` shows, by line and by the partner's own column names.

    `dsn` is a steward's way in; `by` names the person. Raises `KinbridgeError`: KB-Q04 when the role is none that may
    read the quarantine and not change it, KB-A.. when no agreement allows the feed today.
    """
    delivery = look.delivery
    feed = feed_of(delivery.feed)
    with transaction(dsn) as connection:
        allowed = permit(delivery.feed, today, read_agreements(), read_approvals(connection, day=today)).columns
    facts = {"lines": len(look.lines), "first": look.lines[0].line_no if look.lines else None}
    with transaction(dsn) as connection:
        _stewards_only(connection, dsn)
        record_event(connection, delivery.delivery_id, by, LOOKED, facts)
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT line_no, content FROM quarantine.source_row WHERE delivery_id = %s AND line_no = ANY(%s)",
            (delivery.delivery_id, [line.line_no for line in look.lines]),
        )
        content = dict(cursor.fetchall())
    return {
        line.line_no: {
            feed.column(name).header: content[line.line_no].get(name) for name in _shown(feed, allowed, line.rules)
        }
        for line in look.lines
        if line.line_no in content
    }


def _stewards_only(connection: Any, dsn: Dsn) -> None:
    """A steward's role, or a person's with the same rights, reads the quarantine; pipeline and owner change it too."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                has_table_privilege('quarantine.source_row', 'SELECT')
                AND NOT has_table_privilege('quarantine.source_row', 'INSERT, UPDATE, DELETE')
            """
        )
        if not cursor.fetchone()[0]:
            raise KinbridgeError("KB-Q04", role=dsn.user)


def _shown(feed: Feed, allowed: frozenset[str], rules: tuple[str, ...]) -> list[str]:
    """The allowed columns of the key and of the broken rules; all of them where no rule names a column."""
    columns = {rule.id: rule.columns for rule in rules_of(feed, feed.columns)}
    concerned = {name for rule in rules for name in columns.get(rule, ())}
    wanted = concerned | set(feed.key) if concerned else {c.name for c in feed.columns}
    return [c.name for c in feed.columns if c.name in wanted and c.name in allowed]
