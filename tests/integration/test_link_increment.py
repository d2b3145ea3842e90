"""Linking what has changed comes to the same as linking everything: any deliveries and decisions, in any order and
split.

Small blocks and a number that is nobody's from the second birth date on make what seldom happens in large data happen
here all the time: keys that become crowded and are so no more, numbers that turn out to be shared, families that
change.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.gates import open_gates
from tests.support.linked import Record, people, state

from kinbridge.errors import KinbridgeError
from kinbridge.linkage import run as linkage_run
from kinbridge.linkage.decision import VERDICTS, pair_of, record_decision, withdraw_decision
from kinbridge.linkage.keys import Block
from kinbridge.linkage.ledger.adopted import adopt, adopted_model, read_frequencies, store_frequencies, store_trained
from kinbridge.linkage.model import Model, read_model
from kinbridge.linkage.run import RunSummary, link_people
from kinbridge.linkage.trained import TrainedModel, model_digest
from kinbridge.warehouse.connection import transaction

PARTNERS = ("home_visiting", "medicaid", "snap")
GATES = open_gates({f"{partner}/people_v1" for partner in PARTNERS})
# Few enough that records meet, and alike enough that some are one person, some may be, and some contradict.
LAST = ("Abernathy", "Abernethy", "Castellano")
FIRST = ("Olivia", "Livia", "Emma", "Noah")
BORN = (date(2019, 3, 4), date(2019, 4, 3), date(1990, 4, 3))
SSN = (None, "412-33-1001", "412-33-1002")
HOMES = (None, "12 Larch Street", "9 Alder Street")
FAMILIES = (None, "F1", "F2")
PEOPLE = 4


@dataclass(frozen=True)
class Trained:
    """A trained model that every warehouse of this module scores with."""

    model: Model
    trained: TrainedModel
    frequencies: Any


@pytest.fixture(autouse=True)
def only_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In small data much changes at once; linking everything instead is what this module compares with."""
    monkeypatch.setattr(linkage_run, "MUCH", 100)


@pytest.fixture(scope="module")
def trained(warehouse: Any) -> Trained:
    """Learnt from forty people whom two partners know."""
    chance = random.Random(3)
    record = Record(warehouse)
    for number in range(40):
        said = (
            chance.choice(FIRST),
            chance.choice(LAST),
            date(2015 + chance.randrange(8), 1 + chance.randrange(12), 9),
        )
        for partner in PARTNERS:
            record.person(
                partner, f"{number}", *said, sex=chance.choice(("Male", "Female")), ssn=f"512-{number + 10}-4410"
            )
            record.address(partner, f"{number}", f"{chance.randrange(90)} Elm Street")
    given = read_model()
    model = replace(given, limits={**given.limits, "ssn_birth_dates": 1})
    link_people(warehouse.linkage, model, GATES)
    with transaction(warehouse.linkage) as connection, connection.cursor() as cursor:
        adopted = adopted_model(cursor, linkage_run.with_partner_habits(model), _digest(model))
        assert adopted is not None
        frequencies = read_frequencies(cursor, adopted.training_id)
    blocks = tuple(
        Block(block.columns, 3 if number % 2 else block.size) for number, block in enumerate(adopted.trained.blocks)
    )
    return Trained(model, replace(adopted.trained, blocks=blocks), frequencies)


def _digest(model: Model) -> str:
    return model_digest(linkage_run.with_partner_habits(model))


class Site:
    """A warehouse that scores with the trained model, its partners, and its steward."""

    def __init__(self, warehouse: Any, trained: Trained) -> None:
        self.warehouse, self.model = warehouse, trained.model
        self.record = Record(warehouse)
        self.decisions: list[int] = []
        with transaction(warehouse.linkage) as connection, connection.cursor() as cursor:
            number = store_trained(cursor, trained.trained, learnt_by="command").training_id
            store_frequencies(cursor, number, trained.frequencies)
            adopt(cursor, number, by="test", reason="test")

    def put(self, partner: str, number: int, said: tuple[int, ...]) -> None:
        """The partner says something else of its person, or speaks of it for the first time."""
        first, last, born, ssn, home, family = said
        self.record.close(partner, str(number))
        more = {"ssn": SSN[ssn], "sex": ("Male", "Female")[number % 2]}
        self.record.person(partner, str(number), FIRST[first], LAST[last], BORN[born], **more)
        if HOMES[home]:
            self.record.address(partner, str(number), str(HOMES[home]))
        if FAMILIES[family]:
            self.record.family(partner, str(number), str(FAMILIES[family]))

    def decide(self, one: tuple[str, str], two: tuple[str, str], verdict: str, by: str = "R. Keller") -> bool:
        """Whether linkage has met both, so that the decision was taken down."""
        try:
            with transaction(self.warehouse.steward) as connection:
                self.decisions.append(record_decision(connection, pair_of(one, two), verdict, "seen", by))
        except KinbridgeError:
            return False
        return True

    def withdraw(self) -> None:
        if self.decisions:
            with transaction(self.warehouse.steward) as connection:
                withdraw_decision(connection, self.decisions.pop(), "wrong", "R. Keller")

    def link(self, *, anew: bool = False) -> RunSummary:
        return link_people(self.warehouse.linkage, self.model, GATES, anew=anew)


said = st.tuples(*(st.integers(0, len(values) - 1) for values in (FIRST, LAST, BORN, SSN, HOMES, FAMILIES)))
someone = st.tuples(st.sampled_from(PARTNERS), st.integers(0, PEOPLE - 1))
put = st.tuples(st.just("put"), someone, said)
actions = st.one_of(
    put,
    put,
    st.tuples(st.just("gone"), someone),
    st.tuples(st.just("decide"), someone, someone, st.sampled_from(VERDICTS)),
    st.tuples(st.just("withdraw")),
)
deliveries = st.lists(st.lists(actions, min_size=1, max_size=6), min_size=2, max_size=4)


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(start=st.lists(put, min_size=6, max_size=14), rounds=deliveries)
def test_any_deliveries_come_to_the_same_as_linking_everything(
    new_warehouse: Callable[[], Any], trained: Trained, start: list[Any], rounds: list[list[Any]]
) -> None:
    site = Site(new_warehouse(), trained)
    last = None
    for number, round_ in enumerate([start, *rounds]):
        # Mostly other deliveries say it; where rows come to one that was seen before, everybody is looked at.
        if number % 3:
            site.record.arrive()
        for kind, *facts in round_:
            if kind == "put":
                site.put(*facts[0], facts[1])
            elif kind == "gone":
                site.record.close(facts[0][0], str(facts[0][1]))
            elif kind == "decide" and facts[0] != facts[1]:
                one, two = ((partner, str(person)) for partner, person in facts[:2])
                site.decide(one, two, facts[2])
            elif kind == "withdraw":
                site.withdraw()
        last = site.link()
        assert last.scope == ("changes" if number else "whole")
    found = state(site.warehouse)
    assert last
    assert site.link(anew=True).people == last.people
    expected = state(site.warehouse)
    for what, rows in expected.items():
        assert found[what] == rows, what


@pytest.fixture(scope="module")
def families(new_warehouse: Callable[[], Any], trained: Trained) -> Site:
    """Four children whom three partners know alike, at two homes."""
    site = Site(new_warehouse(), trained)
    for number in range(PEOPLE):
        for partner in PARTNERS:
            site.put(partner, number, (number, 2 * (number % 2), 0, 0, 1 + number % 2, 0))
    site.link()
    return site


def test_split_that_a_person_made_never_merges_again(families: Site) -> None:
    """A hundred random runs of deliveries; the records come, change, go and come back, and others stand between
    them."""
    chance = random.Random(17)
    apart = [(("medicaid", "0"), ("snap", "0")), (("medicaid", "1"), ("home_visiting", "1"))]
    assert all(any({f"{p}/{n}" for p, n in pair} <= set(one) for one in people(families.warehouse)) for pair in apart)
    for one, two in apart:
        assert families.decide(one, two, "different")
    for _ in range(100):
        families.record.arrive()
        for _ in range(chance.randrange(1, 4)):
            partner, number = chance.choice(PARTNERS), chance.randrange(PEOPLE)
            if chance.random() < 0.25:
                families.record.close(partner, str(number))
            else:
                slip = chance.random() < 0.3
                families.put(
                    partner, number, (number, 2 * (number % 2) + slip * (1 - number % 2), 0, 0, 1 + number % 2, 0)
                )
        families.link()
        for members in people(families.warehouse):
            assert not any({f"{p}/{n}" for p, n in pair} <= set(members) for pair in apart)
