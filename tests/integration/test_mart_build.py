"""Building `integrated`: the same again, ids that last, nothing that identifies, all or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.gates import open_gates

from kinbridge.errors import KinbridgeError
from kinbridge.integration import build
from kinbridge.integration.build import TABLES, build_integrated
from kinbridge.integration.parameters import sql_files
from kinbridge.standards import common_schema

PROVENANCE = "partner, feed, delivery_id, line_no, contract_version, as_of, known_from"
SAID = "'medicaid', 'medicaid/eligibility_v1', 1, 1, '1', DATE '2026-01-31', now()"


@pytest.fixture
def small(new_warehouse: Callable[[], Any]) -> Any:
    """One Medicaid delivery: cases A (ann, bea, cid) and B (dan), every child linked to a person of its own."""
    warehouse = new_warehouse()
    warehouse.query(
        "INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, period, as_of, contract_version,"
        " agreement_id, agreement_version, state) VALUES ('medicaid', 'medicaid/eligibility_v1', 'f', 1, 'x',"
        " '2026-01-01', '2026-01-31', '1', 'a', '1', 'accepted')"
    )
    warehouse.query("INSERT INTO ledger.load (delivery_id, targets) VALUES (1, '{}')")
    warehouse.query("INSERT INTO identity.run (model_version) VALUES ('1')")
    for name, case in [("ann", "A"), ("bea", "A"), ("cid", "A"), ("dan", "B")]:
        add(warehouse, name, case)
    return warehouse


def person_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def add(warehouse: Any, name: str, case: str) -> None:
    person = person_id(name)
    warehouse.query("INSERT INTO identity.person VALUES (%s, 1)", (person,))
    warehouse.query("INSERT INTO identity.person_link VALUES ('medicaid', %s, %s, 1)", (name, person))
    warehouse.query(
        "INSERT INTO record.person (source_person_id, first_name, last_name, ssn, birth_date, email, phone,"
        f" {PROVENANCE}) VALUES (%s, %s, 'Canary', '900551234', '2023-04-09', 'canary@example.org', '5550100', {SAID})",
        (name, name),
    )
    warehouse.query(
        "INSERT INTO record.person_address (source_person_id, address_line, city, postal_code, county_fips,"
        f" {PROVENANCE}) VALUES (%s, '1 Canary Way', 'Canary', '00000', '99001', {SAID})",
        (name,),
    )
    warehouse.query(
        f"INSERT INTO record.family_member (source_family_id, source_person_id, family_role, {PROVENANCE})"
        f" VALUES (%s, %s, 'child', {SAID})",
        (case, name),
    )
    warehouse.query(
        "INSERT INTO record.program_enrollment (source_enrollment_id, source_person_id, source_family_id, program,"
        f" entry_date, exit_date, {PROVENANCE}) VALUES (%s, %s, %s, 'medicaid', '2026-01-01', '2026-01-31', {SAID})",
        (name, name, case),
    )


def move(warehouse: Any, name: str, case: str) -> None:
    """The partner now names another case for the child."""
    for table in ("family_member", "program_enrollment"):
        warehouse.query(f"UPDATE record.{table} SET source_family_id = %s WHERE source_person_id = %s", (case, name))


def families(warehouse: Any) -> dict[str, str]:
    rows = warehouse.query("SELECT person_id::text, family_id::text FROM integrated.family")
    names = {person_id(name): name for name in ("ann", "bea", "cid", "dan", "eve")}
    return {names[person]: family for person, family in rows}


def contents(warehouse: Any) -> list[list[Any]]:
    return [sorted(warehouse.query(f"SELECT * FROM integrated.{table}"), key=repr) for table in TABLES]


def test_the_same_again_and_two_at_once(small: Any) -> None:
    first = build_integrated(small.linkage, open_gates())
    assert first.rows == {"person": 4, "family": 4, "participation": 4, "referral": 0, "service_event": 0}
    before = contents(small)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(build_integrated, small.linkage, open_gates()) for _ in range(2)]
        assert [each.result() for each in both] == [first, first]
    assert contents(small) == before


def test_family_ids_last(small: Any) -> None:
    build_integrated(small.linkage, open_gates())
    before = families(small)
    assert before["ann"] == before["bea"] == before["cid"] != before["dan"]

    add(small, "eve", "B")
    build_integrated(small.linkage, open_gates())
    assert families(small) == {**before, "eve": before["dan"]}

    # cid leaves for a case of its own: the two who stay keep the id, cid gets a new one.
    move(small, "cid", "C")
    build_integrated(small.linkage, open_gates())
    apart = families(small)
    assert apart["ann"] == apart["bea"] == before["ann"]
    assert apart["cid"] not in before.values()

    # A becomes one with B and C: three ids compete, and of A's two and B's two children the first case's win.
    for name in ("cid", "dan", "eve"):
        move(small, name, "A")
    build_integrated(small.linkage, open_gates())
    assert len(set(families(small).values())) == 1
    assert families(small)["dan"] in {apart["ann"], apart["dan"]}


def test_nothing_that_identifies_is_carried_over(small: Any) -> None:
    build_integrated(small.linkage, open_gates())
    direct = {
        element.column for table in common_schema().values() for element in table if element.identifying == "direct"
    }
    columns = small.query("SELECT column_name FROM information_schema.columns WHERE table_schema = 'integrated'")
    assert direct & {column for (column,) in columns} == set()
    text = repr(contents(small)).lower()
    assert [canary for canary in ("canary", "900551234", "5550100", "ann", "2023-04-09") if canary in text] == []


def test_a_build_that_fails_leaves_the_old_rows(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_integrated(small.linkage, open_gates())
    before = contents(small)
    add(small, "eve", "A")
    broken = tmp_path / "99_broken.sql"
    broken.write_text("SELECT 1 / 0;", encoding="utf-8")
    files = sql_files("integrated")
    monkeypatch.setattr(build, "sql_files", lambda _: [*files, broken])
    with pytest.raises(KinbridgeError, match="KB-S26"):
        build_integrated(small.linkage, open_gates())
    assert contents(small) == before


def test_an_empty_warehouse_builds(new_warehouse: Callable[[], Any]) -> None:
    assert set(build_integrated(new_warehouse().linkage, open_gates()).rows.values()) == {0}
