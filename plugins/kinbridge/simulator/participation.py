"""Who is served by Medicaid and SNAP, and when: spells of coverage with entries, exits and returns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.months import DAY, FOREVER, Months, day_between, days_after
from kinbridge.simulator.population import Population

# Shares of families that are ever covered: by low income (no, yes).
_MEDICAID = (0.10, 0.92)
_SNAP_WITH_MEDICAID = (0.12, 0.64)
_SNAP_WITHOUT = (0.02, 0.15)
_ENTRIES_PER_MONTH = 0.022
_EXITS_PER_MONTH = 0.03
_RETURNS = 0.35
_HISTORY_MONTHS = 48


def coverage(rng: np.random.Generator, population: Population, months: Months) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The Medicaid and the SNAP spells: person, family, begin, end (`FOREVER` while it lasts).

    Spells of a person never touch or overlap. A child's spell begins at birth at the earliest.
    """
    low: Array = population.families["low_income"].to_numpy().astype(int)
    families = len(low)
    medicaid = rng.random(families) < np.array(_MEDICAID)[low]
    given = np.where(medicaid, np.array(_SNAP_WITH_MEDICAID)[low], np.array(_SNAP_WITHOUT)[low])
    snap = rng.random(families) < given
    people = population.people
    child, position = people["child"].to_numpy(), people["position"].to_numpy()
    female = people["sex"].to_numpy(dtype=object) == "F"
    chance = rng.random(len(people))
    members = np.where(child, chance < 0.97, chance < np.where((position == 0) & female, 0.5, 0.22))
    household = child | (position == 0) | (chance < 0.85)
    return (
        _member_spells(population, _family_spells(rng, medicaid, months), members),
        _member_spells(population, _family_spells(rng, snap, months), household),
    )


def _family_spells(rng: np.random.Generator, covered: Array, months: Months) -> list[pd.DataFrame]:
    """Up to two spells per family, each as a frame indexed by family with begin and end."""
    family = np.flatnonzero(covered)
    size = len(family)
    enters = rng.random(size) < min(0.4, _ENTRIES_PER_MONTH * months.count)
    first = np.datetime64(months.start, "M")
    offset = np.where(enters, rng.integers(0, months.count, size), -rng.integers(1, _HISTORY_MONTHS, size)).astype(
        "timedelta64[M]"
    )
    begin = (first + offset).astype("datetime64[D]")
    begin = days_after(begin, np.where(rng.random(size) < 0.2, rng.integers(1, 28, size), 0))
    # Exits before the first month would not show in any file, so time to the exit runs from the start.
    base = np.maximum(begin.astype("datetime64[M]"), first)
    end = _end_day(rng, base + (rng.geometric(_EXITS_PER_MONTH, size) - 1).astype("timedelta64[M]"), begin)
    returns = rng.random(size) < _RETURNS
    again = days_after(end, 10 + rng.gamma(1.5, 25, size))
    start_of_month = again.astype("datetime64[M]").astype("datetime64[D]")
    again = np.where((rng.random(size) < 0.6) & (start_of_month > end + DAY), start_of_month, again)
    again = again.astype("datetime64[D]")
    end_again = _end_day(rng, again.astype("datetime64[M]") + rng.geometric(0.02, size).astype("timedelta64[M]"), again)
    one = pd.DataFrame({"family": family, "begin": begin, "end": end})
    two = pd.DataFrame({"family": family, "begin": again, "end": end_again})[returns & (again <= months.end)]
    return [one, two]


def _end_day(rng: np.random.Generator, month: Array, begin: Array) -> Array:
    """The last day of `month`, or (one in five) a day within it; never before `begin`, `FOREVER` when far off."""
    last = (month + 1).astype("datetime64[D]") - DAY
    first = np.maximum(month.astype("datetime64[D]"), begin)
    end = np.where(rng.random(len(month)) < 0.2, day_between(rng, first, last), np.maximum(last, begin))
    return np.where(end > FOREVER, FOREVER, end).astype("datetime64[D]")


def _member_spells(population: Population, spells: list[pd.DataFrame], members: Array) -> pd.DataFrame:
    people = population.people
    person = np.flatnonzero(members)
    who = pd.DataFrame(
        {
            "person": person,
            "family": people["family"].to_numpy()[person],
            "birth": people["birth"].to_numpy()[person].astype("datetime64[D]"),
        }
    )
    rows = pd.concat([who.merge(spell, on="family") for spell in spells], ignore_index=True)
    rows["begin"] = rows[["begin", "birth"]].max(axis=1)
    kept = rows[rows["begin"] <= rows["end"]].drop(columns="birth")
    return kept.sort_values(["person", "begin"], ignore_index=True)


def days_of(frame: pd.DataFrame, column: str) -> Array:
    """A date column as numpy days (pandas itself keeps seconds)."""
    return frame[column].to_numpy().astype("datetime64[D]")
