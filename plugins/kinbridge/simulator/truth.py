"""What is true of the simulated families, written beside the partners' files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.layout import write_plain
from kinbridge.simulator.months import Months, birthday
from kinbridge.simulator.participation import days_of
from kinbridge.simulator.partner import Partner, spelled
from kinbridge.simulator.places import Residence
from kinbridge.simulator.population import Population

_UNDER = 6


class Truth:
    """The truth about a population over the simulated months; each method gives one table of `truth/`."""

    def __init__(self, population: Population, residence: Residence, months: Months) -> None:
        self.population, self.residence, self.months = population, residence, months
        people = population.people
        self.person_id = spelled(np.arange(len(people)) + 1, "P", 7)
        self.family_id = spelled(np.arange(len(population.families)) + 1, "F", 7)[people["family"].to_numpy()]

    def people(self, partner: Partner, person: Array) -> pd.DataFrame:
        """The persons that a partner names in any file, by its own ids."""
        frame = pd.DataFrame(
            {
                "partner": partner.name,
                "source_person_id": partner.ids[person],
                "true_person_id": self.person_id[person],
                "true_family_id": self.family_id[person],
                "is_child": _yes(person < self.population.children),
            }
        )
        return frame.sort_values("source_person_id", ignore_index=True)

    def participation(self, program: str, spells: pd.DataFrame) -> pd.DataFrame:
        """Who is served in each month: persons with a spell (begin, end) that overlaps it."""
        begin, end = days_of(spells, "begin"), days_of(spells, "end")
        birth = days_of(self.population.people, "birth")
        found = []
        for month in range(self.months.count):
            last = self.months.last_day(month)
            person = np.unique(spells["person"].to_numpy()[(begin <= last) & (end >= self.months.first_day(month))])
            young = (birthday(birth[person], _UNDER) > last) & (person < self.population.children)
            found.append(
                pd.DataFrame(
                    {
                        "true_person_id": self.person_id[person],
                        "true_family_id": self.family_id[person],
                        "program": program,
                        "month": str(self.months.first_day(month)),
                        "child_under_six": _yes(young),
                        "county_fips": self._county(person, last),
                    }
                )
            )
        return pd.concat(found, ignore_index=True)

    def children(self) -> pd.DataFrame:
        """All children with what holds at the end of the last month."""
        people = self.population.people.iloc[: self.population.children]
        child = np.arange(self.population.children)
        return pd.DataFrame(
            {
                "true_person_id": self.person_id[child],
                "true_family_id": self.family_id[child],
                "birth_date": days_of(people, "birth").astype(str),
                "sex": np.where(people["sex"] == "F", "Female", "Male"),
                "race_ethnicity": people["race"].to_numpy(dtype=object),
                "language": people["language"].to_numpy(dtype=object),
                "county_fips": self._county(child, self.months.end),
            }
        )

    def referrals(self, referrals: pd.DataFrame) -> pd.DataFrame:
        """Each referral and the service that followed by the end of the last month, if one did."""
        person = referrals["person"].to_numpy()
        service = days_of(referrals, "service")
        return pd.DataFrame(
            {
                "referral_id": referrals["referral_id"].to_numpy(dtype=object),
                "true_person_id": self.person_id[person],
                "referred_to": referrals["referred_to"].to_numpy(dtype=object),
                "referral_date": days_of(referrals, "day").astype(str),
                "became_service": _yes(~np.isnat(service)),
                "service_start_date": np.where(np.isnat(service), "", service.astype(str)),
            }
        )

    def noise(self, partner: Partner, seen: dict[int, tuple[Array, Array]]) -> pd.DataFrame:
        """What a partner has otherwise than it is. `seen` gives per month the persons in its files, and their address.

        `first_month` and `last_month` are the first and last months in which the partner's files say so.
        """
        everyone = [np.unique(person) for person, _ in seen.values()]
        rows = [self._stale_addresses(month, *seen[month]) for month in seen]
        noise = partner.known.noise(self.months)
        for month, present in enumerate(everyone):
            rows.append(noise[(noise["until"] > month) & noise["person"].isin(present)].assign(month=month))
        whole = pd.concat(rows, ignore_index=True)
        spans = whole.groupby(["person", "column", "kind"], sort=True)["month"].agg(["min", "max"]).reset_index()
        named = np.array([str(self.months.first_day(month)) for month in range(self.months.count)], dtype=object)
        return pd.DataFrame(
            {
                "partner": partner.name,
                "source_person_id": partner.ids[spans["person"]],
                "column": spans["column"].to_numpy(dtype=object),
                "kind": spans["kind"].to_numpy(dtype=object),
                "first_month": named[spans["min"]],
                "last_month": named[spans["max"]],
            }
        ).sort_values(["source_person_id", "column", "kind"], ignore_index=True)

    def _stale_addresses(self, month: int, person: Array, address: Array) -> pd.DataFrame:
        family = self.population.people["family"].to_numpy()[person]
        right = self.residence.at(family, np.full(len(person), self.months.last_day(month)))
        late = np.unique(person[right != address])
        return pd.DataFrame({"person": late, "column": "address", "kind": "old_address", "month": month})

    def _county(self, person: Array, day: np.datetime64) -> Array:
        family = self.population.people["family"].to_numpy()[person]
        return self.residence.county(self.residence.at(family, np.full(len(person), day)))


def write_table(rows: pd.DataFrame, path: Path) -> None:
    """Write a table of truth: comma, UTF-8, LF."""
    path.write_bytes(write_plain(rows, ","))


def _yes(values: Array) -> Array:
    return np.where(values, "true", "false")
