"""Of whom a run takes a fingerprint: of those whom a delivery speaks of that is otherwise than the last run saw it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Warehouse
from tests.support.gates import open_gates
from tests.support.linked import Record, state

from kinbridge.bundled import postgres as bundled_postgres
from kinbridge.consent.gates import Gates
from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import RunSummary, link_people
from kinbridge.warehouse import migrate, roles

PARTNERS = ("medicaid", "snap")
GATES = open_gates({f"{partner}/people_v1" for partner in PARTNERS})
CHILDREN = 12


def _children(record: Record) -> None:
    for number in range(CHILDREN):
        for partner in PARTNERS:
            record.person(partner, f"{number}", f"Rosalind{number}", "Hartwell", f"2019-03-{number + 1:02}")
            record.address(partner, f"{number}", f"{number} Larch Street")
            record.family(partner, f"{number}", f"F{number}")


@pytest.fixture(scope="module")
def record(warehouse: Any) -> Record:
    """Twelve children whom two partners know, linked once."""
    record = Record(warehouse)
    _children(record)
    assert _link(record).records == 2 * CHILDREN
    return record


def _link(record: Record, gates: Gates = GATES) -> RunSummary:
    return link_people(record.warehouse.linkage, read_model(), gates)


def _looked_at(record: Record) -> int:
    [(number,)] = record.warehouse.query(
        "SELECT (facts -> 'looked_at')::int FROM identity.run ORDER BY run_id DESC LIMIT 1"
    )
    return int(str(number))


def _is_as_if_linked_anew(record: Record) -> bool:
    found = state(record.warehouse)
    link_people(record.warehouse.linkage, read_model(), GATES, anew=True)
    return found == state(record.warehouse)


def test_where_nothing_came_nobody_is_looked_at(record: Record) -> None:
    summary = _link(record)
    assert (summary.scope, summary.changed, _looked_at(record)) == ("changes", 0, 0)
    assert summary.records == 2 * CHILDREN


def test_a_new_delivery_is_about_those_whom_it_names(record: Record) -> None:
    record.arrive()
    record.person("snap", "late", "Emmeline", "Hartwell", "2020-10-20")
    # The second table says something of a person who was there.
    record.close("snap", "3")
    record.person("snap", "3", "Rosalind3", "Hartwell", "2019-03-04")
    record.address("snap", "3", "90 Alder Street")
    summary = _link(record)
    assert (summary.scope, _looked_at(record), summary.records) == ("changes", 2, 2 * CHILDREN + 1)
    assert _is_as_if_linked_anew(record)


def test_what_was_only_closed_is_seen(record: Record) -> None:
    record.close("snap", "late")
    summary = _link(record)
    assert (summary.scope, summary.records) == ("changes", 2 * CHILDREN)
    assert _looked_at(record) == 1
    assert _is_as_if_linked_anew(record)


def test_one_row_of_three_that_was_closed_is_seen(record: Record) -> None:
    record.warehouse.query(
        "UPDATE record.person_address SET known_to = clock_timestamp()"
        " WHERE partner = 'medicaid' AND source_person_id = '5'"
    )
    assert _link(record).changed
    assert _looked_at(record) == 1
    assert _is_as_if_linked_anew(record)


def test_rows_that_came_late_to_a_delivery_have_everybody_looked_at(record: Record) -> None:
    """As a replay from quarantine brings them."""
    record.person("snap", "replayed", "Emmeline", "Hartwell", "2020-10-20")
    summary = _link(record)
    assert (summary.scope, _looked_at(record)) == ("changes", summary.records)
    assert _is_as_if_linked_anew(record)


def test_rows_that_are_gone_have_everybody_looked_at(record: Record) -> None:
    record.warehouse.query("DELETE FROM record.family_member WHERE source_person_id = '7'")
    summary = _link(record)
    assert (summary.scope, _looked_at(record)) == ("changes", summary.records)
    assert _is_as_if_linked_anew(record)


def test_other_terms_have_everybody_looked_at(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that may no longer be linked goes, though no row of it was touched."""
    monkeypatch.setattr("kinbridge.linkage.run.MUCH", 1)
    gates = open_gates({"medicaid/people_v1"})
    summary = _link(record, gates)
    assert summary.records == CHILDREN
    monkeypatch.setattr("kinbridge.linkage.run.MUCH", 100)
    assert _link(record).records == 2 * CHILDREN + 1
    assert _is_as_if_linked_anew(record)


def test_after_a_crash_the_keys_are_gone_and_everything_is_linked(tmp_path: Path) -> None:
    """The server is killed, not asked to stop: what is not in its log is empty when it comes back."""
    service = bundled_postgres.start(tmp_path / "postgres")
    try:
        dsns = roles.provision(service.dsn(), tmp_path / "roles")
        migrate.migrate(dsns[roles.OWNER])
        ways = (dsns[name] for name in (roles.OWNER, roles.PIPELINE, roles.LINKAGE, roles.STEWARD, roles.ANALYST))
        record = Record(Warehouse("kinbridge", service.dsn("kinbridge"), *ways))
        _children(record)
        _link(record)
        before = state(record.warehouse)
        os.kill(int((service.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        bundled_postgres.start(tmp_path / "postgres")
        [(keys,)] = record.warehouse.query("SELECT count(*) FROM identity.blocking_key")
        assert keys == 0
        summary = _link(record)
        assert (summary.scope, summary.new_people) == ("whole", 0)
        assert state(record.warehouse) == before
    finally:
        bundled_postgres.stop(tmp_path / "postgres")
