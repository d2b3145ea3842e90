"""The relation `source` that a transform reads: the accepted rows of a delivery, typed.

What a warning refused is NULL in it: which values these are is read from the findings, which validation has written and
held against Great Expectations, so no rule is evaluated again.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from kinbridge.contract.model import Column, Kind, Rule
from kinbridge.contract.sql import array, deleting, ident, rekeying, sql_type, typed_name
from kinbridge.staging.landing import Landing

# Kinds whose breach, as a warning, makes the value unusable.
_UNUSABLE = frozenset({Kind.FORMAT, Kind.PLACEHOLDER, Kind.RANGE, Kind.CODE_SET, Kind.PERSONAL_NAME})


def create_doubted(delivery_id: int, columns: Iterable[Column], rules: Iterable[Rule]) -> str:
    """The temporary table `doubted`: for each line with unusable values, the rules that they broke."""
    chosen = list(rules)
    names = [rule for column in columns for rule in _doubting(column, chosen)]
    return (
        "CREATE TEMP TABLE doubted ON COMMIT DROP AS SELECT line_no, array_agg(rule) AS rules FROM ledger.finding "
        f"WHERE delivery_id = {delivery_id} AND rule = ANY ({array(names)}) GROUP BY line_no; ANALYZE doubted"
    )


class Rows(StrEnum):
    """Which landed rows `source` holds.

    Those to load; those that delete their key; those of the rows to load that were known by another key, under that
    one; or every row, the refused ones too.
    """

    ACCEPTED = "accepted"
    DELETING = "deleting"
    FORMER = "former"
    EVERY = "every"


def create_source(landing: Landing, rules: Iterable[Rule], rows: Rows = Rows.ACCEPTED) -> str:
    """The temporary view `source`. Rows with a critical finding stand in the temporary table `refused`.

    It has every column of the contract; those that were not read, because no agreement allows them, are NULL.
    """
    chosen = list(rules)
    former = dict(landing.feed.extent.former_key) if rows is Rows.FORMER else {}
    columns = ", ".join(
        [
            "t.line_no",
            *(f"{_value(_read(landing, c, former), chosen)} AS {ident(c.name)}" for c in landing.columns),
            # A transform goes on while an agreement no longer allows one of its columns: it finds nothing there.
            *(f"NULL::{sql_type(c)} AS {ident(c.name)}" for c in landing.feed.columns if c not in landing.columns),
        ]
    )
    return (
        f"CREATE TEMP VIEW source AS SELECT {columns} FROM {landing.view} AS t "
        f"LEFT JOIN doubted AS d ON d.line_no = t.line_no WHERE {_chosen(landing, rows)}"
    )


def _read(landing: Landing, column: Column, former: dict[str, str]) -> Column:
    """The column that a value is read from: for a key that has changed, the one with the former value."""
    return landing.feed.column(former.get(column.name, column.name))


def _chosen(landing: Landing, rows: Rows) -> str:
    """The condition on landed rows; a delta's rows that delete their key are no rows to load."""
    accepted = "NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = t.line_no)"
    deletes = deleting(landing.feed, "t")
    match rows:
        case Rows.EVERY:
            return "true"
        case Rows.DELETING:
            return f"{accepted} AND {deletes}"
        case Rows.FORMER:
            return f"{accepted} AND {rekeying(landing.feed, 't')}"
        case Rows.ACCEPTED:
            return accepted if landing.feed.extent.change_column is None else f"{accepted} AND NOT ({deletes})"


def _value(column: Column, rules: list[Rule]) -> str:
    value = f"t.{ident(typed_name(column))}"
    doubting = _doubting(column, rules)
    if not doubting:
        return value
    return f"CASE WHEN d.rules IS NULL OR NOT d.rules && {array(doubting)} THEN {value} END"


def _doubting(column: Column, rules: list[Rule]) -> list[str]:
    """The ids of the warnings that make a value of the column unusable."""
    # A foreign code of the feed's own crosswalk stays as sent: the transform's join decides what it means.
    foreign = not (column.code_set or "").startswith("standard/")
    return [
        rule.id
        for rule in rules
        if rule.severity == "warning"
        and rule.kind in _UNUSABLE
        # Of two codes that do not go together the second is doubted: the first says how it is to be read.
        and rule.columns[-1:] == (column.name,)
        and not (rule.kind is Kind.CODE_SET and foreign)
    ]
