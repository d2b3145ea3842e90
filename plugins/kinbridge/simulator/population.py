"""Families, their children and caregivers: who there is, how they are named, who changes name in the simulated months.

The result is the truth. How a partner knows a person is drawn elsewhere (`noise`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.months import Months, birthday, days_after
from kinbridge.simulator.names import CULTURES, draw, draw_vietnamese_middle, slug

_CULTURE_SHARES = (0.49, 0.165, 0.20, 0.04, 0.025, 0.03, 0.03, 0.012, 0.008)
_RACES = (
    "White",
    "BlackOrAfricanAmerican",
    "HispanicOrLatino",
    "BlackOrAfricanAmerican",
    "Asian",
    "MiddleEasternOrNorthAfrican",
    "Asian",
    "AmericanIndianOrAlaskaNative",
    "NativeHawaiianOrPacificIslander",
)
MULTIRACIAL = "MultiracialAndOrMultiethnic"
# Home language and the share of the culture's families that speak it; the others speak English.
_LANGUAGES = {"hispanic": ("spa", 0.55), "somali": ("som", 0.8), "vietnamese": ("vie", 0.65), "arabic": ("ara", 0.6)}
_OTHER_LANGUAGES = np.array(["hmn", "tgl", "hin", "chi"], dtype=object)
_CHILDREN = (0.34, 0.34, 0.19, 0.09, 0.04)
_TWINS = 0.03
_LOW_INCOME = 0.6
_OLDEST_YEARS = 9
_ENGLISH, _BLACK, _HISPANIC, _SOMALI, _VIETNAMESE, _ARABIC = range(6)
# Area codes that are no N11 service code; with 555-01xx the numbers are reserved for fiction.
_AREAS = np.array([code for code in range(201, 990) if code % 100 != 11])
# Social security numbers with area 9NN are never issued; 900 to 988 leaves out the placeholder 999-99-9999.
_SSN_BASE, _SSN_SPAN = 900_000_000, 88_999_981


@dataclass(frozen=True)
class Population:
    """`people` (children first, then caregivers; one row per person) and `families` (one row per family).

    people: family, child, position (0 is the youngest child or the first caregiver), birth, sex (F or M), first,
    middle, last, suffix, other_last (a maiden name or the other parent's surname), new_last and changes_month (-1
    when the name stays), ssn, email, race, language. families: culture, low_income, married, phone (10 digits).
    """

    people: pd.DataFrame
    families: pd.DataFrame
    children: int

    def last_name(self, person: Array, month: Array | int) -> Array:
        """The true last name of each person in a month of the simulation."""
        changes = self.people["changes_month"].to_numpy()[person]
        new = self.people["new_last"].to_numpy(dtype=object)[person]
        return np.where((changes >= 0) & (month >= changes), new, self.people["last"].to_numpy(dtype=object)[person])


def populate(rng: np.random.Generator, families: int, months: Months) -> Population:
    """Draw `families` families; children are under nine when the months start, or are born during them."""
    culture = rng.choice(len(CULTURES), size=families, p=_CULTURE_SHARES)
    homes = pd.DataFrame(
        {
            "culture": culture,
            "low_income": rng.random(families) < _LOW_INCOME,
            "phone": _phones(rng, families),
            "language": _languages(rng, culture),
            "race": np.where(rng.random(families) < 0.05, MULTIRACIAL, np.array(_RACES, dtype=object)[culture]).astype(
                object
            ),
        }
    )
    children = _children(rng, families, months)
    adults = _caregivers(rng, families, children)
    homes["married"] = (adults.groupby("family").size().to_numpy() == 2) & (rng.random(families) < 0.6)
    people = pd.concat([children, adults], ignore_index=True)
    _name_people(rng, people, homes)
    _change_names(rng, people, homes, months)
    serial: Array = np.arange(len(people), dtype=np.int64) + int(rng.integers(0, _SSN_SPAN))
    step = int(rng.integers(_SSN_SPAN // 3, _SSN_SPAN // 2))
    people["ssn"] = _SSN_BASE + serial * step % _SSN_SPAN
    number = rng.permutation(len(people)).astype(str).astype(object)
    handle = slug(people["first"].to_numpy(dtype=object)) + "." + slug(people["last"].to_numpy(dtype=object))
    people["email"] = handle + number + "@example.org"
    for column in ("race", "language"):
        people[column] = homes[column].to_numpy(dtype=object)[people["family"]]
    return Population(_as_objects(people), _as_objects(homes), len(children))


def _as_objects(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as Python strings: these columns are read as numpy arrays again and again."""
    kept = {name: object for name in frame.columns if pd.api.types.is_string_dtype(frame[name].dtype)}
    return frame.astype(kept)


def _phones(rng: np.random.Generator, families: int) -> Array:
    number = rng.permutation(families)
    return _AREAS[number // 100 % len(_AREAS)] * 10_000_000 + 5_550_100 + number % 100


def _languages(rng: np.random.Generator, culture: Array) -> Array:
    language: Array = np.full(len(culture), "eng", dtype=object)
    for name, (code, share) in _LANGUAGES.items():
        language[(culture == CULTURES.index(name)) & (rng.random(len(culture)) < share)] = code
    other = (culture == CULTURES.index("asian")) & (rng.random(len(culture)) < 0.4)
    return np.where(other, _OTHER_LANGUAGES[rng.integers(0, len(_OTHER_LANGUAGES), len(culture))], language)


def _children(rng: np.random.Generator, families: int, months: Months) -> pd.DataFrame:
    count = 1 + rng.choice(len(_CHILDREN), size=families, p=_CHILDREN)
    family: Array = np.repeat(np.arange(families), count)
    position = np.arange(len(family)) - np.repeat(np.cumsum(count) - count, count)
    twin = rng.random(len(family)) < _TWINS
    gap = np.where(twin, 0, np.floor(330 + rng.gamma(2, 260, len(family))))
    gap[position == 0] = 0
    total = np.cumsum(gap)
    before = total - np.repeat(total[position == 0], count)
    youngest = days_after(np.full(families, months.end), -(7.2 * 365 * rng.random(families) ** 1.2))
    birth = days_after(youngest[family], -before)
    frame = pd.DataFrame({"family": family, "child": True, "position": position, "birth": birth})
    frame["sex"] = np.where(rng.random(len(family)) < 0.51, "M", "F").astype(object)
    young: pd.DataFrame = frame[birth >= birthday(months.first, -_OLDEST_YEARS)]
    return young.reset_index(drop=True)


def _caregivers(rng: np.random.Generator, families: int, children: pd.DataFrame) -> pd.DataFrame:
    count = 1 + (rng.random(families) < 0.58)
    family: Array = np.repeat(np.arange(families), count)
    position = np.arange(len(family)) - np.repeat(np.cumsum(count) - count, count)
    oldest: Array = children.groupby("family")["birth"].min().to_numpy().astype("datetime64[D]")[family]
    age = np.minimum(17 + rng.gamma(3, 2.8, len(family)) + position * rng.gamma(2, 1.0, len(family)), 46)
    female = np.where(position == 0, rng.random(len(family)) < 0.93, rng.random(len(family)) < 0.06)
    return pd.DataFrame(
        {
            "family": family,
            "child": False,
            "position": position,
            "birth": days_after(oldest, -age * 365.25),
            "sex": np.where(female, "F", "M").astype(object),
        }
    )


def _name_people(rng: np.random.Generator, people: pd.DataFrame, homes: pd.DataFrame) -> None:
    culture = homes["culture"].to_numpy()
    family = people["family"].to_numpy()
    child, position = people["child"].to_numpy(), people["position"].to_numpy()
    sex = people["sex"].to_numpy(dtype=object)
    first = draw(rng, "first", culture[family], sex)
    father = np.flatnonzero(~child & (position == 1))
    father_first = draw(rng, "first", culture, np.full(len(homes), "M", dtype=object))
    father_first[family[father]] = first[father]
    surname = _surnames(rng, culture, homes["married"].to_numpy())
    people["suffix"] = ""
    junior = child & (position == 0) & (sex == "M") & np.isin(culture[family], (_ENGLISH, _BLACK))
    junior &= np.isin(family, family[father[sex[father] == "M"]]) & (rng.random(len(people)) < 0.05)
    junior &= surname["child"][family] == surname["father"][family]
    first[junior] = father_first[family[junior]]
    people.loc[junior, "suffix"] = "Jr"
    senior = father[np.isin(family[father], family[junior])]
    people.loc[senior, "suffix"] = "Sr"
    for _ in range(30):
        repeated = child & ~junior & pd.DataFrame({"f": family, "n": first, "c": child}).duplicated(keep=False)
        if not repeated.any():
            break
        first[repeated] = draw(rng, "first", culture[family[repeated]], sex[repeated])
    people["first"] = first
    mother = ~child & (position == 0)
    last = np.where(child, surname["child"][family], surname["father"][family])
    people["last"] = np.where(mother, surname["mother"][family], last)
    other = np.where(child, surname["other"][family], people["last"])
    people["other_last"] = np.where(mother, surname["maiden"][family], other)
    middle = draw(rng, "first", culture[family], sex)
    middle = np.where(culture[family] == _VIETNAMESE, draw_vietnamese_middle(rng, sex), middle)
    middle = np.where((culture[family] == _SOMALI) & child, father_first[family], middle)
    people["middle"] = np.where(rng.random(len(people)) < 0.12, "", middle)


def _surnames(rng: np.random.Generator, culture: Array, married: Array) -> dict[str, Array]:
    """Per family: the father's, the mother's (maiden and present), the children's and the other parent's surname."""
    size = len(culture)
    father, maiden = draw(rng, "last", culture), draw(rng, "last", culture)
    second, third = draw(rng, "last", culture), draw(rng, "last", culture)
    chance = rng.random(size)
    takes = married & (chance < 0.8) & np.isin(culture, (_ENGLISH, _BLACK, 6, 7, 8))
    takes |= married & (culture == _ARABIC) & (chance < 0.3)
    acknowledged = married | (rng.random(size) < 0.6)
    child = np.where(acknowledged, father, maiden)
    hyphen = ~married & (rng.random(size) < 0.06) & (father != maiden) & np.isin(culture, (_ENGLISH, _BLACK))
    child = np.where(hyphen, maiden + "-" + father, child)
    # Two surnames: the father's first and the mother's first.
    double = (culture == _HISPANIC) & (rng.random(size) < 0.55)
    child = np.where(double, father + " " + maiden, child)
    return {
        "father": np.where(double, father + " " + second, father),
        "maiden": np.where(double, maiden + " " + third, maiden),
        "mother": np.where(takes, father, np.where(double, maiden + " " + third, maiden)),
        "child": child,
        "other": np.where(acknowledged & ~hyphen, maiden, father),
    }


def _change_names(rng: np.random.Generator, people: pd.DataFrame, homes: pd.DataFrame, months: Months) -> None:
    family = people["family"].to_numpy()
    child = people["child"].to_numpy()
    last, other = people["last"].to_numpy(dtype=object), people["other_last"].to_numpy(dtype=object)
    families = len(homes)
    month = rng.integers(0, months.count, families)
    marries = ~homes["married"].to_numpy() & (rng.random(families) < min(0.3, 0.004 * months.count))
    renames = ~marries & (rng.random(families) < min(0.3, 0.002 * months.count))
    partner_last: Array = np.full(families, "", dtype=object)
    second = ~child & (people["position"].to_numpy() == 1)
    partner_last[family[second]] = last[second]
    bride = ~child & (people["position"].to_numpy() == 0) & marries[family] & (partner_last[family] != "")
    new = np.where(bride, partner_last[family], np.where(child & renames[family], other, last))
    people["new_last"] = new
    people["changes_month"] = np.where(new != last, month[family], -1)
