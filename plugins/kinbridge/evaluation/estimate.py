"""Precision and recall of linkage from labels on some of its pairs.

Pairs are sorted into bands (linked or not, and by score). In each band some pairs have a label, each with its weight:
the inverse of the chance with which it was chosen. A band's share of true pairs is the weighted mean of its labels
(Hájek 1971; Horvitz and Thompson 1952 for the weights), and its number of true pairs that share times the pairs that
the band is known to hold. Precision is true linked pairs among all linked; recall is true linked pairs among all true
ones, with those that were never compared estimated from a sample of records.

Everything is counted in ends: a pair has one at each of its records, so that a subgroup's figure is about the
subgroup's own records, whoever stands at the other end.

Intervals: what is wrong in each band (linked pairs of two people, true pairs that are not linked) is drawn twice, and
carried through to precision and recall. For the worse end it is drawn from the posterior under Jeffreys' prior,
Beta(t + ½, n - t + ½), with n the effective number of labels (Σw)² / Σw² (Kish 1965) and t the wrong ones of it; for
the better end from Beta(t, n - t + 1), as Clopper and Pearson's exact interval has it (1934): that one mistake was
found by luck in a large band must not rule out that there are few. Lost ends of a record: Gamma(t + ½, n) and
Gamma(t, n), as Garwood's interval of a Poisson mean (1936). The ends are the 2.5th and the 97.5th percentile (Brown,
Cai and DasGupta 2001 compare such intervals). A band whose pairs are all labelled has nothing left to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    # Without labels of its own a group's band is expected to be as that of everybody; but anything may be true of it.
    vague: bool = False

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
class Drawn:
    """Draws of a figure for its worse and for its better end."""

    worse: np.ndarray
    better: np.ndarray

    def share(self, value: float) -> Share:
        """`value` with the interval of these draws."""
        worse, better = (drawn[~np.isnan(drawn)] for drawn in (self.worse, self.better))
        if not len(worse) or not len(better):
            return Share(value, None, None)
        low, high = float(np.quantile(worse, 0.025)), float(np.quantile(better, 0.975))
        return Share(value, min(low, value), max(high, value), float(len(worse)))


@dataclass(frozen=True)
class Estimate:
    """What was found. `bounds_*` hold whatever is true of the bands in which nobody labelled anything; the estimates
    take the model at its word there. What was drawn is kept to compare groups with."""

    precision: Share
    recall: Share
    f1: Share
    bounds_precision: tuple[float, float] | None
    bounds_recall: tuple[float, float] | None
    blocking: Share
    lost_ends: float
    unseen: tuple[str, ...]
    drawn_precision: Drawn = field(repr=False)
    drawn_recall: Drawn = field(repr=False)


def estimate(bands: Sequence[Band], lost: Lost | None = None, *, seed: int = 1, draws: int = DRAWS) -> Estimate:
    """Precision, recall and F1 with intervals; the same input and seed give the same figures."""
    linked = np.array([band.linked for band in bands], dtype=bool)
    points = np.array([_true_ends(band) for band in bands], dtype=float)
    lost_point = lost.records * _rate(lost)[0] if lost is not None else 0.0
    whole = sum(band.ends for band in bands if band.linked)
    right, left = float(points[linked].sum()), float(points[~linked].sum())
    true = right + left + lost_point
    anything = any(band.seen for band in bands)
    ends = [_drawn(bands, lost, np.random.default_rng(seed), draws, better=better) for better in (False, True)]

    def drawn(figure: Callable[[_Ends], np.ndarray]) -> Drawn:
        worse, better = (figure(one) for one in ends)
        return Drawn(worse, better)

    precision = drawn(lambda one: _quotient(one.right, np.full(draws, whole)))
    recall = drawn(lambda one: _quotient(one.right, one.right + one.left + one.lost))
    f1 = drawn(lambda one: _quotient(2 * one.right, whole + one.right + one.left + one.lost))
    blocking = drawn(lambda one: 1 - _quotient(one.lost, one.right + one.left + one.lost))
    return Estimate(
        precision=precision.share(right / whole) if whole and anything else NOTHING,
        recall=recall.share(right / true) if true and anything else NOTHING,
        f1=f1.share(2 * right / (whole + true)) if whole + true and anything else NOTHING,
        **_bounds(bands, points, lost_point, whole),
        blocking=blocking.share(1 - lost_point / true) if lost is not None and len(lost.missed) and true else NOTHING,
        lost_ends=lost_point,
        unseen=tuple(band.name for band in bands if band.ends and not band.seen),
        drawn_precision=precision,
        drawn_recall=recall,
    )


def less(own: Drawn, other: Drawn, value: float) -> Share:
    """The difference of two estimates, from their draws, as an interval around `value`."""
    return Drawn(own.worse - other.better, own.better - other.worse).share(value)


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


@dataclass(frozen=True)
class _Ends:
    """Draws of true linked ends, true ends that are not linked, and true ends outside the bands."""

    right: np.ndarray
    left: np.ndarray
    lost: np.ndarray


def _drawn(bands: Sequence[Band], lost: Lost | None, chance: np.random.Generator, draws: int, *, better: bool) -> _Ends:
    right, left = np.zeros(draws), np.zeros(draws)
    for band in bands:
        wrong = _drawn_wrong(band, chance, draws, better=better)
        if band.linked:
            right += band.ends - wrong
        else:
            left += wrong
    return _Ends(right, left, _drawn_lost(lost, chance, draws, better=better))


def _drawn_wrong(band: Band, chance: np.random.Generator, draws: int, *, better: bool) -> np.ndarray:
    """Draws of the ends of a band that linkage has wrong: linked of two people, or not linked of one."""
    if not band.seen:
        if band.vague:
            vague: np.ndarray = band.ends * chance.beta(0.5, 0.5, size=draws)
            return vague
        return np.full(draws, band.ends - band.expected if band.linked else band.expected)
    value, units = _mean(band.labels)
    wrong = 1 - value if band.linked else value
    # What is labelled is known: only the rest of the band is drawn.
    known = min(1.0, float(band.labels.ends.sum()) / band.ends) if band.ends else 1.0
    drawn: np.ndarray = band.ends * (known * wrong + (1 - known) * _drawn_share(wrong, units, chance, draws, better))
    return drawn


def _drawn_share(wrong: float, units: float, chance: np.random.Generator, draws: int, better: bool) -> np.ndarray:
    mistakes = wrong * units
    if not better:
        jeffreys: np.ndarray = chance.beta(mistakes + 0.5, units - mistakes + 0.5, size=draws)
        return jeffreys
    exact: np.ndarray = chance.beta(max(mistakes, 1e-9), units - mistakes + 1, size=draws)
    return exact if mistakes > 1e-9 else np.zeros(draws)


def _rate(lost: Lost) -> tuple[float, float]:
    """How many true mates a record has lost, and the effective number of searched records."""
    total = float(lost.weight.sum()) if len(lost.weight) else 0.0
    if not total:
        return 0.0, 0.0
    return float((lost.weight * lost.missed).sum()) / total, total * total / float((lost.weight**2).sum())


def _drawn_lost(lost: Lost | None, chance: np.random.Generator, draws: int, *, better: bool) -> np.ndarray:
    if lost is None:
        return np.zeros(draws)
    rate, units = _rate(lost)
    # A group of which nobody was searched may have lost anything up to a mate for each record.
    if not units:
        return np.zeros(draws) if better else lost.records * chance.random(draws)
    known = min(1.0, len(lost.missed) / lost.records) if lost.records else 1.0
    shape = rate * units + (0.0 if better else 0.5)
    drawn = chance.gamma(shape, 1 / units, size=draws) if shape > 1e-9 else np.zeros(draws)
    ends: np.ndarray = lost.records * (known * rate + (1 - known) * drawn)
    return ends


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
