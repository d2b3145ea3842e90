"""The attacker's arithmetic: can anyone show that a hidden count lies in 1 to minimum - 1?

Input: a table and which of its cells are hidden. The attacker knows every shown cell, every relation, that counts are
whole and not negative, and that a zero is never hidden (so a hidden published cell is at least 1). A sensitive cell is
safe when there is a *witness*: whole numbers for all hidden cells that obey all relations and in which the cell is
`minimum` or more (for an unpublished cell zero will do as well, since nobody can then tell that there is anyone).
Witnesses are sought by linear programming (HiGHS), component by component; a bound of the relaxation that stays below
`minimum` proves a violation, a vertex that is not whole is handed to the integer solver, and what stays undecided
counts as a violation. Every witness is checked in integer arithmetic. Pure; never writes or logs a count.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.csgraph import connected_components

from kinbridge.disclosure.table import MINIMUM_CELL, Bools, Ints, Table, Violation

_TOLERANCE = 1e-6
_NODES_PER_PROOF = 1000
_GAP = 0.2


def audit(table: Table, hidden: Bools, minimum: int = MINIMUM_CELL, proven: Bools | None = None) -> list[Violation]:
    """All ways to show that a count of the table lies in 1 to `minimum` - 1, given which cells are hidden.

    `hidden` has one flag a cell; unpublished cells count as hidden whatever it says. `proven` (changed in place) marks
    cells that an earlier audit of the same table found safe; they stay safe while only more is hidden.
    An empty list means that every sensitive cell has a witness.
    """
    unknown = hidden | ~table.is_published
    sensitive = table.sensitive(minimum)
    proven = np.zeros(len(table.ids), dtype=bool) if proven is None else proven
    violations = [
        Violation("shown", cell, tuple(table.relations_of[cell]))
        for cell in np.flatnonzero(sensitive & ~unknown).tolist()
    ]
    violations += _small_residuals(table, unknown, minimum)
    for part in _components(table, unknown, sensitive & unknown & ~proven, proven):
        violations += _unproven(part, sensitive, minimum, proven)
    return violations


def residuals(table: Table, unknown: Bools) -> tuple[Ints, Ints]:
    """Of each relation: the sum of its unknown members (slack apart) and how many they are."""
    entries = table.entries
    chosen = ~entries.is_total & unknown[entries.cell] & ~table.is_slack[entries.cell]
    rows = len(table.relations)
    sums: Ints = np.zeros(rows, dtype=np.int64)
    np.add.at(sums, entries.relation[chosen], table.counts[entries.cell[chosen]])
    return sums, np.bincount(entries.relation[chosen], minlength=rows)


def unknown_totals(table: Table, unknown: Bools) -> Bools:
    """Of each relation: is its total unknown?"""
    return unknown[table.entries.cell[table.entries.is_total]]


def _small_residuals(table: Table, unknown: Bools, minimum: int) -> list[Violation]:
    sums, _ = residuals(table, unknown)
    small = (sums > 0) & (sums < minimum) & ~unknown_totals(table, unknown)
    # With slack among the unknown members the residual is not theirs alone: the bounds decide about those.
    entries = table.entries
    with_slack: Bools = np.zeros(len(sums), dtype=bool)
    with_slack[entries.relation[table.is_slack[entries.cell]]] = True
    return [Violation("residual", -1, (at,)) for at in np.flatnonzero(small & ~with_slack).tolist()]


@dataclass
class _Component:
    """The unknown cells that hang together, their equations `matrix @ x = shown` and the least each may be."""

    cells: Ints
    relations: Ints
    matrix: csr_array
    shown: Ints
    least: Ints
    most: int


def _components(table: Table, unknown: Bools, wanted: Bools, proven: Bools) -> list[_Component]:
    """The connected components of the unknown cells that hold a wanted one; a cell tied to nothing is proven."""
    entries = table.entries
    shape = (len(table.relations), len(table.ids))
    sign = np.where(entries.is_total, -1, 1)
    whole = coo_array((sign, (entries.relation, entries.cell)), shape=shape).tocsr()
    at = np.flatnonzero(unknown)
    of_unknown = whole[:, at].tocsc()
    shown = -(whole[:, np.flatnonzero(~unknown)] @ table.counts[~unknown])
    label = _labels(of_unknown)
    members = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[members], np.arange(label.max() + 2)) if len(label) else np.zeros(1, int)
    found = []
    for first, last in pairwise(starts.tolist()):
        inside = members[first:last]
        cells = at[inside]
        if not wanted[cells].any():
            continue
        columns = of_unknown[:, inside]
        relations = np.unique(columns.nonzero()[0])
        if not len(relations):
            # Tied to nothing: it may be any number.
            proven[cells] = True
            continue
        found.append(
            _Component(
                cells=cells,
                relations=relations,
                matrix=columns.tocsr()[relations],
                shown=shown[relations],
                least=table.is_published[cells].astype(np.int64),
                most=4 * int(table.counts.max()) + 100,
            )
        )
    return found


def _labels(matrix: csc_array) -> Ints:
    """For each column the number of its connected component; columns that share a row hang together."""
    rows, columns = matrix.nonzero()
    size = sum(matrix.shape)
    graph = coo_array((np.ones(len(rows)), (rows, columns + matrix.shape[0])), shape=(size, size))
    labels: Ints = connected_components(graph, directed=False)[1][matrix.shape[0] :]
    return labels


def _unproven(part: _Component, sensitive: Bools, minimum: int, proven: Bools) -> list[Violation]:
    """The violations of one component; marks what it proves."""
    open_ = sensitive[part.cells] & ~proven[part.cells]
    may_be_zero = part.least == 0

    def learn(witness: Ints) -> bool:
        safe = open_ & ((witness >= minimum) | (may_be_zero & (witness == 0)))
        open_[safe] = False
        proven[part.cells[safe]] = True
        return bool(safe.any())

    push = np.where(may_be_zero, 1, -1)
    while open_.any():
        # One program pushes all open cells towards safety together, for as long as that proves something.
        most = np.where(open_ & ~may_be_zero, minimum, part.most)
        witness = _witness(part, push * open_, part.least, most)
        if witness is None or not learn(witness):
            break
    violations = []
    for cell in np.flatnonzero(open_).tolist():
        if open_[cell] and not _prove_one(part, cell, push * open_, minimum, learn):
            binding = part.relations[_binding(part, cell)]
            violations.append(Violation("bounded", int(part.cells[cell]), tuple(binding.tolist())))
    return violations


def _prove_one(part: _Component, cell: int, push: Ints, minimum: int, learn: Any) -> bool:
    """Seek a witness for one cell, and let it prove as many others as it happens to."""
    for goal in (minimum,) if part.least[cell] else (0, minimum):
        least, most = part.least.copy(), np.full(len(part.cells), part.most)
        if goal:
            least[cell] = goal
        else:
            most[cell] = 0
        witness = _witness(part, push, least, most)
        if witness is not None:
            learn(witness)
            return True
    return False


def _binding(part: _Component, cell: int) -> Ints:
    """The component's rows that keep the cell from growing: those with a price at its maximum, else all it is in."""
    direction = np.zeros(len(part.cells))
    direction[cell] = -1
    bounds = np.column_stack([part.least, np.full(len(part.cells), part.most)])
    solution = linprog(direction, A_eq=part.matrix, b_eq=part.shown, bounds=bounds)
    if solution.status == 0:
        priced: Ints = np.flatnonzero(np.abs(solution.eqlin.marginals) > _TOLERANCE)
        if len(priced):
            return priced
    own: Ints = np.unique(part.matrix[:, [cell]].nonzero()[0])
    return own


def _witness(part: _Component, push: Ints, least: Ints, most: Ints) -> Ints | None:
    """Whole numbers within these bounds that obey all relations, pushed the given way; None if none were found.

    The linear program settles most cases: without a solution there is none in whole numbers either.
    """
    bounds = np.column_stack([least, most])
    relaxed = linprog(push, A_eq=part.matrix, b_eq=part.shown, bounds=bounds)
    if relaxed.status == 2:
        return None
    witness = _whole(part, relaxed.x)
    if witness is not None:
        return witness
    solution = milp(
        push,
        integrality=np.ones(len(push)),
        bounds=Bounds(least, most),
        constraints=LinearConstraint(part.matrix, part.shown, part.shown),
        # Any witness will do: a good one proves more cells at once, the best one is not worth the wait.
        # The limit is one of work, not of time, so that a busy machine withholds the same cells.
        options={"node_limit": _NODES_PER_PROOF, "mip_rel_gap": _GAP},
    )
    return _whole(part, solution.x)


def _whole(part: _Component, x: Any) -> Ints | None:
    """The solution in whole numbers, if it is one to the last unit."""
    if x is None:
        return None
    witness = np.rint(x).astype(np.int64)
    if (np.abs(x - witness) > 1e-4).any() or (witness < part.least).any():
        return None
    return witness if (part.matrix @ witness == part.shown).all() else None
