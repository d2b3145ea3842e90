"""Finds, in Postgres, which rows broke which rule. One scan for all rules that a single row can break, one for the key.

The findings hold line numbers and rule ids, never a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from kinbridge.contract.model import Feed, Kind, Rule
from kinbridge.contract.sql import broken, ident, literal
from kinbridge.errors import KinbridgeError
from kinbridge.staging.landing import Landing


def find(cursor: Any, landing: Landing, rules: Iterable[Rule], as_of: date) -> dict[str, int]:
    """Write `ledger.finding` for the delivery anew; returns the count for every row rule, zeros included."""
    chosen = [rule for rule in rules if rule.scope == "row" and rule.kind is not Kind.UNMAPPED]
    cursor.execute("DELETE FROM ledger.finding WHERE delivery_id = %s", (landing.delivery_id,))
    statement = scan(landing, chosen, as_of)
    if statement:
        # Postgres searches with several processes for a new table, but not for an INSERT; and it overestimates the
        # rows that these would have to pass on.
        cursor.execute("SET LOCAL parallel_tuple_cost = 0")
        cursor.execute(f"CREATE TEMP TABLE found ON COMMIT DROP AS {statement}")
        cursor.execute(f"INSERT INTO ledger.finding SELECT {landing.delivery_id}, rule, line_no FROM found")
        cursor.execute("DROP TABLE found")
    for rule in chosen:
        if rule.kind is Kind.UNIQUE:
            cursor.execute(shared_keys(landing, rule))
    cursor.execute(
        "SELECT rule, count(*) FROM ledger.finding WHERE delivery_id = %s GROUP BY rule",
        (landing.delivery_id,),
    )
    counts = dict(cursor.fetchall())
    return {rule.id: counts.get(rule.id, 0) for rule in chosen}


def agree(feed: Feed, found: Mapping[str, int], gx: Mapping[str, int]) -> None:
    """Hold Great Expectations' counts by rule against ours. Raises `KinbridgeError` KB-F90 where they differ."""
    for rule, count in gx.items():
        if found.get(rule) != count:
            raise KinbridgeError("KB-F90", feed=feed.id, rule=rule, gx=count, found=found.get(rule))


def scan(landing: Landing, rules: Iterable[Rule], as_of: date) -> str | None:
    """The query for (rule, line_no) of all rules that one row alone can break.

    The WHERE clause keeps sound rows from building an array at all; that halves the time on a clean file.
    """
    conditions = [(rule, condition) for rule in rules if (condition := broken(landing.feed, rule, as_of)) is not None]
    if not conditions:
        return None
    cases = ", ".join(f"CASE WHEN {condition} THEN {literal(rule.id)} END" for rule, condition in conditions)
    anything = " OR ".join(f"({condition})" for _, condition in conditions)
    return (
        f"SELECT f.rule, t.line_no FROM {landing.view} AS t, "
        f"LATERAL unnest(ARRAY[{cases}]::text[]) AS f (rule) WHERE ({anything}) AND f.rule IS NOT NULL"
    )


def shared_keys(landing: Landing, rule: Rule) -> str:
    """The INSERT for rows that share a key; exact repeats are not in the view, so these differ in content.

    Staging has noted the keys that occur more than once, repeats counted; few rows are left to look at.
    """
    key = ", ".join(ident(c) for c in rule.columns)
    return (
        f"INSERT INTO ledger.finding (delivery_id, rule, line_no) "
        f"SELECT {landing.delivery_id}, {literal(rule.id)}, line_no "
        f"FROM (SELECT line_no, count(*) OVER (PARTITION BY {key}) AS number FROM {landing.rows} "
        f"WHERE ({key}) IN (SELECT {key} FROM {landing.crowd})) AS shared WHERE number > 1"
    )
