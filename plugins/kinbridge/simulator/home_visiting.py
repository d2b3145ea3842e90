"""The home visiting program's three files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.extract import Extract
from kinbridge.simulator.layout import LAYOUTS
from kinbridge.simulator.months import FOREVER, Months
from kinbridge.simulator.names import draw
from kinbridge.simulator.noise import Habits, Known, know
from kinbridge.simulator.participation import days_of
from kinbridge.simulator.partner import Partner, coded, numbered, shown, spelled
from kinbridge.simulator.places import Residence
from kinbridge.simulator.population import Population
from kinbridge.simulator.services import HomeVisiting

_SEX = {"F": "Female", "M": "Male"}
_REASONS = {
    "EI": "DEVELOPMENTAL_CONCERN",
    "SNAP": "FOOD",
    "MEDICAID": "INSURANCE",
    "WIC": "NUTRITION",
    "MENTAL_HEALTH": "MATERNAL_DEPRESSION",
    "HOUSING": "HOUSING",
}
# Free text that no agreement covers, with the commas, quotes and line breaks that free text has.
_NOTES = np.array(
    [
        "",
        "Talked about sleep, feeding and safe play.",
        "Family asked for diapers; brought two packs.",
        'Caregiver says "better every week".',
        "Two visits missed.\nCalled, left a message.",
        "Screening done, next one in six months",
        "Moved in with relatives for now, see address",
        "Interpreter needed.",
    ],
    dtype=object,
)
_NOTE_SHARES = (0.52, 0.12, 0.08, 0.05, 0.02, 0.1, 0.05, 0.06)


@dataclass(frozen=True)
class HomeVisitingFiles:
    """The program's view of its families, ready to be cut into months."""

    partner: Partner
    months: Months
    visiting: HomeVisiting
    referrals: pd.DataFrame
    caregiver: Array
    enrollment_ids: Array
    notes: Array
    no_phone: Array
    no_email: Array
    no_birth: Array
    visits: pd.DataFrame

    def enrollments(self, month: int) -> Extract:
        """Everyone ever enrolled up to the month's end; a family that left keeps the address it had then."""
        layout, as_of = LAYOUTS["home_visiting/enrollments_v1"], self.months.last_day(month)
        seen = np.flatnonzero(days_of(self.visiting.rows, "entry") <= as_of)
        rows = self.visiting.rows.iloc[seen].reset_index(drop=True)
        person, family = rows["person"].to_numpy(), rows["family"].to_numpy()
        exit_day = days_of(rows, "exit")
        last_seen = np.full(len(self.partner.population.families), np.datetime64("1900-01-01", "D"))
        np.maximum.at(last_seen, family, np.minimum(exit_day, as_of))
        address = self.partner.address(person, last_seen[family])
        caregiver = self.caregiver[family]
        child, adult = self.partner.known.names(person, month), self.partner.known.names(caregiver, month)
        people = self.partner.population.people
        left = exit_day <= as_of
        frame = pd.DataFrame(
            {
                "enrollment_id": self.enrollment_ids[rows["enrollment"]],
                "family_id": self.partner.family_ids[family],
                "child_id": self.partner.ids[person],
                "child_first_name": child["first"],
                "child_middle_name": child["middle"],
                "child_last_name": child["last"],
                "child_birth_date": layout.dates(child["birth"]),
                "child_sex": coded(people["sex"].to_numpy(dtype=object)[person], _SEX),
                "child_race_ethnicity": child["race"],
                "child_language": child["language"],
                "caregiver_id": self.partner.ids[caregiver],
                "caregiver_first_name": adult["first"],
                "caregiver_last_name": adult["last"],
                "caregiver_birth_date": np.where(self.no_birth[family], "", layout.dates(adult["birth"])),
                "caregiver_phone": np.where(self.no_phone[family], "", self._phones(family)),
                "caregiver_email": np.where(
                    self.no_email[family], "", people["email"].to_numpy(dtype=object)[caregiver]
                ),
                "address_line": self.partner.line(address, ", "),
                "city": self.partner.place(address, "city"),
                "state": "JF",
                "postal_code": self.partner.place(address, "postal_code"),
                "county_fips": self.partner.place(address, "county_fips"),
                "model": rows["model"].to_numpy(dtype=object),
                "entry_date": layout.dates(days_of(rows, "entry")),
                "exit_date": shown(layout, exit_day, as_of),
                "exit_reason": np.where(left, rows["exit_reason"].to_numpy(dtype=object), ""),
                "case_notes": self.notes[seen],
            }
        )
        return Extract(
            layout.feed,
            frame,
            np.concatenate([person, caregiver]),
            np.concatenate([address, address]),
            ~np.isin(person, self._children_of_visits_and_referrals()),
        )

    def month_visits(self, month: int) -> Extract:
        """The visits of the month."""
        layout = LAYOUTS["home_visiting/visits_v1"]
        rows = _within(self.visits, self.months, month)
        frame = pd.DataFrame(
            {
                "visit_id": rows["visit_id"].to_numpy(dtype=object),
                "enrollment_id": self.enrollment_ids[rows["enrollment"]],
                "family_id": self.partner.family_ids[rows["family"]],
                "child_id": self.partner.ids[rows["person"]],
                "visit_date": layout.dates(days_of(rows, "day")),
                "visit_mode": rows["mode"].to_numpy(dtype=object),
                "duration_minutes": rows["minutes"].to_numpy(dtype=object),
                "visitor_name": rows["visitor"].to_numpy(dtype=object),
            }
        )
        return Extract(layout.feed, frame)

    def month_referrals(self, month: int) -> Extract:
        """The referrals made in the month."""
        layout = LAYOUTS["home_visiting/referrals_v1"]
        rows = _within(self.referrals, self.months, month)
        frame = pd.DataFrame(
            {
                "referral_id": rows["referral_id"].to_numpy(dtype=object),
                "family_id": self.partner.family_ids[rows["family"]],
                "child_id": self.partner.ids[rows["person"]],
                "referral_date": layout.dates(days_of(rows, "day")),
                "referred_to": rows["referred_to"].to_numpy(dtype=object),
                "referral_reason": rows["reason"].to_numpy(dtype=object),
                "referral_notes": rows["notes"].to_numpy(dtype=object),
            }
        )
        return Extract(layout.feed, frame)

    def _phones(self, family: Array) -> Array:
        digits: Array = self.partner.population.families["phone"].to_numpy()[family].astype(str)
        text = pd.Series(digits, dtype="str")
        written = "(" + text.str.slice(0, 3) + ") " + text.str.slice(3, 6) + "-" + text.str.slice(6)
        return np.asarray(written.to_numpy(dtype=object))

    def _children_of_visits_and_referrals(self) -> Array:
        """Children whom some visit or referral names: they must stay known."""
        return np.union1d(self.visits["person"].to_numpy(), self.referrals["person"].to_numpy())


def _within(rows: pd.DataFrame, months: Months, month: int) -> pd.DataFrame:
    day = days_of(rows, "day")
    within: pd.DataFrame = rows[(day >= months.first_day(month)) & (day <= months.last_day(month))]
    return within.reset_index(drop=True)


def home_visiting_files(
    rng: np.random.Generator,
    population: Population,
    residence: Residence,
    *,
    visiting: HomeVisiting,
    referrals: pd.DataFrame,
    months: Months,
) -> HomeVisitingFiles:
    """Draw the program's ids and what it knows of its children and of one caregiver per family."""
    people, rows = population.people, visiting.rows
    adults = np.flatnonzero(~people["child"].to_numpy() & (people["position"].to_numpy() == 0))
    caregiver: Array = np.empty(len(population.families), dtype=int)
    caregiver[people["family"].to_numpy()[adults]] = adults
    person = np.union1d(rows["person"].to_numpy(), caregiver[rows["family"].unique()])
    limit = np.full(len(people), FOREVER)
    np.minimum.at(limit, rows["person"].to_numpy(), days_of(rows, "entry"))
    settled = residence.moved[:, 1] == FOREVER
    known = know(
        rng,
        population,
        person,
        limit[person],
        settled,
        months=months,
        habits=Habits(no_middle=0.35, names_only_of_adults=True),
    )
    families = len(population.families)
    ids: Array = np.full(len(people), "", dtype=object)
    for prefix, chosen in (
        ("HV-C", person[person < population.children]),
        ("HV-A", person[person >= population.children]),
    ):
        ids[chosen] = numbered(rng, len(chosen), prefix, 6)
    family = rows["family"].unique()
    family_ids: Array = np.full(families, "", dtype=object)
    family_ids[family] = numbered(rng, len(family), "HV-F", 6)
    partner = Partner("home_visiting", population, residence, known, ids, family_ids)
    return HomeVisitingFiles(
        partner,
        months,
        visiting,
        _referral_rows(rng, referrals),
        caregiver,
        numbered(rng, int(rows["enrollment"].max()) + 1 if len(rows) else 0, "HV-E", 6),
        _NOTES[rng.choice(len(_NOTES), size=len(rows), p=_NOTE_SHARES)],
        rng.random(families) < 0.08,
        rng.random(families) < 0.3,
        _birth_not_asked(rng, residence, known, caregiver),
        _visit_rows(rng, visiting.visits),
    )


def _birth_not_asked(rng: np.random.Generator, residence: Residence, known: Known, caregiver: Array) -> Array:
    """Families whose caregiver's birth date is empty: only where name and address agree with what others know."""
    right: Array = np.zeros(len(known.row), dtype=bool)
    right[known.person] = known.slip == ""
    stayed = (residence.moved[:, 0] < np.datetime64("1901-01-01", "D")) & (residence.moved[:, 1] == FOREVER)
    plain = right[caregiver] & (known.address_lag == 0) & stayed
    plain &= known.population.people["changes_month"].to_numpy()[caregiver] < 0
    return np.asarray(plain & (rng.random(len(plain)) < 0.15))


def _referral_rows(rng: np.random.Generator, referrals: pd.DataFrame) -> pd.DataFrame:
    size = len(referrals)
    chance = rng.random(size)
    reason = coded(referrals["referred_to"].to_numpy(dtype=object), _REASONS)
    return referrals.assign(
        referral_id=spelled(np.arange(size) + 1, "HV-R", 6),
        reason=np.where(chance < 0.05, "", np.where(chance > 0.93, "OTHER", reason)),
        notes=_NOTES[rng.choice(len(_NOTES), size=size, p=_NOTE_SHARES)],
    )


def _visit_rows(rng: np.random.Generator, visits: pd.DataFrame) -> pd.DataFrame:
    size = len(visits)
    english: Array = np.zeros(40, dtype=int)
    visitors = draw(rng, "first", english, np.full(40, "F", dtype=object)) + " " + draw(rng, "last", english)
    minutes = np.clip(np.round(rng.normal(62, 18, size) / 5) * 5, 10, 180).astype(int).astype(str).astype(object)
    modes = np.array(["InPerson", "Virtual", "Phone"], dtype=object)
    return visits.assign(
        visit_id=spelled(np.arange(size) + 1, "HV-V", 7),
        mode=modes[rng.choice(3, size=size, p=[0.78, 0.16, 0.06])],
        minutes=np.where(rng.random(size) < 0.03, "", minutes),
        visitor=visitors[visits["enrollment"].to_numpy() % len(visitors)],
    )
