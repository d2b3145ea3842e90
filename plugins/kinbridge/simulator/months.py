"""The months that are simulated, and the random streams of its stages.

Dates are numpy `datetime64[D]` everywhere. A file of a month is a snapshot as of the month's last day.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np

from kinbridge.simulator.arrays import Array

# Stands for "not ended yet": later than any day of a simulation, so that comparisons need no special case.
FOREVER = np.datetime64("2200-01-01", "D")
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Months:
    """The simulated months: `count` months from the one that holds `start`."""

    start: date
    count: int

    @property
    def first(self) -> np.datetime64:
        """First day of the first month."""
        return np.datetime64(self.start, "M").astype("datetime64[D]")

    @property
    def end(self) -> np.datetime64:
        """Last day of the last month."""
        return self.last_day(self.count - 1)

    def first_day(self, month: int) -> np.datetime64:
        """First day of the month with this index (0 is the first)."""
        return (np.datetime64(self.start, "M") + month).astype("datetime64[D]")

    def last_day(self, month: int) -> np.datetime64:
        """Last day of the month with this index: the as-of day of its files."""
        return self.first_day(month + 1) - DAY

    def period(self, month: int) -> str:
        """The month as file names spell it: yyyyMM."""
        return str(np.datetime64(self.start, "M") + month).replace("-", "")


def stream(seed: int, stage: str) -> np.random.Generator:
    """The random numbers of one stage, independent of how many numbers the other stages draw."""
    return np.random.default_rng([seed, zlib.crc32(stage.encode())])


def days_after(base: Array, days: Array) -> Array:
    """`base` plus whole `days` (any number array; fractions are cut)."""
    return base + np.asarray(days).astype("int64").astype("timedelta64[D]")


def day_between(rng: np.random.Generator, low: Array, high: Array) -> Array:
    """One random day per element from `low` to `high`, both included; `low` where the span is empty."""
    span = np.maximum((high - low).astype("int64"), 0)
    return days_after(low, np.floor(rng.random(len(span)) * (span + 1)))


def birthday(birth: Array, years: int) -> Array:
    """The day on which a person turns `years`; 29 February counts as 1 March in common years."""
    month = birth.astype("datetime64[M]")
    return (month + 12 * years).astype("datetime64[D]") + (birth - month.astype("datetime64[D]"))
