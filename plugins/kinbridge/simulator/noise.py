"""How a partner knows a person: mostly right, sometimes mistyped, outdated or incomplete, and later corrected.

Noise breaks no rule of a contract. At most one slip hits a person's names or birth date at one partner, so that enough
stays to link by. A slip holds from the first month until it is corrected, if ever.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.months import DAY, Months
from kinbridge.simulator.names import nickname, typo, without_accents
from kinbridge.simulator.participation import days_of
from kinbridge.simulator.population import MULTIRACIAL, Population

# Chance that a slip is tried; one that changes nothing (no nickname, no second surname) does not happen.
_SLIPS = {
    "nickname": 0.085,
    "first_name_typo": 0.018,
    "last_name_typo": 0.020,
    "first_name_initial": 0.004,
    "other_surname": 0.030,
    "surname_written_otherwise": 0.200,
    "last_name_truncated": 0.012,
    "day_and_month_swapped": 0.030,
    "birth_day_slip": 0.012,
}
_COLUMN = {
    "nickname": "first_name",
    "first_name_typo": "first_name",
    "first_name_initial": "first_name",
    "day_and_month_swapped": "birth_date",
    "birth_day_slip": "birth_date",
}
_CORRECTED = 0.2
_LATE_ADDRESS = 0.12
_KEPT_LETTERS = 6


@dataclass(frozen=True)
class Habits:
    """What a partner tends to lack. Shares of persons: no middle name, no number (child, adult), no race, language.

    A share of 1 means that the partner does not ask at all; `names_only_of_adults` that it asks this of children only.
    """

    no_middle: float = 0.3
    no_ssn: tuple[float, float] = (1.0, 1.0)
    plain_letters: float = 0.0
    no_race: float = 0.04
    no_language: float = 0.05
    names_only_of_adults: bool = False


@dataclass(frozen=True)
class Known:
    """One partner's knowledge of `person` (ascending). Arrays run along `person`; `until` is the month of correction.

    `row` gives the place of a person in these arrays (-1 for strangers); `slip` is the name or birth-date slip, ''
    for none; `lag` is the months by which a change of name comes late; `address_lag` the days by which a move does
    (per family); `ssn` is 0 where unknown.
    """

    population: Population
    habits: Habits
    person: Array
    row: Array
    slip: Array
    first: Array
    last: Array
    birth: Array
    until: Array
    lag: Array
    middle: Array
    ssn: Array
    ssn_slip: Array
    race: Array
    language: Array
    address_lag: Array
    plain: Array

    def names(self, person: Array, month: int) -> dict[str, Array]:
        """What the partner writes for each person in a month: first, middle, last, birth, ssn, race, language."""
        row = self.row[person]
        slipped = month < self.until[row]
        people = self.population.people
        true_last = self.population.last_name(person, month - self.lag[row])
        first = np.where(slipped, self.first[row], people["first"].to_numpy(dtype=object)[person])
        last = np.where(slipped & (self.last[row] != ""), self.last[row], true_last)
        plain = self.plain[row]
        first[plain], last[plain] = without_accents(first[plain]), without_accents(last[plain])
        return {
            "first": first,
            "middle": self.middle[row],
            "last": last,
            "birth": np.where(slipped, self.birth[row], days_of(people, "birth")[person]),
            "ssn": self.ssn[row],
            "race": self.race[row],
            "language": self.language[row],
        }

    def noise(self, months: Months) -> pd.DataFrame:
        """The noise as rows: person, column, kind, until (month index, exclusive)."""
        people = self.population.people
        always = np.full(len(self.person), months.count)
        late = (people["changes_month"].to_numpy()[self.person] >= 0) & (self.lag > 0)
        until_late = np.minimum(people["changes_month"].to_numpy()[self.person] + self.lag, months.count)
        columns = pd.Series(self.slip).map(_COLUMN).fillna("last_name").to_numpy(dtype=object)
        slips = self.slip != ""
        parts = [(slips, columns, self.slip, self.until)]
        middle = people["middle"].to_numpy(dtype=object)[self.person]
        wrong_race = self.race != people["race"].to_numpy(dtype=object)[self.person]
        language = people["language"].to_numpy(dtype=object)[self.person]
        asked = people["child"].to_numpy()[self.person] | (not self.habits.names_only_of_adults)
        for chosen, column, kind, until in (
            (late, "last_name", "former_name", until_late),
            ((self.middle == "") & (middle != "") & (self.habits.no_middle < 1), "middle_name", "missing", always),
            ((self.ssn == 0) & (self.habits.no_ssn[0] < 1), "ssn", "missing", always),
            (self.ssn_slip, "ssn", "digit_wrong", always),
            (self.race == "", "race_ethnicity", "missing", always),
            (wrong_race & (self.race != ""), "race_ethnicity", "differs", always),
            (self.language == "", "language", "missing", always),
            ((self.language != language) & (self.language != ""), "language", "differs", always),
        ):
            told = chosen if kind == "former_name" else chosen & asked
            fill: Array = np.full(len(self.person), column, dtype=object)
            parts.append((told, fill, np.full(len(self.person), kind, dtype=object), until))
        frames = [
            pd.DataFrame({"person": self.person[c], "column": n[c], "kind": k[c], "until": u[c]})
            for c, n, k, u in parts
        ]
        return pd.concat(frames, ignore_index=True)


def know(
    rng: np.random.Generator,
    population: Population,
    person: Array,
    not_born_after: Array,
    settled: Array,
    *,
    months: Months,
    habits: Habits,
) -> Known:
    """Draw a partner's knowledge of `person` (unique, ascending).

    `not_born_after` (along `person`) is the latest birth date that the partner's own rules allow; `settled` (per
    family) is False for families who move in the simulated months: they get no slip, a late address is enough.
    """
    people, size = population.people, len(person)
    family = people["family"].to_numpy()[person]
    address_lag = np.where(
        rng.random(len(population.families)) < _LATE_ADDRESS, rng.integers(20, 300, len(population.families)), 0
    )
    first = people["first"].to_numpy(dtype=object)[person]
    last = people["last"].to_numpy(dtype=object)[person]
    birth = days_of(people, "birth")[person]
    steady = settled[family] & (address_lag[family] == 0) & (people["changes_month"].to_numpy()[person] < 0)
    names = np.array(["", *_SLIPS], dtype=object)
    share = np.array(list(_SLIPS.values()))
    slip = names[rng.choice(len(names), size=size, p=[1 - share.sum(), *share])]
    # A twin shares all but the first name, so that name stays whole.
    twin = people.duplicated(["family", "birth"], keep=False).to_numpy()[person]
    steady &= ~(twin & np.isin(slip, ("nickname", "first_name_initial")))
    slip = np.where(steady, slip, "").astype(object)
    first_known = _first_names(rng, slip, first)
    other = people["other_last"].to_numpy(dtype=object)[person]
    last_known = _last_names(rng, slip, last, other)
    birth_known = _birth_dates(rng, slip, birth)
    birth_known = np.where((birth_known <= not_born_after) & (birth_known <= months.end), birth_known, birth)
    slip[(first_known == first) & (last_known == last) & (birth_known == birth)] = ""
    suffix = people["suffix"].to_numpy(dtype=object)[person]
    written = (suffix != "") & (slip == "") & steady & (rng.random(size) < 0.5)
    last_known[written] = last[written] + " " + suffix[written]
    slip[written] = "suffix"
    until = np.where(rng.random(size) < _CORRECTED, rng.integers(1, max(2, months.count), size), months.count)
    until = np.where(slip == "suffix", months.count, until)
    ssn, ssn_slip = _numbers(rng, people, person, habits, allowed=slip == "")
    middle = np.where(rng.random(size) < habits.no_middle, "", people["middle"].to_numpy(dtype=object)[person])
    row = np.full(len(people), -1)
    row[person] = np.arange(size)
    return Known(
        population,
        habits,
        person,
        row,
        slip,
        first_known,
        np.where(last_known != last, last_known, "").astype(object),
        birth_known,
        until,
        rng.choice([0, 1, 2, 99], size=size, p=[0.5, 0.25, 0.1, 0.15]),
        middle,
        ssn,
        ssn_slip,
        _races(rng, people, person, habits),
        _languages(rng, people, person, habits),
        address_lag,
        rng.random(size) < habits.plain_letters,
    )


def _first_names(rng: np.random.Generator, slip: Array, first: Array) -> Array:
    known = np.where(slip == "nickname", nickname(first), first)
    known = np.where(slip == "first_name_initial", first.astype("U1").astype(object), known)
    typed = np.flatnonzero(slip == "first_name_typo")
    known[typed] = typo(rng, first[typed])
    return known


def _last_names(rng: np.random.Generator, slip: Array, last: Array, other: Array) -> Array:
    text = pd.Series(last, dtype="str")
    arabic = text.str.startswith("Al-").to_numpy()
    double = text.str.contains("[ -]").to_numpy() & ~arabic
    style = rng.integers(0, 3, len(last))
    first_only = text.str.replace(r"[ -].*$", "", regex=True).to_numpy(dtype=object)
    hyphen = text.str.replace(" ", "-", regex=False).to_numpy(dtype=object)
    spaced = text.str.replace("-", " ", regex=False).to_numpy(dtype=object)
    joined = text.str.replace("-", "", regex=False).to_numpy(dtype=object)
    written = np.where(style == 0, first_only, np.where(hyphen == last, spaced, hyphen))
    written = np.where(arabic, np.where(style == 0, joined, spaced), np.where(double, written, last))
    known = np.where(slip == "surname_written_otherwise", written, last)
    known = np.where(slip == "other_surname", other, known)
    cut = text.str.slice(0, _KEPT_LETTERS).str.strip().to_numpy(dtype=object)
    known = np.where(slip == "last_name_truncated", cut, known).astype(object)
    typed = np.flatnonzero(slip == "last_name_typo")
    known[typed] = typo(rng, last[typed])
    return known


def _birth_dates(rng: np.random.Generator, slip: Array, birth: Array) -> Array:
    month = birth.astype("datetime64[M]")
    day = (birth - month.astype("datetime64[D]")).astype(int) + 1
    year = birth.astype("datetime64[Y]")
    swapped = (year.astype("datetime64[M]") + (day - 1).astype("timedelta64[M]")).astype("datetime64[D]")
    swapped = swapped + (month - year.astype("datetime64[M]")).astype(int).astype("timedelta64[D]")
    known = np.where((slip == "day_and_month_swapped") & (day <= 12), swapped, birth)
    slipped = birth + np.where(rng.random(len(birth)) < 0.5, -1, 1) * np.where(day > 10, 10, 1) * DAY
    same_month = slipped.astype("datetime64[M]") == month
    return np.where((slip == "birth_day_slip") & same_month, slipped, known)


def _numbers(
    rng: np.random.Generator, people: pd.DataFrame, person: Array, habits: Habits, allowed: Array
) -> tuple[Array, Array]:
    child = people["child"].to_numpy()[person]
    ssn = people["ssn"].to_numpy()[person]
    missing = rng.random(len(person)) < np.where(child, *habits.no_ssn)
    place = 10 ** rng.integers(0, 6, len(person))
    digit = ssn // place % 10
    wrong = ssn + ((digit + rng.integers(1, 10, len(person))) % 10 - digit) * place
    slips = allowed & ~missing & (rng.random(len(person)) < 0.012)
    return np.where(missing, 0, np.where(slips, wrong, ssn)), slips


def _races(rng: np.random.Generator, people: pd.DataFrame, person: Array, habits: Habits) -> Array:
    race = people["race"].to_numpy(dtype=object)[person]
    chance = rng.random(len(person))
    race = np.where(chance > 0.985, np.where(race == MULTIRACIAL, "RaceAndEthnicityUnknown", MULTIRACIAL), race)
    return np.where(chance < habits.no_race, "", race).astype(object)


def _languages(rng: np.random.Generator, people: pd.DataFrame, person: Array, habits: Habits) -> Array:
    language = people["language"].to_numpy(dtype=object)[person]
    chance = rng.random(len(person))
    language = np.where(chance > 0.97, "eng", language)
    return np.where(chance < habits.no_language, "", language).astype(object)
