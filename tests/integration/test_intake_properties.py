"""For any rows and any mixture of faults: every row has one fate, and the record does not depend on how rows arrived.

Order, splits into files, retries and repeated deliveries are drawn by chance. The feed is a fictional one of visits.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.support.declared import site_of
from tests.support.deliveries import HEADER, TODAY, Intake, write_site

from kinbridge.check.suites import compile_suites
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery

DAYS = [date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30)]
# Sound values, and what arrives instead of them.
PERSON = st.sampled_from(["P1", "P2", "Ünal", 'O"Brien', "a,b", "", " ", "=1+1", "\\.", "x" * 300])
MADE = st.sampled_from(["01/02/2026", "12/31/2025", "13/13/2026", "2026-01-02", "02/30/2026", "", "07/01/2030"])
MINUTES = st.sampled_from(["60", "1", "480", "481", "-5", "1e3", "6O", "", "\u0666"])
ZIP = st.sampled_from(["00501", "99999", "501", "ABCDE", "", "00501-1234"])
MODE = st.sampled_from(["H", "V", "X", "h", "", "line\nbreak"])
REST = st.tuples(PERSON, MADE, MINUTES, ZIP, MODE, st.just("secret"))
KEYS = st.sampled_from(["V1", "V2", "V3", "V4", "V5", " V6 ", "NOWHERE", ""])
SOUND = st.tuples(
    st.sampled_from(["P1", "P2"]),
    st.sampled_from(["01/02/2026", "12/31/2025"]),
    st.sampled_from(["60", "1", ""]),
    st.sampled_from(["00501", "99999", ""]),
    st.sampled_from(["H", "V", "X"]),
    st.just("secret"),
)
ROW = st.tuples(KEYS, st.one_of(REST, SOUND)).map(lambda pair: (pair[0], *pair[1]))
RAGGED = st.sampled_from([("V1",), ("V1", "P1", "01/02/2026", "1", "00501", "H", "s", "more"), ("V7", "P1")])
FILE = st.lists(st.one_of(ROW, ROW, ROW, RAGGED), max_size=8)
# A file in which no key stands twice, so that how it is split cannot matter.
WITHOUT_REPEATS = st.lists(ROW, max_size=8, unique_by=lambda row: row[0].strip())
SLOWLY = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with site_of(tmp_path_factory.mktemp("site")) as include:
        folder = write_site(include)
        # Whatever comes is judged row by row: nothing is held.
        contract = folder / "contract.odcs.yaml"
        text = contract.read_text(encoding="utf-8").replace("maxBadRowShare: 0.4", "maxBadRowShare: 1")
        contract.write_text(text.replace("mustBeBetween: [1, 1000]", "mustBeBetween: [0, 1000]"), encoding="utf-8")
        compile_suites()
        yield folder


@pytest.fixture
def intake(visits: Path, warehouse: Any, tmp_path: Path) -> Iterator[Intake]:
    yield (intake := Intake(warehouse, tmp_path))
    intake.empty()


def text_of(rows: list[tuple[str, ...]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER.split(","))
    # A row of one empty field would be a blank line, which is no row.
    writer.writerows(rows)
    return buffer.getvalue().encode()


def take(intake: Intake, rows: list[tuple[str, ...]], as_of: date) -> int:
    """One delivery, from its landed file to its end."""
    delivery = intake.judge(intake.deliver(content=text_of(rows), as_of=as_of))
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    return delivery


def state(intake: Intake) -> list[Any]:
    """What the record says, without where it was said."""
    visits = "source_service_event_id, source_person_id, service_date, delivery_method, duration_minutes, as_of"
    return [
        intake.current(visits, "service_event"),
        intake.current("source_person_id, postal_code, as_of", "person_address"),
    ]


@SLOWLY
@given(files=st.lists(FILE, min_size=1, max_size=3))
def test_every_row_has_one_fate_and_the_account_balances(intake: Intake, files: list[list[tuple[str, ...]]]) -> None:
    intake.empty()
    for rows, as_of in zip(files, DAYS, strict=False):
        delivery = take(intake, rows, as_of)
        account = intake.account(delivery)
        assert account is not None
        assert account.source_rows == len(rows)
        assert account.undecided == 0
        assert account.loaded + account.unchanged + account.quarantined + account.duplicate == len(rows)
        quarantined = intake.quarantined(delivery)
        assert len(quarantined) == account.quarantined
        assert all(quarantined.values())
        recorded = intake.warehouse.query(
            "SELECT line_no FROM record.service_event WHERE delivery_id = %(d)s "
            "UNION SELECT line_no FROM record.person_address WHERE delivery_id = %(d)s".replace("%(d)s", str(delivery))
        )
        assert len(recorded) <= account.loaded
        assert not {line for (line,) in recorded} & set(quarantined)


@SLOWLY
@given(files=st.lists(FILE, min_size=2, max_size=3), order=st.permutations(range(3)))
def test_the_record_does_not_depend_on_the_order_of_deliveries(
    intake: Intake, files: list[list[tuple[str, ...]]], order: list[int]
) -> None:
    assume(order != sorted(order))
    dated = list(zip(files, DAYS, strict=False))
    intake.empty()
    for rows, as_of in dated:
        take(intake, rows, as_of)
    in_order = state(intake)
    intake.empty()
    for place in order:
        if place < len(dated):
            take(intake, *dated[place])
    assert state(intake) == in_order


@SLOWLY
@given(rows=WITHOUT_REPEATS, cut=st.integers(0, 8))
def test_the_record_does_not_depend_on_how_rows_are_split_into_files(
    intake: Intake, rows: list[tuple[str, ...]], cut: int
) -> None:
    intake.empty()
    whole = intake.account(take(intake, rows, DAYS[0]))
    at_once = intake.current("source_service_event_id, source_person_id, service_date", "service_event")
    intake.empty()
    parts = [intake.account(take(intake, part, DAYS[0])) for part in (rows[:cut], rows[cut:])]
    assert intake.current("source_service_event_id, source_person_id, service_date", "service_event") == at_once
    assert whole is not None
    assert sum(part.quarantined for part in parts if part) == whole.quarantined


@SLOWLY
@given(rows=FILE, steps=st.lists(st.sampled_from(["stage", "judge", "load"]), max_size=4))
def test_steps_that_are_taken_again_change_nothing(
    intake: Intake, rows: list[tuple[str, ...]], steps: list[str]
) -> None:
    intake.empty()
    take(intake, rows, DAYS[0])
    once = state(intake)
    intake.empty()
    delivery = intake.deliver(content=text_of(rows), as_of=DAYS[0])
    for step in [*steps, "load"]:
        if step == "stage":
            stage_delivery(intake.warehouse.pipeline, delivery, TODAY)
        elif step == "judge" and not intake.state(delivery).settled:
            intake.judge(delivery)
        elif step == "load":
            if not intake.state(delivery).settled:
                intake.judge(delivery)
            load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert state(intake) == once
    before = intake.warehouse.query("SELECT count(*) FROM record.service_event")
    again = intake.account(take(intake, rows, DAYS[0]))
    assert state(intake) == once
    assert intake.warehouse.query("SELECT count(*) FROM record.service_event") == before
    assert again is not None
    assert again.loaded == 0
