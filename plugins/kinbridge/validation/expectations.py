"""Runs a compiled suite with Great Expectations on the typed view, inside Postgres, and keeps counts only.

The result format asks for no unexpected values, the database is asked for none (their query has LIMIT 0), and what is
stored afterwards is rebuilt from an allow-list of numbers, so a library upgrade cannot begin to leak.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from kinbridge.contract.model import Column, Feed
from kinbridge.contract.rules import rules
from kinbridge.errors import KinbridgeError
from kinbridge.settings import great_expectations_folder
from kinbridge.validation.suite import suite_path

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0, "exclude_unexpected_values": True}
# What may be kept of an expectation's result: numbers about rows.
KEPT = ("element_count", "unexpected_count", "missing_count", "unexpected_percent", "observed_value")


@dataclass(frozen=True)
class Outcome:
    """Great Expectations' own count for each rule, and the sanitised result for its store and Data Docs."""

    counts: dict[str, int]
    result: Any


@lru_cache(maxsize=1)
def project() -> Any:
    """The file-backed GX project: suites, results, Data Docs.

    Opened by `context_root_dir`: the other argument makes a second `gx/` folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

        return gx.get_context(mode="file", context_root_dir=great_expectations_folder())


def run_suite(
    sqlalchemy_url: str, feed: Feed, view_name: str, as_of: date, read: Collection[Column] | None = None
) -> Outcome:
    """Validate the typed view `landing.<view_name>` with the feed's suite.

    `read` are the columns that were read, where an agreement may have taken back some since the suite was compiled:
    of what was not read, nothing is expected.

    The datasource lives in a context in memory: in the project's own context it would be written to its YAML file,
    password and all. Raises `KinbridgeError` KB-F91 when an expectation could not be evaluated (an unevaluated rule is
    no pass) and KB-F92 when the feed has no compiled suite.
    """
    path = suite_path(feed)
    if not path.is_file():
        raise KinbridgeError("KB-F92", feed=feed.id, path=path.name)
    import great_expectations as gx
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    memory = gx.get_context(mode="ephemeral")
    memory.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = memory.data_sources.add_postgres("warehouse", connection_string=sqlalchemy_url)
    try:
        asset = source.add_table_asset(name=view_name, table_name=view_name, schema_name="landing")
        batch = asset.add_batch_definition_whole_table("whole").get_batch()
        suite = ExpectationSuite(**_about(json.loads(path.read_text(encoding="utf-8")), feed, read))
        result = batch.validate(suite, result_format=RESULT_FORMAT, expectation_parameters={"as_of": as_of.isoformat()})
    finally:
        source.get_execution_engine().close()
        # The datasource has an engine of its own beside that of the execution engine, with an open session.
        source.get_engine().dispose()
    return Outcome(dict(_count(feed, item) for item in result.results), _sanitised(result))


def _about(suite: dict[str, Any], feed: Feed, read: Collection[Column] | None) -> dict[str, Any]:
    """The suite without the rules of the contract that speak of a column that was not read."""
    if read is None:
        return suite
    unread = {rule.id for rule in rules(feed, feed.columns)} - {rule.id for rule in rules(feed, read)}
    return {**suite, "expectations": [one for one in suite["expectations"] if one["meta"]["rule"] not in unread]}


def _count(feed: Feed, item: Any) -> tuple[str, int]:
    rule = item.expectation_config.meta["rule"]
    info = item.exception_info or {}
    if info.get("raised_exception") or any(isinstance(v, dict) and v.get("raised_exception") for v in info.values()):
        raise KinbridgeError("KB-F91", feed=feed.id, rule=rule)
    count = item.result.get("unexpected_count")
    return rule, int(count) if count is not None else int(not item.success)


def _sanitised(result: Any) -> Any:
    """The same result with nothing in it but what `KEPT` allows and what the declarations say themselves."""
    for item in result.results:
        item.result = {k: item.result[k] for k in KEPT if isinstance(item.result.get(k), int | float)}
        item.exception_info = {
            "raised_exception": False,
            "exception_traceback": None,
            "exception_message": None,
        }
    return result
