"""Policy of purposes: records are linked and counted for what their agreement in force names, and for approved ends.

A feed without an agreement in force drops out of linkage, of `integrated` and of every figure, and its people keep
their ids for when it returns. Each table of the mart answers one use case: it counts the feeds that may serve it and
the persons who are not withheld from it. Tables whose figures hang together count the same people (decision 0013). A
table whose use case is not approved is empty, and an event names the clause.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.consents import FEED_OF, Scene, form, person_id
from tests.support.gates import (
    barred_from,
    open_gates,
    refused,
    uncovered,
    without_agreement,
    without_elements,
)

from kinbridge.consent.gates import Gates, fingerprint
from kinbridge.consent.linkable import note_linkable
from kinbridge.integration import publish
from kinbridge.integration.build import build_integrated
from kinbridge.integration.outputs import counting_files
from kinbridge.integration.parameters import read_parameters, sql_files
from kinbridge.integration.population import TABLES, choose, make_rows, note_withheld, whole_population
from kinbridge.integration.publish import publish_mart
from kinbridge.integration.relations import Figure, table_of
from kinbridge.integration.session import making, run_files
from kinbridge.linkage.ledger.persons import current_persons
from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import link_people
from kinbridge.warehouse.connection import transaction

CHILDREN = [f"child{number:02}" for number in range(40)]
MEDICAID, SNAP = FEED_OF["medicaid"], FEED_OF["snap"]
ALL_FEEDS = [*FEED_OF.values(), "home_visiting/referrals_v1"]
COUNTS, WHERE, REFERRALS = "unduplicated_counts", "who_and_where", "referral_outcomes"


@pytest.fixture(scope="module")
def families(warehouse: Any) -> Iterator[Scene]:
    """Forty children whom Medicaid and home visiting know; SNAP knows the first twenty, and all were referred to it."""
    scene = Scene(warehouse)
    scene.empty()
    for name in CHILDREN:
        scene.knows(name, "medicaid", "home_visiting")
        scene.refers(name, "snap")
    for name in CHILDREN[:20]:
        scene.knows(name, "snap")
    yield scene
    scene.empty()


@pytest.fixture
def scene(families: Scene) -> Iterator[Scene]:
    yield families
    families.warehouse.query("TRUNCATE record.consent, ledger.event")


def gates(**rules: str) -> Gates:
    return open_gates(ALL_FEEDS, rules=rules, forms=(form(),))


def made(scene: Scene, open_: Gates, at_publish: Gates | None = None) -> None:
    """Build and publish; the gates may have changed between the two."""
    build_integrated(scene.warehouse.linkage, open_)
    publish_mart(scene.warehouse.linkage, at_publish or open_)


def served(scene: Scene) -> dict[str, int]:
    return scene.figures("children_served", "programs, children")


def described(scene: Scene) -> dict[str, int]:
    return scene.figures("children_by_characteristic", "program, children", "characteristic = 'county'")


def referred(scene: Scene) -> dict[str, int]:
    return scene.figures("referral_outcomes", "program, referrals", "county = 'any county'")


def test_everything_counts_where_everything_is_allowed(scene: Scene) -> None:
    made(scene, gates())
    assert (served(scene)["any program"], served(scene)["snap"]) == (40, 20)
    assert (described(scene)["any program"], described(scene)["snap"]) == (40, 20)
    assert referred(scene)["any program"] == 40
    counted = scene.figures("output_feed", "output, feed, counted")
    assert set(counted.values()) == {True}


def test_a_month_of_which_only_a_barred_feed_speaks_is_not_published(scene: Scene) -> None:
    """Zeros would say that nobody was served, where nobody may say anything."""
    scene.query(
        "INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, period, as_of, contract_version,"
        " agreement_id, agreement_version) SELECT partner, feed, 'later', 1, 'later', '2026-02-01', '2026-02-28', '1',"
        " 'a', '1' FROM ledger.delivery WHERE feed = %s",
        (SNAP,),
    )
    later = "delivery_id IN (SELECT delivery_id FROM ledger.delivery WHERE file_name = 'later')"
    scene.query(
        "INSERT INTO ledger.load SELECT delivery_id, now(), '{}' FROM ledger.delivery WHERE file_name = 'later'"
    )
    months = {}
    for name, open_ in (("open", gates()), ("barred", without_agreement(gates(), SNAP))):
        made(scene, open_)
        months[name] = len(scene.query("SELECT DISTINCT month FROM mart.children_served"))
    scene.query(f"DELETE FROM ledger.load WHERE {later}")
    scene.query("DELETE FROM ledger.delivery WHERE file_name = 'later'")
    assert months == {"open": 2, "barred": 1}


def test_a_feed_without_an_agreement_is_in_no_table(scene: Scene) -> None:
    made(scene, without_agreement(gates(), SNAP, "dsa-snap 1.0.0, expires (include/agreements/snap.yaml:44)"))
    assert "snap" not in served(scene)
    assert "snap" not in described(scene)
    assert scene.figures("data_as_of", "feed, state", "feed LIKE 'snap/%%'") == {}
    assert scene.warehouse.query("SELECT 1 FROM integrated.participation WHERE program = 'snap'") == []
    outcomes = scene.figures("referral_outcomes", "program, not_observable", "county = 'any county'")
    assert outcomes["snap"] == 40, "nobody can tell any more what became of the referrals"
    left_out = scene.figures("output_feed", "output, clause", "NOT counted")
    assert left_out == dict.fromkeys(
        ("children_served", "children_by_characteristic", "referral_outcomes"),
        "dsa-snap 1.0.0, expires (include/agreements/snap.yaml:44)",
    )
    [event] = scene.events("left out of figures")
    assert SNAP in event["feeds"]["referral_outcomes"]


def test_a_table_made_of_an_element_that_its_use_case_does_not_name_is_not_published(scene: Scene) -> None:
    """The other tables are; the clause says which element, and where the SQL reads it."""
    clause = "who_and_where, elements (include/use_cases/who_and_where.yaml:14): person.language is not named"
    made(scene, uncovered(gates(), WHERE, "children_by_characteristic", clause))
    assert described(scene) == {}
    assert served(scene)["any program"] == 40
    assert referred(scene)["any program"] == 40
    told = scene.figures("output_feed", "output, clause", "NOT counted")
    assert told == {"children_by_characteristic": clause}
    assert {"output": "children_by_characteristic", "clause": clause} in scene.events("output not published")


def test_an_element_that_an_agreement_took_back_is_counted_no_more_though_the_record_holds_it(scene: Scene) -> None:
    """As if the feed had never sent it: the place of the home is then what other feeds say, or unknown."""
    clause = "dsa-medicaid 1.1.0, feeds.medicaid/eligibility_v1.elements (include/agreements/medicaid_1_1.yaml:20)"
    scene.query("UPDATE record.person_address SET county_fips = NULL WHERE feed <> %s", (MEDICAID,))
    taken = without_elements(gates(), MEDICAID, {"person_address.county_fips": clause})
    try:
        made(scene, gates())
        assert places(scene) == {"99001": 40}
        made(scene, taken)
        assert places(scene) == {"unknown": 40}
        # Also where it was taken back between the two.
        made(scene, gates(), at_publish=taken)
        assert places(scene) == {"unknown": 40}
    finally:
        scene.query("UPDATE record.person_address SET county_fips = '99001'")
    left_out = scene.figures("output_feed", "feed, without", "output = 'children_by_characteristic'")
    assert left_out[MEDICAID] == ["person_address.county_fips"]
    assert left_out[SNAP] == []
    assert scene.events("left out of figures")[-1]["elements"] == {MEDICAID: {"person_address.county_fips": clause}}
    assert fingerprint(taken, "") != fingerprint(gates(), ""), "it calls for an integration"


def places(scene: Scene) -> dict[str, int]:
    where = "characteristic = 'county' AND program = 'any program'"
    return scene.figures("children_by_characteristic", "value, children", where)


@pytest.mark.parametrize("element", ["program_enrollment.program", "program_enrollment.entry_date"])
def test_a_spell_is_nothing_without_its_program_and_its_first_day(scene: Scene, element: str) -> None:
    made(scene, without_elements(gates(), SNAP, {element: "the clause"}))
    assert "snap" not in served(scene)
    assert served(scene)["any program"] == 40


def test_an_agreement_that_ended_between_build_and_publication_is_over(scene: Scene) -> None:
    made(scene, gates(), at_publish=without_agreement(gates(), SNAP))
    assert "snap" not in served(scene)


def test_tables_that_hang_together_count_the_same_feeds(scene: Scene) -> None:
    """SNAP may not serve who_and_where: the counts would tell by their difference who has SNAP alone."""
    made(scene, barred_from(gates(), WHERE, SNAP))
    assert "snap" not in served(scene)
    assert served(scene)["any program"] == described(scene)["any program"] == 40
    outcomes = scene.figures("referral_outcomes", "program, already_served", "county = 'any county'")
    assert outcomes["snap"] == 20, "its own figures hang together with no others"


def test_tables_that_hang_together_count_the_same_people(scene: Scene) -> None:
    scene.says("medicaid", "child00", "revoked", "2026-06-01", use_case=WHERE)
    made(scene, gates(medicaid="opt_out", home_visiting="opt_out", snap="opt_out"))
    assert served(scene)["any program"] == described(scene)["any program"] == 39
    assert referred(scene)["any program"] == 40


def test_no_relation_ties_figures_of_tables_that_are_counted_apart(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Figure]] = []
    monkeypatch.setattr(publish, "table_of", lambda figures: seen.append(figures) or table_of(figures))
    made(scene, gates())
    [figures] = seen
    referrals = {figure.figure_id: figure.key.unit == "referrals" for figure in figures}
    ties = [
        {referrals[at] for at in (tie.total, *tie.members) if at in referrals} for tie in table_of(figures).relations
    ]
    assert {True} in ties
    assert {False} in ties
    assert {True, False} not in ties
    groups = [outputs for outputs, _ in counting_files(sql_files("mart")) if outputs]
    assert {frozenset(group) for group in groups} == {
        frozenset({"children_served", "children_by_characteristic"}),
        frozenset({"referral_outcomes"}),
    }


def test_a_withheld_program_leaves_the_person_in_the_others(scene: Scene) -> None:
    scene.says("snap", "child00", "limited", "2026-06-01", program="snap")
    made(scene, gates(medicaid="opt_out", home_visiting="opt_out", snap="opt_out"))
    assert (served(scene)["any program"], served(scene)["snap"], served(scene)["medicaid"]) == (40, 19, 40)
    assert referred(scene)["snap"] == 39


def test_what_a_withheld_program_said_of_the_person_is_not_used(scene: Scene) -> None:
    """Home visiting alone knows the language: without it, it is unknown."""
    for name in CHILDREN:
        where = "WHERE source_person_id = %s AND partner = 'home_visiting'"
        scene.warehouse.query(f"UPDATE record.person SET language = 'spa' {where}", (f"{name}@home_visiting",))
    for name in CHILDREN[:15]:
        scene.says("home_visiting", name, "revoked", "2026-06-01", program="home_visiting")
    made(scene, gates(home_visiting="attested"))
    languages = scene.figures(
        "children_by_characteristic", "value, children", "characteristic = 'language' AND program = 'any program'"
    )
    assert languages == {"spa": 25, "unknown": 15}
    scene.warehouse.query("UPDATE record.person SET language = NULL")


def test_a_use_case_that_is_not_approved_publishes_nothing(scene: Scene) -> None:
    clause = "who_and_where 1.0.0, status (include/use_cases/who_and_where.yaml:3)"
    made(scene, refused(gates(), WHERE, clause))
    assert described(scene) == {}
    assert served(scene)["snap"] == 20
    assert scene.events("output not published") == [{"output": "children_by_characteristic", "clause": clause}]
    assert set(scene.figures("output_feed", "feed, clause", "output = 'children_by_characteristic'").values()) == {
        clause
    }


def test_a_use_case_that_no_feed_may_serve_publishes_nothing(scene: Scene) -> None:
    closed = gates()
    for feed in ALL_FEEDS:
        closed = barred_from(closed, REFERRALS, feed, f"dsa of {feed}, use_cases")
    made(scene, closed)
    assert referred(scene) == {}
    assert [event["output"] for event in scene.events("output not published")] == ["referral_outcomes"]


def test_how_many_are_withheld_is_told_to_stewards_by_clause_and_nobody_else(scene: Scene) -> None:
    scene.says("snap", "child00", "revoked", "2026-06-01", use_case=COUNTS)
    made(scene, gates(snap="opt_out", medicaid="opt_out", home_visiting="opt_out"))
    [event] = scene.events("left out of figures")
    assert list(event["persons"]) == [COUNTS]
    assert sum(event["persons"][COUNTS].values()) == 1
    assert "child00" not in str(event)
    assert person_id("child00") not in str(event)


@pytest.mark.parametrize("decision", ["revoked", "limited"])
def test_figures_are_those_of_a_warehouse_in_which_the_withheld_never_were(scene: Scene, decision: str) -> None:
    """Of all tables at once: withheld is as good as never sent."""
    for name in CHILDREN[5:12]:
        scene.says("home_visiting", name, decision, "2026-06-01")
    asked = gates(medicaid="opt_out", home_visiting="attested", snap="opt_out")
    made(scene, asked)
    withheld = contents(scene)
    gone = [f"{name}@{partner}" for name in CHILDREN[5:12] for partner in FEED_OF]
    tables = ("person", "person_address", "program_enrollment", "referral")
    for table in tables:
        scene.warehouse.query(f"UPDATE record.{table} SET known_to = now() WHERE source_person_id = ANY(%s)", (gone,))
    scene.warehouse.query("DELETE FROM record.consent")
    made(scene, asked)
    assert contents(scene) == withheld
    assert served(scene)["any program"] == 33
    for table in tables:
        scene.warehouse.query(f"UPDATE record.{table} SET known_to = NULL")


def contents(scene: Scene) -> list[list[str]]:
    tables = ("children_served", "children_by_characteristic", "referral_outcomes")
    rows = [scene.warehouse.query(f"SELECT * FROM mart.{table}") for table in tables]
    rows.append(scene.warehouse.query("SELECT person_id, county_fips FROM integrated.person"))
    return [sorted(map(repr, each)) for each in rows]


def test_a_population_made_anew_is_what_integrated_holds(scene: Scene) -> None:
    """The short way, when the gates are the same, and the long way lead to the same rows."""
    open_ = gates()
    build_integrated(scene.warehouse.linkage, open_)
    found = {}
    for forget in (False, True):
        with making(scene.warehouse.linkage, read_parameters()) as cursor:
            note_withheld(cursor, open_)
            if forget:
                cursor.execute("DELETE FROM identity.integrated_feed")
            assert make_rows(cursor, whole_population(open_)) is forget
            for table in TABLES:
                columns = "person_id" if table == "family" else "*"  # family ids are random
                cursor.execute(f"SELECT {columns} FROM pg_temp.{table}")
                found[forget, table] = sorted(map(repr, cursor.fetchall()))
    assert all(found[False, table] == found[True, table] for table in TABLES)


def test_what_may_not_be_linked_is_not_compared_and_keeps_its_ids(scene: Scene) -> None:
    """In a warehouse of its own making: linkage decides here who is who."""
    model, linkage = read_model(), scene.warehouse.linkage
    before = dict(
        scene.warehouse.query("SELECT partner || source_person_id, person_id::text FROM identity.person_link")
    )
    scene.says("medicaid", "child00", "revoked", "2026-06-01")
    asked = without_agreement(gates(medicaid="opt_out"), SNAP)
    run = link_people(linkage, model, asked)
    assert run.records == 2 * len(CHILDREN) - 1
    edges = "SELECT count(*) FROM identity.edge WHERE 'snap' IN (partner_left, partner_right)"
    assert scene.warehouse.query(edges) == [(0,)]
    [event] = scene.events("left out of linkage")
    assert (list(event["feeds"]), event["records withheld by consent"]) == ([SNAP], 1)
    after = dict(scene.warehouse.query("SELECT partner || source_person_id, person_id::text FROM identity.person_link"))
    assert {key: person for key, person in after.items() if key.startswith("snap")} == {
        key: person for key, person in before.items() if key.startswith("snap")
    }


@pytest.fixture
def ann(new_warehouse: Callable[[], Any]) -> Iterator[Scene]:
    """One child of whom home visiting says everything that can be said, and nobody else says anything."""
    scene = Scene(new_warehouse())
    scene.empty()
    scene.knows("ann", "home_visiting", "early_intervention")
    scene.refers("ann", "snap")
    person, family = {"source_person_id": "ann@home_visiting"}, {"source_family_id": "f"}
    feed, enrollment = FEED_OF["home_visiting"], {"source_enrollment_id": "ann@home_visiting"}
    scene.insert("family_member", feed, {**person, **family, "family_role": "child"})
    scene.insert("program_exit", feed, {**person, **enrollment, "source_exit_id": "x", "exit_date": "2026-02-01"})
    event = {"source_service_event_id": "v", "program": "home_visiting", "service_date": "2026-01-03"}
    scene.insert("service_event", feed, {**person, **event})
    yield scene
    scene.close()


def usable(scene: Scene, open_: Gates) -> set[str]:
    """The kinds of records of which anything may be used."""
    found = set()
    with making(scene.warehouse.linkage, read_parameters()) as cursor:
        note_withheld(cursor, open_)
        choose(cursor, whole_population(open_))
        run_files(cursor, sql_files("integrated")[:1])
        for view in re.findall(r"TEMP VIEW (usable_\w+)", sql_files("integrated")[0].read_text(encoding="utf-8")):
            cursor.execute(f"SELECT EXISTS (SELECT FROM {view})")
            found |= {view} if cursor.fetchone()[0] else set()
    return found


def test_every_kind_of_record_has_its_gate(ann: Scene) -> None:
    everything = usable(ann, gates())
    assert len(everything) == 9, "a new kind of record needs a case here"
    closed = gates()
    for feed in ALL_FEEDS:
        closed = without_agreement(closed, feed)
    assert usable(ann, closed) == {"usable_link"}, "without agreements"
    ann.says("home_visiting", "ann", "revoked", "2026-06-01", program="home_visiting")
    of_the_other = {"usable_link", "usable_person", "usable_address", "usable_early_intervention"}
    assert usable(ann, gates(home_visiting="attested")) == of_the_other, "without the program"
    ann.says("early_intervention", "ann", "revoked", "2026-06-01")
    assert usable(ann, gates(home_visiting="attested", early_intervention="opt_in")) == set(), "without the person"


def test_what_only_a_barred_feed_said_is_not_used_to_compare(ann: Scene) -> None:
    address = {"source_person_id": "ann@home_visiting", "address_line": "1 Way", "city": "T", "postal_code": "99001"}
    ann.insert("person_address", "home_visiting/homes_v1", address)
    member = {"source_person_id": "ann@early_intervention", "source_family_id": "g", "family_role": "child"}
    ann.insert("family_member", "early_intervention/families_v1", member)
    seen = {}
    for more in ((), ("home_visiting/homes_v1", "early_intervention/families_v1")):
        with transaction(ann.warehouse.linkage) as connection, connection.cursor() as cursor:
            note_linkable(cursor, open_gates([*ALL_FEEDS, *more]))
            rows = current_persons(cursor).to_pylist()
        homes = {row["address_line"] for row in rows if row["source"] == "home_visiting"}
        seen[bool(more)] = homes, {row["family_key"] for row in rows if row["source"] == "early_intervention"}
    assert seen == {False: ({None}, {None}), True: ({"1 Way"}, {"g"})}
