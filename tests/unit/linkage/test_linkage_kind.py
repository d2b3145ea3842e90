"""What keeps relatives apart is lifted only where the records show that relatives do not stand together."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from kinbridge.linkage.clean import clean
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.kind import unrelated
from kinbridge.linkage.link import link
from kinbridge.linkage.model import read_model

CHANCE = random.Random(3)
FIRST = ["Olivia", "Liam", "Emma", "Noah", "Ava", "Elijah", "Sophia", "Mateo", "Ruth", "Gustav", "Camila", "Ezra"]
Row = dict[str, Any]


def born(years: int) -> date:
    return date(2020, 1, 2) - timedelta(days=CHANCE.randrange(years * 365))


def people(homes: int, at_home: int, years: int, address: bool = True) -> list[Row]:
    """Every person twice in one list, the second time misspelt; `at_home` people of one surname at each address."""
    rows = []
    for home in range(homes):
        for first in CHANCE.sample(FIRST, at_home):
            row = {
                "source": "register",
                "first_name": first,
                "last_name": f"Family{chr(97 + home % 26)}{chr(97 + home // 26)}",
                "birth_date": born(years),
                "address_line": f"{home + 1} Main Street" if address else None,
            }
            rows += [row, {**row, "first_name": first[:-1]}]
    return [{**row, "source_person_id": f"{number:05}"} for number, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (people(80, 1, years=80), True),
        (people(80, 3, years=80), False),
        (people(80, 1, years=6), False),
        (people(80, 1, years=80, address=False), False),
        (people(10, 1, years=80), False),
    ],
    ids=["strangers of all ages", "families", "children of a few years", "no addresses", "too few"],
)
def test_kind_of_list(rows: list[Row], expected: bool) -> None:
    with DuckDBEngine() as engine:
        clean(engine, pa.Table.from_pylist(rows), read_model())
        assert unrelated(engine, read_model()) is expected


def test_borrowed_number_makes_no_link() -> None:
    rows = people(60, 2, years=60)
    own: Row = {"source": "tax", "last_name": "Abernathy", "address_line": "9 Elm Street", "ssn": "501-23-4567"}
    rows.append({**own, "source_person_id": "parent", "first_name": "Beatrix", "birth_date": date(1985, 3, 4)})
    rows.append({**own, "source_person_id": "child", "first_name": "Quentin", "birth_date": None})
    columns = {name: [row.get(name) for row in rows] for name in {**own, **rows[0]}}
    found = {
        row["source_person_id"]: row["cluster"] for row in link(pa.table(columns), read_model()).clusters.to_pylist()
    }
    assert found["parent"] != found["child"]
