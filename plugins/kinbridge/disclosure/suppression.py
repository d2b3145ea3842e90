"""Which cells are withheld: small ones, and as few others as keep the small ones from being derived.

Input: a table (counts and relations). Primary suppression hides every published count of 1 to `minimum` - 1.
Complementary suppression then mends every relation from which a hidden count could be reckoned, until none is left; the
audit proves the outcome, and what it finds is hidden more. Zeros are always shown. Heuristic in the manner of
hierarchical cell suppression (Fischetti and Salazar 2001 give the exact problem, which is NP-hard): members before
totals, small before large, cells that open no new hole before those that do. Pure; deterministic for equal input.
Fails closed: KB-M02 when no set of cells can be proven safe. Never writes or logs a count.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from kinbridge.disclosure.audit import audit, residuals, unknown_totals
from kinbridge.disclosure.table import MINIMUM_CELL, Bools, Table, Violation
from kinbridge.errors import KinbridgeError


@dataclass(frozen=True)
class Suppression:
    """The cells to withhold, and figures about it: how many are small themselves, how many others protect them."""

    hidden: frozenset[Hashable]
    published: int
    primary: int
    complementary: int

    @property
    def share(self) -> float:
        """Withheld cells as a share of the published ones that are not zero (0 when there are none)."""
        return (self.primary + self.complementary) / self.published if self.published else 0.0


def suppress(table: Table, minimum: int = MINIMUM_CELL) -> Suppression:
    """Choose the cells to withhold so that nobody can show that any count lies in 1 to `minimum` - 1.

    Raises KB-M02 when the audit still finds a way after everything that could be hidden is hidden.
    """
    primary = table.sensitive(minimum) & table.is_published
    work = _Work(table, minimum, primary.copy())
    proven: Bools = np.zeros(len(table.ids), dtype=bool)
    work.mend()
    while violations := audit(table, work.hidden, minimum, proven):
        # Each round hides at least one more cell, so this ends.
        before = int(work.hidden.sum())
        for violation in violations:
            work.loosen(violation)
        work.mend()
        if int(work.hidden.sum()) == before:
            raise KinbridgeError("KB-M02", cells=len(violations))
    nonzero = table.is_published & (table.counts > 0)
    return Suppression(
        hidden=frozenset(table.ids[at] for at in np.flatnonzero(work.hidden).tolist()),
        published=int(nonzero.sum()),
        primary=int(primary.sum()),
        complementary=int(work.hidden.sum() - primary.sum()),
    )


class _Work:
    """The state of one suppression: what is hidden, and which unpublished cells the shown ones give away anyway."""

    def __init__(self, table: Table, minimum: int, hidden: Bools) -> None:
        self.table = table
        self.minimum = minimum
        self.hidden = hidden
        self.unknown: Bools = hidden | ~table.is_published
        self.sensitive = table.sensitive(minimum)
        self.counts: list[int] = table.counts.tolist()
        self.published: list[bool] = table.is_published.tolist()
        # A derived unpublished cell is known through one relation; hiding a cell of that relation takes it back.
        self.derived_by: dict[int, int] = {}
        self.derives: dict[int, int] = {}

    def mend(self) -> None:
        """Hide more until no single relation gives a sensitive or a protecting cell away."""
        while True:
            self._derive()
            broken = [relation for relation in self._suspects() if self._is_broken(relation)]
            # Relations with members left to hide come first: mending them often mends those that have only a total.
            easy = [relation for relation in broken if self._shown(self.table.parts_of[relation][1])]
            if sum(map(self._mend_one, easy)) == 0 and not any(map(self._mend_one, broken)):
                return

    def _mend_one(self, relation: int) -> bool:
        """Hide cells until the relation is mended or nothing is left to hide; returns whether any was hidden."""
        progress = False
        while self._is_broken(relation) and self._hide_one_of(relation):
            progress = True
        return progress

    def loosen(self, violation: Violation) -> None:
        """Hide one more cell for what the audit found: of the relations that bind, else of the cell's, else around."""
        if violation.kind == "shown":
            self._hide(violation.cell)
            return
        reach = list(violation.relations)
        seen = set(reach)
        while reach:
            if self._hide_cheapest(self._candidates(reach)):
                return
            # Nothing left to hide here: look one relation further.
            cells = {cell for relation in reach for cell in self._cells(relation)}
            reach = sorted({r for cell in cells for r in self.table.relations_of[cell]} - seen)
            seen |= set(reach)

    # What follows works on one relation: its total and its members, by position.

    def _cells(self, relation: int) -> list[int]:
        total, members = self.table.parts_of[relation]
        return [total, *members]

    def _derive(self) -> None:
        """Mark as known every harmless unpublished cell that is the only unknown of a relation."""
        entries = self.table.entries
        rows = len(self.table.relations)
        while True:
            chosen = self.unknown[entries.cell]
            unknowns = np.bincount(entries.relation[chosen], minlength=rows)
            lone = chosen & (unknowns[entries.relation] == 1) & ~self.table.is_published[entries.cell]
            lone &= ~self.sensitive[entries.cell]
            if not lone.any():
                return
            pairs = zip(entries.relation[lone].tolist(), entries.cell[lone].tolist(), strict=True)
            for relation, cell in pairs:
                if self.unknown[cell]:
                    self.unknown[cell] = False
                    self.derived_by[cell] = relation
                    self.derives[relation] = cell

    def _suspects(self) -> list[int]:
        """Relations that may be broken, by one sweep over all; `_is_broken` decides."""
        entries = self.table.entries
        rows = len(self.table.relations)
        sums, _ = residuals(self.table, self.unknown)
        unknowns = np.bincount(entries.relation[self.unknown[entries.cell]], minlength=rows)
        small: Bools = np.zeros(rows, dtype=bool)
        at_risk = self.unknown & self.sensitive
        small[entries.relation[at_risk[entries.cell]]] = True
        tight = small & (sums < self.minimum + unknowns) & ~unknown_totals(self.table, self.unknown)
        broken: list[int] = np.flatnonzero((unknowns == 1) | tight).tolist()
        return broken

    def _is_broken(self, relation: int) -> bool:
        """Does this relation, with what else is known, give away a hidden cell or a small sum?"""
        total, members = self.table.parts_of[relation]
        unknown = [m for m in members if self.unknown[m]]
        if self.unknown[total]:
            return not unknown and self._matters(total)
        if not unknown:
            return False
        if len(unknown) == 1:
            return self._matters(unknown[0])
        if any(self.table.is_slack[m] for m in unknown) or not any(self.sensitive[m] for m in unknown):
            return False
        rest = sum(self.counts[m] for m in unknown)
        floors = sum(self.published[m] for m in unknown)
        exposed = any(self.sensitive[m] and self.published[m] for m in unknown)
        return rest < self.minimum + (floors - 1 if exposed else 0)

    def _matters(self, cell: int) -> bool:
        """Must this cell not be known? Sensitive ones, and published ones that were hidden to protect others."""
        return bool(self.published[cell] or self.sensitive[cell])

    def _hide_one_of(self, relation: int) -> bool:
        """Hide the cheapest member that helps; else what makes an unpublished member known; else the total."""
        total, members = self.table.parts_of[relation]
        return (
            self._hide_cheapest(self._shown(members), relation)
            or self._hide_cheapest(self._candidates(self._sources(members)))
            or self._hide_cheapest(self._shown([total]))
            or self._hide_cheapest(self._candidates(self._sources([total])))
        )

    def _sources(self, cells: Iterable[int]) -> list[int]:
        """The relations by which these unpublished cells are known, and the cells of those, nearest first."""
        found: list[int] = []
        reach = list(cells)
        while reach:
            source = self.derived_by.get(reach.pop(0))
            if source is not None and source not in found:
                found.append(source)
                reach += self._cells(source)
        return found

    def _candidates(self, relations: Iterable[int]) -> list[int]:
        """What is left to hide in these relations: members, or totals if there are none."""
        parts = [self.table.parts_of[relation] for relation in relations]
        members = self._shown(dict.fromkeys(m for _, ms in parts for m in ms))
        return members or self._shown(dict.fromkeys(total for total, _ in parts))

    def _shown(self, cells: Iterable[int]) -> list[int]:
        return [c for c in cells if self.published[c] and not self.hidden[c] and self.counts[c] > 0]

    def _hide_cheapest(self, cells: list[int], relation: int | None = None) -> bool:
        if not cells:
            return False
        if relation is not None and len(cells) > 1:
            # One cell that mends the relation by itself is better than several that do not; else the largest.
            enough = [c for c in cells if self._would_mend(relation, c)]
            if not enough:
                self._hide(max(cells, key=lambda c: (self.counts[c], -c)))
                return True
            cells = enough
        self._hide(min(cells, key=lambda c: (self._holes(c), self.counts[c], c)))
        return True

    def _would_mend(self, relation: int, cell: int) -> bool:
        self.unknown[cell] = True
        mended = not self._is_broken(relation)
        self.unknown[cell] = False
        return mended

    def _holes(self, cell: int) -> int:
        """How many relations would be broken anew if this cell were hidden."""
        around = self.table.relations_of[cell]
        before = sum(self._is_broken(relation) for relation in around)
        self.unknown[cell] = True
        after = sum(self._is_broken(relation) for relation in around)
        self.unknown[cell] = False
        return after - before

    def _hide(self, cell: int) -> None:
        self.hidden[cell] = True
        self._forget(cell)

    def _forget(self, cell: int) -> None:
        """The cell is unknown now, and so is every cell that was derived with its help."""
        reach = [cell]
        while reach:
            at = reach.pop()
            self.unknown[at] = True
            source = self.derived_by.pop(at, None)
            if source is not None:
                self.derives.pop(source, None)
            for relation in self.table.relations_of[at]:
                derived = self.derives.pop(relation, None)
                if derived is not None and derived != at:
                    self.derived_by.pop(derived, None)
                    reach.append(derived)
