"""Feeds in other formats than delimited text, declared without code, from the file to the record."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.declared import column, contract, site_of, write_agreement, write_feed
from tests.support.deliveries import TODAY, Intake

from kinbridge.ledger.states import State
from kinbridge.receive.load import load_delivery

PATIENTS = "atlas/patients_v1"
GOLDEN = Path(__file__).parents[1] / "golden" / "formats"
TRANSFORM = """\
-- target: person
SELECT
    source.line_no,
    source.patient_id AS source_person_id,
    source.first_name,
    source.last_name,
    source.birth_date
FROM source;
"""
DAY = "logicalTypeOptions: {{ format: {} }}"
# Per format: the delivery, the paths of the four columns, the date's format, and the golden file that is delivered.
FEEDS = {
    "ndjson": (
        "format: ndjson",
        ("id", "name[use=official].given[0]", "name[use=official].family", "birthDate"),
        "yyyy-MM-dd",
    ),
    "x12_834": ("format: x12_834", ("REF[0F].02", "NM1[IL].04", "NM1[IL].03", "DMG.02"), "yyyyMMdd"),
}


@pytest.fixture(params=FEEDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    delivery, (number, first, last, born), day = FEEDS[request.param]
    with site_of(tmp_path / "site") as include:
        columns = (
            column("patient_id", "string", f"physicalName: '{number}'", "required: true", "primaryKey: true"),
            column("first_name", "string", f"physicalName: '{first}'"),
            column("last_name", "string", f"physicalName: '{last}'", "required: true"),
            column("birth_date", "date", f"physicalName: '{born}'", DAY.format(day)),
        )
        text = contract(PATIENTS, *columns, delivery="{ filePattern: x, " + delivery + " }")
        write_feed(include, PATIENTS, text, TRANSFORM)
        write_agreement(include, "atlas", {PATIENTS: ["patient_id", "first_name", "last_name", "birth_date"]})
        yield request.param


PEOPLE = {
    "ndjson": [("a1", "Ann", "Doe", "2020-01-15"), ("a2", None, "Zoë", None)],
    "x12_834": [("000123456", "ANN", "DOE", "1990-08-16"), ("000123457", "BEA", "ROE", "2020-01-15")],
}


def test_from_the_file_to_the_record(kind: str, warehouse: Any, tmp_path: Path) -> None:
    intake = Intake(warehouse, tmp_path, PATIENTS)
    intake.empty()
    [given] = (GOLDEN / kind).glob("given.*")
    delivery = intake.judge(intake.deliver(content=gzip.compress(given.read_bytes())))
    account = load_delivery(warehouse.pipeline, delivery, TODAY)
    assert account is not None
    assert account.loaded == 2
    found = intake.current("source_person_id, first_name, last_name, birth_date::text", "person")
    assert found == PEOPLE[kind]
    # The third patient's line is cut off.
    refused = {3: ["last_name.presence", "patient_id.presence", "row.shape"]} if kind == "ndjson" else {}
    assert {line: sorted(rules) for line, rules in intake.quarantined(delivery).items()} == refused


def test_an_envelope_that_does_not_add_up_holds_the_file(kind: str, warehouse: Any, tmp_path: Path) -> None:
    intake = Intake(warehouse, tmp_path, PATIENTS)
    intake.empty()
    content = (GOLDEN / "x12_834" / "given.834").read_bytes().replace(b"SE*19*", b"SE*18*")
    delivery = intake.judge(intake.deliver(content=content))
    assert intake.state(delivery) is State.HELD
    [(facts,)] = warehouse.query("SELECT facts FROM ledger.event WHERE what = 'staged'")
    why = {"x12_834": "SE counts 18 segments, there are 19", "ndjson": "no line of the file is a JSON object"}
    assert (facts["rows"], facts["unreadable_why"]) == (0, why[kind])
