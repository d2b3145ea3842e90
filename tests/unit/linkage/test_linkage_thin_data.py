"""Linkage of what a first day brings: one partner, few people, hardly anybody twice."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from kinbridge.linkage.link import link
from kinbridge.linkage.model import read_model

NAMES = ["Ana", "Ben", "Cleo", "Dov", "Edda", "Finn", "Gus", "Hana", "Ivo", "June", "Kai", "Lena", "Milo", "Nora"]


def people(count: int, twice: int) -> pa.Table:
    """`count` people of one partner, of whom the first `twice` are listed two times, with family and address."""
    rows = []
    for number in [*range(count), *range(twice)]:
        rows.append(
            {
                "source": "medicaid",
                "source_person_id": f"M{len(rows):05d}",
                "first_name": NAMES[number % len(NAMES)],
                "middle_name": None,
                "last_name": f"Family{number // 3}",
                "name_suffix": None,
                "birth_date": date(2015, 1, 1) + timedelta(days=37 * number % 3900),
                "sex": "Female" if number % 2 else "Male",
                "ssn": None,
                "email": None,
                "phone": None,
                "address_line": f"{number // 3} Main Street",
                "city": "Alder",
                "postal_code": "99001",
                "family_key": f"C{number // 3}",
            }
        )
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(("count", "twice"), [(1, 0), (2, 0), (40, 0), (40, 1), (400, 2), (900, 3)])
def test_one_partner_alone_is_linked(count: int, twice: int) -> None:
    found = link(people(count, twice), read_model(), seed=1)
    assert found.clusters.num_rows == count + twice
    assert len(set(found.clusters["cluster"].to_pylist())) >= count - 1
