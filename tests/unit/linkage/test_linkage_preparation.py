"""Preparation for awkward hands: newborns without names, days that are no days, numbers and homes that are nobody's.

What stands for "not known" is never agreement. One value of each kind is in `test_linkage_clean.py`.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.linkage.test_linkage_clean import cleaned

from kinbridge.linkage.link import link
from kinbridge.linkage.model import read_model

NAMES = ("first_name", "first_initial", "first_root", "first_sound", "first_forms", "middle_name")


@pytest.mark.parametrize(
    "first",
    ["BABY BOY", "Boy Smith", "SMITH BABY GIRL A", "babygirl", "BB Smith", "B/B SMITH", "Infant Male", "NEWBORN GIRL",
     "Twin A", "Girl 2", "BABY BOY OF MARIA", "Unnamed"],
)  # fmt: skip
def test_a_newborn_without_a_name_has_none(first: str) -> None:
    [row] = cleaned({"first_name": first, "last_name": "Smith"})
    assert {name: row[name] for name in NAMES} == dict.fromkeys(NAMES)
    assert row["last_name"] == "SMITH"


@pytest.mark.parametrize(
    ("first", "last"), [("SMITH", "BABY GIRL A"), ("Smith", "Boy"), ("Baby", "Smith Boy"), ("Baby A", "Smith")]
)
def test_a_newborn_written_into_the_surname_leaves_the_surname(first: str, last: str) -> None:
    [row] = cleaned({"first_name": first, "last_name": last})
    assert (row["first_name"], row["last_name"], row["last_parts"]) == (None, "SMITH", ["SMITH"])


@pytest.mark.parametrize("first", ["Maria", "Mary Girl", "Babs", "Boyd", "Gina", "Malena", "J"])
def test_names_that_only_look_like_it_stay(first: str) -> None:
    [row] = cleaned({"first_name": first, "last_name": "Smith"})
    assert row["first_initial"] == first[0]


def test_a_newborns_words_tell_its_mother_its_sex_and_which_of_the_twins_it_is() -> None:
    rows = cleaned(
        {"first_name": "Baby Boy of Xochitl", "last_name": "Lopez"},
        {"first_name": "BABY GIRL B", "last_name": "LOPEZ"},
        {"first_name": "Twin 2", "last_name": "Lopez", "sex": "M"},
        {"first_name": "Boy Maria", "last_name": "Lopez", "mother_first_name": "Ingrid"},
        {"first_name": "Anna B", "last_name": "Lopez"},
    )
    assert [row["mother"] for row in rows] == ["XOCHITL", None, None, "INGRID", None]
    assert [row["sex"] for row in rows] == ["M", "F", "M", "M", None]
    assert [row["multiple"] for row in rows] == [None, "B", "B", None, None]


@pytest.mark.parametrize(
    "number", ["000-00-0000", "123456789", "0000", "9999", "1234", "999999999", "111-22-3333", "78051120"]
)
def test_a_number_that_is_nobodys_has_no_last_four_either(number: str) -> None:
    [row] = cleaned({"ssn": number})
    assert (row["ssn"], row["ssn_end"]) == (None, None)


@pytest.mark.parametrize("number", ["412-55-6789", "6789", "XXX-XX-6789", "***-**-6789"])
def test_the_last_four_are_compared_where_only_they_are_given(number: str) -> None:
    [row] = cleaned({"ssn": number})
    assert row["ssn_end"] == "6789"


@pytest.mark.parametrize(
    ("column", "given", "result"),
    [
        ("address_line", "Homeless - see notes", "street"),
        ("address_line", "UNKNOWN ADDRESS", "street"),
        ("city", "Unknown", "city"),
        ("postal_code", "00000", "postal_code"),
        ("postal_code", "99999-9999", "postal_code"),
        ("phone", "999-999-9999", "phone"),
        ("phone", "555-555-5555", "phone"),
        ("email", "noemail@example.org", "email"),
    ],
)
def test_what_stands_for_not_known_is_not_known(column: str, given: str, result: str) -> None:
    [row] = cleaned({column: given})
    assert row[result] is None


def test_a_unit_is_one_however_it_is_written_and_a_house_number_is_none() -> None:
    ways = [
        "123 North Main Street, Apt. 4-B",
        "123 N MAIN ST #4B",
        "123 N Main St Apartment 4B",
        "123 N MAIN ST APT #4B",
    ]
    assert {(row["address"], row["unit"]) for row in cleaned(*({"address_line": way} for way in ways))} == {
        ("123 N MAIN ST", "4B")
    }
    [plain] = cleaned({"address_line": "12 Unity Rd"})
    assert (plain["address"], plain["unit"]) == ("12 UNITY RD", None)


def born(day: date, people: int, source: str = "a") -> list[dict[str, Any]]:
    return [{"source": source, "source_person_id": f"{source}{day}{n}", "birth_date": day} for n in range(people)]


def spread(people: int, source: str = "a") -> list[dict[str, Any]]:
    """So many people, born on different days of 2020 and 2021 but never on 1 January."""
    return [
        {
            "source": source,
            "source_person_id": f"{source} {n}",
            "birth_date": date(2020 + n % 2, n % 11 + 2, n % 28 + 1),
        }
        for n in range(people)
    ]


def test_a_day_given_for_far_too_many_people_is_known_by_its_year_only() -> None:
    rows = cleaned(
        *spread(700), *born(date(2020, 1, 1), 15), *born(date(2021, 1, 1), 15), *born(date(2020, 1, 1), 3, "b")
    )
    heaped = [row for row in rows if row["heap_year"] is not None]
    assert {(row["source"], row["birth_digits"]) for row in heaped} == {("a", None)}
    assert sorted(row["birth_year"] for row in heaped) == [2020] * 15 + [2021] * 15
    assert {row["birth_digits"] for row in rows if row["source"] == "b"} == {"20200101"}, "not one that says it rarely"


def test_days_on_which_people_happen_to_be_born_stay() -> None:
    rows = cleaned(*spread(700), *born(date(2020, 1, 1), 4), *born(date(2020, 5, 5), 12))
    assert all(row["birth_digits"] for row in rows)


def pair(name: str, one: dict[str, Any], other: dict[str, Any], last_name: str | None = None) -> list[dict[str, Any]]:
    """Two records of two partners, at an address and of a surname that nobody else has unless they say otherwise."""
    home = {"last_name": last_name or name.title(), "birth_date": date(2022, 3, 9), "address_line": f"77 {name} Rd"}
    return [
        {**home, **one, "source": "a", "source_person_id": f"{name} one"},
        {**home, **other, "source": "b", "source_person_id": f"{name} other"},
    ]


NOTHING = {
    "first_name": "Baby Boy",
    "last_name": "Unknown",
    "birth_date": date(1900, 1, 1),
    "ssn": "000-00-0000",
    "phone": "999-999-9999",
    "address_line": "Homeless",
}
CHILD = {"first_name": "José-María", "last_name": "de la Cruz-Gómez"}
TWO = {
    "unnamed twins": pair("Abernathy", {"first_name": "BABY GIRL A"}, {"first_name": "BABY GIRL B"}),
    "a girl and a boy": pair("Brubaker", {"first_name": "BABY GIRL"}, {"first_name": "BABY BOY"}),
    "nothing but placeholders": pair("Nothing", NOTHING, NOTHING),
    "senior and junior": pair(
        "Culpepper",
        {"first_name": "Robert", "last_name": "Culpepper Sr", "birth_date": date(1990, 3, 9)},
        {"first_name": "Robert", "last_name": "Culpepper Jr."},
    ),
    "twins of alike names": pair("Dunwoody", {"first_name": "Ella"}, {"first_name": "Emma"}),
    "a year and no first name": pair(
        "Eastwood",
        {"first_name": "Baby", "birth_date": date(2021, 1, 1), "address_line": "1 Far Rd"},
        {"first_name": "Baby", "birth_date": date(2021, 1, 1), "address_line": "2 Wide Rd"},
    ),
}
ONE = {
    "particles and accents": pair("Fir", CHILD, {"first_name": "Jose Maria", "last_name": "De La Cruz Gomez"}),
    "changed places": pair("Gum", CHILD, {"first_name": "Delacruz Gomez", "last_name": "José-María"}),
    "one of two surnames": pair("Haw", CHILD, {"first_name": "Jose Maria", "last_name": "Cruz-Gómez"}),
    "day and month changed places": pair(
        "Ivy", {"first_name": "Dorothea"}, {"first_name": "Dorothea", "birth_date": date(2022, 9, 3)}
    ),
    "a day off": pair("Jay", {"first_name": "Cornelius"}, {"first_name": "Cornelius", "birth_date": date(2022, 3, 8)}),
    "a nickname": pair("Kite", {"first_name": "William"}, {"first_name": "Bill"}),
    "digits changed places": pair(
        "Lark",
        {"first_name": "Philippa", "ssn": "412-55-6789", "address_line": None},
        {"first_name": "Philippa", "ssn": "412-55-6798", "address_line": None},
    ),
}


@pytest.fixture(scope="module")
def people() -> dict[str, int]:
    """The cluster of each, among a hundred others whom two partners know; of thirty of them but the year is known."""
    firsts = ("Olivia", "Noah", "Emma", "Liam", "Ava", "Elijah", "Sophia", "Mateo", "Luna", "Ezra")
    lasts = ("Haddad", "Okafor", "Petrov", "Castillo", "Nguyen", "Schmidt", "Tanaka", "Moreau", "Kowalski", "Rossi")
    others = [
        {
            "source": source,
            "source_person_id": f"{n}",
            "first_name": firsts[n % 10],
            "last_name": lasts[n // 10],
            "birth_date": date(2021, 1, 1) if n < 30 else date(2018 + n % 6, n % 12 + 1, n % 28 + 1),
            "address_line": f"{n + 1} Elm St",
        }
        for n in range(100)
        for source in ("a", "b")
    ]
    rows = [*others, *(row for rows in (TWO | ONE).values() for row in rows)]
    columns = ("source", "source_person_id", "first_name", "last_name", "birth_date", "ssn", "phone", "address_line")
    table = pa.Table.from_pylist([{column: row.get(column) for column in columns} for row in rows])
    clusters = link(table, read_model()).clusters.to_pylist()
    return {f"{row['source']} {row['source_person_id']}": row["cluster"] for row in clusters}


def together(people: dict[str, int], rows: list[dict[str, Any]]) -> bool:
    return len({people[f"{row['source']} {row['source_person_id']}"] for row in rows}) == 1


@pytest.mark.parametrize("case", TWO)
def test_two_people_stay_two(people: dict[str, int], case: str) -> None:
    assert not together(people, TWO[case])


@pytest.mark.parametrize("case", ONE)
def test_one_child_is_one_however_it_is_written(people: dict[str, int], case: str) -> None:
    assert together(people, ONE[case])


def test_where_but_the_year_is_known_name_and_home_say_enough(people: dict[str, int]) -> None:
    assert all(people[f"a {n}"] == people[f"b {n}"] for n in range(30))
