"""The orders of demands: laws of a lattice, and that one more clause never loosens anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinbridge.law.demand import LADDERS, LARGER_IS_STRICTER, ROLES, SMALLER_IS_STRICTER, Kind, Value
from kinbridge.rule.meet import at_least_as_strict, meet
from kinbridge.rule.model import Demand, Source, effective

FEW = settings(max_examples=40, deadline=None)


def values(kind: Kind) -> st.SearchStrategy[Value]:
    if kind in LADDERS:
        return st.sampled_from(LADDERS[kind])
    if kind in LARGER_IS_STRICTER | SMALLER_IS_STRICTER:
        return st.integers(1, 200)
    return st.frozensets(st.sampled_from(ROLES))


def demand(kind: Kind, value: Value, number: int) -> Demand:
    return Demand(kind, value, Source("law", "a law", f"clause {number}", "1 CFR 1", Path("a.yaml"), number))


KINDS = st.sampled_from(list(Kind))
DEMANDS = st.lists(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), values(kind))), min_size=1, max_size=12).map(
    lambda pairs: [demand(kind, value, number) for number, (kind, value) in enumerate(pairs)]
)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_meet_is_commutative_associative_and_idempotent(kind: Kind) -> None:
    @given(values(kind), values(kind), values(kind))
    @FEW
    def holds(a: Value, b: Value, c: Value) -> None:
        assert meet(kind, [a, b]) == meet(kind, [b, a])
        assert meet(kind, [meet(kind, [a, b]), c]) == meet(kind, [a, meet(kind, [b, c])])
        assert meet(kind, [a, a]) == a
        assert at_least_as_strict(kind, meet(kind, [a, b]), a)

    holds()


@given(DEMANDS, DEMANDS)
@FEW
def test_one_more_clause_never_loosens_anything(some: list[Demand], more: list[Demand]) -> None:
    before, after = effective(some), effective([*some, *more])
    for kind, outcome in before.outcomes.items():
        assert at_least_as_strict(kind, after.outcomes[kind].value, outcome.value)


@given(DEMANDS, st.randoms())
@FEW
def test_the_order_in_which_clauses_are_read_does_not_matter(some: list[Demand], chance: object) -> None:
    shuffled = list(some)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert effective(shuffled) == effective([*some, *some])


@given(DEMANDS)
@FEW
def test_every_demand_has_won_or_lost_and_those_that_won_make_the_value(some: list[Demand]) -> None:
    for kind, outcome in effective(some).outcomes.items():
        assert {*outcome.won, *outcome.lost} == {one for one in some if one.kind is kind}
        assert meet(kind, [one.value for one in outcome.won]) == outcome.value
        for lost in outcome.lost:
            assert any(at_least_as_strict(kind, one.value, lost.value) for one in outcome.won)


@pytest.mark.parametrize(
    ("kind", "strict", "loose"),
    [
        (Kind.MINIMUM_CELL, 20, 11),
        (Kind.GEOGRAPHY, "zip3", "county"),
        (Kind.GEOGRAPHY, "county", "zip5"),
        (Kind.DATES, "quarter", "month"),
        (Kind.AGE_TOP_CODE, 85, 89),
        (Kind.CONSENT, "written", "opt_in"),
        (Kind.CONSENT, "attested", "opt_out"),
        (Kind.REDISCLOSURE, "with_consent", "named_recipients"),
        (Kind.RETENTION_MONTHS, 60, 84),
        (Kind.LINKAGE, "forbidden", "with_agreement"),
        (Kind.DIRECT_IDENTIFIERS, "removed", "allowed"),
        (Kind.RECIPIENTS, frozenset({"contributor"}), frozenset({"contributor", "public"})),
        (Kind.NOTICE, frozenset({"a", "b"}), frozenset({"a"})),
    ],
)
def test_which_of_two_is_stricter(kind: Kind, strict: Value, loose: Value) -> None:
    rule = effective([demand(kind, loose, 1), demand(kind, strict, 2)])
    assert rule.value(kind) == strict
    assert [source.clause for source in rule.won(kind)] == ["clause 2"]
    assert [lost.source.clause for lost in rule.outcomes[kind].lost] == ["clause 1"]


def test_two_sets_of_which_neither_is_within_the_other_both_win() -> None:
    first, second = frozenset({"contributor", "public"}), frozenset({"contributor", "intermediary"})
    rule = effective([demand(Kind.RECIPIENTS, first, 1), demand(Kind.RECIPIENTS, second, 2)])
    assert rule.recipients == {"contributor"}
    assert len(rule.won(Kind.RECIPIENTS)) == 2


def test_values_of_another_kind_have_no_order() -> None:
    with pytest.raises(TypeError):
        meet(Kind.GEOGRAPHY, ["state", 3])


def test_where_nothing_is_demanded_the_loosest_holds() -> None:
    rule = effective([])
    assert (rule.minimum_cell, rule.geography, rule.dates, rule.consent) == (1, "exact", "exact", "not_required")
    assert (rule.recipients, rule.named_recipients, rule.retention_months, rule.age_top_code) == (None,) * 4
    assert (rule.redisclosure, rule.linkage, rule.notice) == ("allowed", "allowed", frozenset())
    assert rule.won(Kind.CONSENT) == ()
