"""People from pairs: clusters of records under constraints.

Input: scored pairs of records as arrays; output: one cluster number for each record. Pure; it never sees a name or a
date.

The clusters are found by greedy additive edge contraction (Keuper and others, 2015, "Efficient Decomposition of Image
and Mesh Graphs by Lifted Multicuts", section 4): the two clusters with the most evidence for each other, summed over
all their pairs, are joined first, and joining ends when no two clusters have more evidence for than against. So a
single weak link does not chain two people together, since every pair that speaks against it counts. Four things no
evidence outweighs: contradicting pairs, records that may not be linked with each other, two ids of a source that never
lists a person twice, and two ids of a source that rarely does so, unless these two themselves are a link.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinbridge.linkage.purpose import Barred

COMMON, RARE, NONE = 0, 1, 2


@dataclass(frozen=True)
class Pairs:
    """Scored pairs of records: `weight` is bits (log2 of odds), `apart` a contradiction."""

    left: np.ndarray
    right: np.ndarray
    weight: np.ndarray
    apart: np.ndarray

    def where(self, chosen: np.ndarray) -> Pairs:
        """The pairs for which `chosen` is true."""
        return Pairs(self.left[chosen], self.right[chosen], self.weight[chosen], self.apart[chosen])


@dataclass(frozen=True)
class Evidence:
    """How evidence is summed, in bits: `threshold` is what a link needs; the others are the model's `clusters`."""

    threshold: float = 0.0
    strongest_pair: float = 15.0
    strongest_against: float = 15.0
    unscored_pair: float = -2.0
    rare_duplicate: float = -10.0


def components(size: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The connected component of each of `size` records, as the smallest record number in it.

    The lower number wins along each edge, and numbers follow their own number to its end, until nothing changes
    (Shiloach and Vishkin, 1982): a few passes over arrays, whatever the length of a chain.
    """
    label: np.ndarray = np.arange(size, dtype=np.int64)
    while True:
        one, two = label[left], label[right]
        differ = one != two
        if not differ.any():
            return label
        left, right = left[differ], right[differ]
        one, two = one[differ], two[differ]
        np.minimum.at(label, np.maximum(one, two), np.minimum(one, two))
        while not np.array_equal(followed := label[label], label):
            label = followed


def cluster(  # noqa: PLR0917 - pairs, what is known of their records, and what binds them
    pairs: Pairs,
    source: np.ndarray,
    duplicates: np.ndarray,
    evidence: Evidence,
    barred: Barred | None = None,
    together: np.ndarray | None = None,
) -> np.ndarray:
    """The cluster of each record, as the smallest record number in it.

    `source` is the source's number of each record; `duplicates` says by source number how often that source lists a
    person twice (`COMMON`, `RARE`, `NONE`). Pairs that were never scored may be left out; each pair stands at most
    once. No cluster holds two records that `barred` keeps apart, nor do others join them; the pairs hold none such.
    `together` says of which pairs people decided that they are one person: these come first, whatever they weigh. They
    must not, through each other, join two that are `apart`.
    """
    size = len(source)
    forced: np.ndarray = np.zeros(len(pairs.left), dtype=bool) if together is None else together
    pairs = _weighed(pairs, source, duplicates, evidence)
    pairs = Pairs(pairs.left, pairs.right, pairs.weight, pairs.apart & ~forced)
    linked = (pairs.weight > evidence.threshold) & ~pairs.apart | forced
    label = components(size, pairs.left[linked], pairs.right[linked])
    inner = label[pairs.left] == label[pairs.right]
    pairs, linked, forced = pairs.where(inner), linked[inner], forced[inner]
    # Where every pair of a component is a link, the component is the cluster.
    members = np.bincount(label, minlength=size)
    complete = np.bincount(label[pairs.left[linked]], minlength=size) == members * (members - 1) // 2
    result = label.copy()
    unsettled = ~complete[label[pairs.left]]
    decided = set(zip(pairs.left[forced].tolist(), pairs.right[forced].tolist(), strict=True))
    for part in _by_component(pairs.where(unsettled), label):
        for group in _contract(part, source, duplicates, evidence, barred, decided):
            result[group] = min(group)
    return result


def _weighed(pairs: Pairs, source: np.ndarray, duplicates: np.ndarray, evidence: Evidence) -> Pairs:
    """Weights within bounds, and one source's own ids held apart as far as the source deserves."""
    weight = np.clip(pairs.weight, -evidence.strongest_against, evidence.strongest_pair)
    same = source[pairs.left] == source[pairs.right]
    habit = duplicates[source[pairs.left]]
    weight = weight + np.where(same & (habit == RARE), evidence.rare_duplicate, 0.0)
    return Pairs(pairs.left, pairs.right, weight, pairs.apart | (same & (habit == NONE)))


def _by_component(pairs: Pairs, label: np.ndarray) -> Iterator[Pairs]:
    if not len(pairs.left):
        return
    order = np.lexsort((pairs.right, pairs.left, label[pairs.left]))
    ordered = Pairs(pairs.left[order], pairs.right[order], pairs.weight[order], pairs.apart[order])
    cuts: np.ndarray = np.flatnonzero(np.diff(label[ordered.left])) + 1
    bounds = [0, *cuts.tolist(), len(order)]
    for start, end in itertools.pairwise(bounds):
        span = slice(start, end)
        yield Pairs(ordered.left[span], ordered.right[span], ordered.weight[span], ordered.apart[span])


@dataclass
class _Between:
    """What is known between two clusters: summed weight, pairs scored, a contradiction, sources allowed in both."""

    weight: float
    scored: int
    apart: bool
    doubled: frozenset[int]

    def with_(self, other: _Between | None) -> _Between:
        if other is None:
            return self
        return _Between(
            self.weight + other.weight,
            self.scored + other.scored,
            self.apart or other.apart,
            self.doubled | other.doubled,
        )


def _contract(  # noqa: PLR0917 - as `cluster`
    part: Pairs,
    source: np.ndarray,
    duplicates: np.ndarray,
    evidence: Evidence,
    barred: Barred | None,
    decided: set[tuple[int, int]],
) -> Iterator[list[int]]:
    """The clusters of one component, each as its records."""
    nodes = sorted({*part.left.tolist(), *part.right.tolist()})
    groups = {node: [node] for node in nodes}
    # Only sources that seldom or never list a person twice restrict anything.
    single = {node: frozenset({int(source[node])} if duplicates[source[node]] != COMMON else set()) for node in nodes}
    purposes = {node: frozenset({int(barred.purpose[node])}) for node in nodes} if barred else {}
    near: dict[int, dict[int, _Between]] = {node: {} for node in nodes}
    rows: Any = zip(part.left.tolist(), part.right.tolist(), part.weight.tolist(), part.apart.tolist(), strict=True)
    for left, right, weight, apart in rows:
        doubled = single[left] & single[right] if weight > evidence.threshold and not apart else frozenset[int]()
        near[left][right] = near[right][left] = _Between(weight, 1, apart, doubled)

    def gain(one: int, two: int) -> float:
        between = near[one][two]
        if between.apart or (single[one] & single[two]) - between.doubled:
            return 0.0
        if barred and not barred.together(purposes[one], purposes[two]):
            return 0.0
        unscored = len(groups[one]) * len(groups[two]) - between.scored
        return between.weight + evidence.unscored_pair * unscored - evidence.threshold

    def join(one: int, two: int) -> None:
        groups[one] += groups.pop(two)
        single[one] |= single.pop(two)
        if barred:
            purposes[one] |= purposes.pop(two)
        moved = near.pop(two)
        near[one].pop(two, None)
        for other, between in moved.items():
            if other == one:
                continue
            del near[other][two]
            near[one][other] = near[other][one] = between.with_(near[one].get(other))

    place = {node: node for node in nodes}
    for left, right in sorted(decided & set(zip(part.left.tolist(), part.right.tolist(), strict=True))):
        one, two = sorted((_root(place, left), _root(place, right)))
        # What people decided does not outweigh what agreements and consent allow.
        if one != two and not (barred and not barred.together(purposes[one], purposes[two])):
            join(one, two)
            place[two] = one
    heap = [(-gain(one, two), one, two) for one in groups for two in near[one] if one < two]
    heapq.heapify(heap)
    while heap:
        lost, one, two = heapq.heappop(heap)
        if lost >= 0:
            break
        # An entry is stale once one of its clusters has been joined or has grown.
        if one not in groups or two not in groups or -lost != gain(one, two):
            continue
        join(one, two)
        for other in near[one]:
            low, high = min(one, other), max(one, other)
            found = gain(low, high)
            if found > 0:
                heapq.heappush(heap, (-found, low, high))
    yield from groups.values()


def _root(place: dict[int, int], node: int) -> int:
    while place[node] != node:
        node = place[node]
    return node
