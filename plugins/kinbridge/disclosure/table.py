"""Counts that leave together, and what ties them: cells and the sums they must obey.

Input: counts by cell id and additive relations (a total and the members that make it up). Hierarchies may overlap: one
cell may be the total of several relations and a member of others. Pure: nothing is read, written or logged. A count
of this module must never reach a log or a message, since it is not suppressed yet.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kinbridge.errors import KinbridgeError

MINIMUM_CELL = 11
"""The smallest count that may be shown besides zero (the cell size suppression policy of CMS: none of 1 to 10)."""

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Relation:
    """`total` is the sum of `members`, as anyone who reads the tables may reckon."""

    total: Hashable
    members: tuple[Hashable, ...]


@dataclass(frozen=True)
class Entries:
    """The relations as one sparse list: entry k says that `cell[k]` takes part in `relation[k]`, as a total or not."""

    relation: Ints
    cell: Ints
    is_total: Bools


class Table:
    """Cells and relations of everything that is published together, by position for the arithmetic.

    `counts` gives each cell's true count; its order breaks ties, so an ordered source makes the outcome repeatable.
    `unpublished` cells are in no table but follow from it (children of a county who are *not* in a program); they are
    hidden from the start and are still protected. `slack` cells are unpublished differences that count no people
    (children minus families); they only carry an inequality and need no protection.

    Raises KB-M01 if a relation names an unknown cell or does not add up, or if a count is negative.
    """

    def __init__(
        self,
        counts: Mapping[Hashable, int],
        relations: Iterable[Relation],
        unpublished: Iterable[Hashable] = (),
        slack: Iterable[Hashable] = (),
    ) -> None:
        self.ids: list[Hashable] = list(counts)
        self.position: dict[Hashable, int] = {cell: at for at, cell in enumerate(self.ids)}
        self.counts: Ints = np.fromiter(counts.values(), dtype=np.int64, count=len(self.ids))
        self.relations: list[Relation] = list(dict.fromkeys(relations))
        self.is_slack: Bools = self._flags(slack)
        self.is_published: Bools = ~(self._flags(unpublished) | self.is_slack)
        self._refuse_what_does_not_add_up()

    def _flags(self, cells: Iterable[Hashable]) -> Bools:
        flags: Bools = np.zeros(len(self.ids), dtype=bool)
        flags[[self.position[cell] for cell in cells]] = True
        return flags

    @cached_property
    def entries(self) -> Entries:
        """All (relation, cell) pairs, relation by relation, the total first."""
        relation: list[int] = []
        cell: list[int] = []
        is_total: list[bool] = []
        for at, each in enumerate(self.relations):
            members = [self.position[m] for m in each.members]
            cell += [self.position[each.total], *members]
            relation += [at] * (1 + len(members))
            is_total += [True] + [False] * len(members)
        return Entries(
            np.array(relation, dtype=np.int64), np.array(cell, dtype=np.int64), np.array(is_total, dtype=bool)
        )

    @cached_property
    def relations_of(self) -> list[list[int]]:
        """For each cell, the relations it takes part in."""
        found: list[list[int]] = [[] for _ in self.ids]
        for relation, cell in zip(self.entries.relation.tolist(), self.entries.cell.tolist(), strict=True):
            found[cell].append(relation)
        return found

    @cached_property
    def parts_of(self) -> list[tuple[int, list[int]]]:
        """For each relation, the position of its total and those of its members."""
        return [(self.position[r.total], [self.position[m] for m in r.members]) for r in self.relations]

    def sensitive(self, minimum: int) -> Bools:
        """Cells that count people and lie in 1 to `minimum` - 1: nobody may be able to show that they do."""
        return (self.counts > 0) & (self.counts < minimum) & ~self.is_slack

    def _refuse_what_does_not_add_up(self) -> None:
        for at, relation in enumerate(self.relations):
            cells = (relation.total, *relation.members)
            unknown = sum(cell not in self.position for cell in cells)
            if unknown:
                raise KinbridgeError("KB-M01", relation=at, problem=f"{unknown} of its cells have no count")
            if len(set(cells)) < len(cells):
                raise KinbridgeError("KB-M01", relation=at, problem="it names a cell twice")
        if (self.counts < 0).any():
            raise KinbridgeError("KB-M01", relation="none", problem="a count is negative")
        entries = self.entries
        signed = np.where(entries.is_total, -1, 1) * self.counts[entries.cell]
        sums: Ints = np.zeros(len(self.relations), dtype=np.int64)
        np.add.at(sums, entries.relation, signed)
        for at in np.flatnonzero(sums)[:1].tolist():
            raise KinbridgeError("KB-M01", relation=at, problem="its members do not add up to its total")


@dataclass(frozen=True)
class Violation:
    """A way to learn that a count lies in 1 to minimum - 1.

    `kind`: `shown` (a small cell is not hidden), `residual` (a relation's total minus what is shown of it is small) or
    `bounded` (the relations together leave a cell no other value). `cell` is the cell's position, -1 for a residual.
    `relations` are the positions of the relations that say so. Holds no count.
    """

    kind: str
    cell: int
    relations: tuple[int, ...]
