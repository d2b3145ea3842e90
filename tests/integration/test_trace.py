"""Traces on a warehouse that was built and published: from figures and releases to lines of files, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from tests.support.consents import Scene, person_id
from tests.support.gates import open_gates
from tests.support.releases import DAY, Study, study
from typer.testing import CliRunner

from kinbridge.cli.release import release_app
from kinbridge.cli.trace import trace_app
from kinbridge.errors import KinbridgeError
from kinbridge.integration.build import build_integrated
from kinbridge.integration.publish import publish_mart
from kinbridge.trace.figure import Wanted, trace_figure
from kinbridge.trace.file import trace_file
from kinbridge.trace.person import six_years_before, trace_person
from kinbridge.trace.release import trace_release

JANUARY = date(2026, 1, 1)
SERVED = "children_served"


@pytest.fixture(scope="module")
def published(new_warehouse: Any) -> Scene:
    """Fourteen children of Medicaid, twelve of them in SNAP too, and two in home visiting."""
    scene = Scene(new_warehouse())
    scene.empty()
    for number in range(14):
        partners = ["medicaid", *(["snap"] if number < 12 else ["home_visiting"])]
        scene.knows(f"kim{number}", *partners, county="99001" if number else "99003")
        if number >= 12:
            scene.refers(f"kim{number}", "snap")
    publish(scene)
    return scene


def publish(scene: Scene) -> None:
    gates = open_gates(day=DAY)
    scene.rules(gates)
    build_integrated(scene.warehouse.linkage, gates)
    publish_mart(scene.warehouse.linkage, gates)


def wanted(programs: str, **more: Any) -> Wanted:
    return Wanted(SERVED, programs, JANUARY, **more)


def test_a_published_figure_leads_to_the_lines_behind_it(published: Scene) -> None:
    found = trace_figure(published.warehouse.linkage, wanted("medicaid"), "A Steward")
    assert (found.shown, found.counted, found.persons) == (14, 14, 14)
    [enrollments] = [one for one in found.sources if one.table == "program_enrollment"]
    assert enrollments.feed == "medicaid/eligibility_v1"
    assert len(enrollments.lines) == 14
    [lines] = published.warehouse.query(
        "SELECT array_agg(line_no ORDER BY line_no) FROM record.program_enrollment WHERE feed = %s",
        ("medicaid/eligibility_v1",),
    )
    assert list(enrollments.lines) == lines[0]
    total = trace_figure(published.warehouse.linkage, wanted("any program", unit="families"), "A Steward")
    assert total.shown == total.counted == 14
    assert published.events("traced a figure")[-1]["figure"] == "2026-01, any program, families"


def test_a_withheld_figure_is_traced_by_the_role_that_may_see_it_and_refused_to_others(published: Scene) -> None:
    small = wanted("home_visiting + medicaid")
    found = trace_figure(published.warehouse.linkage, small, "A Steward")
    assert (found.shown, found.counted, found.persons) == (None, 2, 2)
    for role in (published.warehouse.steward, published.warehouse.analyst, published.warehouse.pipeline):
        with pytest.raises(KinbridgeError) as refused:
            trace_figure(role, small, "Somebody")
        assert refused.value.code == "KB-T30"
    with pytest.raises(KinbridgeError, match="KB-T31"):
        trace_figure(published.warehouse.linkage, wanted("head_start"), "A Steward")


def test_figures_of_characteristics_and_of_referrals_lead_to_their_lines(published: Scene) -> None:
    described = Wanted("children_by_characteristic", "medicaid", JANUARY, characteristic="county", value="99001")
    found = trace_figure(published.warehouse.linkage, described, "A Steward")
    assert (found.counted, found.persons) == (13, 13)
    assert {"person_address", "program_enrollment"} <= {one.table for one in found.sources}
    referred = Wanted("referral_outcomes", "any program")
    found = trace_figure(published.warehouse.linkage, referred, "A Steward")
    assert (found.shown, found.counted, found.persons) == (None, 2, 2)
    [lines] = [one for one in found.sources if one.table == "referral"]
    assert (lines.feed, len(lines.lines)) == ("home_visiting/referrals_v1", 2)
    other = Wanted("referral_outcomes", "any program", characteristic="became_service")
    assert trace_figure(published.warehouse.linkage, other, "A Steward").counted == 0


def test_who_was_withheld_by_consent_is_behind_no_figure(new_warehouse: Any) -> None:
    scene = Scene(new_warehouse())
    scene.empty()
    for number in range(13):
        scene.knows(f"lee{number}", "medicaid")
    scene.says("medicaid", "lee0", "revoked", "2026-06-01")
    gates = open_gates(day=DAY, rules={"medicaid": "opt_out"})
    scene.rules(gates)
    build_integrated(scene.warehouse.linkage, gates)
    publish_mart(scene.warehouse.linkage, gates)
    found = trace_figure(scene.warehouse.linkage, wanted("medicaid"), "A Steward")
    assert (found.shown, found.persons) == (12, 12)
    # A revocation that came later is not seen: the figure is as it was known then.
    scene.says("medicaid", "lee1", "revoked", "2026-06-01")
    scene.warehouse.query(
        "UPDATE record.consent SET known_from = clock_timestamp() WHERE source_person_id LIKE 'lee1@%%'"
    )
    assert trace_figure(scene.warehouse.linkage, wanted("medicaid"), "A Steward").persons == 12


def test_a_later_correction_does_not_change_what_was_published(published: Scene) -> None:
    """Records that came since are not seen: the figure is counted as it was known then."""
    published.knows("kay", "medicaid")
    published.warehouse.query(
        "UPDATE record.program_enrollment SET known_to = clock_timestamp() WHERE source_person_id = 'kim0@medicaid'"
    )
    published.warehouse.query(
        "UPDATE record.program_enrollment SET known_from = clock_timestamp() WHERE source_person_id = 'kay@medicaid'"
    )
    try:
        found = trace_figure(published.warehouse.linkage, wanted("medicaid"), "A Steward")
        assert (found.shown, found.counted) == (14, 14)
    finally:
        published.warehouse.query("UPDATE record.program_enrollment SET known_to = NULL")
        for table in ("program_enrollment", "person", "person_address"):
            published.warehouse.query(f"DELETE FROM record.{table} WHERE source_person_id = 'kay@medicaid'")
        published.warehouse.query("DELETE FROM identity.person_link WHERE source_person_id = 'kay@medicaid'")


def test_a_figure_that_does_not_come_out_again_is_not_traced(published: Scene) -> None:
    """Links are not kept with the time at which they were known: after another linkage a figure may not come out."""
    published.warehouse.query(
        "UPDATE identity.person_link SET person_id = %s WHERE source_person_id = 'kim1@medicaid'", (person_id("kim0"),)
    )
    published.warehouse.query("UPDATE identity.run SET finished_at = clock_timestamp()")
    try:
        with pytest.raises(KinbridgeError, match="linked anew") as refused:
            trace_figure(published.warehouse.linkage, wanted("medicaid"), "A Steward")
        assert refused.value.code == "KB-T32"
    finally:
        published.warehouse.query(
            "UPDATE identity.person_link SET person_id = %s WHERE source_person_id = 'kim1@medicaid'",
            (person_id("kim1"),),
        )


def test_a_line_of_a_file_leads_to_the_figures_that_count_its_person(published: Scene) -> None:
    [(delivery, line)] = published.warehouse.query(
        "SELECT delivery_id, line_no FROM record.program_enrollment WHERE source_person_id = 'kim13@home_visiting'"
    )
    whole = trace_file(published.warehouse.linkage, str(delivery), "A Steward")
    assert (whole.persons, whole.outputs) == (2, tuple(sorted(f"mart.{name}" for name in OUTPUTS)))
    assert {(one.table, one.rows) for one in whole.held} == {
        ("person", 2),
        ("person_address", 2),
        ("program_enrollment", 2),
    }
    one = trace_file(published.warehouse.linkage, str(delivery), "A Steward", line)
    assert one.persons == 1
    assert {(found.grouping, found.programs) for found in one.figures} == {
        ("total", "any program"),
        ("program", "medicaid"),
        ("program", "home_visiting"),
        ("combination", "home_visiting + medicaid"),
    }
    assert trace_file(published.warehouse.linkage, "f", "A Steward").delivery.file_name == "f"
    with pytest.raises(KinbridgeError, match="KB-T33"):
        trace_file(published.warehouse.linkage, "no such file", "A Steward")


@pytest.fixture(scope="module")
def released(new_warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with study(new_warehouse(), tmp_path_factory.mktemp("study")) as one:
        one.clear()
        one.children("ann", 12, born="2023-04-09", county="99001")
        one.children("rare", 1, born="2021-04-09", county="99005")
        yield one


def test_an_accounting_of_disclosures_says_what_went_where_and_each_look_is_seen(released: Study) -> None:
    release = released.issued()
    steward = released.warehouse.steward
    found = trace_person(steward, "medicaid", "ann3@medicaid", six_years_before(DAY), "A Steward")
    [one] = found.disclosures
    assert (one.release_id, one.recipient, one.address) == (release, "State University", "1 Campus Way, Jefferson")
    assert one.issued_at is not None
    assert one.purpose == "A study of reach."
    assert "birth_year (person.birth_month, year)" in one.elements
    assert any("redisclosure" in clause for clause in one.clauses)
    assert trace_person(steward, "medicaid", "rare0@medicaid", six_years_before(DAY), "A Steward").disclosures == ()
    assert trace_person(steward, "medicaid", "ann3@medicaid", date(2099, 1, 1), "A Steward").disclosures == ()
    assert not trace_person(steward, "medicaid", "nobody", DAY, "A Steward").known
    events = released.scene.events("traced a person")
    assert len(events) == 4
    assert not any("ann3" in str(event) for event in events)
    for role in (released.warehouse.analyst, released.warehouse.pipeline):
        with pytest.raises(KinbridgeError, match="KB-T30"):
            trace_person(role, "medicaid", "ann3@medicaid", DAY, "Somebody")


def test_a_release_is_traced_to_agreement_approvals_and_files(released: Study) -> None:
    release = released.issued()
    found = trace_release(released.warehouse.steward, "reach_study", "A Steward")
    assert found.release.release_id == release
    assert {vote.member for vote in found.votes} == {"ada", "ben"}
    assert {one.feed for one in found.given} == {"medicaid/eligibility_v1"}
    assert [one.feed for one in found.files] == ["medicaid/eligibility_v1"]
    assert sorted(file["name"] for file in found.release.sources["files"]) == [
        name for name in released.sent() if f"_r{release}." in name
    ]
    assert found.release.sources["feeds"]["medicaid/eligibility_v1"]["transform_sha256"]
    held = trace_file(released.warehouse.linkage, str(found.files[0].delivery_id), "A Steward").releases
    assert [(one.release_id, one.persons) for one in held][-1] == (release, 12)


OUTPUTS = ("children_served", "children_by_characteristic", "referral_outcomes")


def test_the_commands_say_it_in_words_and_as_json(published: Scene, released: Study) -> None:
    linkage = ["--url", published.warehouse.linkage.to_url(), "--by", "A Steward"]
    steward = ["--url", released.warehouse.steward.to_url(), "--by", "A Steward"]
    release = str(released.issued())
    figure = ["figure", "children_served", "--month", "2026-01", "--programs", "medicaid"]
    for command, words in (
        ((trace_app, [*figure, *linkage]), "children: 14, published"),
        ((trace_app, ["file", "1", *linkage]), "linked persons"),
        ((trace_app, ["release", release, *steward]), "approve by ada"),
        ((release_app, ["show", "reach_study", *steward]), "1 Campus Way"),
        ((release_app, ["list", *steward[:2]]), "reach_study"),
        (
            (trace_app, ["person", "--partner", "medicaid", "--person", "ann1@medicaid", *steward]),
            "to State University, 1 Campus Way, Jefferson",
        ),
    ):
        said = CliRunner().invoke(*command)
        assert (said.exit_code, words in said.output) == (0, True), said.output
        as_json = CliRunner().invoke(command[0], [*command[1], "--json"])
        assert json.loads(as_json.output), as_json.output
