"""What the four partners have in common: their own random ids, what they know of people, and of their addresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.layout import Layout
from kinbridge.simulator.months import FOREVER
from kinbridge.simulator.noise import Known
from kinbridge.simulator.places import Residence, places
from kinbridge.simulator.population import Population


@dataclass(frozen=True)
class Partner:
    """A partner's view of the world. `ids` and `family_ids` are text per person and per family of the population."""

    name: str
    population: Population
    residence: Residence
    known: Known
    ids: Array
    family_ids: Array

    def address(self, person: Array, day: Array) -> Array:
        """The address that the partner has for each person's family on a day, late where its knowledge is late."""
        family = self.population.people["family"].to_numpy()[person]
        lag = self.known.address_lag[family].astype("timedelta64[D]")
        return self.residence.at(family, day - lag)

    def place(self, address: Array, column: str) -> Array:
        """A column of `places()` for each address."""
        return np.asarray(places()[column].to_numpy(dtype=object)[self.residence.place[address]], dtype=object)

    def line(self, address: Array, joint: str) -> Array:
        """Street line of each address, with `joint` before the unit."""
        unit = self.residence.unit[address]
        return np.asarray(
            self.residence.street[address] + np.where(unit == "", "", joint) + unit,
            dtype=object,
        )


def numbered(rng: np.random.Generator, count: int, prefix: str, width: int, base: int = 1) -> Array:
    """`count` ids in random order, so that an id tells nothing about who it belongs to."""
    return spelled(rng.permutation(count) + base, prefix, width)


def spelled(numbers: Array, prefix: str, width: int) -> Array:
    """Numbers as ids: a prefix and at least `width` digits."""
    digits = pd.Series(numbers.astype(str), dtype="str").str.zfill(width)
    return (prefix + digits).to_numpy(dtype=object)


def coded(values: Array, codes: dict[str, str], other: str = "") -> Array:
    """Each value in the partner's code; `other` where the partner has none."""
    names = np.array(list(codes), dtype=object)
    result: Array = np.full(len(values), other, dtype=object)
    for name in names:
        result[values == name] = codes[name]
    return result


def shown(layout: Layout, days: Array, as_of: np.datetime64) -> Array:
    """Days as the file writes them, empty for days after the file's as-of day and for NaT."""
    visible = np.where((days > as_of) | (days >= FOREVER), np.datetime64("NaT", "D"), days)
    return layout.dates(visible.astype("datetime64[D]"))
