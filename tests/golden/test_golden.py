"""Golden cases: what partners said, and what the integrated tables and the mart must say then.

Each folder beside this file is one case, data only. `README.md` shows the arithmetic. `given/`: `delivery.csv`
(delivery_id, feed, period; the delivery speaks as of the period's last day and is loaded), `person.csv` (person,
partner, source_person_id: who is who), and `record.<table>.csv` with the columns that matter (delivery_id; the rest of
the provenance follows from it, unless a row has its own). A row with `times` stands for that many rows, in which `{n}`
is 1, 2, 3 ... `expect/<schema>.<table>.csv` names some columns of a table; all of its rows must be there, in any order.
Persons have the short names of `person.csv`; a family, and a household, is named by the first of its members. Empty is
null.
"""

from __future__ import annotations

import csv
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extras import execute_values
from tests.support.gates import open_gates

from kinbridge.integration.build import build_integrated
from kinbridge.integration.publish import publish_mart
from kinbridge.warehouse.connection import transaction

CASES = sorted(path for path in Path(__file__).parent.iterdir() if (path / "README.md").is_file())
# What follows from the delivery, unless a row says otherwise: until when it was said, and when it was superseded.
PROVIDED = ("as_of", "known_from")
NAMESPACE = uuid.UUID("9f0c2b1e-6c1d-4c59-9a53-0d5a3f0f6a11")


def rows(path: Path) -> Iterator[dict[str, str | None]]:
    """The rows of one CSV, those with `times` unrolled."""
    with path.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            for n in range(1, int(row.pop("times", None) or 1) + 1):
                yield {name: value.replace("{n}", str(n)) or None for name, value in row.items()}


def person_id(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


def insert(cursor: Any, table: str, records: list[dict[str, Any]]) -> None:
    if not records:
        return
    columns = list(records[0])
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES %s").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    execute_values(cursor, statement.as_string(cursor), [tuple(record.values()) for record in records], page_size=1000)


def load(cursor: Any, given: Path) -> None:
    """Put the case's rows where loads and linkage would have put them."""
    deliveries = {}
    for row in rows(given / "delivery.csv"):
        cursor.execute("SELECT (%s::date + INTERVAL '1 month - 1 day')::date", (row["period"],))
        (as_of,) = cursor.fetchone()
        deliveries[row["delivery_id"]] = {
            **row,
            "partner": str(row["feed"]).split("/", maxsplit=1)[0],
            "as_of": as_of,
            "contract_version": "1.0.0",
        }
    ledger = {"size_bytes": 1, "agreement_id": "golden", "agreement_version": "1", "state": "accepted"}
    insert(
        cursor,
        "ledger.delivery",
        [{**d, **ledger, "file_name": f"{d['feed']}.csv", "sha256": at} for at, d in deliveries.items()],
    )
    insert(cursor, "ledger.load", [{"delivery_id": at, "targets": "{}"} for at in deliveries])
    cursor.execute("INSERT INTO identity.run (model_version) VALUES ('golden') RETURNING run_id")
    (run,) = cursor.fetchone()
    links = list(rows(given / "person.csv"))
    persons = dict.fromkeys(str(link["person"]) for link in links)
    insert(cursor, "identity.person", [{"person_id": person_id(name), "first_run_id": run} for name in persons])
    insert(
        cursor,
        "identity.person_link",
        [
            {
                "partner": link["partner"],
                "source_person_id": link["source_person_id"],
                "person_id": person_id(str(link["person"])),
                "run_id": run,
            }
            for link in links
        ],
    )
    for path in sorted(given.glob("record.*.csv")):
        records = []
        for line, row in enumerate(rows(path), start=2):
            delivery = deliveries[row["delivery_id"]]
            provenance = {name: delivery[name] for name in ("partner", "feed", "contract_version", "as_of")}
            records.append(
                {
                    **provenance,
                    "line_no": line,
                    "known_from": "2026-01-01",
                    **{name: value for name, value in row.items() if value or name not in PROVIDED},
                }
            )
        insert(cursor, path.stem, records)


def text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def found(cursor: Any, table: str, columns: list[str], names: dict[str, str]) -> list[tuple[str, ...]]:
    """All rows of a table in the words of the case."""
    cursor.execute("SELECT family_id::text, person_id::text FROM integrated.family")
    members: dict[str, list[str]] = {}
    for family, member in cursor.fetchall():
        members.setdefault(family, []).append(names[member])
    cursor.execute("SELECT household_id::text, person_id::text FROM identity.household_member")
    for household, member in cursor.fetchall():
        members.setdefault(household, []).append(names[member])
    words = names | {group: min(those) for group, those in members.items()}
    chosen = sql.SQL(", ").join(map(sql.Identifier, columns))
    cursor.execute(sql.SQL("SELECT {} FROM {}").format(chosen, sql.Identifier(*table.split("."))))
    return sorted(tuple(words.get(text(value), text(value)) for value in row) for row in cursor.fetchall())


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_golden(case: Path, new_warehouse: Callable[[], Any]) -> None:
    warehouse = new_warehouse()
    with transaction(warehouse.owner) as connection, connection.cursor() as cursor:
        load(cursor, case / "given")
    gates = open_gates({str(row["feed"]) for row in rows(case / "given" / "delivery.csv")})
    build_integrated(warehouse.linkage, gates)
    publish_mart(warehouse.linkage, gates)
    names = {person_id(str(row["person"])): str(row["person"]) for row in rows(case / "given" / "person.csv")}
    expectations = sorted((case / "expect").glob("*.csv"))
    assert expectations, "a case without expectations proves nothing"
    with transaction(warehouse.linkage) as connection, connection.cursor() as cursor:
        for path in expectations:
            expected = [tuple(value or "" for value in row.values()) for row in rows(path)]
            with path.open(encoding="utf-8", newline="") as lines:
                columns = next(csv.reader(lines))
            columns = [column for column in columns if column != "times"]
            assert found(cursor, path.stem, columns, names) == sorted(expected), path.name


def test_cases_are_found() -> None:
    assert len(CASES) >= 7
