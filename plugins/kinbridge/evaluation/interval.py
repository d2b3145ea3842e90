"""Intervals of shares, and of the difference of two. Pure arithmetic; every formula names its source.

All intervals are two-sided at 95 %. Where units are not independent (all pairs of one person stand or fall together) or
count differently (some were drawn with a greater chance than others), a share is treated as one of fewer, equal and
independent units: the effective number (Korn and Graubard 1998, "Confidence intervals for proportions with small
expected number of positive counts estimated from survey data", Survey Methodology 24).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# The 97.5th percentile of the normal distribution.
Z = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share with its interval; `units` is the effective number behind it. All are None where there is nothing."""

    value: float | None
    low: float | None
    high: float | None
    units: float = 0.0

    def as_plain(self) -> dict[str, float | None]:
        """As plain values, rounded to what means something."""
        rounded = {name: None if at is None else round(at, 4) for name, at in vars(self).items() if name != "units"}
        return {**rounded, "effective_units": round(self.units, 1)}


NOTHING = Share(None, None, None)


def wilson(value: float, units: float) -> Share:
    """Wilson's score interval of the share `value` among `units`.

    (value + z²/2n ± z·sqrt(value(1 - value)/n + z²/4n²)) / (1 + z²/n); Wilson 1927, "Probable inference, the law of
    succession, and statistical inference", JASA 22. It has width where every unit says the same.
    """
    if units <= 0:
        return NOTHING
    middle = value + Z * Z / (2 * units)
    width = Z * math.sqrt(value * (1 - value) / units + Z * Z / (4 * units * units))
    scale = 1 + Z * Z / units
    low, high = (middle - width) / scale, (middle + width) / scale
    return Share(value, max(0.0, min(low, value)), min(1.0, max(high, value)), units)


def ratio(good: float, whole: float, clusters: int, squares: tuple[float, float, float]) -> Share:
    """The share `good / whole` where units come in clusters (the pairs of one person).

    `squares` are the sums over clusters of good², good·whole and whole². The variance is that of a ratio of cluster
    totals, Σ(good - share·whole)² / (Σ whole)² · k/(k - 1) (Cochran 1977, "Sampling Techniques", 6.4 and 9A), the
    interval Wilson's with the effective number share(1 - share) / variance, never more than the units there are.
    Where all clusters agree, each counts as one unit.
    """
    if whole <= 0 or clusters <= 0:
        return NOTHING
    value = good / whole
    gg, gw, ww = squares
    spread = gg - 2 * value * gw + value * value * ww
    if clusters < 2 or spread <= 1e-12 or not 0 < value < 1:
        return wilson(value, float(clusters))
    variance = spread / (whole * whole) * clusters / (clusters - 1)
    return wilson(value, min(value * (1 - value) / variance, whole))


def difference(one: Share, other: Share) -> Share:
    """`one` less `other`, for two groups that share no unit.

    Newcombe's interval, made of both Wilson intervals (method 10 of Newcombe 1998, "Interval estimation for the
    difference between independent proportions", Statistics in Medicine 17).
    """
    if one.value is None or one.low is None or one.high is None:
        return NOTHING
    if other.value is None or other.low is None or other.high is None:
        return NOTHING
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Share(value, low, high, min(one.units, other.units))
