"""The compiled Great Expectations suites held against the contracts, and their compilation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kinbridge.check.authority import authorised_columns
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import contract_paths, read_feed
from kinbridge.declaration.document import Problem
from kinbridge.validation.suite import suite_path, suite_text


def suite_problems(feed: Feed, allowed: frozenset[str]) -> Iterator[Problem]:
    """Whether the feed's suite is what its contract compiles to; `allowed` are the columns that an agreement names."""
    path = suite_path(feed)
    text = suite_text(feed, feed.authorised(allowed))
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        yield Problem("KB-C38", path, 1, f"not what {feed.id}'s contract compiles to: run `kinbridge suite compile`")


def compile_suites() -> list[Path]:
    """Write every feed's suite; returns the files that changed. Raises `ContractError` or `KinbridgeError`."""
    allowed = authorised_columns()
    changed = []
    for path in contract_paths():
        feed = read_feed(path)
        target, text = suite_path(feed), suite_text(feed, feed.authorised(allowed.get(feed.id, frozenset())))
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            changed.append(target)
    return changed
