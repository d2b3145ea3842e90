"""The Medicaid agency's monthly file of members: capital letters, its own codes, Windows-1252."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.extract import Extract
from kinbridge.simulator.layout import LAYOUTS, Layout
from kinbridge.simulator.months import FOREVER, Months
from kinbridge.simulator.names import CULTURES, without_accents
from kinbridge.simulator.noise import Habits, Known, know
from kinbridge.simulator.participation import days_of
from kinbridge.simulator.partner import Partner, coded, numbered
from kinbridge.simulator.places import Residence
from kinbridge.simulator.population import Population

_RACES = {
    "White": "1",
    "BlackOrAfricanAmerican": "2",
    "AmericanIndianOrAlaskaNative": "3",
    "Asian": "4",
    "HispanicOrLatino": "5",
    "NativeHawaiianOrPacificIslander": "6",
    "MultiracialAndOrMultiethnic": "7",
    "MiddleEasternOrNorthAfrican": "8",
    "RaceAndEthnicityUnknown": "9",
    "": "",
}
_LANGUAGES = {"eng": "EN", "spa": "SP", "som": "SO", "vie": "VI", "ara": "AR", "": ""}
_DIAGNOSES = np.array(["", "J06.9", "F80.9", "Z00.129", "L20.9", "O09.90", "E66.9"], dtype=object)


@dataclass(frozen=True)
class MedicaidFiles:
    """The agency's view of its members, ready to be cut into months. `spells` are person, family, begin, end."""

    partner: Partner
    months: Months
    spells: pd.DataFrame
    disabled: Array
    income: Array
    diagnosis: Array

    def eligibility(self, month: int) -> Extract:
        """Members eligible in the month, one row per span of coverage."""
        layout = LAYOUTS["medicaid/eligibility_v1"]
        rows, begin, end = covered(self.spells, self.months, month)
        person, family = rows["person"].to_numpy(), rows["family"].to_numpy()
        people = self.partner.population.people
        said = self.partner.known.names(person, month)
        address = self.partner.address(person, np.full(len(rows), self.months.last_day(month)))
        frame = pd.DataFrame(
            {
                "MEMBER_ID": self.partner.ids[person],
                "CASE_ID": self.partner.family_ids[family],
                "SSN": _dashed(said["ssn"]),
                "LAST_NAME": self._capitals(said["last"], family),
                "FIRST_NAME": self._capitals(said["first"], family),
                "MIDDLE_INIT": self._capitals(said["middle"].astype("U1").astype(object), family),
                "DOB": layout.dates(said["birth"]),
                "SEX": people["sex"].to_numpy(dtype=object)[person],
                "RACE_CD": coded(said["race"], _RACES),
                "LANG_CD": coded(said["language"], _LANGUAGES, "OT"),
                "ADDR1": _upper(self.partner.line(address, " ")),
                "CITY": _upper(self.partner.place(address, "city")),
                "STATE": "JF",
                "ZIP": self.partner.place(address, "postal_code"),
                "COUNTY_CD": self.partner.place(address, "medicaid_code"),
                "AID_CAT": self._aid_category(person, month),
                "ELIG_BEG": layout.dates(begin),
                "ELIG_END": layout.dates(end),
                "MONTHLY_INCOME": self.income[family],
                "DIAGNOSIS_CD": self.diagnosis[person],
            }
        )
        return Extract(layout.feed, _sorted(frame, layout), person, address)

    def _capitals(self, names: Array, family: Array) -> Array:
        """Names in capitals; the letters of Vietnamese names that Windows-1252 lacks lose their marks."""
        culture = self.partner.population.families["culture"].to_numpy()[family]
        names = names.copy()
        foreign = culture == CULTURES.index("vietnamese")
        names[foreign] = without_accents(names[foreign])
        return _upper(names)

    def _aid_category(self, person: Array, month: int) -> Array:
        population, as_of = self.partner.population, self.months.last_day(month)
        people = population.people
        birth = days_of(people, "birth")[: population.children]
        near = (birth > as_of - np.timedelta64(60, "D")) & (birth <= as_of + np.timedelta64(180, "D"))
        pregnant: Array = np.zeros(len(population.families), dtype=bool)
        pregnant[people["family"].to_numpy()[: population.children][near]] = True
        mother = (people["position"].to_numpy() == 0) & (people["sex"].to_numpy(dtype=object) == "F")
        expects = mother[person] & pregnant[people["family"].to_numpy()[person]]
        adult = np.where(expects, "PW", "PA")
        category = np.where(people["child"].to_numpy()[person], "CH", adult)
        return np.where(self.disabled[person], "DI", category).astype(object)


def medicaid_files(
    rng: np.random.Generator,
    population: Population,
    residence: Residence,
    spells: pd.DataFrame,
    months: Months,
) -> MedicaidFiles:
    """Draw the agency's ids and what it knows of its members."""
    habits = Habits(no_middle=0.25, no_ssn=(0.12, 0.03))
    known = know_members(rng, population, residence, spells, months, habits=habits)
    families = len(population.families)
    partner = Partner(
        "medicaid",
        population,
        residence,
        known,
        numbered(rng, len(population.people), "M", 8, base=10_000_000),
        numbered(rng, families, "C", 7, base=1_000_000),
    )
    people = len(population.people)
    return MedicaidFiles(
        partner,
        months,
        spells,
        rng.random(people) < 0.03,
        np.round(rng.gamma(2, 700, families), 2).astype(str).astype(object),
        _DIAGNOSES[rng.choice(len(_DIAGNOSES), size=people, p=[0.82, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03])],
    )


def know_members(
    rng: np.random.Generator,
    population: Population,
    residence: Residence,
    spells: pd.DataFrame,
    months: Months,
    *,
    habits: Habits,
) -> Known:
    """What an agency knows of the people whose spells reach into the simulated months."""
    met = spells[(days_of(spells, "end") >= months.first) & (days_of(spells, "begin") <= months.end)]
    limit = np.full(len(population.people), FOREVER)
    np.minimum.at(limit, met["person"].to_numpy(), np.maximum(days_of(met, "begin"), months.first))
    person = np.unique(met["person"].to_numpy())
    settled = residence.moved[:, 1] == FOREVER
    return know(rng, population, person, limit[person], settled, months=months, habits=habits)


def covered(spells: pd.DataFrame, months: Months, month: int) -> tuple[pd.DataFrame, Array, Array]:
    """The spells that touch a month, with their first and last day within it."""
    first, last = months.first_day(month), months.last_day(month)
    rows = spells[(days_of(spells, "begin") <= last) & (days_of(spells, "end") >= first)].reset_index(drop=True)
    return rows, np.maximum(days_of(rows, "begin"), first), np.minimum(days_of(rows, "end"), last)


def _sorted(frame: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    return frame.sort_values(list(layout.key), ignore_index=True)


def _upper(values: Array) -> Array:
    text = pc.utf8_upper(pa.array(values, type=pa.string()))
    return np.asarray(text.to_numpy(zero_copy_only=False), dtype=object)


def _dashed(ssn: Array) -> Array:
    text = pd.Series(ssn.astype(str), dtype="str")
    dashed = text.str.slice(0, 3) + "-" + text.str.slice(3, 5) + "-" + text.str.slice(5)
    return np.where(ssn == 0, "", dashed.to_numpy(dtype=object)).astype(object)
