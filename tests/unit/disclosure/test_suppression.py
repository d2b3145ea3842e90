"""Nobody can show that a count lies in 1 to minimum - 1: worked examples, and brute force over all whole solutions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinbridge.disclosure import suppression
from kinbridge.disclosure.audit import audit
from kinbridge.disclosure.suppression import suppress
from kinbridge.disclosure.table import Relation, Table, Violation
from kinbridge.errors import KinbridgeError

SMALL = 3
"""The minimum cell of the generated tables: small numbers keep the enumeration of all solutions complete and fast."""


def grid(rows: list[list[int]]) -> Table:
    """A two-way table with row totals `(r,)`, column totals `(, c)` and a grand total, all published."""
    height, width = len(rows), len(rows[0])
    counts: dict[object, int] = {(r, c): rows[r][c] for r in range(height) for c in range(width)}
    counts |= {("row", r): sum(rows[r]) for r in range(height)}
    counts |= {("column", c): sum(row[c] for row in rows) for c in range(width)}
    counts["all"] = sum(map(sum, rows))
    relations = [Relation(("row", r), tuple((r, c) for c in range(width))) for r in range(height)]
    relations += [Relation(("column", c), tuple((r, c) for r in range(height))) for c in range(width)]
    relations += [
        Relation("all", tuple(("row", r) for r in range(height))),
        Relation("all", tuple(("column", c) for c in range(width))),
    ]
    return Table(counts, relations)


def flags(table: Table, hidden: set[object] | frozenset[object]) -> npt.NDArray[np.bool_]:
    return np.array([cell in hidden for cell in table.ids])


def test_small_cell_takes_the_smallest_neighbour_with_it() -> None:
    table = Table({"a": 4, "b": 30, "c": 12, "all": 46}, [Relation("all", ("a", "b", "c"))])
    outcome = suppress(table)
    # 46 - 30 = 16 is left for a and c; c can be no less than 1, so a may be as much as 15.
    assert outcome.hidden == {"a", "c"}
    assert (outcome.primary, outcome.complementary, outcome.published) == (1, 1, 4)
    assert outcome.share == 0.5


def test_two_small_cells_whose_sum_is_small_take_a_third() -> None:
    table = Table({"a": 4, "b": 5, "c": 40, "all": 49}, [Relation("all", ("a", "b", "c"))])
    # a and b alone leave 49 - 40 = 9: whoever knows that has a small count of its own.
    assert suppress(table).hidden == {"a", "b", "c"}


def test_total_goes_only_when_no_member_is_left() -> None:
    table = Table({"a": 4, "b": 0, "all": 4}, [Relation("all", ("a", "b"))])
    assert suppress(table).hidden == {"a", "all"}


def test_zero_and_eleven_are_shown() -> None:
    table = Table({"a": 0, "b": 11, "c": 11, "all": 22}, [Relation("all", ("a", "b", "c"))])
    assert suppress(table).hidden == frozenset()


def test_eleven_with_a_companion_that_must_be_one_is_not_enough() -> None:
    # A zero is never hidden, so each of two hidden cells that sum to 11 is 1 to 10, and everybody knows.
    table = Table({"a": 5, "b": 6, "c": 50, "all": 61}, [Relation("all", ("a", "b", "c"))])
    assert suppress(table).hidden == {"a", "b", "c"}
    assert audit(table, flags(table, {"a", "b"}))


def test_two_way_table_closes_a_rectangle() -> None:
    table = grid([[5, 40, 60], [30, 20, 70], [50, 80, 90]])
    outcome = suppress(table)
    assert (0, 0) in outcome.hidden
    assert len(outcome.hidden) == 4
    assert all(isinstance(cell[0], int) for cell in outcome.hidden), "totals stay"  # type: ignore[index]


def test_difference_of_overlapping_groups_is_protected() -> None:
    """100 children are served and 96 of them by Medicaid: the 4 others are nowhere in the tables, but follow."""
    relation = Relation("any", ("medicaid", "not medicaid"))
    table = Table({"any": 100, "medicaid": 96, "not medicaid": 4}, [relation], unpublished=["not medicaid"])
    assert suppress(table).hidden == {"medicaid"}
    assert audit(table, flags(table, set()))[0].kind == "residual"


def test_what_two_relations_say_together_is_found() -> None:
    """No relation by itself gives x away, but first + second - third leaves 2x."""
    counts: dict[object, int] = {"x": 4, "y": 20, "z": 30, "first": 24, "second": 34, "third": 50}
    relations = [Relation("first", ("x", "y")), Relation("second", ("x", "z")), Relation("third", ("y", "z"))]
    table = Table(counts, relations)
    violations = audit(table, flags(table, {"x", "y", "z"}))
    assert Violation("bounded", table.position["x"], (0, 1, 2)) in violations
    outcome = suppress(table)
    assert len(outcome.hidden) > 3
    assert audit(table, flags(table, outcome.hidden)) == []


def test_slack_carries_an_inequality_and_needs_no_protection() -> None:
    # Families never exceed children: 12 children in 9 families, 3 brothers and sisters.
    table = Table(
        {"children": 12, "families": 9, "more": 3}, [Relation("children", ("families", "more"))], slack=["more"]
    )
    assert suppress(table).hidden == {"families"}


@pytest.mark.parametrize(
    ("counts", "relation"),
    [
        ({"a": 1, "all": 2}, Relation("all", ("a",))),
        ({"a": 1, "all": 1}, Relation("all", ("b",))),
        ({"a": 1, "all": 2}, Relation("all", ("a", "a"))),
        ({"a": -1, "all": -1}, Relation("all", ("a",))),
    ],
)
def test_tables_that_do_not_add_up_are_refused(counts: dict[object, int], relation: Relation) -> None:
    with pytest.raises(KinbridgeError, match="KB-M01"):
        Table(counts, [relation])


def test_fails_closed_when_nothing_can_be_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression, "audit", lambda *_: [Violation("bounded", 0, (0,))])
    with pytest.raises(KinbridgeError, match="KB-M02"):
        suppress(Table({"a": 4, "all": 4}, [Relation("all", ("a",))]))


@dataclass(frozen=True)
class Case:
    """A random table in which every cell is a sum of leaves, and the leaves that make it up."""

    table: Table
    leaves: npt.NDArray[np.int64]
    made_of: npt.NDArray[np.int64]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to five leaves, some published, some not, and overlapping totals of which some are published."""
    size = draw(st.integers(2, 5))
    leaves = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    subsets = st.sets(st.integers(0, size - 1), min_size=1, max_size=size)
    groups = draw(st.lists(subsets, min_size=1, max_size=4, unique_by=frozenset))
    hidden_leaves = draw(st.sets(st.integers(0, size - 1)))
    hidden_groups = draw(st.sets(st.integers(0, len(groups) - 1), max_size=1))
    counts: dict[object, int] = {("leaf", at): value for at, value in enumerate(leaves)}
    made_of = [[int(at == other) for other in range(size)] for at in range(size)]
    relations = []
    for number, group in enumerate(groups):
        counts["group", number] = sum(leaves[at] for at in group)
        made_of.append([int(at in group) for at in range(size)])
        relations.append(Relation(("group", number), tuple(("leaf", at) for at in sorted(group))))
        for other in range(number):
            if groups[other] < group:
                # The rest beside a smaller published group is a cell that follows from the two.
                counts["rest", number, other] = sum(leaves[at] for at in group - groups[other])
                made_of.append([int(at in group - groups[other]) for at in range(size)])
                relations.append(Relation(("group", number), (("group", other), ("rest", number, other))))
    unpublished: list[object] = [("leaf", at) for at in hidden_leaves]
    unpublished += [("group", at) for at in hidden_groups]
    unpublished += [cell for cell in counts if cell[0] == "rest"]  # type: ignore[index]
    return Case(Table(counts, relations, unpublished), np.array(leaves), np.array(made_of))


def exposed(case: Case, hidden: npt.NDArray[np.bool_], most: int = 15) -> set[int]:
    """By enumeration of all whole solutions up to `most` a leaf: cells known to lie in 1 to SMALL - 1.

    Hidden published cells are at least 1. No witness needs a leaf above `most`: a leaf that can grow beyond every
    shown total it is in can also stop short of it.
    """
    table = case.table
    unknown = hidden | ~table.is_published
    size = len(case.leaves)
    ranges = [np.arange(most + 1) if unknown[at] else case.leaves[at : at + 1] for at in range(size)]
    solutions = np.stack([axis.ravel() for axis in np.meshgrid(*ranges, indexing="ij")])
    for cell, parts in enumerate(case.made_of):
        values = parts @ solutions
        keep = values >= int(table.is_published[cell]) if unknown[cell] else values == table.counts[cell]
        solutions = solutions[:, keep]
    found = set()
    for cell in np.flatnonzero(table.sensitive(SMALL)).tolist():
        values = case.made_of[cell] @ solutions
        safe = (values >= SMALL) | ((values == 0) & ~table.is_published[cell])
        if not safe.any():
            found.add(cell)
    return found


@settings(max_examples=60, deadline=None)
@given(cases())
def test_nothing_is_exposed_by_brute_force(case: Case) -> None:
    table = case.table
    outcome = suppress(table, SMALL)
    hidden = flags(table, outcome.hidden)
    assert exposed(case, hidden) == set()
    assert suppress(table, SMALL) == outcome, "the same counts give the same hidden cells"
    assert not (hidden & (table.counts == 0)).any(), "a zero is never hidden"
    assert not (hidden & ~table.is_published).any()


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_audit_agrees_with_brute_force(case: Case, data: st.DataObject) -> None:
    """Whatever is hidden: what the audit calls exposed is what the enumeration finds, cell by cell."""
    table = case.table
    may_hide = np.flatnonzero(table.is_published & (table.counts > 0)).tolist()
    chosen = data.draw(st.sets(st.sampled_from(may_hide))) if may_hide else set()
    hidden = np.array([at in chosen for at in range(len(table.ids))])
    found = {violation.cell for violation in audit(table, hidden, SMALL) if violation.kind != "residual"}
    assert found == exposed(case, hidden)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), min_size=4, max_size=4), min_size=2, max_size=5))
def test_two_way_tables_pass_the_audit_at_the_real_minimum(rows: list[list[int]]) -> None:
    table = grid(rows)
    outcome = suppress(table)
    assert audit(table, flags(table, outcome.hidden)) == []


def test_twenty_thousand_cells_take_seconds() -> None:
    random = np.random.default_rng(3)
    values = random.geometric(0.02, size=(400, 50))
    table = grid(values.tolist())
    outcome = suppress(table)
    assert outcome.published > 20_000
    # About 18% of these cells are small; what protects them must not dwarf them.
    assert outcome.complementary < outcome.primary / 5
