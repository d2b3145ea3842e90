"""Consent from a steward's hand or a partner's file to figures that no longer count the person, in a real warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values
from tests.support.consents import FEED_OF, LATER, PROGRAM_OF, Scene, form
from tests.support.gates import barred_from, open_gates
from typer.testing import CliRunner

from kinbridge.cli.consent import consent_app
from kinbridge.consent.changed import gates_changed, gates_now
from kinbridge.consent.form import read_forms
from kinbridge.consent.gates import Gates
from kinbridge.consent.rules import write_rules
from kinbridge.consent.standing import look_at
from kinbridge.consent.statement import Statement, Words, record_statement
from kinbridge.demo.governance import refuse_consent
from kinbridge.errors import KinbridgeError
from kinbridge.integration.build import build_integrated
from kinbridge.integration.publish import publish_mart
from kinbridge.ledger.integrations import begin_integration, finish_integration
from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import link_people
from kinbridge.warehouse.connection import transaction

USE_CASES = ("unduplicated_counts", "who_and_where", "referral_outcomes")
PROGRAMS = ("medicaid", "snap", "mental_health", "early_intervention", "home_visiting")
WORDS = Words(USE_CASES, PROGRAMS, {"family_consent/1": form(), "narrow/1": form("narrow/1", use_cases=USE_CASES[:1])})
# Records of 42 CFR Part 2 and of IDEA Part C among them.
RULES = {
    "recovery": "written",
    "early_intervention": "opt_in",
    "home_visiting": "attested",
    "medicaid": "opt_out",
    "snap": "opt_out",
}
FEEDS = [*FEED_OF.values(), "home_visiting/referrals_v1"]
CHILDREN = [f"child{number:02}" for number in range(30)]


def gates(**changes: Any) -> Gates:
    return replace(open_gates(FEEDS, rules=RULES, forms=WORDS.forms.values()), **changes)


@pytest.fixture
def scene(warehouse: Any) -> Iterator[Scene]:
    made = Scene(warehouse)
    made.empty()
    yield made
    made.empty()


def tell(scene: Scene, name: str, decision: str, partner: str = "medicaid", **more: Any) -> int:
    """As a steward."""
    statement = Statement(partner, f"{name}@{partner}", decision, date(2026, 6, 1), "letter in file 7", **more)
    with transaction(scene.warehouse.steward) as connection:
        return record_statement(connection, statement, WORDS, "s.ramos")


@pytest.mark.case(39)
def test_a_revocation_is_gone_from_every_table_with_the_next_run(scene: Scene) -> None:
    """Part 2 and Part C records included; in both, whoever has not granted never was in."""
    for name in CHILDREN:
        scene.knows(name, *FEED_OF)
        scene.refers(name, "early_intervention")
        for partner in ("recovery", "early_intervention"):
            scene.says(partner, name, "granted", "2026-01-02", program=PROGRAM_OF.get(partner, partner))
    integrate(scene)
    everybody = dict.fromkeys((*PROGRAMS, "any program"), 30)
    assert figures(scene) == everybody
    assert scene.figures("referral_outcomes", "program, referrals", "county = 'any county'")["any program"] == 30

    tell(scene, "child07", "revoked", "recovery")
    assert gates_changed(scene.warehouse.linkage, gates=gates())
    integrate(scene)
    assert figures(scene) == dict.fromkeys(everybody, 29)
    places = scene.figures("children_by_characteristic", "program, children", "characteristic = 'county'")
    assert places == dict.fromkeys(everybody, 29)
    assert scene.figures("referral_outcomes", "program, referrals", "county = 'any county'")["any program"] == 29
    [(person,)] = scene.warehouse.query(
        "SELECT person_id FROM identity.person_link WHERE source_person_id = 'child07@recovery'"
    )
    for table in ("person", "family", "participation", "referral", "service_event"):
        assert scene.warehouse.query(f"SELECT 1 FROM integrated.{table} WHERE person_id = %s", (person,)) == []
    assert not gates_changed(scene.warehouse.linkage, gates=gates())


def integrate(scene: Scene) -> None:
    """What the DAG does, but for the comparing: the children were linked by hand."""
    linkage = scene.warehouse.linkage
    number = begin_integration(linkage, gates_now(linkage, gates=gates()))
    assert number is not None
    build_integrated(linkage, gates())
    publish_mart(linkage, gates())
    finish_integration(linkage, number)


def figures(scene: Scene) -> dict[str, int]:
    return scene.figures("children_served", "programs, children", "grouping <> 'combination'")


def test_changed_gates_call_for_an_integration_without_a_load(scene: Scene) -> None:
    linkage = scene.warehouse.linkage
    scene.knows("ann", "medicaid")

    def due(open_: Gates) -> bool:
        number = begin_integration(linkage, gates_now(linkage, gates=open_))
        if number is not None:
            finish_integration(linkage, number)
        return number is not None

    assert not gates_changed(linkage, gates=gates())
    assert due(gates())
    assert not due(gates())
    tell(scene, "ann", "revoked")
    assert gates_changed(linkage, gates=gates())
    assert due(gates())
    assert not due(gates())
    # An agreement ends, a use case changes hands, a form runs out, a statement comes due.
    assert due(barred_from(gates(), "who_and_where", FEED_OF["snap"]))
    assert due(gates(rules=open_gates(FEEDS, rules=RULES | {"snap": "written"}).rules))
    assert due(gates())
    scene.says("medicaid", "ann", "revoked", "2026-11-03", program="snap")
    assert not due(gates())
    assert due(gates(day=date(2026, 11, 3)))
    yearly = gates(forms=(form(valid_months=12),), day=date(2026, 12, 31))
    scene.says("medicaid", "ann", "granted", "2026-01-01")
    assert due(yearly)
    assert not due(yearly)
    assert due(replace(yearly, day=date(2027, 1, 1)))


def test_nothing_is_due_before_anything_was_loaded(new_warehouse: Callable[[], Any]) -> None:
    linkage = new_warehouse().linkage
    assert begin_integration(linkage, gates_now(linkage, gates=gates())) is None
    assert not gates_changed(linkage, gates=gates())


def test_who_is_not_linked_comes_back_under_the_same_id(scene: Scene) -> None:
    scene.knows("ann", "medicaid", "snap")
    scene.knows("bea", "medicaid", "snap", born="2021-01-02")
    linkage, model = scene.warehouse.linkage, read_model()
    links = "SELECT partner, person_id FROM identity.person_link WHERE source_person_id LIKE 'ann@%%' ORDER BY 1"
    link_people(linkage, model, gates())
    before = scene.warehouse.query(links)
    number = tell(scene, "ann", "revoked")
    assert link_people(linkage, model, gates()).records == 2
    assert scene.warehouse.query(links) == before
    tell(scene, "ann", "granted", form="family_consent/1", supersedes=number)
    assert link_people(linkage, model, gates()).records == 4
    assert scene.warehouse.query(links) == before


def test_a_statement_that_is_superseded_stays_and_counts_no_more(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(gates())
    wrong = tell(scene, "ann", "revoked")
    before = datetime.now(UTC)
    right = tell(scene, "ann", "limited", use_case="who_and_where", supersedes=wrong)
    assert scene.withheld("unduplicated_counts") == set()
    assert scene.withheld("unduplicated_counts", known=before) == {("ann", None)}
    assert scene.withheld("who_and_where") == {("ann", None)}
    with pytest.raises(KinbridgeError, match="KB-N06"):
        tell(scene, "ann", "revoked", supersedes=wrong)
    scene.knows("bea", "medicaid")
    with pytest.raises(KinbridgeError, match="KB-N06"):
        tell(scene, "bea", "revoked", supersedes=right)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("KB-N02", {"decision": "withdrawn"}),
        ("KB-N02", {"use_case": "something else"}),
        ("KB-N02", {"program": "something else"}),
        ("KB-N02", {"form": "family_consent/9"}),
        ("KB-N03", {"decision": "granted"}),
        ("KB-N03", {"decision": "granted", "form": "narrow/1", "use_case": "who_and_where"}),
        ("KB-N04", {"effective_to": date(2026, 5, 31)}),
        ("KB-N04", {"evidence": "  "}),
        ("KB-N05", {"source_person_id": "nobody"}),
    ],
)
def test_a_statement_that_would_protect_nobody_is_refused(scene: Scene, code: str, changes: dict[str, Any]) -> None:
    scene.knows("ann", "medicaid")
    sound = Statement("medicaid", "ann@medicaid", "revoked", date(2026, 6, 1), "letter in file 7")
    with transaction(scene.warehouse.steward) as connection, pytest.raises(KinbridgeError, match=code) as caught:
        record_statement(connection, replace(sound, **changes), WORDS, "s.ramos")
    assert "nobody" not in str(caught.value.facts)
    assert scene.warehouse.query("SELECT 1 FROM identity.consent_statement") == []


def test_events_name_no_person_and_each_look_is_one(scene: Scene) -> None:
    scene.knows("ann", "medicaid", "snap")
    scene.rules(gates())
    tell(scene, "ann", "revoked", "snap")
    seen = look(scene, "2026-06-15")
    assert [(one.partner, one.decision, one.in_effect) for one in seen.said] == [("snap", "revoked", True)]
    assert {(one.use_case, one.program, one.withheld) for one in seen.uses} == set(
        product(USE_CASES, ("medicaid", "snap"), (True,))
    )
    assert (len(scene.events("consent recorded")), len(scene.events("consent looked at"))) == (1, 1)
    everything = str(scene.warehouse.query("SELECT facts, what, actor FROM ledger.event"))
    assert "ann" not in everything
    assert "file 7" not in everything
    assert "snap" not in {one.partner for one in look(scene, "2026-05-31").said if one.in_effect}


def look(scene: Scene, day: str) -> Any:
    with transaction(scene.warehouse.steward) as connection:
        when = date.fromisoformat(day)
        return look_at(connection, "medicaid", "ann@medicaid", when, datetime.now(UTC), WORDS.forms.values(), (), "s")


# A random history of a few persons, and the rule in plain Python, record by record.
DAYS = [date(2026, month, 1) for month in range(1, 7)]
MOMENTS = [datetime(2026, month, 15, tzinfo=UTC) for month in range(1, 7)]
NAMES = ("ann", "bea")
PARTNERS = ("medicaid", "snap", "recovery")
FORMS = {
    "all/1": form("all/1"),
    "narrow/1": form("narrow/1", use_cases=USE_CASES[:1], programs=("mental_health", "snap")),
    "short/1": form("short/1", valid_months=2),
}
ASKED = {"medicaid": "opt_out", "snap": "opt_in", "recovery": "written"}


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        since = draw(st.sampled_from(DAYS))
        known = draw(st.sampled_from(MOMENTS))
        return {
            "partner": draw(st.sampled_from(PARTNERS)),
            "name": draw(st.sampled_from(NAMES)),
            "decision": draw(st.sampled_from(["granted", "granted", "limited", "revoked"])),
            "use_case": draw(st.sampled_from([None, None, *USE_CASES[:2], "unheard of"])),
            "program": draw(st.sampled_from([None, None, "snap", "mental_health", "wic"])),
            "form": draw(st.sampled_from([*FORMS, "unheard/1"])),
            "since": since,
            "until": draw(st.sampled_from([None, None, since + timedelta(days=45)])),
            "known_from": known,
            "known_to": draw(st.sampled_from([None, None, known + timedelta(days=30)])),
        }

    return [one() for _ in range(draw(st.integers(0, 8)))]


def oracle(said: list[dict[str, Any]], use_case: str, day: date, known: datetime) -> set[tuple[str, str]]:
    """Persons and programs that are withheld, one after the other."""
    found = set()
    for name, partner in product(NAMES, PARTNERS):
        program, rule = PROGRAM_OF.get(partner, partner), ASKED[partner]
        noes, yeses = [], []
        for speaker in PARTNERS:
            mine = [one for one in said if (one["name"], one["partner"]) == (name, speaker)]
            mine = [one for one in mine if one["known_from"] <= known and (one["known_to"] or LATER) > known]
            mine = [one for one in mine if one["since"] <= day <= (one["until"] or date.max)]
            refused = max((one["since"] for one in mine if refuses(one, use_case, program)), default=date.min)
            granted = max((one["since"] for one in mine if grants(one, use_case, program, day)), default=date.min)
            noes.append(refused > date.min and granted <= refused)
            yeses.append(granted > refused)
        if any(noes) or (rule in {"opt_in", "written"} and not any(yeses)):
            found.add((name, program))
    return found


def refuses(one: dict[str, Any], use_case: str, program: str) -> bool:
    of_use = one["use_case"] in {None, use_case, "unheard of"}
    return one["decision"] != "granted" and of_use and one["program"] in {None, program}


def grants(one: dict[str, Any], use_case: str, program: str, day: date) -> bool:
    signed = FORMS.get(one["form"])
    if one["decision"] != "granted" or signed is None or not signed.covers(use_case, program):
        return False
    over = signed.valid_months is not None and add_months(one["since"], signed.valid_months) <= day
    return not over and one["use_case"] in {None, use_case} and one["program"] in {None, program}


def add_months(day: date, months: int) -> date:
    """For the first of a month."""
    return day.replace(month=day.month + months)


@pytest.fixture(scope="module")
def crowd(new_warehouse: Callable[[], Any]) -> Iterator[Scene]:
    made = Scene(new_warehouse())
    made.empty()
    for name in NAMES:
        made.knows(name, *PARTNERS)
    made.rules(open_gates([FEED_OF[partner] for partner in PARTNERS], rules=ASKED, forms=FORMS.values()))
    yield made
    made.close()


COLUMNS = (
    "source_consent_id, source_person_id, decision, use_case, program, form, effective_from, effective_to, partner,"
    " feed, delivery_id, line_no, contract_version, as_of, known_from, known_to"
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(), st.randoms(use_true_random=False))
def test_the_state_on_a_day_is_that_of_a_plain_reckoning_in_whatever_order_it_came(
    crowd: Scene, said: list[dict[str, Any]], order: Random
) -> None:
    rows = [
        (f"c{at}", f"{one['name']}@{one['partner']}", one["decision"], one["use_case"], one["program"], one["form"],
         one["since"], one["until"], one["partner"], FEED_OF[one["partner"]], 1, at, "1", DAYS[0],
         one["known_from"], one["known_to"])
        for at, one in enumerate(said)
    ]  # fmt: skip
    order.shuffle(rows)
    with transaction(crowd.warehouse.superuser) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE record.consent")
        if rows:
            execute_values(cursor, f"INSERT INTO record.consent ({COLUMNS}) VALUES %s", rows)
    day, known = order.choice(DAYS) + timedelta(days=14), order.choice(MOMENTS)
    for use_case in USE_CASES[:2]:
        withheld = crowd.withheld(use_case, day, known)
        every = {PROGRAM_OF.get(partner, partner) for partner in PARTNERS}
        found = {(name, each) for name, program in withheld for each in ([program] if program else every)}
        assert found == oracle(said, use_case, day, known)


def test_the_demos_two_families_are_withheld_as_they_said(scene: Scene, tmp_path: Path) -> None:
    """One takes everything back, the other excepts one question: the demo's table has figures by use case."""
    (tmp_path / "home_visiting").mkdir()
    rows = ["child_id", *(f"{name}@home_visiting" for name in ("ann", "ann", "ben", "cal"))]
    (tmp_path / "home_visiting" / "enrollments_202601.csv").write_text("\n".join(rows), encoding="utf-8")
    for name in ("ann", "ben", "cal"):
        scene.knows(name, "home_visiting", "medicaid")
    scene.rules(gates())
    assert refuse_consent(scene.warehouse.steward, tmp_path, date(2026, 6, 1))
    assert not refuse_consent(scene.warehouse.steward, tmp_path, date(2026, 6, 2))
    assert scene.withheld("who_and_where") == {("ann", None), ("ben", None)}
    assert scene.withheld("unduplicated_counts") == {("ann", None)}


def test_the_command_line_records_and_shows_without_the_id_in_sight(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.knows("ann", "home_visiting", "medicaid")
    with transaction(scene.warehouse.linkage) as connection, connection.cursor() as cursor:
        write_rules(cursor, replace(gates(), forms=tuple(read_forms().values())))
    monkeypatch.setenv("KINBRIDGE_STEWARD_URL", scene.warehouse.steward.to_url())
    run = CliRunner()
    whom = ["--partner", "home_visiting", "--person", "-", "--by", "s.ramos"]
    more = ["--decision", "revoked", "--effective", "2026-06-01", "--evidence", "letter", "--form", "hv-consent-2024/1"]
    told = run.invoke(consent_app, ["record", *whom, *more], input="ann@home_visiting\n")
    assert told.exit_code == 0, told.output
    assert "Recorded as statement 1." in told.output
    seen = run.invoke(consent_app, ["show", *whom, "--day", "2026-06-15"], input="ann@home_visiting\n")
    assert seen.exit_code == 0, seen.output
    assert "revoked  every use case, every program; from 2026-06-01; form hv-consent-2024/1; statement 1" in seen.output
    assert "withheld unduplicated_counts, home_visiting; attested: dsa-home_visiting" in seen.output
    assert "Counts that were published before" in seen.output, "what the form lets stand"
    assert "records of home_visiting as received" in seen.output, "what the agreement's retention keeps"
    assert "ann@" not in told.output + seen.output
    before = run.invoke(consent_app, ["show", *whom, "--known", "2026-01-01"], input="ann@home_visiting\n")
    assert "Nothing is said of this person's consent." in before.output
    assert [row[0] for row in scene.query("SELECT actor FROM ledger.event WHERE what LIKE 'consent%%' ORDER BY 1")] == [
        "integrate",
        *["s.ramos"] * 3,
    ]
