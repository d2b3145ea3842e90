"""Keeps sanitised results in the Great Expectations store and adds their Data Docs pages: counts, no values.

The pages are Great Expectations' own. Its index is not used: it reads every result that was ever kept each time a page
is added, so a delivery would cost more the more came before it. Ours is made from a line for each page, `index.jsonl`,
whose end it reads.
"""

from __future__ import annotations

import fcntl
import html
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kinbridge.contract.model import Feed
from kinbridge.settings import great_expectations_folder
from kinbridge.validation.expectations import project

SITE = "local_site"
# The index lists so many of the newest pages; the older ones stay where they are.
MOST_LISTED = 500
_LONGEST_LINE = 1_000  # bytes of a line in index.jsonl, at most; names of feeds and counts
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Validations</title>
<style>body {{ font-family: sans-serif; margin: 2em }} td, th {{ padding: .2em 1em; text-align: left }}</style></head>
<body><h1>Validations, newest first</h1>
<p>Counts and rules, no values. The newest {most} are listed; older pages stay below <code>validations/</code>.</p>
<table><thead><tr><th>When (UTC)</th><th>Feed</th><th>Delivery</th><th>Rules</th><th>Broken</th></tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""


def keep_result(feed: Feed, delivery_id: int, result: Any) -> None:
    """Store one delivery's result and add its page and its line in the index; what was kept before is not read.

    One process at a time: two that add to one index would write over each other's.
    """
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        SiteSectionIdentifier,
        ValidationResultIdentifier,
    )

    context = project()
    now = datetime.now(UTC)
    identifier = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(feed.slug),
        run_id=RunIdentifier(run_name=f"delivery-{delivery_id}", run_time=now),
        batch_identifier=f"delivery-{delivery_id}",
    )
    renderer, view = page_maker()
    page = view.render(
        renderer.render(result), data_context_id=context.variables.data_context_id, show_how_to_buttons=False
    )
    with _alone():
        context.validation_results_store.set(identifier, result)
        pages, folder = _site(context)
        pages.set(SiteSectionIdentifier(site_section_name="validations", resource_identifier=identifier), page)
        if not (folder / "static").is_dir():
            pages.copy_static_assets()
        line = {
            "feed": feed.id,
            "delivery": delivery_id,
            "when": f"{now:%Y-%m-%d %H:%M:%S}",
            "rules": len(result.results),
            "broken": sum(not item.success for item in result.results),
            "page": "/".join(("validations", *identifier.to_tuple())) + ".html",
        }
        _index(folder, line)


@lru_cache(maxsize=1)
def page_maker() -> tuple[Any, Any]:
    """Great Expectations' renderer and view of a result's page, with the templates read: once for each process."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    view = DefaultJinjaPageView()
    for name in view.env.list_templates(extensions=["j2"]):
        view.env.get_template(name)
    return ValidationResultsPageRenderer(), view


def _site(context: Any) -> tuple[Any, Path]:
    """The store of the pages, and the folder where it keeps them."""
    from great_expectations.data_context.store.html_site_store import HtmlSiteStore

    settings = context.variables.data_docs_sites[SITE]["store_backend"]
    root = Path(context.root_directory)
    store = HtmlSiteStore(store_backend=dict(settings), runtime_environment={"root_directory": str(root)})
    return store, root / settings["base_directory"]


def _index(folder: Path, line: dict[str, Any]) -> None:
    """Append to the index's lines, and write the page anew from the last of them."""
    with (folder / "index.jsonl").open("ab+") as lines:
        lines.write(json.dumps(line).encode() + b"\n")
        lines.flush()
        size = lines.seek(0, os.SEEK_END)
        lines.seek(max(0, size - MOST_LISTED * _LONGEST_LINE))
        newest = lines.read().splitlines()[-MOST_LISTED:]
    rows = "\n".join(_row(json.loads(text)) for text in reversed(newest))
    new = folder / "index.html.new"
    new.write_text(_PAGE.format(most=MOST_LISTED, rows=rows), encoding="utf-8")
    new.replace(folder / "index.html")


def _row(line: dict[str, Any]) -> str:
    link = f'<a href="{html.escape(quote(line["page"]))}">{line["delivery"]}</a>'
    cells = (line["when"], html.escape(line["feed"]), link, line["rules"], line["broken"])
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


@contextmanager
def _alone() -> Iterator[None]:
    folder = great_expectations_folder() / "uncommitted"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
