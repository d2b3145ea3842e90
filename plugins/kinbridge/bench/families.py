"""Made-up families as three partners know them, for the benchmark of linkage; vectorised and seeded.

Output: records of persons with addresses and families, some of them misspelt or without a number, as a table. Names are
made of syllables, some far more frequent than others; nothing is taken from data.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PARTNERS = ("medicaid", "snap", "home_visiting")
# How many of a hundred people each partner knows: about 1.6 records for each person.
REACH = (80, 55, 25)
_STARTS = ("Ba", "Ce", "Di", "Fo", "Gu", "Ha", "Je", "Ki", "Lo", "Mu", "Na", "Pe", "Ri", "So", "Tu", "Va", "Wi", "Ya")
_MIDDLES = ("la", "ren", "mi", "so", "dru", "na", "bel", "ci", "to", "vu", "kar", "den", "o", "sti", "ma")
_ENDS = ("n", "na", "r", "s", "la", "th", "no", "ck", "man", "rsen", "berg", "ley", "ton", "rd", "x")
_LAST = np.array(["".join(parts) for parts in itertools.product(_STARTS, _MIDDLES, _MIDDLES, _ENDS)])
_FIRST = np.array(["".join(parts) for parts in itertools.product(_STARTS, _MIDDLES, _ENDS)])
_STREETS = np.array(["".join(parts) for parts in itertools.product(_STARTS, _MIDDLES)])


@dataclass(frozen=True)
class People:
    """Fictional people by number: families of four, two of them grown up."""

    last: np.ndarray
    first: np.ndarray
    born: np.ndarray
    ssn: np.ndarray
    house: np.ndarray
    street: np.ndarray
    city: np.ndarray

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.first)


def make_people(count: int, seed: int) -> People:
    """`count` people, rounded up to whole families."""
    random = np.random.default_rng(seed)
    families = -(-count // 4)
    home: np.ndarray = np.repeat(np.arange(families), 4)
    grown = np.tile([True, True, False, False], families)
    born = np.where(
        grown, random.integers(0, 366 * 25, families * 4), random.integers(366 * 37, 366 * 60, families * 4)
    )
    return People(
        last=_LAST[_frequent(random, len(_LAST), families)][home],
        first=_FIRST[_frequent(random, len(_FIRST), families * 4)],
        born=np.datetime64("1966-01-01") + born,
        ssn=100_000_000 + random.choice(560_000_000, families * 4, replace=False, shuffle=False),
        house=random.integers(1, 9999, families)[home],
        street=_STREETS[random.integers(0, len(_STREETS), families)][home],
        city=random.integers(0, max(1, families // 4000), families)[home],
    )


def make_records(people: People, seed: int) -> pa.Table:
    """Who is known to whom: one row per partner and person, with what a load would write of it, in random order."""
    random = np.random.default_rng(seed)
    parts = []
    for number, (partner, reach) in enumerate(zip(PARTNERS, REACH, strict=True)):
        known = np.flatnonzero(random.integers(0, 100, people.count) < reach)
        count = len(known)
        spoilt = random.random(count)
        first, last = people.first[known].astype(object), people.last[known].astype(object)
        for index in np.flatnonzero(spoilt < 0.04):
            place = int(random.integers(1, len(first[index])))
            first[index] = first[index][:place] + first[index][place + 1 :]
        for index in np.flatnonzero((spoilt > 0.04) & (spoilt < 0.07)):
            place = int(random.integers(1, len(last[index])))
            last[index] = last[index][:place] + "e" + last[index][place:]
        born = people.born[known] + np.where(random.random(count) < 0.02, 30, 0)
        moved = random.random(count) < 0.1
        house = np.where(moved, random.integers(1, 9999, count), people.house[known])
        line = pc.binary_join_element_wise(
            pa.array(house).cast(pa.string()), pa.array(people.street[known].astype(object)), "Street", " "
        )
        parts.append(
            pa.table(
                {
                    "partner": pa.array([partner] * count),
                    "source_person_id": pc.binary_join_element_wise(
                        partner[0].upper() + str(number), pa.array(known).cast(pa.string()), ""
                    ),
                    "first_name": pa.array(first, pa.string()),
                    "last_name": pa.array(last, pa.string()),
                    "birth_date": pa.array(born).cast(pa.date32()),
                    "ssn": pc.if_else(
                        pa.array(random.random(count) < 0.7), pa.array(people.ssn[known]).cast(pa.string()), None
                    ),
                    "address_line": line,
                    "city": pc.binary_join_element_wise("Town", pa.array(people.city[known]).cast(pa.string()), " "),
                    "postal_code": pa.array(10_000 + people.city[known]).cast(pa.string()),
                    "source_family_id": pc.binary_join_element_wise("F", pa.array(known // 4).cast(pa.string()), ""),
                }
            )
        )
    records = pa.concat_tables(parts)
    return records.take(pa.array(random.permutation(records.num_rows)))


def _frequent(random: np.random.Generator, among: int, count: int) -> np.ndarray:
    """Numbers below `among`, the small ones far more frequent, as names are."""
    drawn: np.ndarray = (among * random.random(count) ** 2.5).astype(np.int64)
    return drawn
