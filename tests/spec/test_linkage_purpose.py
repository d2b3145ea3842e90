"""Policy of linking: who may be compared with whom is decided before anything is compared, for each two records.

Two records of different partners are compared when some approved use case is served by everything that is said of
either, both may be linked for it, and nobody withheld it. A feed that an agreement keeps apart from another never meets
it in one person, not even through a third. Whom an agreement lets be linked, a revocation does not tear apart: the link
by which it reaches the person's other records stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from tests.support.consents import FEED_OF, Scene
from tests.support.gates import barred_from, open_gates

from kinbridge.consent.comparable import Kind, comparable
from kinbridge.consent.gates import Gates
from kinbridge.integration.outputs import group_of
from kinbridge.linkage.link import link
from kinbridge.linkage.model import read_model
from kinbridge.linkage.purpose import SCHEMA, Allowed
from kinbridge.linkage.run import link_people

MEDICAID, SNAP, HOME, EARLY = (FEED_OF[name] for name in ("medicaid", "snap", "home_visiting", "early_intervention"))
FEEDS = (MEDICAID, SNAP, HOME, EARLY)
COUNTS, WHERE, REFERRALS = "unduplicated_counts", "who_and_where", "referral_outcomes"
CLAUSE = "dsa-snap 1.0.0, linkage.not_with.0 (include/agreements/snap.yaml:9)"


def serving(**uses: tuple[str, ...]) -> Gates:
    """Gates by which each partner named serves these use cases, and the others all."""
    gates = open_gates(FEEDS)
    for partner, names in uses.items():
        for name in {COUNTS, WHERE, REFERRALS} - set(names):
            gates = barred_from(gates, name, FEED_OF[partner])
    return gates


def apart(gates: Gates, feed: str, other: str) -> Gates:
    return replace(gates, apart={**gates.apart, (feed, other): CLAUSE})


@pytest.fixture
def scene(warehouse: Any) -> Iterator[Scene]:
    found = Scene(warehouse)
    found.empty()
    yield found
    found.empty()


def said_alike(scene: Scene, *partners: str) -> None:
    """Twelve children of whom these partners say one and the same, and whom nobody has linked yet."""
    for number in range(12):
        for partner in partners:
            name = f"{chr(65 + number)}lexandra{number}"
            scene.enrolled(name, partner, born=f"2022-{number % 12 + 1:02}-{number + 3:02}")


def people(scene: Scene) -> set[frozenset[str]]:
    """Which partners know each person together, in however many persons."""
    rows = scene.query("SELECT person_id::text, partner FROM identity.person_link")
    found: dict[str, set[str]] = {}
    for person, partner in rows:
        found.setdefault(person, set()).add(partner)
    return {frozenset(partners) for partners in found.values()}


def edges(scene: Scene) -> set[tuple[str, str]]:
    return set(scene.query("SELECT DISTINCT partner_left, partner_right FROM identity.edge"))


def run(scene: Scene, gates: Gates) -> None:
    link_people(scene.warehouse.linkage, read_model(), gates)


def test_where_everything_is_allowed_all_are_compared(scene: Scene) -> None:
    said_alike(scene, "medicaid", "snap", "home_visiting")
    run(scene, serving())
    assert people(scene) == {frozenset({"medicaid", "snap", "home_visiting"})}


def test_feeds_that_an_agreement_keeps_apart_never_meet_not_even_through_a_third(scene: Scene) -> None:
    said_alike(scene, "medicaid", "snap", "home_visiting")
    run(scene, apart(serving(), SNAP, MEDICAID))
    assert ("medicaid", "snap") not in edges(scene)
    assert not any({"medicaid", "snap"} <= partners for partners in people(scene))
    assert any("home_visiting" in partners and len(partners) == 2 for partners in people(scene))


def test_what_a_feed_says_without_names_is_kept_apart_too(scene: Scene) -> None:
    """The visits are not compared; as rows of the person they would meet Medicaid's all the same."""
    said_alike(scene, "medicaid", "home_visiting")
    visits = "home_visiting/visits_v1"
    values = {
        "source_person_id": "Alexandra0@home_visiting",
        "source_service_event_id": "v",
        "service_date": "2026-01-03",
    }
    scene.insert("service_event", visits, {**values, "program": "home_visiting"})
    gates = open_gates((*FEEDS, visits))
    run(scene, apart(gates, visits, MEDICAID))
    [(links,)] = scene.query(
        "SELECT count(*) FROM identity.edge WHERE 'Alexandra0@home_visiting' IN"
        " (source_person_id_left, source_person_id_right)"
    )
    assert links == 0
    assert frozenset({"medicaid", "home_visiting"}) in people(scene), "the eleven others"


def test_feeds_without_a_use_case_in_common_are_not_compared_and_others_are(scene: Scene) -> None:
    said_alike(scene, "medicaid", "snap", "home_visiting")
    run(scene, serving(medicaid=(COUNTS,), snap=(WHERE,)))
    assert ("medicaid", "snap") not in edges(scene)
    assert not any({"medicaid", "snap"} <= partners for partners in people(scene))


def test_whom_consent_withholds_from_every_use_of_both_is_not_compared_across_them_but_with_others(
    scene: Scene,
) -> None:
    """Snap and Medicaid serve counts together, and nothing else; home visiting serves all that Snap does."""
    said_alike(scene, "medicaid", "snap")
    for partner in ("snap", "home_visiting"):
        scene.enrolled("Zenobia", partner, born="2021-11-30")
    for name in ("Alexandra0", "Zenobia"):
        scene.says("snap", name, "revoked", "2026-06-01", use_case=COUNTS)
    gates = serving(medicaid=(COUNTS,), snap=(COUNTS, WHERE))
    gates = replace(gates, rules=tuple(replace(rule, rule="opt_out") for rule in gates.rules))
    run(scene, gates)
    linked = {
        name
        for (name,) in scene.query(
            "SELECT split_part(source_person_id_left, '@', 1) FROM identity.edge"
            " WHERE 'snap' IN (partner_left, partner_right)"
        )
    }
    assert linked == {"Zenobia", *(f"{chr(65 + number)}lexandra{number}" for number in range(1, 12))}


def test_what_a_feed_says_is_not_used_of_whom_withheld_all_that_the_feed_serves(scene: Scene) -> None:
    said_alike(scene, "medicaid", "snap")
    scene.says("snap", "Alexandra0", "revoked", "2026-06-01")
    gates = serving()
    gates = replace(gates, rules=tuple(replace(rule, rule="opt_out") for rule in gates.rules))
    run(scene, gates)
    assert scene.query("SELECT 1 FROM identity.person_link WHERE source_person_id = 'Alexandra0@snap'") == []
    [event] = scene.events("left out of linkage")
    assert event["records withheld by consent"] == 1


def test_a_revocation_does_not_tear_apart_what_was_linked_so_that_it_reaches_all_of_the_person(scene: Scene) -> None:
    said_alike(scene, "medicaid", "snap")
    gates = serving(medicaid=(COUNTS, WHERE), snap=(COUNTS, REFERRALS))
    gates = replace(gates, rules=tuple(replace(rule, rule="opt_out") for rule in gates.rules))
    run(scene, gates)
    before = scene.query("SELECT partner, source_person_id, person_id FROM identity.person_link ORDER BY 1, 2")
    scene.says("snap", "Alexandra0", "revoked", "2026-06-01", use_case=COUNTS)
    for _ in range(2):
        run(scene, gates)
        assert (
            scene.query("SELECT partner, source_person_id, person_id FROM identity.person_link ORDER BY 1, 2") == before
        )
        withheld = scene.ask("SELECT count(*) FROM identity.withheld_person(%s, '2026-11-02', now())", (COUNTS,))
        assert withheld == [(1,)]


def test_an_agreement_that_comes_to_bar_parts_what_was_linked(scene: Scene) -> None:
    said_alike(scene, "medicaid", "snap")
    run(scene, serving())
    assert people(scene) == {frozenset({"medicaid", "snap"})}
    run(scene, apart(serving(), MEDICAID, SNAP))
    assert people(scene) == {frozenset({"medicaid"}), frozenset({"snap"})}


def test_pairs_that_may_not_be_compared_are_never_made(new_records: Callable[..., pa.Table]) -> None:
    records = new_records(("a", "b", "c"))
    both = Allowed({"a": 0, "b": 1, "c": 2}, SCHEMA.empty_table(), frozenset({(0, 0), (1, 1), (2, 2)}))
    for size in (0, 10_000):
        model = read_model()
        model = replace(model, limits={**model.limits, "few_records": size})
        assert link(records, model).facts["pairs_compared"] > 0
        found = link(records, model, allowed=both)
        assert found.edges.num_rows == found.review.num_rows == 0
        assert len(set(found.clusters.column("cluster").to_pylist())) == records.num_rows
        nobody = link(records, model, allowed=replace(both, pairs=frozenset()))
        assert nobody.facts["pairs_compared"] == 0


@pytest.fixture
def new_records() -> Callable[..., pa.Table]:
    def made(sources: tuple[str, ...]) -> pa.Table:
        names = [f"{chr(65 + n)}lexandra" for n in range(20)]
        rows = [
            {
                "source": source,
                "source_person_id": name,
                "first_name": name,
                "last_name": f"Smith{name[0]}",
                "birth_date": f"2020-01-{at + 1:02}",
            }
            for source in sources
            for at, name in enumerate(names)
        ]
        return pa.Table.from_pylist(rows)

    return made


def test_everything_that_is_said_of_either_has_to_serve_the_use() -> None:
    """A partner's person is compared with all that its feeds say: one that may not serve the use bars the whole."""
    gates = open_gates(FEEDS)
    one = Kind("medicaid", ((MEDICAID, (COUNTS, WHERE)), ("medicaid/claims_v1", (WHERE,))))
    assert comparable(one, Kind("snap", ((SNAP, (WHERE,)),)), gates)
    assert not comparable(one, Kind("snap", ((SNAP, (COUNTS,)),)), gates)
    assert not comparable(Kind("medicaid", ((MEDICAID, ()),)), Kind("snap", ((SNAP, (COUNTS,)),)), gates)
    assert comparable(one, Kind("medicaid", ((MEDICAID, (COUNTS,)),)), gates), "one partner's own"


def test_a_feed_that_is_kept_apart_is_not_counted_beside_the_other() -> None:
    """Its people would be counted twice: nobody may know which of them the other knows."""
    outputs = ("children_served", "children_by_characteristic")
    group = group_of(outputs, (), apart(serving(), SNAP, MEDICAID))
    assert SNAP not in group.feeds
    assert MEDICAID in group.feeds
    assert group.barred == {SNAP: CLAUSE}
    alone = group_of(outputs, (), apart(serving(medicaid=()), SNAP, MEDICAID))
    assert SNAP in alone.feeds, "the other is not counted"


def test_a_feed_that_may_be_linked_for_another_use_only_is_not_counted_for_this_one() -> None:
    gates = replace(serving(), unlinked={SNAP: {REFERRALS: "dsa-snap, linkage.use_cases"}})
    group = group_of(("referral_outcomes",), (), gates)
    assert group.barred == {SNAP: "dsa-snap, linkage.use_cases"}
    assert SNAP in group_of(("children_served",), (), gates).feeds
