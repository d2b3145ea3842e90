"""What a preflight came to, read from the private ledger: state, account, rules, and every finding in order.

Findings are handed on one by one from a server-side cursor, so a million of them take no more memory than ten. Columns
are named as the partner heads them. No value of the file is ever read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from kinbridge.contract.model import Feed, Kind, Reference, Rule
from kinbridge.contract.rules import rules
from kinbridge.ledger.accounts import Account, read
from kinbridge.ledger.deliveries import get
from kinbridge.ledger.events import latest_facts
from kinbridge.ledger.states import State
from kinbridge.preflight.steps import CopiedFile
from kinbridge.warehouse.connection import Dsn, transaction

AT_ONCE = 10_000


@dataclass(frozen=True)
class RuleCount:
    """One rule that was checked: its finding code, severity and scope, its columns, and how often it was broken."""

    rule: str
    code: str
    severity: str
    scope: str
    columns: tuple[str, ...]
    found: int


class Finding(NamedTuple):
    """One rule broken in one place; `line` is None where a rule speaks of the whole file."""

    code: str
    rule: str
    line: int | None
    column: str | None
    severity: str


@dataclass(frozen=True)
class Unchecked:
    """What intake will check and a preflight cannot: a rule or None, its columns, and why."""

    rule: str | None
    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Result:
    """One preflight. `notes` are remarks about the delivery that change nothing about its state."""

    dsn: Dsn
    delivery_id: int
    feed: Feed
    file: CopiedFile
    as_of: date
    state: State
    held_by: tuple[str, ...]
    account: Account
    rules: tuple[RuleCount, ...]
    not_checked: tuple[Unchecked, ...]
    notes: tuple[str, ...]
    staged: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether every row would be accepted."""
        return self.state in {State.ACCEPTED, State.ACCEPTED_WITH_FINDINGS}


def read_result(
    dsn: Dsn,
    delivery_id: int,
    feed: Feed,
    *,
    file: CopiedFile,
    unknown: dict[Reference, str],
    notes: tuple[str, ...],
) -> Result:
    """What became of the delivery. `unknown` are the references that were not checked, each with the reason."""
    with transaction(dsn) as connection, connection.cursor() as cursor:
        delivery = get(connection, delivery_id)
        staged = latest_facts(connection, delivery_id, "staged") or {}
        declared = {rule.id: rule for rule in rules(feed, feed.columns)}
        skipped = {rule.id: unknown[rule.reference] for rule in declared.values() if rule.reference in unknown}
        cursor.execute(
            """
            SELECT rule, code, severity, scope, found
            FROM ledger.rule_result
            WHERE delivery_id = %s
            ORDER BY (found > 0) DESC, severity, scope, found DESC, rule
            """,
            (delivery_id,),
        )
        counts = tuple(
            RuleCount(rule, code, severity, scope, headers(feed, declared.get(rule)), int(found))
            for rule, code, severity, scope, found in cursor.fetchall()
            if rule not in skipped
        )
        account = read(connection, delivery_id) or Account(delivery_id, 0)
    return Result(
        dsn=dsn,
        delivery_id=delivery_id,
        feed=feed,
        file=file,
        as_of=delivery.as_of,
        state=delivery.state,
        held_by=tuple(part for part in (delivery.state_reason or "").split(", ") if part),
        account=account,
        rules=counts,
        not_checked=tuple(_unchecked(feed, declared, skipped, staged)),
        notes=notes,
        staged=staged,
    )


def headers(feed: Feed, rule: Rule | None) -> tuple[str, ...]:
    """The columns of a rule as the partner heads them."""
    return tuple(feed.column(name).header for name in rule.columns) if rule else ()


def findings(result: Result) -> Iterator[Finding]:
    """Every finding: those about the whole file first, then the rows' by line. Read while the warehouse still runs."""
    counts = {count.rule: count for count in result.rules}
    for count in result.rules:
        if count.scope == "file" and count.found:
            line, column = _place(result, count.rule)
            yield Finding(count.code, count.rule, line, column, count.severity)
    with transaction(result.dsn) as connection, connection.cursor("findings") as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(
            "SELECT line_no, rule FROM ledger.finding WHERE delivery_id = %s ORDER BY line_no, rule",
            (result.delivery_id,),
        )
        said = {rule: (count.code, ", ".join(count.columns) or None, count.severity) for rule, count in counts.items()}
        for line, rule in cursor:
            code, column, severity = said[rule]
            yield Finding(code, rule, line, column, severity)


def _place(result: Result, rule: str) -> tuple[int | None, str | None]:
    """Where in the file a file rule was broken, as far as staging told."""
    if rule == f"file.{Kind.READABLE}":
        return result.staged.get("unreadable_line"), None
    if rule == f"file.{Kind.HEADER}":
        missing = (result.feed.column(name).header for name in result.staged.get("missing_required", ()))
        return 1, ", ".join(missing) or None
    return (1 if rule == f"file.{Kind.NEW_COLUMN}" else None), None


def _unchecked(
    feed: Feed, declared: dict[str, Rule], skipped: dict[str, str], staged: dict[str, Any]
) -> Iterator[Unchecked]:
    for rule, reason in skipped.items():
        yield Unchecked(rule, headers(feed, declared[rule]), reason)
    read_columns = set(staged.get("columns", ()))
    left_out = tuple(c.header for c in feed.columns if c.name not in read_columns)
    if left_out:
        yield Unchecked(None, left_out, "no agreement names these columns, so they are never read")
    yield Unchecked(None, (), "what depends on earlier deliveries: whether a row is new or known already")
