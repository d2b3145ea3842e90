"""The estimator on populations whose truth is known: right on average, and intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from kinbridge.evaluation.estimate import Band, Labels, Lost, estimate

# Linked bands and others: pairs, and the share of true ones among them.
POPULATION = (
    ("linked, sure", True, 8000, 0.998),
    ("linked, near", True, 400, 0.92),
    ("review", False, 300, 0.35),
    ("far", False, 2000, 0.01),
)
LOST_RATE = 0.01
RECORDS = 16000


def band(name: str, linked: bool, pairs: float, same: list[float], weight: list[float] | None = None) -> Band:
    weights = np.array(weight or [1.0] * len(same)) * 2
    return Band(name, linked, pairs * 2, pairs, Labels(np.array(same), weights, np.full(len(same), 2.0)))


def test_arithmetic_of_two_bands() -> None:
    # Linked: 1,000 pairs, 9 of 10 labels true: 900. Not linked: 200 pairs, 1 of 4 labels true: 50.
    bands = [
        band("linked", True, 1000, [1.0] * 9 + [0.0]),
        band("other", False, 200, [1.0] + [0.0] * 3),
    ]
    found = estimate(bands)
    assert found.precision.value == pytest.approx(0.9)
    assert found.recall.value == pytest.approx(900 / 950)
    assert found.f1.value == pytest.approx(2 * 900 / (1000 + 950))


def test_weights_are_inverse_chances() -> None:
    # 90 pairs drawn one in ten (9 labels, all true), 10 pairs all drawn (all false): 90 of 100 true, not 9 of 19.
    found = estimate([band("linked", True, 100, [1.0] * 9 + [0.0] * 10, [10.0] * 9 + [1.0] * 10)])
    assert found.precision.value == pytest.approx(0.9)


def test_lost_mates_lower_recall() -> None:
    # 100 true linked pairs have 200 ends; of 50 searched records 1 lost a mate: 200 · 1/50 = 4 ends. 200 / 204.
    lost = Lost(200, np.array([1.0] + [0.0] * 49), np.full(50, 4.0))
    found = estimate([band("linked", True, 100, [1.0] * 20)], lost)
    assert found.recall.value == pytest.approx(200 / 204)
    assert found.blocking.value == pytest.approx(200 / 204)


def test_bounds_hold_whatever_is_true_of_bands_without_labels() -> None:
    # 100 linked pairs with labels (all true), 300 without; 60 others without: all of them may be right or wrong.
    bands = [band("seen", True, 100, [1.0] * 10), band("unseen", True, 300, []), band("other", False, 60, [])]
    found = estimate(bands)
    assert found.unseen == ("unseen", "other")
    assert found.bounds_precision == (pytest.approx(100 / 400), pytest.approx(1.0))
    assert found.bounds_recall == (pytest.approx(100 / 160), pytest.approx(1.0))


def test_nothing_is_claimed_without_labels() -> None:
    found = estimate([band("linked", True, 100, []), band("other", False, 10, [])])
    assert found.precision.value is None
    assert found.bounds_recall is None


def test_all_labelled_leaves_nothing_open() -> None:
    found = estimate([band("linked", True, 10, [1.0] * 9 + [0.0]), band("other", False, 2, [1.0, 0.0])])
    assert found.precision.low == found.precision.value == found.precision.high == pytest.approx(0.9)
    assert found.recall.low == found.recall.high == pytest.approx(0.9)


def drawn_once(seed: int, labels: int = 60) -> tuple[float, float, float, float]:
    chance = np.random.default_rng(seed)
    bands = []
    for name, linked, pairs, share in POPULATION:
        same = np.zeros(pairs)
        same[: round(pairs * share)] = 1.0
        picked = chance.choice(same, size=min(labels, pairs), replace=False)
        bands.append(band(name, linked, pairs, picked.tolist(), [pairs / len(picked)] * len(picked)))
    missed = (chance.random(200) < LOST_RATE).astype(float)
    found = estimate(bands, Lost(RECORDS, missed, np.full(200, RECORDS / 200)), seed=seed, draws=800)
    assert found.recall.low is not None
    assert found.recall.high is not None
    return found.recall.low, found.recall.high, float(found.recall.value or 0), float(found.precision.value or 0)


def test_intervals_hold_the_truth_and_estimates_are_right_on_average() -> None:
    linked = 8000 * 0.998 + 400 * 0.92
    true = linked + 300 * 0.35 + 2000 * 0.01 + RECORDS * LOST_RATE / 2
    recall, precision = linked / true, linked / 8400
    found = [drawn_once(seed) for seed in range(150)]
    held = sum(low <= recall <= high for low, high, _, _ in found) / len(found)
    assert held >= 0.93
    assert np.mean([at[2] for at in found]) == pytest.approx(recall, abs=0.004)
    assert np.mean([at[3] for at in found]) == pytest.approx(precision, abs=0.002)
    # An interval that held everything would say nothing.
    assert np.mean([high - low for low, high, _, _ in found]) < 0.06
