"""Keeps sanitised results in the Great Expectations store and builds their Data Docs: counts, no values."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from kinbridge.contract.model import Feed
from kinbridge.settings import great_expectations_folder
from kinbridge.validation.expectations import project


def keep_result(feed: Feed, delivery_id: int, result: Any) -> None:
    """Store one delivery's result and build its page and the index.

    One process at a time: two builders of one index would write over each other's.
    """
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    context = project()
    identifier = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(feed.slug),
        run_id=RunIdentifier(run_name=f"delivery-{delivery_id}", run_time=datetime.now(UTC)),
        batch_identifier=f"delivery-{delivery_id}",
    )
    with _alone():
        context.validation_results_store.set(identifier, result)
        context.build_data_docs(resource_identifiers=[identifier])


@contextmanager
def _alone() -> Iterator[None]:
    folder = great_expectations_folder() / "uncommitted"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
