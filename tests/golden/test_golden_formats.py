"""Golden files: a partner's file in one format, and the rows that it must be read as.

Each folder below `formats` is one case, data only. `README.md` says what it shows. `delivery.yaml` has the contract's
`delivery`, and the `columns` with their path (and type, format or position, where they have one); the file beside it,
`given.*`, is the delivery; `expect.csv` has its rows: line, shape, and the columns.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_feed
from tests.support.readers import Rows

from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import read_feed
from kinbridge.declaration.document import read_document
from kinbridge.format.delivered_file import open_file

CASES = sorted(path.parent for path in (Path(__file__).parent / "formats").glob("*/README.md"))
FEED = "atlas/rows_v1"


def feed_of(case: Path, tmp_path: Path) -> Feed:
    """The case's feed, read from a contract as any other."""
    declared = read_document(case / "delivery.yaml").data
    columns = []
    for number, (name, said) in enumerate(declared["columns"].items(), 1):
        about = said if isinstance(said, dict) else {"path": said}
        lines = [f"physicalName: '{about.get('path', name)}'"]
        if number == 1:
            lines.append("primaryKey: true")
        if "format" in about:
            lines.append(f"logicalTypeOptions: {{ format: {about['format']} }}")
        if "position" in about:
            start, length = about["position"]
            position = f"{{ start: {start}, length: {length} }}"
            lines.append(f"customProperties: [{{ property: position, value: {position} }}]")
        columns.append(column(name, about.get("type", "string"), *lines))
    with site_of(tmp_path) as include:
        text = contract(FEED, *columns, delivery=str(dict(declared["delivery"], filePattern="x")))
        return read_feed(write_feed(include, FEED, text) / "contract.odcs.yaml")


def test_there_is_a_case_for_each_format() -> None:
    """Else a format could change its reading unseen."""
    assert {case.name for case in CASES} >= {"fixed_width", "json", "ndjson", "xml", "x12_834", "hl7_v2", "delimited"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden_file(case: Path, tmp_path: Path) -> None:
    feed = feed_of(case, tmp_path)
    [given] = case.glob("given.*")
    file = open_file(given, feed, feed.columns)
    text = b"".join(file.chunks()).decode("utf-8")
    width = len(feed.columns)  # typed values of some columns follow
    found: Rows = [(int(line), shape, row[:width]) for line, shape, *row in csv.reader(io.StringIO(text, newline=""))]
    with (case / "expect.csv").open(encoding="utf-8", newline="") as expected:
        head, *rows = csv.reader(expected)
    assert head == ["line", "shape", *(c.name for c in feed.columns)]
    assert found == [(int(line), shape, row) for line, shape, *row in rows]
