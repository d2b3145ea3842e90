"""The SNAP agency's monthly file of household members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.extract import Extract
from kinbridge.simulator.layout import LAYOUTS
from kinbridge.simulator.medicaid import covered, know_members
from kinbridge.simulator.months import Months
from kinbridge.simulator.noise import Habits
from kinbridge.simulator.partner import Partner, coded, numbered
from kinbridge.simulator.places import Residence
from kinbridge.simulator.population import Population

_SEX = {"M": "1", "F": "2"}
# Two questions, with no Middle Eastern answer; a Hispanic person's race is one of W, O or none.
_RACES = {
    "White": "W",
    "BlackOrAfricanAmerican": "B",
    "AmericanIndianOrAlaskaNative": "I",
    "Asian": "A",
    "NativeHawaiianOrPacificIslander": "P",
    "MultiracialAndOrMultiethnic": "M",
    "MiddleEasternOrNorthAfrican": "O",
    "": "",
    "RaceAndEthnicityUnknown": "",
}
_HISPANIC_RACES = np.array(["W", "O", ""], dtype=object)
_LANGUAGES = {
    "eng": "English",
    "spa": "Spanish",
    "som": "Somali",
    "vie": "Vietnamese",
    "ara": "Arabic",
    "": "",
}


@dataclass(frozen=True)
class SnapFiles:
    """The agency's view of its households, ready to be cut into months. `spells` are person, family, begin, end."""

    partner: Partner
    months: Months
    spells: pd.DataFrame
    hispanic_race: Array

    def participation(self, month: int) -> Extract:
        """Members of households with benefits in the month, one row per span of benefits."""
        layout = LAYOUTS["snap/participation_v1"]
        rows, begin, end = covered(self.spells, self.months, month)
        person, family = rows["person"].to_numpy(), rows["family"].to_numpy()
        population = self.partner.population
        said = self.partner.known.names(person, month)
        address = self.partner.address(person, np.full(len(rows), self.months.last_day(month)))
        hispanic = said["race"] == "HispanicOrLatino"
        size = np.bincount(family[~rows["person"].duplicated().to_numpy()], minlength=len(population.families))[family]
        asked = (said["race"] != "") & (said["race"] != "RaceAndEthnicityUnknown")
        frame = pd.DataFrame(
            {
                "case_number": self.partner.family_ids[family],
                "individual_id": self.partner.ids[person],
                "relationship": self._relationship(person, family),
                "ssn": np.where(said["ssn"] == 0, "", said["ssn"].astype(str).astype(object)),
                "first_name": said["first"],
                "last_name": said["last"],
                "dob": layout.dates(said["birth"]),
                "sex": coded(population.people["sex"].to_numpy(dtype=object)[person], _SEX),
                "ethnicity": np.where(hispanic, "H", np.where(asked, "N", "")),
                "race": np.where(hispanic, self.hispanic_race[family], coded(said["race"], _RACES)),
                "language": coded(said["language"], _LANGUAGES, "Other"),
                "street": self.partner.line(address, " "),
                "city": self.partner.place(address, "city"),
                "zip": self.partner.place(address, "postal_code"),
                "county_name": self.partner.place(address, "county"),
                "benefit_start": layout.dates(begin),
                "benefit_end": layout.dates(end),
                "household_size": size.astype(str).astype(object),
                "benefit_amount": (size * 187 + family % 90).astype(str).astype(object),
            }
        )
        return Extract(layout.feed, frame.sort_values(list(layout.key), ignore_index=True), person, address)

    def _relationship(self, person: Array, family: Array) -> Array:
        people = self.partner.population.people
        married = self.partner.population.families["married"].to_numpy()[family]
        second = np.where(married, "SPOUSE", "OTHER")
        adult = np.where(people["position"].to_numpy()[person] == 0, "HOH", second)
        return np.where(people["child"].to_numpy()[person], "CHILD", adult).astype(object)


def snap_files(
    rng: np.random.Generator,
    population: Population,
    residence: Residence,
    spells: pd.DataFrame,
    months: Months,
) -> SnapFiles:
    """Draw the agency's ids and what it knows of household members."""
    habits = Habits(no_ssn=(0.1, 0.02), plain_letters=0.3, no_middle=1.0)
    known = know_members(rng, population, residence, spells, months, habits=habits)
    families = len(population.families)
    ids = numbered(rng, len(population.people), "", 10, base=4_000_000_000)
    cases = numbered(rng, families, "", 8, base=20_000_000)
    partner = Partner("snap", population, residence, known, ids, cases)
    race = _HISPANIC_RACES[rng.choice(3, size=families, p=[0.55, 0.25, 0.2])]
    return SnapFiles(partner, months, spells, race)
