"""Home visiting and early intervention: enrollments, visits, and the way from a referral to a service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.months import DAY, FOREVER, Months, birthday, day_between, days_after
from kinbridge.simulator.participation import days_of
from kinbridge.simulator.population import Population

_MODELS = np.array(["HFA", "NFP", "PAT", "EHS"], dtype=object)
_HISTORY_YEARS = 4
_SYSTEM_YEARS = 3
_VISITS_PER_DAY = 0.07
_SOURCES = np.array(["MD", "PA", "CC", "OT"], dtype=object)
_SERVICES = np.array(["SPEECH", "OT", "PT", "DEV", "OTHER"], dtype=object)
_NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True)
class HomeVisiting:
    """`rows`: one per child and enrollment (enrollment, family, person, model, entry, exit, exit_reason, target).

    `visits`: one per visit (enrollment, family, person, day). An open enrollment has exit `FOREVER`.
    """

    rows: pd.DataFrame
    visits: pd.DataFrame


def home_visiting(rng: np.random.Generator, population: Population, months: Months) -> HomeVisiting:
    """Families enrolled around a birth; siblings under five may join; some leave and return."""
    homes, people = population.families, population.people
    birth = days_of(people, "birth")
    children = np.arange(population.children)
    family = people["family"].to_numpy()[children]
    order = pd.DataFrame({"family": family, "person": children}).sample(frac=1, random_state=rng)
    target = order.drop_duplicates("family").sort_values("family")["person"].to_numpy()
    share = np.where(homes["low_income"].to_numpy(), 0.78, 0.32)
    chosen = target[rng.random(len(target)) < share[people["family"].to_numpy()[target]]]
    delay = np.minimum(rng.gamma(1.2, 130, len(chosen)), 900)
    entry = days_after(birth[chosen], delay)
    known = (entry <= months.end) & (entry > birthday(months.first, -_HISTORY_YEARS))
    chosen, entry = chosen[known], entry[known]
    first = _enrollments(rng, chosen, birth, entry)
    back = days_after(days_of(first, "exit"), 40 + rng.gamma(2, 60, len(first)))
    stays = (rng.random(len(first)) < 0.14) & (back <= months.end) & (back < birthday(birth[chosen], 5))
    again = _enrollments(rng, chosen[stays], birth, back[stays])
    enrollments = pd.concat([first, again], ignore_index=True).sort_values(["entry", "target"], ignore_index=True)
    enrollments["enrollment"] = np.arange(len(enrollments))
    enrollments["family"] = people["family"].to_numpy()[enrollments["target"]]
    rows = _enrolled_children(rng, population, enrollments)
    rows = rows[days_of(rows, "entry") <= months.end].reset_index(drop=True)
    return HomeVisiting(rows, _visits(rng, rows, months))


def _enrollments(rng: np.random.Generator, target: Array, birth: Array, entry: Array) -> pd.DataFrame:
    size = len(target)
    leaves = days_after(entry, np.maximum(rng.exponential(640, size), 14))
    graduates = np.maximum(birthday(birth[target], 4), days_after(entry, np.full(size, 60)))
    done = leaves >= graduates
    reason = rng.choice(
        np.array(["COMPLETED", "MOVED", "DECLINED", "LOST_CONTACT", "OTHER"], dtype=object),
        size=size,
        p=[0.12, 0.2, 0.3, 0.3, 0.08],
    )
    return pd.DataFrame(
        {
            "target": target,
            "model": _MODELS[rng.choice(len(_MODELS), size=size, p=[0.34, 0.22, 0.3, 0.14])],
            "entry": entry,
            "exit": np.where(done, graduates, leaves).astype("datetime64[D]"),
            "exit_reason": np.where(done, "COMPLETED", reason).astype(object),
        }
    )


def _enrolled_children(rng: np.random.Generator, population: Population, enrollments: pd.DataFrame) -> pd.DataFrame:
    people = population.people
    joins = rng.random(population.children) < 0.5
    siblings = pd.DataFrame(
        {
            "person": np.arange(population.children),
            "family": people["family"].to_numpy()[: population.children],
            "birth": days_of(people, "birth")[: population.children],
        }
    )
    rows = enrollments.merge(siblings, on="family")
    rows["target"] = rows["target"] == rows["person"]
    entry, birth = days_of(rows, "entry"), days_of(rows, "birth")
    own = np.where(rows["target"], entry, np.maximum(entry, days_after(birth, rng.integers(0, 30, len(rows)))))
    rows["entry"] = own.astype("datetime64[D]")
    fits = rows["target"] | (joins[rows["person"]] & (birthday(birth, 5) > entry))
    kept: pd.DataFrame = rows[fits & (days_of(rows, "entry") <= days_of(rows, "exit"))]
    return kept.drop(columns="birth").reset_index(drop=True)


def _visits(rng: np.random.Generator, rows: pd.DataFrame, months: Months) -> pd.DataFrame:
    found = []
    target = rows[rows["target"]]
    for month in range(months.count):
        low = np.maximum(days_of(target, "entry"), months.first_day(month))
        high = np.minimum(days_of(target, "exit"), months.last_day(month))
        days = np.maximum((high - low).astype(int) + 1, 0)
        count = np.minimum(rng.poisson(days * _VISITS_PER_DAY), 5)
        made = target.loc[np.repeat(target.index, count), ["enrollment", "family", "person"]].copy()
        made["day"] = day_between(rng, np.repeat(low, count), np.repeat(high, count))
        found.append(made.sort_values(["day", "enrollment"], kind="stable"))
    return pd.concat(found, ignore_index=True)


def early_intervention(
    rng: np.random.Generator, population: Population, visiting: HomeVisiting, months: Months
) -> pd.DataFrame:
    """One row per referred child: person, referral, source, evaluation, ifsp, service, service_type, exit, exit_reason.

    Days that never come are NaT; days after the simulated months are in the frame and not yet in the files.
    """
    birth = days_of(population.people, "birth")
    child = np.arange(population.children)
    visited = np.isin(child, visiting.rows["person"])
    referral = days_after(birth[child], 45 + rng.beta(1.6, 1.4, len(child)) * 860)
    drawn = (rng.random(len(child)) < np.where(visited, 0.52, 0.22)) & (referral <= months.end)
    drawn &= referral > birthday(months.first, -_SYSTEM_YEARS)
    person, referral = child[drawn], referral[drawn]
    frame = pd.DataFrame({"person": person, "referral": referral})
    frame["source"] = np.where(
        _is_enrolled(visiting.rows, person, referral) & (rng.random(len(person)) < 0.7),
        "HV",
        _SOURCES[rng.choice(4, size=len(person), p=[0.55, 0.25, 0.12, 0.08])],
    ).astype(object)
    _follow_up(rng, frame, birthday(birth[person], 3))
    return frame


def _is_enrolled(rows: pd.DataFrame, person: Array, day: Array) -> Array:
    asked = pd.DataFrame({"row": np.arange(len(person)), "person": person, "day": day})
    met = asked.merge(rows[["person", "entry", "exit"]], on="person")
    met = met[(met["entry"] <= met["day"]) & (met["day"] <= met["exit"])]
    return np.isin(np.arange(len(person)), met["row"])


def _follow_up(rng: np.random.Generator, frame: pd.DataFrame, third_birthday: Array) -> None:
    size = len(frame)
    referral = days_of(frame, "referral")
    chance = rng.random((4, size))
    # The federal limit is 45 days from the referral to the plan's first meeting (34 CFR 303.310); some run late.
    wait = np.where(rng.random(size) < 0.82, rng.integers(4, 40, size), rng.integers(40, 76, size))
    evaluated = chance[0] > 0.08
    evaluation = np.where(evaluated, days_after(referral, wait), _NEVER)
    eligible = evaluated & (chance[1] > 0.2)
    planned = eligible & (chance[2] > 0.04)
    plan = np.where(planned, days_after(evaluation, rng.integers(0, 15, size)), _NEVER)
    started = planned & (chance[3] > 0.06)
    service = np.where(started, days_after(plan, rng.integers(2, 28, size)), _NEVER)
    leaves = days_after(service, 20 + rng.exponential(520, size))
    aged_out = np.maximum(third_birthday, days_after(service, np.full(size, 1)))
    ends = np.where(started, np.minimum(leaves, aged_out), days_after(referral, rng.integers(80, 150, size)))
    ends = np.where(evaluated & ~eligible, days_after(evaluation, rng.integers(0, 10, size)), ends)
    early = np.array(["COMPLETED", "WITHDRAWN", "MOVED"], dtype=object)[rng.choice(3, size=size, p=[0.4, 0.4, 0.2])]
    reason = np.where(started & (leaves >= aged_out), "AGED_OUT", np.where(started, early, "WITHDRAWN"))
    frame["evaluation"] = evaluation.astype("datetime64[D]")
    frame["ifsp"] = plan.astype("datetime64[D]")
    frame["service"] = service.astype("datetime64[D]")
    frame["service_type"] = _SERVICES[rng.choice(5, size=size, p=[0.42, 0.15, 0.15, 0.2, 0.08])]
    frame["exit"] = np.minimum(ends.astype("datetime64[D]"), FOREVER - DAY)
    frame["exit_reason"] = np.where(evaluated & ~eligible, "INELIGIBLE", reason).astype(object)
