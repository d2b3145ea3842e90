"""What a delivery is of the whole, as contracts say it; what does not belong together is refused with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_feed

from kinbridge.contract.model import Extent
from kinbridge.contract.odcs import ContractError, read_feed

FEED = "atlas/rows_v1"
COLUMNS = (
    column("id", "string", "required: true", "primaryKey: true"),
    column("op"),
    column("old"),
    column("day", "date", "logicalTypeOptions: { format: yyyy-MM-dd }"),
)


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with site_of(tmp_path_factory.mktemp("site")) as folder:
        yield folder


def read(include: Path, intake: str) -> Extent:
    folder = write_feed(include, FEED, contract(FEED, *COLUMNS, share=f"0.1{intake}"))
    return read_feed(folder / "contract.odcs.yaml").extent


def test_events_where_nothing_is_said(include: Path) -> None:
    assert read(include, "") == Extent() == read(include, ", kind: events")


def test_a_snapshot_closes_only_when_the_contract_says_so(include: Path) -> None:
    assert read(include, ", kind: snapshot") == Extent("snapshot")
    said = read(include, ", kind: snapshot, absence: closed, scope: [program, entry_date], maxClosedShare: 0.2")
    assert said == Extent("snapshot", True, ("program", "entry_date"), 0.2)


def test_a_delta_names_the_column_and_the_codes_of_deletion(include: Path) -> None:
    said = read(include, ", kind: delta, change: { column: op, delete: [D, X] }")
    assert said == Extent("delta", change_column="op", delete_codes=("D", "X"))
    filled = read(include, ", kind: delta, change: { column: op, delete: filled }")
    assert filled == Extent("delta", change_column="op", delete_filled=True)


def test_a_delta_says_which_keys_have_changed(include: Path) -> None:
    said = read(include, ", kind: delta, change: { column: op, delete: [D], rekey: [K], formerKey: { id: old } }")
    assert said == Extent(
        "delta", change_column="op", delete_codes=("D",), rekey_codes=("K",), former_key=(("id", "old"),)
    )
    only = read(include, ", kind: delta, change: { column: op, rekey: [K], formerKey: { id: old } }")
    assert only == Extent("delta", change_column="op", rekey_codes=("K",), former_key=(("id", "old"),))


def changing(rest: str) -> str:
    return f", kind: delta, change: {{ column: op, delete: [D], {rest} }}"


@pytest.mark.parametrize(
    ("intake", "problem"),
    [
        (", kind: everything", "intake.kind is one of events, snapshot, delta"),
        (", absence: closed", "intake.absence is for feeds of kind snapshot"),
        (", kind: snapshot, change: { column: op, delete: [D] }", "intake.change is for feeds of kind delta"),
        (", kind: snapshot, absence: gone", "intake.absence is nothing or closed"),
        (", kind: snapshot, scope: [program]", "intake.scope and intake.maxClosedShare need absence: closed"),
        (", kind: snapshot, absence: closed, scope: [op]", "intake.scope is a list of columns of the common schema"),
        (", kind: snapshot, absence: closed, maxClosedShare: 2", "intake.maxClosedShare is a share from 0 to 1"),
        (", kind: delta", "intake.change.column names no column"),
        (", kind: delta, change: { column: what, delete: [D] }", "intake.change.column names no column"),
        (", kind: delta, change: { column: op, delete: [1] }", "intake.change.delete is a list of the codes"),
        (", kind: delta, change: { column: op }", "intake.change.delete is a list of the codes"),
        (changing("rekey: [K]"), "intake.change.formerKey maps key columns to the columns with their former"),
        (changing("formerKey: { id: old }"), "intake.change.rekey is a list of the codes"),
        (changing("rekey: K, formerKey: { id: old }"), "intake.change.rekey is a list of the codes"),
        (changing("rekey: [D], formerKey: { id: old }"), "means deletion or a changed key, not both"),
        (changing("rekey: [K], formerKey: { op: old }"), "names 'op', which is no key column"),
        (changing("rekey: [K], formerKey: { what: old }"), "names 'what', which is no key column"),
        (changing("rekey: [K], formerKey: { id: id }"), "'id' of intake.change.formerKey is no column of its own"),
        (changing("rekey: [K], formerKey: { id: what }"), "'what' of intake.change.formerKey is no column of its own"),
        (changing("rekey: [K], formerKey: { id: day }"), "'id' and 'day' of intake.change.formerKey differ in type"),
        (changing("rekey: [K], formerKey: [old]"), "intake.change.formerKey maps key columns"),
        (", shrinkBelow: 2", "customProperties needs intake.shrinkBelow, a share from 0 to 1"),
        (", driftShare: half", "customProperties needs intake.driftShare, a share from 0 to 1"),
    ],
)
def test_each_mistake_is_told_once_with_its_line(include: Path, intake: str, problem: str) -> None:
    with pytest.raises(ContractError) as error:
        read(include, intake)
    [found] = error.value.problems
    assert problem in found.text
    assert found.code == "KB-C02"
    assert "maxBadRowShare" in (found.path.read_text(encoding="utf-8").splitlines()[found.line - 1])
