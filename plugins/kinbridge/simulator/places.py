"""Where families live: fictional counties, cities and streets, and each family's addresses over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.months import FOREVER, Months, day_between
from kinbridge.simulator.names import FOLDER

_KINDS = np.array(["St", "Ave", "Rd", "Dr", "Ln", "Ct", "Blvd", "Way"], dtype=object)
_CITIES_PER_COUNTY = 3
_APARTMENTS = 0.32
_SAME_COUNTY = 0.78
_DOUBLED_UP = 0.04
MOVES_PER_MONTH = 0.012


@lru_cache(maxsize=1)
def places() -> pd.DataFrame:
    """The cities with their county and codes, as text; a county's cities follow each other, the largest first."""
    return pd.read_csv(FOLDER / "places.csv", dtype=str)


@dataclass(frozen=True)
class Residence:
    """Three addresses per family (before the last move, since it, after a move in the simulated months).

    `street` and `unit` (text) and `place` (row of `places()`) are per address; `address` is families x 3; `moved` is
    families x 2, the days from which the second and third address hold.
    """

    street: Array
    unit: Array
    place: Array
    address: Array
    moved: Array

    def at(self, family: Array, day: Array) -> Array:
        """The address of each family on a day."""
        era = (day >= self.moved[family, 0]).astype(int) + (day >= self.moved[family, 1])
        return self.address[family, era]

    def county(self, address: Array) -> Array:
        """County FIPS code of each address."""
        return places()["county_fips"].to_numpy(dtype=object)[self.place[address]]


def settle(rng: np.random.Generator, families: int, months: Months) -> Residence:
    """Draw everybody's addresses and moves. Some families share an address, many live in blocks of flats."""
    place = _places_of(rng, families)
    count = place.size
    street, unit = _streets(rng, place)
    address = np.arange(count).reshape(families, 3)
    crowded = rng.random(families) < _DOUBLED_UP
    hosts = np.flatnonzero(~crowded)
    address[crowded, 1] = address[hosts[rng.integers(0, len(hosts), crowded.sum())], 1] if len(hosts) else 0
    moved = np.full((families, 2), np.datetime64("1900-01-01", "D"))
    earlier = rng.random(families) < 0.3
    start = np.full(families, months.first)
    moved[earlier, 0] = day_between(rng, start - np.timedelta64(900, "D"), start - np.timedelta64(1, "D"))[earlier]
    moves = rng.random(families) < min(0.5, MOVES_PER_MONTH * months.count)
    moved[:, 1] = np.where(moves, day_between(rng, start, np.full(families, months.end)), FOREVER)
    guests = np.flatnonzero(moves & (rng.random(families) < 0.15))
    address[guests, 2] = address[hosts[rng.integers(0, len(hosts), len(guests))], 1] if len(hosts) else 0
    return Residence(street, unit, place.ravel(), address, moved)


def _places_of(rng: np.random.Generator, families: int) -> Array:
    weight = places()["weight"].astype(float).to_numpy()
    weight = weight / weight.sum()
    counties = weight.reshape(-1, _CITIES_PER_COUNTY)
    place = rng.choice(len(weight), size=(families, 3), p=weight)
    within = rng.choice(_CITIES_PER_COUNTY, size=(families, 3), p=counties[0] / counties[0].sum())
    for era in (1, 2):
        stays = rng.random(families) < _SAME_COUNTY
        near = place[:, era - 1] // _CITIES_PER_COUNTY * _CITIES_PER_COUNTY + within[:, era]
        place[:, era] = np.where(stays, near, place[:, era])
    return place


def _streets(rng: np.random.Generator, place: Array) -> tuple[Array, Array]:
    names = pd.read_csv(FOLDER / "streets.csv")["street"].to_numpy(dtype=object)
    count = place.size
    number = rng.integers(1, 2000, count)
    street = rng.integers(0, len(names), count)
    kind = rng.integers(0, len(_KINDS), count)
    # A block of flats is a street number that many addresses of its city share.
    block = rng.integers(0, max(1, count // 30), count)
    flat = rng.random(count) < _APARTMENTS
    blocks = rng.integers(0, 2**31, (block.max() + 1, 3))
    number = np.where(flat, blocks[block, 0] % 900 + 100, number)
    street = np.where(flat, blocks[block, 1] % len(names), street)
    kind = np.where(flat, blocks[block, 2] % len(_KINDS), kind)
    line = number.astype(str).astype(object) + " " + names[street] + " " + _KINDS[kind]
    unit = np.where(flat, "Apt " + rng.integers(1, 60, count).astype(str).astype(object), "")
    return line, unit.astype(object)
