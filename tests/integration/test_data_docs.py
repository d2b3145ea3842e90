"""Data Docs: a page for each result, an index of the newest, and no look at what was kept before."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import feed_of
from kinbridge.settings import great_expectations_folder
from kinbridge.validation.documents import MOST_LISTED, keep_result
from kinbridge.validation.expectations import project

LINK = re.compile(r'<a href="([^"]+)">(\d+)</a>')


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project of its own, where the pages of nobody else stand."""
    (tmp_path / "great_expectations.yml").write_text(
        (great_expectations_folder() / "great_expectations.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.setenv("KINBRIDGE_GX", str(tmp_path))
    project.cache_clear()
    yield tmp_path / "uncommitted" / "data_docs" / "local_site"
    project.cache_clear()


@pytest.fixture(scope="module")
def feed() -> Feed:
    return feed_of("medicaid/eligibility_v1")


def result(*, broken: int) -> ExpectationSuiteValidationResult:
    item = ExpectationValidationResult(
        success=not broken,
        expectation_config=ExpectationConfiguration(
            type="expect_column_values_to_not_be_null", kwargs={"column": "member_id"}, meta={"rule": "a.presence"}
        ),
        result={"element_count": 10, "unexpected_count": broken, "unexpected_percent": 10.0 * broken},
    )
    return ExpectationSuiteValidationResult(
        success=not broken, results=[item], suite_name="medicaid__eligibility_v1", statistics={}, meta={}
    )


def test_each_result_has_a_page_and_the_index_leads_to_it_newest_first(site: Path, feed: Feed) -> None:
    for delivery, broken in ((7, 0), (8, 3)):
        keep_result(feed, delivery, result(broken=broken))
    index = (site / "index.html").read_text(encoding="utf-8")
    links = LINK.findall(index)
    assert [number for _, number in links] == ["8", "7"]
    pages = [(site / unquote(link)).read_text(encoding="utf-8") for link, _ in links]
    assert all("member_id" in page for page in pages)
    assert ["3 unexpected" in page for page in pages] == [True, False]
    assert "<td>1</td><td>1</td>" in index
    assert "<td>1</td><td>0</td>" in index
    assert (site / "static").is_dir()
    assert len(project().validation_results_store.list_keys()) == 2


def test_what_was_kept_before_is_not_read(site: Path, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_result(feed, 1, result(broken=0))

    def read(*_: object) -> None:
        raise AssertionError("an earlier result was looked at")

    store = project().validation_results_store
    for name in ("get", "list_keys"):
        monkeypatch.setattr(store, name, read)
    keep_result(feed, 2, result(broken=0))
    assert len(LINK.findall((site / "index.html").read_text(encoding="utf-8"))) == 2


def test_a_long_history_makes_no_longer_index(site: Path, feed: Feed) -> None:
    keep_result(feed, 1, result(broken=0))
    [line] = (site / "index.jsonl").read_text(encoding="utf-8").splitlines()
    older = [json.dumps({**json.loads(line), "delivery": number}) for number in range(10_000)]
    (site / "index.jsonl").write_text("\n".join(older) + "\n", encoding="utf-8")
    keep_result(feed, 10_000, result(broken=0))
    numbers = [int(number) for _, number in LINK.findall((site / "index.html").read_text(encoding="utf-8"))]
    assert numbers == list(range(10_000, 10_000 - MOST_LISTED, -1))
