"""A linkage run in a real warehouse: ids that stay, changes that are listed, nothing half done."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gates import open_gates

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.ledger import store
from kinbridge.linkage.model import Model, read_model
from kinbridge.linkage.run import link_people

GATES = open_gates({f"{partner}/people_v1" for partner in ("medicaid", "snap", "home_visiting")} | {"snap/other_v1"})
HISTORY = "delivery_id, line_no, contract_version, as_of, row_hash, known_from"
FAMILIES = [
    "Abernathy",
    "Brzezinski",
    "Castellano",
    "Delacroix",
    "Esterhazy",
    "Featherstone",
    "Ghirlandaio",
    "Hartwell",
]


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model()


class Record:
    """Writes persons into `record` as a load would."""

    def __init__(self, warehouse: Any) -> None:
        self.warehouse = warehouse
        self.line = 0

    def person(self, partner: str, number: str, first: str, last: str, born: str | None, **more: Any) -> None:
        feed = more.pop("feed", f"{partner}/people_v1")
        as_of = more.pop("as_of", "2026-07-31")
        values = {"first_name": first, "last_name": last, "birth_date": born, **more}
        self._insert("person", feed, as_of, {"source_person_id": number, **values})

    def address(self, partner: str, number: str, line: str) -> None:
        feed = f"{partner}/people_v1"
        values = {"source_person_id": number, "address_line": line, "city": "Thornwick", "postal_code": "99001"}
        self._insert("person_address", feed, "2026-07-31", values)

    def close(self, partner: str, number: str) -> None:
        self.warehouse.query(
            "UPDATE record.person SET known_to = clock_timestamp() WHERE partner = %s AND source_person_id = %s",
            (partner, number),
        )

    def _delivery(self, partner: str, feed: str) -> int:
        rows = self.warehouse.query("SELECT delivery_id FROM ledger.delivery WHERE feed = %s", (feed,))
        if rows:
            return int(rows[0][0])
        [(delivery,)] = self.warehouse.query(
            """
            INSERT INTO ledger.delivery (
                partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id, agreement_version
            )
            VALUES (%s, %s, 'people.csv', 1, %s, '2026-07-31', '1.0.0', 'a', '1')
            RETURNING delivery_id
            """,
            (partner, feed, feed),
        )
        return int(delivery)

    def _insert(self, table: str, feed: str, as_of: str, values: dict[str, Any]) -> None:
        partner = feed.partition("/")[0]
        self.line += 1
        columns = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        self.warehouse.query(
            f"INSERT INTO record.{table} ({columns}, partner, feed, {HISTORY})"
            f" VALUES ({marks}, %s, %s, %s, %s, '1.0.0', %s, 1, clock_timestamp())",
            (*values.values(), partner, feed, self._delivery(partner, feed), self.line, as_of),
        )


@pytest.fixture(scope="module")
def record(warehouse: Any) -> Record:
    """Eight children whom two partners know alike, each at a home of its own."""
    record = Record(warehouse)
    for number, family in enumerate(FAMILIES):
        born = f"20{15 + number}-0{1 + number}-1{number}"
        for partner in ("medicaid", "snap"):
            record.person(partner, f"{partner}-{number}", "Rosalind", family, born, sex="Female")
            record.address(partner, f"{partner}-{number}", f"{100 + number} Juniper Way")
    return record


def links(warehouse: Any) -> dict[tuple[str, str], str]:
    rows = warehouse.query("SELECT partner, source_person_id, person_id FROM identity.person_link")
    return {(partner, number): str(person) for partner, number, person in rows}


def test_first_run_makes_people_and_a_second_changes_nothing(warehouse: Any, record: Record, model: Model) -> None:
    first = link_people(warehouse.linkage, model, GATES)
    assert (first.records, first.people, first.new_people) == (16, 8, 8)
    before = links(warehouse)
    assert all(before["medicaid", f"medicaid-{n}"] == before["snap", f"snap-{n}"] for n in range(8))
    assert first.edges == 8
    second = link_people(warehouse.linkage, model, GATES)
    assert links(warehouse) == before
    assert (second.new_people, second.merged, second.split, second.moved) == (0, 0, 0, 0)
    [(runs, finished)] = warehouse.query("SELECT count(*), count(finished_at) FROM identity.run")
    assert runs == finished == 2


def test_values_of_several_feeds_of_a_partner_are_one_person(warehouse: Any, record: Record, model: Model) -> None:
    # The newest known value counts: the later feed has no birth date, the earlier an older last name.
    record.person("snap", "two feeds", "Marguerite", "Oldname", "2019-03-04", as_of="2026-06-30", sex="Female")
    record.person("snap", "two feeds", "Marguerite", "Zimmermann", None, feed="snap/other_v1")
    record.person("medicaid", "one feed", "Marguerite", "Zimmermann", "2019-03-04", sex="Female")
    summary = link_people(warehouse.linkage, model, GATES)
    assert (summary.records, summary.new_people) == (18, 1)
    found = links(warehouse)
    assert found["snap", "two feeds"] == found["medicaid", "one feed"]


def test_merge_is_listed_and_the_old_id_resolves(warehouse: Any, record: Record, model: Model) -> None:
    record.person("home_visiting", "late", "Unbekannt", "Nachtigall", "2020-10-20")
    assert link_people(warehouse.linkage, model, GATES).new_people == 1
    old = links(warehouse)["home_visiting", "late"]
    # The partner corrects its record: it is the child of the first family.
    record.close("home_visiting", "late")
    record.person("home_visiting", "late", "Rosalind", FAMILIES[0], "2015-01-10", sex="Female")
    record.address("home_visiting", "late", "100 Juniper Way")
    summary = link_people(warehouse.linkage, model, GATES)
    assert (summary.merged, summary.split, summary.moved) == (1, 0, 0)
    now = links(warehouse)["home_visiting", "late"]
    assert now == links(warehouse)["medicaid", "medicaid-0"] != old
    assert str(warehouse.query("SELECT merged_into FROM identity.person WHERE person_id = %s", (old,))[0][0]) == now
    listed = warehouse.query(
        "SELECT kind, from_person_id::text, to_person_id::text, source_persons FROM identity.person_change"
        " WHERE run_id = %s",
        (summary.run_id,),
    )
    assert listed == [("merged", old, now, 1)]


def test_person_who_is_no_longer_current_keeps_the_id(warehouse: Any, record: Record, model: Model) -> None:
    before = links(warehouse)["snap", "two feeds"]
    record.close("snap", "two feeds")
    link_people(warehouse.linkage, model, GATES)
    assert links(warehouse)["snap", "two feeds"] == before


def test_failed_run_leaves_nothing(
    warehouse: Any, record: Record, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = links(warehouse)
    runs = warehouse.query("SELECT count(*) FROM identity.run")
    record.person("snap", "newcomer", "Gwendolyn", "Featherstone", "2022-02-02")
    statements = (*store.STATEMENTS[:-1], "SELECT 1 / (%(run_id)s - %(run_id)s)")
    with monkeypatch.context() as patch:
        patch.setattr(store, "STATEMENTS", statements)
        with pytest.raises(KinbridgeError) as failure:
            link_people(warehouse.linkage, model, GATES)
    assert "Gwendolyn" not in str(failure.value)
    assert links(warehouse) == before
    assert warehouse.query("SELECT count(*) FROM identity.run") == runs
    assert link_people(warehouse.linkage, model, GATES).new_people == 1
