"""Precision and recall of linkage from labels on some of its pairs.

Pairs are sorted into bands (linked or not, and by score). In each band some pairs have a label, each with its weight:
the inverse of the chance with which it was chosen. A band's share of true pairs is the weighted mean of its labels
(Hájek 1971; Horvitz and Thompson 1952 for the weights), and its number of true pairs that share times the pairs that
the band is known to hold. Precision is true linked pairs among all linked; recall is true linked pairs among all true
ones, with those that were never compared estimated from a sample of records.

Everything is counted in ends: a pair has one at each of its records, so that a subgroup's figure is about the
subgroup's own records, whoever stands at the other end.

Intervals: each band's share is drawn from the posterior under Jeffreys' prior, Beta(t + ½, n - t + ½) with n the
effective number of labels (Σw)² / Σw² (Kish 1965) and t the weighted true ones of it; lost ends of a record are
drawn from Gamma(t + ½, n). The middle 95 % of the resulting precisions and recalls is the interval, widened to hold the
estimate (Brown, Cai and DasGupta 2001, "Interval estimation for a binomial proportion", Statistical Science 16). A band
whose pairs are all labelled has nothing left to draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kinbridge.evaluation.interval import NOTHING, Share, wilson

DRAWS = 4000


@dataclass(frozen=True)
class Labels:
    """Labelled pairs of a band: `same` says whether each is one person, `ends` how many of its ends are of the group
    asked about, and `weight` is the inverse of its chance, times these ends."""

    same: np.ndarray
    weight: np.ndarray
    ends: np.ndarray

    @property
    def pairs(self) -> int:
        """How many pairs have a label."""
        return len(self.same)


@dataclass(frozen=True)
class Band:
    """Pairs of one kind: how many ends they have in all, and how many of these the model takes for true."""

    name: str
    linked: bool
    ends: float
    expected: float
    labels: Labels
    low: float | None = None  # bits; None where the pairs were never compared
    high: float | None = None

    @property
    def seen(self) -> bool:
        """Whether any pair of the band has a label."""
        return self.labels.pairs > 0 and float(self.labels.weight.sum()) > 0


@dataclass(frozen=True)
class Lost:
    """A sample of records, searched for true mates that are neither linked nor in any band.

    `missed` is how many each record has, `weight` the inverse of its chance; `records` is how many there are in all.
    """

    records: float
    missed: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """What was found. `bounds_*` hold whatever is true of the bands in which nobody labelled anything; the estimates
    take the model at its word there. The draws are kept to compare groups with."""

    precision: Share
    recall: Share
    f1: Share
    bounds_precision: tuple[float, float] | None
    bounds_recall: tuple[float, float] | None
    blocking: Share
    unseen: tuple[str, ...]
    draws_precision: np.ndarray = field(repr=False)
    draws_recall: np.ndarray = field(repr=False)


def estimate(bands: Sequence[Band], lost: Lost | None = None, *, seed: int = 1, draws: int = DRAWS) -> Estimate:
    """Precision, recall and F1 with intervals; the same input and seed give the same figures."""
    chance = np.random.default_rng(seed)
    points = np.array([_true_ends(band) for band in bands], dtype=float)
    drawn = np.array([_drawn_ends(band, chance, draws) for band in bands], dtype=float).reshape(len(bands), draws)
    linked = np.array([band.linked for band in bands], dtype=bool)
    lost_point, lost_drawn = _lost_ends(lost, chance, draws)
    whole = sum(band.ends for band in bands if band.linked)
    right, right_drawn = float(points[linked].sum()), drawn[linked].sum(axis=0)
    left, left_drawn = float(points[~linked].sum()), drawn[~linked].sum(axis=0)
    precision_drawn = right_drawn / whole if whole else np.full(draws, np.nan)
    recall_drawn = _quotient(right_drawn, right_drawn + left_drawn + lost_drawn)
    f1_drawn = _quotient(2 * right_drawn, whole + right_drawn + left_drawn + lost_drawn)
    true = right + left + lost_point
    anything = any(band.seen for band in bands)
    blocking = (
        _share((right + left) / true, 1 - _quotient(lost_drawn, right_drawn + left_drawn + lost_drawn))
        if lost is not None and true
        else NOTHING
    )
    return Estimate(
        precision=_share(right / whole, precision_drawn) if whole and anything else NOTHING,
        recall=_share(right / true, recall_drawn) if true and anything else NOTHING,
        f1=_share(2 * right / (whole + true), f1_drawn) if whole + true and anything else NOTHING,
        **_bounds(bands, points, lost_point, whole),
        blocking=blocking,
        unseen=tuple(band.name for band in bands if band.ends and not band.seen),
        draws_precision=precision_drawn,
        draws_recall=recall_drawn,
    )


def less(one: np.ndarray, other: np.ndarray, value: float) -> Share:
    """The difference of two estimates from their draws, as an interval around `value`."""
    return _share(value, one - other)


def band_share(band: Band) -> Share:
    """The band's share of true pairs, with Wilson's interval for the effective number of labels."""
    if not band.seen:
        return NOTHING
    value, units = _mean(band.labels)
    return wilson(value, units)


def _mean(labels: Labels) -> tuple[float, float]:
    """The weighted share of true pairs and the effective number of labels."""
    total = float(labels.weight.sum())
    value = float((labels.weight * labels.same).sum()) / total
    return min(max(value, 0.0), 1.0), total * total / float((labels.weight**2).sum())


def _true_ends(band: Band) -> float:
    return band.ends * _mean(band.labels)[0] if band.seen else band.expected


def _drawn_ends(band: Band, chance: np.random.Generator, draws: int) -> np.ndarray:
    if not band.seen:
        return np.full(draws, band.expected)
    value, units = _mean(band.labels)
    share = chance.beta(value * units + 0.5, (1 - value) * units + 0.5, size=draws)
    # What is labelled is known: only the rest of the band is drawn.
    known = min(1.0, float(band.labels.ends.sum()) / band.ends) if band.ends else 1.0
    drawn: np.ndarray = band.ends * (known * value + (1 - known) * share)
    return drawn


def _lost_ends(lost: Lost | None, chance: np.random.Generator, draws: int) -> tuple[float, np.ndarray]:
    if lost is None or not len(lost.missed) or not lost.weight.sum():
        return 0.0, np.zeros(draws)
    total = float(lost.weight.sum())
    units = total * total / float((lost.weight**2).sum())
    rate = float((lost.weight * lost.missed).sum()) / total
    known = min(1.0, len(lost.missed) / lost.records) if lost.records else 1.0
    drawn = known * rate + (1 - known) * chance.gamma(rate * units + 0.5, 1 / units, size=draws)
    return lost.records * rate, lost.records * drawn


def _bounds(
    bands: Sequence[Band], points: np.ndarray, lost: float, whole: float
) -> dict[str, tuple[float, float] | None]:
    """The least and most that precision and recall can be, with every pair of the bands without labels wrong or right
    (Manski 1990, "Nonparametric bounds on treatment effects", for what is missing altogether)."""

    def true(linked: bool, unseen_right: bool) -> float:
        chosen = [at for at, band in zip(points, bands, strict=True) if band.linked == linked and band.seen]
        unseen = sum(band.ends for band in bands if band.linked == linked and not band.seen)
        return float(sum(chosen)) + (unseen if unseen_right else 0.0)

    def recall(right: float, left: float) -> float:
        return right / (right + left + lost) if right + left + lost else 0.0

    if not any(band.seen for band in bands):
        return {"bounds_precision": None, "bounds_recall": None}
    few, many = true(linked=True, unseen_right=False), true(linked=True, unseen_right=True)
    least, most = true(linked=False, unseen_right=False), true(linked=False, unseen_right=True)
    return {
        "bounds_precision": (few / whole, many / whole) if whole else None,
        "bounds_recall": (recall(few, most), recall(many, least)),
    }


def _quotient(good: np.ndarray, whole: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.divide(good, whole, out=np.full(len(good), np.nan), where=whole > 0)
    return result


def _share(value: float, drawn: np.ndarray) -> Share:
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return Share(value, None, None)
    low, high = (float(at) for at in np.quantile(known, [0.025, 0.975]))
    return Share(value, min(low, value), max(high, value), float(len(known)))
