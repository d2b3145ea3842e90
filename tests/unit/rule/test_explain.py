"""What `kinbridge rules` says: the clause that won with file and line, what it beat, and that it is no advice."""

from __future__ import annotations

import json
from datetime import date

import pytest
from tests.support.grounds import agreement, grounds, release_agreement
from typer.testing import CliRunner

from kinbridge.agreement.model import Redisclosure
from kinbridge.cli.rules import rules_app
from kinbridge.errors import KinbridgeError
from kinbridge.rule.explain import ADVICE, as_data, as_text
from kinbridge.rule.target import explain

DAY = date(2026, 11, 2)
MEDICAID, EARLY = "medicaid/eligibility_v1", "early_intervention/services_v1"
DECLARED = grounds(
    agreement(MEDICAID, redisclosure=Redisclosure(("university",))),
    agreement(EARLY, "34 CFR 99.31(a)(3)", small_cell_minimum=30),
    release_agreement("university", "42 CFR 431.302"),
)


def text_of(target: str) -> str:
    return "\n".join(as_text(explain(target, DAY, DECLARED)))


def test_a_feed_is_told_action_by_action_with_winners_and_losers() -> None:
    text = text_of(EARLY)
    assert text.startswith(f"{EARLY}, a feed, on 2026-11-02\n{ADVICE}")
    publish = text.partition("\npublish\n")[2].partition("\nrelease\n")[0]
    assert "  minimum cell: 30  (" in publish
    assert "won    dsa-early_intervention 1.0.0/small_cells.minimum (dsa-early_intervention.yaml:1)" in publish
    assert (
        "beat   11: jefferson/counts, Jeff. Rev. Code 44.180.030(1) (fictional) (include/laws/jefferson.yaml:"
        in publish
    )
    assert "lifted: idea_part_c/consent_to_disclose_or_use, 34 CFR 303.414(a) (include/laws/idea_part_c.yaml:" in text
    assert "by     dsa-early_intervention 1.0.0/legal_basis.0, 34 CFR 99.31(a)(3)" in text


@pytest.mark.parametrize(
    ("target", "what", "said"),
    [
        (f"{EARLY}.child_dob", "a column of a feed", "part_c_record"),
        ("person.birth_date", "an element", "it tells dates that are exact"),
        ("person_address.postal_code", "an element", "it tells geography that are zip5"),
        ("person.birth_month", "an element", "made of person.birth_date"),
        ("wic", "a program", "wic_record"),
        ("who_and_where", "a use case", "Feeds whose agreements name it: none."),
        ("release:university/reach", "a release", f"Feeds whose agreements let rows go to university: {MEDICAID}."),
        ("supplementary_record.content", "an element", "the fallback of include/laws/classes.yaml binds it"),
    ],
)
def test_whatever_is_declared_has_its_rule(target: str, what: str, said: str) -> None:
    found = explain(target, DAY, DECLARED)
    assert found.what == what
    assert any(rule.outcomes for rule in found.rules.values())
    assert said in text_of(target)


def test_an_element_that_has_no_place_is_told_nothing_of_places() -> None:
    text = text_of("person.sex")
    assert "geography" not in text
    assert "dates" not in text
    assert "minimum cell" in text
    assert "geography" in as_data(explain("person.sex", DAY, DECLARED))["actions"]["release"]["demands"]


@pytest.mark.parametrize(
    "target", ["medicaid/eligibility_v9", f"{MEDICAID}.nothing", "person.nothing", "release:a/b", ""]
)
def test_what_is_not_declared_is_refused(target: str) -> None:
    with pytest.raises(KinbridgeError, match="KB-J02"):
        explain(target, DAY, DECLARED)


def test_the_same_is_there_for_machines() -> None:
    data = json.loads(json.dumps(as_data(explain(EARLY, DAY, DECLARED))))
    minimum = data["actions"]["publish"]["demands"]["minimum_cell"]
    assert minimum["value"] == 30
    assert [won["force"] for won in minimum["won"]] == ["agreement"]
    assert {beat["from"] for beat in minimum["beat"]} == {"jefferson"}
    assert data["actions"]["link"]["lifted"][0]["citation"] == "34 CFR 99.31(a)(3)"


def test_the_commands_work_on_what_is_declared_here() -> None:
    runner = CliRunner()
    listed = runner.invoke(rules_app, ["list"])
    assert listed.exit_code == 0
    assert ADVICE in listed.output
    assert "  safe_harbor" in listed.output
    laws = json.loads(runner.invoke(rules_app, ["list", "--json"]).output)
    assert {law["id"] for law in laws} >= {"hipaa", "ferpa", "part_2", "idea_part_c", "wic", "snap", "tanf"}
    explained = runner.invoke(rules_app, ["explain", MEDICAID, "--day", "2026-11-02"])
    assert explained.exit_code == 0
    assert "medicaid/cell_size" in explained.output
    data = json.loads(runner.invoke(rules_app, ["explain", MEDICAID, "--json"]).output)
    assert data["advice"] == ADVICE
