"""The early intervention program's cumulative file of referred children."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.extract import Extract
from kinbridge.simulator.layout import LAYOUTS
from kinbridge.simulator.months import FOREVER, Months
from kinbridge.simulator.noise import Habits, know
from kinbridge.simulator.participation import days_of
from kinbridge.simulator.partner import Partner, coded, numbered, shown
from kinbridge.simulator.places import Residence
from kinbridge.simulator.population import Population

_SEX = {"F": "Female", "M": "Male"}
_RACES = {
    "White": "White",
    "BlackOrAfricanAmerican": "Black or African American",
    "HispanicOrLatino": "Hispanic/Latino",
    "Asian": "Asian",
    "AmericanIndianOrAlaskaNative": "American Indian",
    "NativeHawaiianOrPacificIslander": "Pacific Islander",
    "MiddleEasternOrNorthAfrican": "Middle Eastern",
    "MultiracialAndOrMultiethnic": "Two or more",
    "RaceAndEthnicityUnknown": "Unknown",
    "": "",
}
_LANGUAGES = {
    "eng": "English",
    "spa": "Spanish",
    "som": "Somali",
    "vie": "Vietnamese",
    "ara": "Arabic",
    "": "",
}
_DIAGNOSES = np.array(["", "Speech delay, expressive", "Motor delay", "Prematurity", 'Listed as "other"'], dtype=object)


@dataclass(frozen=True)
class EarlyInterventionFiles:
    """The program's view of its children, ready to be cut into months. `referred` is one row per child."""

    partner: Partner
    months: Months
    referred: pd.DataFrame
    parent: Array
    no_parent: Array
    diagnosis: Array

    def services(self, month: int) -> Extract:
        """Every child referred up to the month's end, with what has happened by then."""
        layout, as_of = LAYOUTS["early_intervention/services_v1"], self.months.last_day(month)
        rows = self.referred[days_of(self.referred, "referral") <= as_of].reset_index(drop=True)
        person = rows["person"].to_numpy()
        people = self.partner.population.people
        family = people["family"].to_numpy()[person]
        said = self.partner.known.names(person, month)
        exit_day, service = days_of(rows, "exit"), days_of(rows, "service")
        address = self.partner.address(person, np.minimum(exit_day, as_of))
        parent = self.parent[family]
        hidden = self.no_parent[family]
        frame = pd.DataFrame(
            {
                "ei_id": self.partner.ids[person],
                "child_first_name": said["first"],
                "child_last_name": said["last"],
                "child_dob": layout.dates(said["birth"]),
                "gender": coded(people["sex"].to_numpy(dtype=object)[person], _SEX),
                "race_ethnicity": coded(said["race"], _RACES),
                "home_language": coded(said["language"], _LANGUAGES, "Other"),
                "parent_first_name": np.where(hidden, "", people["first"].to_numpy(dtype=object)[parent]),
                "parent_last_name": np.where(hidden, "", self.partner.population.last_name(parent, month)),
                "parent_phone": np.where(
                    hidden, "", self.partner.population.families["phone"].to_numpy()[family].astype(str)
                ),
                "street": self.partner.line(address, ", "),
                "city": self.partner.place(address, "city"),
                "zip": self.partner.place(address, "postal_code"),
                "county": self.partner.place(address, "early_intervention_code"),
                "referral_date": layout.dates(days_of(rows, "referral")),
                "referral_source": rows["source"].to_numpy(dtype=object),
                "evaluation_date": shown(layout, days_of(rows, "evaluation"), as_of),
                "ifsp_date": shown(layout, days_of(rows, "ifsp"), as_of),
                "service_start_date": shown(layout, service, as_of),
                "service_type": np.where(service <= as_of, rows["service_type"].to_numpy(dtype=object), ""),
                "exit_date": shown(layout, exit_day, as_of),
                "exit_reason": np.where(exit_day <= as_of, rows["exit_reason"].to_numpy(dtype=object), ""),
                "eligibility_diagnosis": self.diagnosis[person],
            }
        )
        return Extract(layout.feed, frame.sort_values("ei_id", ignore_index=True), person, address)


def early_intervention_files(
    rng: np.random.Generator,
    population: Population,
    residence: Residence,
    referred: pd.DataFrame,
    months: Months,
) -> EarlyInterventionFiles:
    """Draw the program's ids and what it knows of the referred children."""
    people = population.people
    limit = np.full(len(people), FOREVER)
    limit[referred["person"].to_numpy()] = days_of(referred, "referral")
    person = np.unique(referred["person"].to_numpy())
    settled = residence.moved[:, 1] == FOREVER
    habits = Habits(no_middle=1.0, plain_letters=0.15)
    known = know(rng, population, person, limit[person], settled, months=months, habits=habits)
    ids: Array = np.full(len(people), "", dtype=object)
    ids[person] = numbered(rng, len(person), "EI-", 6)
    families = len(population.families)
    none: Array = np.full(families, "", dtype=object)
    adults = np.flatnonzero(~people["child"].to_numpy() & (people["position"].to_numpy() == 0))
    parent: Array = np.empty(families, dtype=int)
    parent[people["family"].to_numpy()[adults]] = adults
    return EarlyInterventionFiles(
        Partner("early_intervention", population, residence, known, ids, none),
        months,
        referred,
        parent,
        rng.random(families) < 0.1,
        _DIAGNOSES[rng.choice(len(_DIAGNOSES), size=len(people), p=[0.5, 0.2, 0.1, 0.1, 0.1])],
    )
