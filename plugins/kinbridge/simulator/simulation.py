"""Runs a simulation from the seed to the files: the one place that writes to disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.early_intervention import early_intervention_files
from kinbridge.simulator.extract import Extract
from kinbridge.simulator.held import spoil_delivery
from kinbridge.simulator.home_visiting import home_visiting_files
from kinbridge.simulator.layout import LAYOUTS
from kinbridge.simulator.medicaid import medicaid_files
from kinbridge.simulator.months import Months, stream
from kinbridge.simulator.participation import coverage
from kinbridge.simulator.partner import Partner
from kinbridge.simulator.places import settle
from kinbridge.simulator.population import populate
from kinbridge.simulator.referral import referrals, service_spells
from kinbridge.simulator.services import early_intervention, home_visiting
from kinbridge.simulator.snap import snap_files
from kinbridge.simulator.spoil import SPOILT_COLUMNS, spoil
from kinbridge.simulator.truth import Truth, write_table

HELD_SHARE = 0.12


@dataclass(frozen=True)
class SimulationSummary:
    """What was written: rows per file (`partner/file`, without the header), people, and the rows that break rules."""

    out: Path
    families: int
    children: int
    adults: int
    source_persons: int
    rows: dict[str, int] = field(default_factory=dict)
    spoilt_rows: int = 0
    held: str | None = None

    def __str__(self) -> str:
        people = f"{self.families} families, {self.children} children, {self.adults} caregivers"
        told = f"{self.source_persons} persons at partners, {self.spoilt_rows} rows that break a rule"
        files = [f"{name}: {count} rows" for name, count in sorted(self.rows.items())]
        held = [f"held: {self.held}"] if self.held else []
        return "\n".join([f"{self.out}: {people}; {told}", *files, *held])


def simulate(
    out: Path,
    families: int,
    seed: int,
    months: int,
    start: date = date(2026, 7, 1),
    *,
    held: str | None = "home_visiting/visits_v1",
) -> SimulationSummary:
    """Write `OUT/<partner>/<file>` for every feed and month, and the truth about them to `OUT/truth/`.

    `families` is the size of the population, `start` a day of the first month. `held` names a feed whose last file
    gets a bad share of 12 % (see `spoil_delivery`), or None. Whatever becomes of that file, `truth/participation.csv`
    says what is so: a person to whom the held file alone would have testified is still served in the truth.
    The same arguments give the same bytes. Raises `ValueError` for counts below one, and for a held enrollments
    feed, since visits and referrals refer to its children.
    """
    if families < 1 or months < 1:
        raise ValueError("families and months must be at least 1")
    if held is not None and (held not in LAYOUTS or held == "home_visiting/enrollments_v1"):
        raise ValueError(f"{held} cannot be the held feed")
    simulation = _Simulation(families, seed, Months(start, months))
    truth_folder = out / "truth"
    for folder in (truth_folder, *(out / layout.partner for layout in LAYOUTS.values())):
        folder.mkdir(parents=True, exist_ok=True)
    rows = simulation.write_files(out)
    simulation.write_truth(truth_folder)
    if held is not None:
        held = f"{LAYOUTS[held].partner}/{LAYOUTS[held].file_name(simulation.months.period(months - 1))}"
        spoil_delivery(out / held, HELD_SHARE)
    spoilt = pd.read_csv(truth_folder / "spoilt.csv", usecols=["file", "line_no"])
    population = simulation.population
    return SimulationSummary(
        out=out,
        families=families,
        children=population.children,
        adults=len(population.people) - population.children,
        source_persons=sum(len(person) for person in simulation.met().values()),
        rows=rows,
        spoilt_rows=len(spoilt.drop_duplicates()),
        held=held,
    )


class _Simulation:
    """All stages of one simulation. Each stage has its own random stream, so that none shifts another."""

    def __init__(self, families: int, seed: int, months: Months) -> None:
        self.seed, self.months = seed, months
        self.population = populate(self._stream("population"), families, months)
        self.residence = settle(self._stream("residence"), families, months)
        self.medicaid_spells, self.snap_spells = coverage(self._stream("coverage"), self.population, months)
        self.visiting = home_visiting(self._stream("home_visiting"), self.population, months)
        self.referred = early_intervention(self._stream("early_intervention"), self.population, self.visiting, months)
        self.ei_spells = service_spells(self.referred)
        spells = {"EI": self.ei_spells, "SNAP": self.snap_spells, "MEDICAID": self.medicaid_spells}
        made = referrals(self._stream("referrals"), self.population, self.visiting, spells, months)
        population, residence = self.population, self.residence
        self.home_visiting = home_visiting_files(
            self._stream("home_visiting_files"),
            population,
            residence,
            visiting=self.visiting,
            referrals=made,
            months=months,
        )
        self.medicaid = medicaid_files(
            self._stream("medicaid_files"), population, residence, self.medicaid_spells, months
        )
        self.snap = snap_files(self._stream("snap_files"), population, residence, self.snap_spells, months)
        self.early_intervention = early_intervention_files(
            self._stream("early_intervention_files"), population, residence, self.referred, months
        )
        self.spoilt: list[pd.DataFrame] = []
        self.seen: dict[str, dict[int, tuple[Array, Array]]] = {}

    def _stream(self, stage: str) -> np.random.Generator:
        return stream(self.seed, stage)

    def partners(self) -> tuple[Partner, ...]:
        """The four partners, in the order in which the truth lists them."""
        files = (self.home_visiting, self.medicaid, self.snap, self.early_intervention)
        return tuple(one.partner for one in files)

    def met(self) -> dict[str, Array]:
        """Per partner the persons of all its files."""
        return {
            name: np.unique(np.concatenate([person for person, _ in months.values()]))
            for name, months in self.seen.items()
        }

    def _extracts(self, month: int) -> Iterator[Extract]:
        yield self.home_visiting.enrollments(month)
        yield self.home_visiting.month_visits(month)
        yield self.home_visiting.month_referrals(month)
        yield self.medicaid.eligibility(month)
        yield self.snap.participation(month)
        yield self.early_intervention.services(month)

    def write_files(self, out: Path) -> dict[str, int]:
        """Spoil and write every file; returns the rows of each."""
        rows: dict[str, int] = {}
        known: Array = np.empty(0, dtype=object)
        for month in range(self.months.count):
            for extract in self._extracts(month):
                layout = LAYOUTS[extract.feed]
                file = layout.file_name(self.months.period(month))
                rng = self._stream(f"spoil {layout.feed} {month}")
                # A child whom an earlier file made known stays known, whatever becomes of this file's row.
                if extract.dispensable is not None:
                    extract.dispensable[:] |= extract.rows["child_id"].isin(known).to_numpy()
                done = spoil(rng, extract, month, self.months, file)
                if extract.dispensable is not None:
                    known = np.union1d(known, done.rows.loc[done.accepted, "child_id"].to_numpy(dtype=object))
                layout.write(done.rows, out / layout.partner / file)
                self.spoilt.append(done.account)
                rows[f"{layout.partner}/{file}"] = len(done.rows)
                if extract.person is not None:
                    self.seen.setdefault(layout.partner, {})[month] = (extract.person, extract.address)
        return rows

    def write_truth(self, folder: Path) -> None:
        """Write the tables of `truth/`."""
        truth = Truth(self.population, self.residence, self.months)
        met = self.met()
        partners = [partner for partner in self.partners() if partner.name in met]
        people = [truth.people(partner, met[partner.name]) for partner in partners]
        write_table(pd.concat(people), folder / "people.csv")
        visited = self.visiting.rows.rename(columns={"entry": "begin", "exit": "end"})
        served = self.ei_spells[self.ei_spells["begin"].notna()]
        participation = [
            truth.participation("home_visiting", visited),
            truth.participation("medicaid", self.medicaid_spells),
            truth.participation("snap", self.snap_spells),
            truth.participation("early_intervention", served),
        ]
        write_table(pd.concat(participation), folder / "participation.csv")
        write_table(truth.children(), folder / "children.csv")
        write_table(truth.referrals(self.home_visiting.referrals), folder / "referrals.csv")
        noise = [truth.noise(partner, self.seen[partner.name]) for partner in partners]
        write_table(pd.concat(noise), folder / "noise.csv")
        spoilt = pd.concat(self.spoilt)[SPOILT_COLUMNS].sort_values(["feed", "file", "line_no", "rule"])
        write_table(spoilt, folder / "spoilt.csv")
