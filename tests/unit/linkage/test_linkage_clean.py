"""Cleaning: what different hands write for one thing becomes one thing, and what means nothing becomes nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from kinbridge.linkage.clean import clean
from kinbridge.linkage.columns import CLEANED_COLUMNS
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.model import read_model


def cleaned(*records: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [{"source": "a", "source_person_id": f"{n:03}", **record} for n, record in enumerate(records)]
    columns = {name: None for row in rows for name in row}
    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    with DuckDBEngine() as engine:
        clean(engine, table, read_model())
        return engine.arrow("SELECT * FROM cleaned ORDER BY record").to_pylist()


@pytest.mark.parametrize(
    ("column", "given", "result", "expected"),
    [
        ("last_name", "  O'Brien-Núñez Jr. ", "last_name", "OBRIENNUNEZ"),
        ("last_name", "O'Brien-Núñez Jr.", "generation", 2),
        ("last_name", "de la Cruz", "last_name", "DELACRUZ"),
        ("last_name", "Sm1th", "last_name", "SMITH"),
        ("last_name", "Łukasz-Größe", "last_name", "LUKASZGROSSE"),
        ("last_name", "王", "last_name", None),
        ("last_name", "UNKNOWN", "last_name", None),
        ("first_name", "Mary P", "first_name", "MARY"),
        ("first_name", "Mary P", "middle_initial", "P"),
        ("first_name", "Baby  Boy", "first_name", None),
        ("first_name", "J.", "first_name", None),
        ("first_name", "J.", "first_initial", "J"),
        ("first_name", "Kate", "first_root", "CATHERINE"),
        ("birth_date", date(1900, 1, 1), "birth_digits", None),
        ("birth_date", date(2020, 12, 3), "birth_key", "20200312"),
        ("birth_date", date(2020, 3, 12), "birth_key", "20200312"),
        ("ssn", "912-34-0678", "ssn", "912340678"),
        ("ssn", "012345679", "ssn", "12345679"),
        ("ssn", "12345679", "ssn", "12345679"),
        ("ssn", "999-99-9999", "ssn", None),
        ("ssn", "123-45-6789", "ssn", None),
        ("ssn", "666-12-3456", "ssn", None),
        ("ssn", "123-00-4567", "ssn", None),
        ("ssn", "6789", "ssn_end", "6789"),
        ("email", " Ann+wic@Example.org ", "email", "ann@example.org"),
        ("email", "none@example.org", "email", None),
        ("phone", "+1 (303) 555-0142", "phone", "3035550142"),
        ("phone", "000-000-0000", "phone", None),
        ("address_line", "12B North Main Street, Apt. 4", "address", "12B N MAIN ST"),
        ("address_line", "P.O. Box 77", "house_number", "77"),
        ("address_line", "Homeless", "street", None),
        ("postal_code", "80203-1234", "postal_code", "80203"),
        ("sex", "female", "sex", "F"),
        ("sex", "NotSelected", "sex", None),
    ],
)
def test_one_value(column: str, given: Any, result: str, expected: Any) -> None:
    assert cleaned({column: given})[0][result] == expected


def test_double_names_share_a_part_and_sounds_agree() -> None:
    double, single, other = cleaned(
        {"last_name": "Garcia-Lopez"}, {"last_name": "LOPEZ"}, {"last_name": "Lopes", "first_name": "Philip"}
    )
    assert set(double["last_parts"]) & set(single["last_parts"])
    assert single["last_sound"] == other["last_sound"]


def test_number_of_too_many_people_is_nobodys() -> None:
    shared = [{"ssn": "501234567", "birth_date": date(2020, 1, day)} for day in range(2, 10)]
    *rows, own = cleaned(*shared, {"ssn": "501234568", "birth_date": date(2020, 1, 2)})
    assert {row["ssn"] for row in rows} == {None}
    assert own["ssn"] == "501234568"


def test_kin_are_the_others_of_the_partners_family() -> None:
    ann, ben, alone = cleaned(
        {"first_name": "Ann", "birth_date": date(2020, 1, 2), "family_key": "F1"},
        {"first_name": "Ben", "birth_date": date(2021, 1, 2), "family_key": "F1"},
        {"first_name": "Cal", "birth_date": date(2021, 1, 2), "family_key": "F2"},
    )
    assert ann["kin"] == [ben["self"]]
    assert ben["kin"] == [ann["self"]]
    assert alone["kin"] is None


def test_every_cleaned_column_is_declared() -> None:
    assert cleaned({"first_name": "Ann"})[0].keys() == CLEANED_COLUMNS
