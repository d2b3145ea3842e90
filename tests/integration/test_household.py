"""Households hold what may be used, keep their ids, answer for a past month, and go with the records they rest on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.consents import FEED_OF, Scene, form, person_id
from tests.support.gates import open_gates, without_agreement

from kinbridge.consent.gates import Gates
from kinbridge.integration.build import build_integrated
from kinbridge.integration.household import together

MEDICAID, SNAP, HOME = (FEED_OF[name] for name in ("medicaid", "snap", "home_visiting"))
FEEDS = (MEDICAID, SNAP, HOME)
NAMES = ("ann", "ben", "cat")


def gates(**rules: str) -> Gates:
    return open_gates(FEEDS, rules=rules, forms=(form(),))


@pytest.fixture(scope="module")
def homes(warehouse: Any) -> Iterator[Scene]:
    """Medicaid counts ann and ben to one case; SNAP counts ann and cat to another, at the same address."""
    scene = Scene(warehouse)
    scene.empty()
    scene.knows("ann", "medicaid", "snap", born="1990-01-01", county=None)
    scene.knows("ben", "medicaid", county=None)
    scene.knows("cat", "snap", county=None)
    for partner, family, names in (("medicaid", "C1", ("ann", "ben")), ("snap", "S1", ("ann", "cat"))):
        for name in names:
            key = {"source_person_id": f"{name}@{partner}"}
            role = "adult" if name == "ann" else "child"
            scene.insert("family_member", FEED_OF[partner], {**key, "source_family_id": family, "family_role": role})
            scene.insert(
                "person_address", FEED_OF[partner], {**key, "address_line": "5 Bay St", "postal_code": "99001"}
            )
    yield scene
    scene.empty()


@pytest.fixture
def scene(homes: Scene) -> Iterator[Scene]:
    yield homes
    homes.query("TRUNCATE record.consent")


def households(scene: Scene, open_: Gates, day: str = "2026-11-02") -> dict[str, set[str]]:
    """Who lives with whom on a day, by household."""
    build_integrated(scene.warehouse.linkage, open_)
    names = {person_id(name): name for name in NAMES}
    found: dict[str, set[str]] = {}
    for household, person in scene.query(
        "SELECT household_id::text, person_id::text FROM identity.household_member"
        " WHERE since <= %s AND (until IS NULL OR until > %s)",
        (day, day),
    ):
        found.setdefault(household, set()).add(names[person])
    return found


def test_ids_stay_and_a_past_day_is_answered(scene: Scene) -> None:
    before = households(scene, gates())
    assert list(before.values()) == [{"ann", "ben", "cat"}]
    assert households(scene, gates()) == before
    assert households(scene, gates(), "2026-01-30") == {}, "nobody had said anything yet"
    assert households(scene, gates(), "2026-01-31") == before


def test_whoever_is_withheld_is_in_no_household_and_bears_no_witness(scene: Scene) -> None:
    before = households(scene, gates())
    scene.says("medicaid", "ben", "revoked", "2026-06-01")
    asked = gates(medicaid="opt_out", snap="opt_out", home_visiting="opt_out")
    assert households(scene, asked) == {household: {"ann", "cat"} for household in before}
    about_ben = "SELECT 1 FROM identity.{} WHERE 'ben@medicaid' IN ({})"
    assert scene.query(about_ben.format("household_evidence", "source_person_id")) == []
    assert scene.query(about_ben.format("relation", "source_person_id, related_source_person_id")) == []


def test_a_feed_without_an_agreement_bears_no_witness(scene: Scene) -> None:
    found = households(scene, without_agreement(gates(), SNAP))
    assert list(found.values()) == [{"ann", "ben"}]


def test_feeds_that_are_kept_apart_make_no_household_together(scene: Scene) -> None:
    apart = replace(gates(), apart={(SNAP, MEDICAID): "the clause"})
    assert together(apart) == {MEDICAID, HOME}
    assert list(households(scene, apart).values()) == [{"ann", "ben"}]


def test_without_a_link_nothing_is_known_of_a_partners_person(scene: Scene) -> None:
    """What a destruction deletes: links first, and persons that have none left."""
    households(scene, gates())
    witnesses = (
        "SELECT (SELECT count(*) FROM identity.household_evidence WHERE partner = 'snap'),"
        " (SELECT count(*) FROM identity.relation WHERE partner = 'snap'),"
        " (SELECT count(*) FROM identity.household_member WHERE person_id = %s)"
    )
    assert all(scene.query(witnesses, (person_id("cat"),))[0])
    scene.query("DELETE FROM identity.person_link WHERE partner = 'snap'")
    scene.query("DELETE FROM identity.person WHERE person_id = %s", (person_id("cat"),))
    assert scene.query(witnesses, (person_id("cat"),)) == [(0, 0, 0)]
