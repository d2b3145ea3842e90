"""The link ledger from outside: a merge is listed, taken back with one command, and stays so; links have a life."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.support.gates import open_gates
from tests.support.linked import Record, people
from typer.testing import CliRunner, Result

from kinbridge.cli.main import app
from kinbridge.linkage.model import Model, read_model
from kinbridge.linkage.run import RunSummary, link_people

GATES = open_gates({f"{partner}/people_v1" for partner in ("medicaid", "snap", "home_visiting")})
FAMILIES = ("Abernathy", "Brzezinski", "Castellano", "Delacroix", "Esterhazy", "Featherstone", "Hartwell", "Ingersoll")
TOGETHER = ["home_visiting/late", "medicaid/m0", "snap/s0"]


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model()


@pytest.fixture(scope="module")
def merged(warehouse: Any, model: Model) -> RunSummary:
    """Eight children whom two partners know alike, and one record that is corrected to one of them."""
    record = Record(warehouse)
    for number, family in enumerate(FAMILIES):
        for partner in ("medicaid", "snap"):
            own = f"{partner[0]}{number}"
            record.person(partner, own, "Rosalind", family, f"20{15 + number}-0{1 + number}-1{number}", sex="Female")
            record.address(partner, own, f"{100 + number} Juniper Way")
    record.person("home_visiting", "late", "Unbekannt", "Nachtigall", "2020-10-20")
    first = link_people(warehouse.linkage, model, GATES)
    assert (first.scope, first.people, first.merged) == ("whole", 9, 0)
    record.close("home_visiting", "late")
    record.person("home_visiting", "late", "Rosalind", FAMILIES[0], "2015-01-10", sex="Female")
    record.address("home_visiting", "late", "100 Juniper Way")
    return link_people(warehouse.linkage, model, GATES)


def command(warehouse: Any, *words: str, **more: Any) -> Result:
    ways = {"KINBRIDGE_STEWARD_URL": warehouse.steward.to_url(), "KINBRIDGE_LINKAGE_URL": warehouse.linkage.to_url()}
    return CliRunner().invoke(app, ["link", *words], env=ways, **more)


def test_merge_is_listed_undone_and_done_again(warehouse: Any, model: Model, merged: RunSummary) -> None:
    assert (merged.scope, merged.merged, merged.changed) == ("changes", 1, 1)
    assert TOGETHER in people(warehouse)
    listed = command(warehouse, "changes")
    assert listed.exit_code == 0, listed.output
    [number] = re.findall(r"^(\d+): merged", listed.output, re.MULTILINE)

    undone = command(warehouse, "undo", "--change", number, "--reason", "the families say so", "--by", "R. Keller")
    assert undone.exit_code == 0, undone.output
    assert "Decided 2 pairs apart (decisions 1 to 2)." in undone.output
    assert TOGETHER in people(warehouse)  # until the next run
    after = link_people(warehouse.linkage, model, GATES)
    assert (after.scope, after.split) == ("changes", 1)
    assert ["home_visiting/late"] in people(warehouse)
    assert link_people(warehouse.linkage, model, GATES, anew=True).people == 9
    assert ["home_visiting/late"] in people(warehouse)
    assert "undone by decisions 1, 2" in command(warehouse, "changes", "--run", str(merged.run_id)).output
    ended = warehouse.query("SELECT DISTINCT until_run_id, ended FROM identity.edge WHERE until_run_id IS NOT NULL")
    assert ended == [(after.run_id, "decided")]
    events = warehouse.query("SELECT actor, facts FROM ledger.event WHERE what = 'merge undone'")
    assert events == [("R. Keller", {"change": int(number), "decisions": 2})]

    for decision in ("1", "2"):
        assert command(warehouse, "undo", "--decision", decision, "--reason", "they are one").exit_code == 0
    assert link_people(warehouse.linkage, model, GATES).merged == 1
    assert TOGETHER in people(warehouse)


def test_what_cannot_be_undone_is_refused(warehouse: Any, merged: RunSummary) -> None:
    for words, code in ((("--change", "999"), "KB-K45"), (("--decision", "999"), "KB-K42")):
        refused = command(warehouse, "undo", *words, "--reason", "why")
        assert refused.exit_code != 0
        assert getattr(refused.exception, "code", None) == code or code in refused.output
    assert command(warehouse, "undo", "--reason", "why").exit_code != 0


def test_show_has_ids_labels_and_weights_and_no_value(warehouse: Any, merged: RunSummary) -> None:
    shown = command(warehouse, "show", "medicaid", input="m0\n")
    assert shown.exit_code == 0, shown.output
    assert re.search(r"medicaid m0 – snap s0  [01]\.\d+ by ", shown.output)
    assert re.search(r"last_name: equal, \+\d", shown.output)
    for value in ("Rosalind", "Abernathy", "Juniper"):
        assert value not in shown.output
    [person] = re.findall(r"^Person (\S+)", shown.output, re.MULTILINE)
    assert f"Person {person}" in command(warehouse, "show", person).output
    assert warehouse.query("SELECT count(*) FROM ledger.event WHERE what = 'person looked at'") == [(2,)]
    nobody = command(warehouse, "show", "00000000-0000-0000-0000-000000000000")
    assert nobody.exit_code != 0


def test_members_have_a_history(warehouse: Any, merged: RunSummary) -> None:
    rows = warehouse.query(
        "SELECT since_run_id, until_run_id FROM identity.membership"
        " WHERE source_person_id = 'late' ORDER BY since_run_id"
    )
    assert len(rows) == 4
    assert [until for _, until in rows[:-1]] == [since for since, _ in rows[1:]]
    assert rows[-1][1] is None
