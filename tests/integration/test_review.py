"""The queue of pairs in a real warehouse: its order, decisions, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.gates import open_gates
from tests.support.linked import Record
from tests.support.review import FEEDS, Pairs, decided, queue, two

from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import link_people
from kinbridge.review.look import look_at
from kinbridge.review.queue import after
from kinbridge.review.verdict import decide, history, withdraw
from kinbridge.warehouse.connection import transaction


@pytest.fixture
def pairs(warehouse: Any) -> Iterator[Pairs]:
    yield (pairs := Pairs(warehouse))
    pairs.empty()


def test_what_is_worth_most_comes_first(pairs: Pairs) -> None:
    for partner in ("medicaid", "snap"):
        pairs.loaded(partner)
    sure = two(pairs, 1, 1.5, levels=(1, 1))
    even = two(pairs, 2, 0.0, levels=(1, 2))
    heavy = two(pairs, 3, 0.0, levels=(1, 3))
    twins = two(pairs, 4, 6.0, levels=(1, 4), apart="twins")
    outweighed = two(pairs, 5, 6.0, levels=(1, 5))
    pairs.person("medicaid", "A30", with_=heavy[0])
    pairs.person("snap", "B30", with_=heavy[1])
    for who in heavy:
        pairs.served(who, "snap" if who[0] == "snap" else "medicaid")
    below = two(pairs, 6, -4.0)
    assert pairs.fill() == 5
    found = queue(pairs.desk())
    order = [one.pair_id for one in found]
    assert order == [pairs.number(*pair) for pair in (heavy, even, sure, outweighed, twins)]
    assert not pairs.query("SELECT 1 FROM identity.review_pair WHERE source_person_id_left = %s", (below[0][1],))
    first = found[0]
    # Two records on each side; served by medicaid alone and by snap alone: any program falls by one, the two
    # combinations fall, and that of both rises.
    assert (first.records, first.figures, first.partners) == (2, 4, True)
    # 1 bit × (1 + 0.5 × log2(2) + 0.25 × 4 + 0.5) × (1 + 0.25 × log2(1 + 1))
    assert first.worth == pytest.approx(1.0 * 3.0 * 1.25)
    assert found[1].worth == pytest.approx(1.0 * 1.5 * 1.25)
    assert found[3].worth == pytest.approx(0.5 * 1.5 * 1.25)
    assert found[4].worth == pytest.approx(0.1 * 1.5 * 1.25)


def test_a_pair_teaches_more_where_many_wait_alike_and_less_once_such_were_decided(pairs: Pairs) -> None:
    alike = [two(pairs, number, 0.0, levels=(1, 1)) for number in range(3)]
    alone = two(pairs, 9, 0.0, levels=(2, 2))
    pairs.fill()
    desk = pairs.desk()
    found = {one.pair_id: one for one in queue(desk)}
    assert found[pairs.number(*alike[0])].worth == pytest.approx(1.5 * (1 + 0.25 * 2))
    assert found[pairs.number(*alone)].worth == pytest.approx(1.5 * 1.25)
    decided(desk, pairs.number(*alike[0]), "same")
    found = {one.pair_id: one for one in queue(desk)}
    # Two wait by now, and one was decided.
    assert found[pairs.number(*alike[1])].worth == pytest.approx(1.5 * (1 + 0.25 * 1.584962500721156 / 2))


def test_a_decision_keeps_what_was_seen_and_leaves_the_queue(pairs: Pairs) -> None:
    one, other = two(pairs, 1, 1.0, levels=(2, 1, 1))
    pairs.fill()
    desk = pairs.desk()
    number = pairs.number(one, other)
    look = look_at(desk, number)
    decision = decide(desk, number, look.look_id, "different", desk.terms.reasons["different"][0])
    [(seen, by)] = pairs.query("SELECT seen, decided_by FROM identity.pair_decision")
    assert by == "wetherby"
    assert seen["weight"] == 1.0
    assert seen["look"] == look.look_id
    assert [entry["name"] for entry in seen["comparisons"]] == ["first_name", "middle_name", "last_name"]
    assert "Ostrander" not in str(seen)
    assert queue(desk) == []
    withdraw(desk, decision, "the wrong pair")
    assert [entry.pair_id for entry in queue(desk)] == [number]
    [past] = history(desk)
    assert (past.verdict, past.withdrawn, past.stands) == ("different", True, False)


def test_the_queue_follows_the_links_and_keeps_decided_pairs(pairs: Pairs) -> None:
    gone, kept = two(pairs, 1, 0.5), two(pairs, 2, 0.5)
    pairs.fill()
    desk = pairs.desk()
    number = pairs.number(*kept)
    decided(desk, number, "same")
    for pair in (gone, kept):
        pairs.join(*pair)
    assert pairs.fill() == 0
    assert pairs.query("SELECT pair_id, waiting FROM identity.review_pair") == [(number, False)]
    assert [one.pair_id for one in history(desk)] == [number]


def test_the_next_pair_follows_in_the_order_of_the_queue(pairs: Pairs) -> None:
    made = [two(pairs, number, weight, levels=(number + 1,)) for number, weight in enumerate((0.0, 1.0, 1.5))]
    pairs.fill()
    desk = pairs.desk()
    first, middle, last = (pairs.number(*pair) for pair in made)
    with transaction(desk.dsn) as connection:
        assert after(connection, desk) == first
        assert after(connection, desk, first) == middle
        assert after(connection, desk, last) is None
        # After one that was just decided, the first again.
        assert after(connection, desk, 999) == first


def test_linkage_fills_the_queue_and_obeys_what_is_decided(pairs: Pairs) -> None:
    record = Record(pairs.warehouse)
    for index, family in enumerate(("Abernathy", "Brzezinski", "Castellano", "Delacroix", "Esterhazy", "Hartwell")):
        for partner in ("medicaid", "snap"):
            more = {"sex": "female", "phone": f"541555010{index}", "feed": FEEDS[partner]}
            record.person(partner, f"{partner}-{index}", f"Marigold{index}", family, f"2021-0{index + 1}-15", **more)
    twin = {"sex": "female", "phone": "5415550199"}
    record.person("medicaid", "M-twin", "Rosalind", "Featherstone", "2021-09-09", feed=FEEDS["medicaid"], **twin)
    record.person("snap", "S-twin", "Beatrix", "Featherstone", "2021-09-09", feed=FEEDS["snap"], **twin)
    gates = open_gates(set(FEEDS.values()))
    link_people(pairs.warehouse.linkage, read_model(), gates)
    desk = pairs.desk()
    one, other = ("medicaid", "M-twin"), ("snap", "S-twin")
    [found] = [waits for waits in queue(desk) if waits.pair_id == pairs.number(one, other)]
    assert found.apart == "twins"
    look = look_at(desk, found.pair_id)
    told = {entry.name: entry.label for entry in look.case.comparisons}
    assert (told["first_name"], told["last_name"], told["birth_date"]) == ("different", "equal", "equal")
    whole = look.case.prior + sum(entry.bits for entry in look.case.comparisons)
    assert look.case.weight == pytest.approx(whole, abs=0.01)
    assert look.case.model == read_model().title
    decide(desk, found.pair_id, look.look_id, "same", "The partner was asked, and knows one child")
    link_people(pairs.warehouse.linkage, read_model(), gates)
    [(persons,)] = pairs.query(
        "SELECT count(DISTINCT person_id) FROM identity.person_link WHERE source_person_id IN ('M-twin', 'S-twin')"
    )
    assert persons == 1
    assert found.pair_id not in {waits.pair_id for waits in queue(desk)}
    assert [(past.pair_id, past.verdict) for past in history(desk)] == [(found.pair_id, "same")]
