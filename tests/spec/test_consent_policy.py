"""Policy of consent: what people have agreed to, limited or taken back decides what their data may serve.

Who must have been asked is agreed for each feed: nobody, whoever objects is left out (opt out, attested), or nobody
counts without a grant on a form that covers the use (opt in, written). A statement holds for the whole person, in the
use case and program of which it speaks, on the days on which it is in effect, from when we know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg2
import pytest
from tests.support.consents import FEED_OF, LATER, LONG_AGO, Scene, form
from tests.support.gates import open_gates

from kinbridge.consent.gates import Gates
from kinbridge.warehouse.connection import connect

COUNTS, WHERE = "unduplicated_counts", "who_and_where"
OPT_OUT = {"medicaid": "opt_out", "snap": "opt_out", "home_visiting": "attested"}


@pytest.fixture
def scene(warehouse: Any) -> Iterator[Scene]:
    made = Scene(warehouse)
    made.empty()
    yield made
    made.empty()


def asking(forms: Any = (), /, only: str = "", **rules: str) -> Gates:
    """Gates with these consent rules by partner."""
    return open_gates(FEED_OF.values(), rules=rules, forms=forms or (form(),), form=only)


def test_a_person_counts_until_a_revocation_is_in_effect(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    scene.says("medicaid", "ann", "revoked", "2026-06-01")
    assert scene.withheld(COUNTS, "2026-05-31") == set()
    assert scene.withheld(COUNTS, "2026-06-01") == {("ann", None)}


def test_a_revocation_counts_from_when_it_is_known(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    learned = datetime(2026, 8, 1, tzinfo=UTC)
    scene.says("medicaid", "ann", "revoked", "2026-06-01", known_from=learned)
    assert scene.withheld(COUNTS, "2026-06-15", datetime(2026, 7, 31, tzinfo=UTC)) == set()
    assert scene.withheld(COUNTS, "2026-06-15", learned) == {("ann", None)}


def test_what_a_partner_takes_back_counts_until_we_learn_of_it(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    corrected = datetime(2026, 8, 1, tzinfo=UTC)
    scene.takes_back(scene.says("medicaid", "ann", "revoked", "2026-06-01"), corrected)
    assert scene.withheld(COUNTS, known=datetime(2026, 7, 31, tzinfo=UTC)) == {("ann", None)}
    assert scene.withheld(COUNTS, known=corrected) == set()


def test_a_revocation_ends_on_its_last_day(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="attested"))
    scene.says("medicaid", "ann", "revoked", "2026-06-01", until="2026-06-30")
    assert scene.withheld(COUNTS, "2026-06-30") == {("ann", None)}
    assert scene.withheld(COUNTS, "2026-07-01") == set()


def test_a_revocation_by_one_record_holds_for_the_whole_person(scene: Scene) -> None:
    scene.knows("ann", "medicaid", "snap")
    scene.knows("bea", "medicaid", "snap")
    scene.rules(asking(medicaid="opt_out", snap="opt_out"))
    scene.says("snap", "ann", "revoked", "2026-06-01")
    assert scene.withheld(COUNTS) == {("ann", None)}


def test_a_partner_speaks_for_its_own_persons_only(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.knows("bea", "snap")
    scene.rules(asking(medicaid="opt_out", snap="opt_out"))
    values = {
        "source_consent_id": "c",
        "source_person_id": "bea@snap",
        "decision": "revoked",
        "effective_from": "2026-06-01",
    }
    scene.insert("consent", FEED_OF["medicaid"], values)
    assert scene.withheld(COUNTS) == set()


def test_a_statement_reaches_as_far_as_the_use_case_and_program_that_it_names(scene: Scene) -> None:
    scene.knows("ann", "medicaid", "snap")
    scene.rules(asking(medicaid="opt_out", snap="opt_out"))
    scene.says("medicaid", "ann", "limited", "2026-06-01", use_case=COUNTS, program="snap")
    assert scene.withheld(COUNTS) == {("ann", "snap")}
    assert scene.withheld(WHERE) == set()


def test_a_refusal_of_something_that_nobody_knows_is_a_refusal_of_all(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.knows("bea", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    scene.says("medicaid", "ann", "revoked", "2026-06-01", use_case="a use case of their own")
    scene.says("medicaid", "bea", "revoked", "2026-06-01", program="a program of their own")
    assert scene.withheld(COUNTS) == {("ann", None), ("bea", None)}


def test_a_refusal_of_another_program_that_we_know_reaches_nothing_here(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    scene.says("medicaid", "ann", "revoked", "2026-06-01", program="wic")
    assert scene.withheld(COUNTS) == set()


def test_a_later_grant_of_the_same_record_takes_the_refusal_back(scene: Scene) -> None:
    scene.knows("ann", "medicaid", "snap")
    scene.rules(asking(medicaid="opt_out", snap="opt_out"))
    scene.says("medicaid", "ann", "revoked", "2026-03-01")
    scene.says("medicaid", "ann", "granted", "2026-06-01")
    assert scene.withheld(COUNTS, "2026-05-31") == {("ann", None)}
    assert scene.withheld(COUNTS, "2026-06-01") == set()


def test_a_grant_of_another_record_does_not_take_it_back(scene: Scene) -> None:
    scene.knows("ann", "medicaid", "snap")
    scene.rules(asking(medicaid="opt_out", snap="opt_out"))
    scene.says("medicaid", "ann", "revoked", "2026-03-01")
    scene.says("snap", "ann", "granted", "2026-06-01")
    assert scene.withheld(COUNTS) == {("ann", None)}


def test_of_one_day_the_refusal_counts(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    scene.says("medicaid", "ann", "granted", "2026-06-01")
    scene.says("medicaid", "ann", "revoked", "2026-06-01")
    assert scene.withheld(COUNTS) == {("ann", None)}


@pytest.mark.parametrize("rule", ["opt_in", "written"])
def test_where_consent_has_to_be_given_nobody_counts_without_a_grant(scene: Scene, rule: str) -> None:
    for name in ("ann", "bea", "cid"):
        scene.knows(name, "medicaid", "snap")
    scene.rules(asking(medicaid=rule))
    scene.says("medicaid", "ann", "granted", "2026-06-01")
    scene.says("medicaid", "cid", "granted", "2026-03-01")
    scene.says("medicaid", "cid", "revoked", "2026-06-01")
    assert scene.withheld(COUNTS, "2026-06-15") == {("bea", "medicaid"), ("cid", "medicaid")}
    assert ("ann", "medicaid") in scene.withheld(COUNTS, "2026-05-31")


def test_a_grant_counts_on_a_form_that_covers_the_use(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    narrow = form("narrow/1", use_cases=(WHERE,), programs=("medicaid",))
    scene.rules(asking((narrow,), medicaid="opt_in"))
    scene.says("medicaid", "ann", "granted", "2026-06-01", form="narrow/1")
    assert scene.withheld(WHERE) == set()
    assert scene.withheld(COUNTS) == {("ann", None)}


@pytest.mark.parametrize("signed_on", ["a form that nobody declared/1", "family_consent", None])
def test_a_grant_on_no_declared_form_is_no_grant(scene: Scene, signed_on: str | None) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="opt_in"))
    scene.says("medicaid", "ann", "granted", "2026-06-01", form=signed_on)
    assert scene.withheld(COUNTS) == {("ann", None)}


def test_where_the_agreement_names_a_form_only_that_one_counts(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.knows("bea", "medicaid")
    scene.rules(asking((form("family_consent/1"), form("the_one/2")), only="the_one", medicaid="written"))
    scene.says("medicaid", "ann", "granted", "2026-06-01", form="family_consent/1")
    scene.says("medicaid", "bea", "granted", "2026-06-01", form="the_one/2")
    assert scene.withheld(COUNTS) == {("ann", None)}


def test_a_form_that_lasts_a_year_is_over_after_a_year(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking((form(valid_months=12),), medicaid="opt_in"))
    scene.says("medicaid", "ann", "granted", "2026-01-01", signed="2025-08-20")
    assert scene.withheld(COUNTS, "2026-08-19") == set()
    assert scene.withheld(COUNTS, "2026-08-20") == {("ann", None)}


def test_where_nobody_has_to_be_asked_the_law_lets_the_use_stand(scene: Scene) -> None:
    scene.knows("ann", "medicaid", "snap")
    scene.rules(asking(snap="opt_out"))
    scene.says("snap", "ann", "revoked", "2026-06-01")
    assert scene.withheld(COUNTS) == {("ann", "snap")}


def test_a_use_case_without_rules_is_open_to_nobody(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking())
    assert scene.withheld(COUNTS) == set()
    assert scene.withheld("a use case that was never declared") == {("ann", None)}


def test_the_clause_is_named(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    scene.says("medicaid", "ann", "revoked", "2026-06-01")
    assert scene.clauses(COUNTS) == {"dsa-medicaid/eligibility_v1, consent"}


def test_a_person_known_by_a_former_id_is_still_that_person(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    scene.warehouse.query(
        "INSERT INTO identity.person_link SELECT partner, 'former', person_id, run_id FROM identity.person_link"
    )
    scene.rules(asking(medicaid="opt_out"))
    values = {
        "source_consent_id": "c",
        "source_person_id": "former",
        "decision": "revoked",
        "effective_from": "2026-06-01",
    }
    scene.insert("consent", FEED_OF["medicaid"], values)
    assert scene.ask("SELECT count(*) FROM identity.withheld_person(%s, '2026-06-15', now())", (COUNTS,)) == [(1,)]


def test_a_decision_in_other_words_does_not_load(scene: Scene) -> None:
    scene.knows("ann", "medicaid")
    with pytest.raises(psycopg2.errors.CheckViolation):
        scene.says("medicaid", "ann", "withdrawn", "2026-06-01")


def test_whoever_every_use_is_withheld_from_is_not_compared_at_all(scene: Scene) -> None:
    """Ann's snap record may still be used, and Dan is new: nothing is known of him but his own record."""
    scene.knows("ann", "medicaid", "snap")
    scene.knows("bea", "medicaid")
    scene.enrolled("dan", "medicaid")
    scene.rules(asking(medicaid="opt_out"))
    for name in ("ann", "dan"):
        scene.says("medicaid", name, "revoked", "2026-06-01")
    scene.says("medicaid", "bea", "revoked", "2026-06-01", use_case=COUNTS)
    apart = (
        "SELECT partner, source_person_id FROM identity.withheld_record('2026-06-15', %s)"
        " GROUP BY 1, 2 HAVING count(DISTINCT use_case) = 3"
    )
    assert set(scene.ask(apart, (LATER,))) == {("medicaid", "ann@medicaid"), ("medicaid", "dan@medicaid")}
    bea = "SELECT feed, use_case FROM identity.withheld_record('2026-06-15', %s) WHERE source_person_id LIKE 'bea@%%'"
    assert scene.ask(bea, (LATER,)) == [(FEED_OF["medicaid"], COUNTS)]
    assert scene.ask(apart, (LONG_AGO.replace(year=2025),)) == []


def test_a_steward_cannot_date_back_what_was_known(scene: Scene) -> None:
    insert = (
        "INSERT INTO identity.consent_statement (partner, source_person_id, decision, effective_from, evidence,"
        " recorded_by, known_from) VALUES ('medicaid', 'a', 'revoked', %s, 'letter', 's', now())"
    )
    connection = connect(scene.warehouse.steward)
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(insert, (date(2026, 6, 1),))
    finally:
        connection.close()
