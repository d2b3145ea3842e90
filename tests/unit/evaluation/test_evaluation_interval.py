"""Intervals, held against published figures and against reckoning by hand."""

from __future__ import annotations

import pytest

from kinbridge.evaluation.interval import NOTHING, difference, ratio, wilson


def test_wilson_as_published() -> None:
    # Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, method 3: 81 of 263.
    found = wilson(81 / 263, 263)
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_wilson_has_width_where_all_agree() -> None:
    # z² / (n + z²) = 3.8415 / 23.8415 with n = 20.
    found = wilson(1.0, 20)
    assert found.low == pytest.approx(1 - 3.8415 / 23.8415, abs=1e-4)
    assert found.high == 1.0


def test_difference_as_published() -> None:
    # Newcombe 1998, table II (a), method 10: 56 of 70 less 48 of 80.
    found = difference(wilson(56 / 70, 70), wilson(48 / 80, 80))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_pairs_of_one_person_count_as_one_unit() -> None:
    # Ten people with four pairs each, of five all found and of five none: as ten units, not forty.
    # Σ(good - ½·4)² = 10·4 = 40; variance = 40 / 40² · 10/9 = 1/36; units = ¼ · 36 = 9.
    found = ratio(20, 40, 10, (5 * 16, 5 * 16, 10 * 16))
    assert found.units == pytest.approx(9)
    assert (found.low, found.high) == (wilson(0.5, 9).low, wilson(0.5, 9).high)


def test_single_pairs_are_nearly_independent_units() -> None:
    found = ratio(60, 100, 100, (60, 60, 100))
    assert found.units == pytest.approx(99)


def test_nothing_gives_nothing() -> None:
    assert ratio(0, 0, 0, (0, 0, 0)) == NOTHING
    assert difference(NOTHING, wilson(0.5, 10)) == NOTHING
