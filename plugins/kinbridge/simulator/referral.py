"""Referrals that home visitors make, and whether a service followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.months import Months, birthday, day_between, days_after
from kinbridge.simulator.participation import days_of
from kinbridge.simulator.population import Population
from kinbridge.simulator.services import HomeVisiting

# Programs outside this system, with the share of enrolled children referred to each in a month.
_ELSEWHERE = {"WIC": 0.015, "MENTAL_HEALTH": 0.01, "HOUSING": 0.008}
_IN_VAIN = {"EI": 0.012, "SNAP": 0.05, "MEDICAID": 0.05}


@dataclass(frozen=True)
class _Lead:
    """How referrals run ahead of the day in column `anchor`: by `least` to `most` days, for a share of the spells."""

    program: str
    anchor: str
    least: int
    most: int
    share: float


_LEADS = (
    _Lead("EI", "referral", 0, 7, 1.0),
    _Lead("SNAP", "begin", 4, 40, 0.7),
    _Lead("MEDICAID", "begin", 4, 40, 0.7),
)


def referrals(
    rng: np.random.Generator,
    population: Population,
    visiting: HomeVisiting,
    spells: dict[str, pd.DataFrame],
    months: Months,
) -> pd.DataFrame:
    """All referrals of the simulated months: family, person, day, referred_to, service (NaT when none followed).

    `spells` has for EI, SNAP and MEDICAID the person and the begin and end of service (NaT begins are left out).
    A child is referred only while enrolled, and only to a program that does not serve it on that day.
    """
    from_here = spells["EI"][spells["EI"]["source"] == "HV"]
    led = spells | {"EI": from_here}
    made = [_before_a_service(rng, visiting.rows, led[lead.program], months, lead) for lead in _LEADS]
    for month in range(months.count):
        span = months.first_day(month), months.last_day(month)
        for program, share in (_ELSEWHERE | _IN_VAIN).items():
            made.append(_at_random(rng, visiting.rows, span, program, share))
    frame = pd.concat(made, ignore_index=True)
    young = birthday(days_of(population.people, "birth")[frame["person"]], 3) > days_of(frame, "day")
    frame = frame[young | (frame["referred_to"] != "EI")].reset_index(drop=True)
    frame = frame.drop_duplicates(["person", "referred_to"], ignore_index=True)
    frame["service"] = np.datetime64("NaT", "D")
    unserved: Array = np.ones(len(frame), dtype=bool)
    for program, spell in spells.items():
        rows = frame["referred_to"] == program
        begins, served = _next_service(frame[rows], spell, months)
        frame.loc[rows, "service"] = begins
        unserved[np.flatnonzero(rows)] = ~served
    kept: pd.DataFrame = frame[unserved]
    return kept.sort_values(["day", "person", "referred_to"], kind="stable", ignore_index=True)


def _before_a_service(
    rng: np.random.Generator, rows: pd.DataFrame, spells: pd.DataFrame, months: Months, lead: _Lead
) -> pd.DataFrame:
    """Referrals some days ahead of what they led to, of a share of the children who were enrolled then."""
    led = spells[rng.random(len(spells)) < lead.share]
    day = days_after(days_of(led, lead.anchor), -rng.integers(lead.least, lead.most, len(led)))
    frame = pd.DataFrame({"person": led["person"].to_numpy(), "day": day}).merge(
        rows[["person", "family", "entry", "exit"]], on="person"
    )
    within = (frame["day"] >= frame["entry"]) & (frame["day"] <= frame["exit"])
    within &= (frame["day"] >= months.first) & (frame["day"] <= months.end)
    made: pd.DataFrame = frame.loc[within, ["family", "person", "day"]]
    return made.assign(referred_to=lead.program)


def _at_random(
    rng: np.random.Generator,
    rows: pd.DataFrame,
    span: tuple[np.datetime64, np.datetime64],
    program: str,
    share: float,
) -> pd.DataFrame:
    """Referrals of a share of the children enrolled within the span of days, each on some day of it."""
    low = np.maximum(days_of(rows, "entry"), span[0])
    high = np.minimum(days_of(rows, "exit"), span[1])
    chosen = (high >= low) & (rng.random(len(rows)) < share)
    made: pd.DataFrame = rows.loc[chosen, ["family", "person"]]
    return made.assign(day=day_between(rng, low[chosen], high[chosen]), referred_to=program)


def _next_service(asked: pd.DataFrame, spells: pd.DataFrame, months: Months) -> tuple[Array, Array]:
    """For each referral the first service from its day on, until the simulation's end; and who is served that day."""
    asked = asked.reset_index(drop=True).assign(row=np.arange(len(asked)))
    met = asked.merge(spells.loc[spells["begin"].notna(), ["person", "begin", "end"]], on="person")
    later = met[(met["begin"] >= met["day"]) & (met["begin"] <= months.end)].groupby("row")["begin"].min()
    now = met[(met["begin"] < met["day"]) & (met["end"] >= met["day"])]["row"]
    begins: Array = later.reindex(asked["row"]).to_numpy().astype("datetime64[D]")
    return begins, np.isin(asked["row"], now)


def service_spells(frame: pd.DataFrame) -> pd.DataFrame:
    """Early intervention's rows as spells: person, referral, source, begin and end of service."""
    spells = frame[["person", "referral", "source"]].copy()
    spells["begin"] = days_of(frame, "service")
    spells["end"] = days_of(frame, "exit")
    return spells
