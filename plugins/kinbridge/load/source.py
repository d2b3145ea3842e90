"""The relation `source` that a transform reads: the accepted rows, typed, with what a warning refused as NULL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from kinbridge.contract.model import Column, Kind, Rule
from kinbridge.contract.sql import broken, ident, typed_name
from kinbridge.staging.landing import Landing

# Kinds whose breach, as a warning, makes the value unusable.
_UNUSABLE = frozenset({Kind.FORMAT, Kind.PLACEHOLDER, Kind.RANGE, Kind.CODE_SET})


def create_source(landing: Landing, rules: Iterable[Rule], as_of: date) -> str:
    """The temporary view `source`. Rows with a critical finding stand in the temporary table `refused`."""
    chosen = list(rules)
    columns = ", ".join(
        ["line_no", *(f"{_value(landing, c, chosen, as_of)} AS {ident(c.name)}" for c in landing.columns)]
    )
    return (
        f"CREATE TEMP VIEW source AS SELECT {columns} FROM {landing.view} AS t "
        "WHERE NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = t.line_no)"
    )


def _value(landing: Landing, column: Column, rules: list[Rule], as_of: date) -> str:
    value = ident(typed_name(column))
    conditions = [
        condition
        for rule in rules
        if rule.severity == "warning"
        and rule.kind in _UNUSABLE
        and rule.columns == (column.name,)
        # A foreign code of the feed's own crosswalk stays as sent: the transform's join decides what it means.
        and not (rule.kind is Kind.CODE_SET and not (column.code_set or "").startswith("standard/"))
        and (condition := broken(landing.feed, rule, as_of)) is not None
    ]
    if not conditions:
        return value
    return f"CASE WHEN NOT coalesce({' OR '.join(conditions)}, false) THEN {value} END"
