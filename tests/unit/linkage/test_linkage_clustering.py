"""Clusters under constraints. Each case is a drawing: records, their sources, and pairs with bits for or against."""

from __future__ import annotations

import numpy as np

from kinbridge.linkage.clustering import COMMON, NONE, RARE, Evidence, Pairs, cluster


def groups(
    sources: list[int],
    pairs: list[tuple[int, int, float]],
    *,
    apart: set[tuple[int, int]] = frozenset(),  # type: ignore[assignment]
    habits: tuple[int, ...] = (COMMON, COMMON, COMMON, COMMON),
    threshold: float = 3.0,
) -> list[int]:
    arranged = Pairs(
        np.array([left for left, _, _ in pairs], dtype=np.int64),
        np.array([right for _, right, _ in pairs], dtype=np.int64),
        np.array([weight for _, _, weight in pairs], dtype=np.float64),
        np.array([(left, right) in apart for left, right, _ in pairs], dtype=np.bool_),
    )
    number = np.array(sources, dtype=np.int64)
    return cluster(arranged, number, np.array(habits, dtype=np.int64), Evidence(threshold=threshold)).tolist()


def test_pair_needs_the_threshold() -> None:
    assert groups([0, 1, 2], [(0, 1, 3.1), (1, 2, 2.9)]) == [0, 0, 2]


def test_complete_group_is_one_person() -> None:
    assert groups([0, 1, 2], [(0, 1, 9), (1, 2, 9), (0, 2, 9)]) == [0, 0, 0]


def test_strong_bridge_outweighs_one_mild_disagreement() -> None:
    # maiden name (0), record with both (1), married name after a move (2): 12 + 12 - 4 > 3
    assert groups([0, 1, 2], [(0, 1, 12), (1, 2, 12), (0, 2, -4)]) == [0, 0, 0]


def test_weak_chain_makes_no_giant() -> None:
    chain = [(n, n + 1, 4.0) for n in range(9)]
    found = groups([0] * 10, chain)
    assert max(found.count(label) for label in found) <= 3


def test_contradiction_holds_through_a_third_record() -> None:
    # twins 0 and 1, and a record without a first name that fits both: it goes with the closer, the twins stay two
    found = groups([0, 0, 1], [(0, 1, 14), (0, 2, 9), (1, 2, 8)], apart={(0, 1)})
    assert found == [0, 1, 0]


def test_contradiction_holds_between_grown_clusters() -> None:
    # 0 with 1 and 2 with 3 are settled first; then 0 and 3 may plead as they like for the two who are apart
    pairs = [(0, 1, 15), (2, 3, 15), (0, 2, 4), (1, 2, 14), (1, 3, 2), (0, 3, 9)]
    assert groups([0, 1, 0, 1], pairs, apart={(1, 2)}) == [0, 0, 2, 2]


def test_source_that_never_doubles_has_one_record_in_a_cluster() -> None:
    # 0 and 1 of one source both fit 2; the better one gets it
    found = groups([0, 0, 1], [(0, 2, 8), (1, 2, 9)], habits=(NONE, COMMON))
    assert found == [0, 1, 1]


def test_source_that_rarely_doubles_needs_very_strong_evidence() -> None:
    twice = [(0, 1, 12.0), (0, 2, 12), (1, 2, 12)]
    assert groups([0, 0, 1], twice, habits=(RARE, COMMON))[0] != groups([0, 0, 1], twice, habits=(RARE, COMMON))[1]
    certain = [(0, 1, 15.0), (0, 2, 12), (1, 2, 12)]
    assert groups([0, 0, 1], certain, habits=(RARE, COMMON)) == [0, 0, 0]
    unscored = [(0, 2, 15.0), (1, 2, 15)]
    assert len(set(groups([0, 0, 1], unscored, habits=(RARE, COMMON)))) == 2


def test_no_single_pair_decides_against_many() -> None:
    # 0 and 3 score absurdly high, but 3 disagrees with all others of 0's person
    pairs = [(0, 1, 15), (0, 2, 15), (1, 2, 15), (0, 3, 400), (1, 3, -9), (2, 3, -9)]
    assert groups([0, 1, 2, 3], pairs) == [0, 0, 0, 3]


def test_nothing_to_cluster() -> None:
    assert groups([0, 1], []) == [0, 1]
