"""Compiles a feed's rules to a Great Expectations suite: JSON that people review and `kinbridge check` compares.

One expectation for each rule, carrying the rule's id, code and severity in `meta`. We write the JSON ourselves: the
library would insert random ids, and every compilation would look like a change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kinbridge.contract.model import FAULT_KINDS, Column, Feed, Kind, Rule
from kinbridge.contract.rules import rules
from kinbridge.contract.sql import fault_name, read_name, reference_name, typed_name
from kinbridge.settings import great_expectations_folder

AS_OF = {"$PARAMETER": "as_of"}


def suite_path(feed: Feed) -> Path:
    """Where the feed's suite stands in the Great Expectations project."""
    return great_expectations_folder() / "expectations" / f"{feed.slug}.json"


def suite_text(feed: Feed, columns: tuple[Column, ...]) -> str:
    """The suite over the authorised columns as JSON text, the same for the same contract."""
    return json.dumps(suite(feed, columns), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def suite(feed: Feed, columns: tuple[Column, ...]) -> dict[str, Any]:
    """The suite as plain data."""
    return {
        "name": feed.slug,
        "expectations": list(_expectations(feed, columns)),
        "meta": {"contract": feed.id, "contract_version": feed.version},
    }


def _expectations(feed: Feed, columns: tuple[Column, ...]) -> Iterable[dict[str, Any]]:
    for rule in rules(feed, columns):
        found = _expectation(feed, rule)
        if found is not None:
            kind, kwargs = found
            yield {
                "type": kind,
                "kwargs": kwargs,
                "severity": rule.severity,
                "meta": {"rule": rule.id, "code": rule.code, "columns": list(rule.columns)},
            }


def _expectation(feed: Feed, rule: Rule) -> tuple[str, dict[str, Any]] | None:
    """The expectation type and arguments of a rule; None for what only staging can see (header, readability)."""
    match rule.kind:
        case Kind.SHAPE:
            return "expect_column_values_to_be_in_set", {"column": "row_shape", "value_set": ["whole"]}
        case Kind.ROW_COUNT:
            return "expect_table_row_count_to_be_between", {
                "min_value": int(rule.minimum or 0),
                "max_value": int(rule.maximum or 0),
            }
        case Kind.UNIQUE if len(rule.columns) == 1:
            return "expect_column_values_to_be_unique", {"column": rule.columns[0]}
        case Kind.UNIQUE:
            return "expect_compound_columns_to_be_unique", {
                "column_list": list(rule.columns),
                "ignore_row_if": "any_value_is_missing",
            }
        case Kind.DATE_ORDER:
            earlier, later = (typed_name(feed.column(c)) for c in rule.columns)
            return "expect_column_pair_values_a_to_be_greater_than_b", {
                "column_A": later,
                "column_B": earlier,
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            }
        case Kind.CODE_SET if rule.pairs:
            return "expect_column_pair_values_to_be_in_set", {
                "column_A": rule.columns[0],
                "column_B": rule.columns[1],
                "value_pairs_set": [list(pair) for pair in rule.pairs],
                "ignore_row_if": "either_value_is_missing",
            }
        case Kind.REFERENCE if rule.reference:
            return "expect_column_values_to_be_in_set", {
                "column": reference_name(rule.reference),
                "value_set": ["known"],
            }
        case kind if kind in FAULT_KINDS:
            return "expect_column_values_to_be_in_set", {"column": fault_name(rule), "value_set": ["sound"]}
        case _ if rule.columns:
            return _column_expectation(feed.column(rule.columns[0]), rule)
        case _:
            return None


def _column_expectation(column: Column, rule: Rule) -> tuple[str, dict[str, Any]] | None:
    match rule.kind:
        case Kind.PRESENCE:
            return "expect_column_values_to_not_be_null", {"column": column.name}
        case Kind.TYPE:
            return "expect_column_values_to_be_in_set", {"column": read_name(column), "value_set": ["read"]}
        case Kind.FORMAT:
            return "expect_column_values_to_match_regex", {"column": column.name, "regex": rule.pattern}
        case Kind.CODE_SET:
            return "expect_column_values_to_be_in_set", {
                "column": column.name,
                "value_set": list(rule.values),
            }
        case Kind.PLACEHOLDER:
            return "expect_column_values_to_not_be_in_set", {
                "column": column.name,
                "value_set": list(rule.values),
            }
        case Kind.RANGE:
            limits = {
                name: AS_OF if value == "asOf" else _number(column, value)
                for name, value in (("min_value", rule.minimum), ("max_value", rule.maximum))
                if value is not None
            }
            return "expect_column_values_to_be_between", {"column": typed_name(column), **limits}
        case _:
            return None


def _number(column: Column, text: str) -> str | int | float:
    """A bound as the type that the expectation compares with: dates stay ISO text."""
    if column.logical_type == "integer":
        return int(text)
    if column.logical_type == "number":
        return float(text)
    return text
