"""Two lists of one population, with slips, whose truth is known."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pyarrow as pa
import pytest

from kinbridge.evaluation.given import Given
from kinbridge.linkage.model import read_model

LAST = ["Hartwell", "Okafor", "Delgado", "Nguyen", "Brandt", "Garcia", "Whitfield", "Abdi", "Kowalski", "Pereira"]
NEWEST = date(2026, 6, 30)


@pytest.fixture(scope="session")
def population() -> tuple[Given, pa.Table]:
    """750 people in two sources, some with misspelt names, other addresses and wrong dates; and who is who.

    `group` is b for every tenth person, whose second record has slips far more often.
    """
    chance = random.Random(3)
    rows: list[dict[str, object]] = []
    groups: list[dict[str, object]] = []
    truth: list[dict[str, object]] = []
    for person in range(750):
        born = date(2008, 1, 1) + timedelta(days=chance.randrange(6700))
        last = chance.choice(LAST) if person % 8 else f"{chance.choice(LAST)}-{chance.choice(LAST)}"
        home = f"{chance.randrange(1, 999)} {chance.choice(['Oak', 'Elm', 'Birch', 'Cedar'])} Street"
        group = "b" if person % 10 == 0 else "a"
        first = "".join(chance.choice(["ka", "lo", "mi", "ren", "sa", "tu", "vel", "dor"]) for _ in range(3)).title()
        last = f"{last}{chance.choice(['', 'er', 'sen', 'ski', 'ova', 'ton'])}"
        for source in ("clinic", "school"):
            slips = 0.0 if source == "clinic" else 0.75 if group == "b" else 0.12
            own = {"first_name": first, "last_name": last, "birth_date": born, "address_line": home, "sex": "F"}
            if chance.random() < slips:
                own["first_name"] = first[:2] + chance.choice("xqz") + first[3:]
            if chance.random() < slips:
                own["birth_date"] = born + timedelta(days=chance.choice([-40, 33, 395]))
            if chance.random() < slips:
                own["address_line"] = f"{chance.randrange(1, 999)} Pine Road"
            if chance.random() < slips:
                own["last_name"] = f"{last[:3]}{chance.choice(LAST).lower()}"
            rows.append({"source": source, "source_person_id": f"{source} {person}", **own})
            groups.append({"source": source, "row_id": f"{source} {person}", "group": group})
            truth.append({"source": source, "row_id": f"{source} {person}", "person": str(person)})
    given = Given(pa.Table.from_pylist(rows), read_model(), pa.Table.from_pylist(groups), NEWEST)
    return given, pa.Table.from_pylist(truth)
