"""Learning finds what made the data, and never passes its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from kinbridge.linkage.training import Patterns, maximise

M = {0: np.array([0.9, 0.1]), 1: np.array([0.8, 0.2]), 2: np.array([0.7, 0.3])}
U = {0: np.array([0.05, 0.95]), 1: np.array([0.02, 0.98]), 2: np.array([0.1, 0.9])}
START = {index: np.array([0.6, 0.4]) for index in M}


def patterns(matches: float, others: float) -> Patterns:
    """The counts of all patterns that one model expects."""
    levels = np.array([[a, b, c] for a in (1, 2) for b in (1, 2) for c in (1, 2)])
    counts = [
        matches * np.prod([M[index][level - 1] for index, level in enumerate(row)])
        + others * np.prod([U[index][level - 1] for index, level in enumerate(row)])
        for row in levels
    ]
    return Patterns(levels, np.array(counts))


def test_expected_counts_give_back_what_made_them() -> None:
    learnt, matches = maximise(patterns(5_000, 20_000), START, U, {index: [1.0, 1.0] for index in M})
    assert matches == pytest.approx(5_000, rel=0.02)
    for index, values in M.items():
        assert learnt[index] == pytest.approx(values, abs=0.01)


def test_no_share_passes_its_bound() -> None:
    learnt, _ = maximise(patterns(5_000, 20_000), START, U, {index: [1.0, 0.15] for index in M})
    assert all(values[1] <= 0.15 + 1e-9 for values in learnt.values())


def test_missing_answers_say_nothing() -> None:
    given = patterns(5_000, 20_000)
    given.levels[:, 2] = 0
    learnt, _ = maximise(given, START, U, {index: [1.0, 1.0] for index in M})
    assert learnt[2] == pytest.approx(START[2])
