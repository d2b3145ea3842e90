"""Reads from a contract which columns hold a person's name, and which must hold none."""

from __future__ import annotations

import csv
from functools import lru_cache
from typing import Any

from kinbridge.contract.model import NamePart
from kinbridge.contract.walk import Properties, Walk
from kinbridge.settings import include_folders

# The terms of the Common Education Data Standards for a person's first and last name, at the end of their addresses.
NAME_TERMS: dict[str, NamePart] = {"P000115": "first", "P000172": "last"}
LISTED = "listed"


def read_person_name(walk: Walk, extra: Properties, item: dict[str, Any], name: str) -> NamePart | None:
    """Which part of a person's name the column holds: as `personName` says, else as its terms do."""
    match extra.values.get("personName"):
        case "first":
            return "first"
        case "last":
            return "last"
        case None:
            pass
        case _:
            walk.problem(f"the personName of {name!r} is first or last", *extra.place("personName"))
    terms = (str(found.get("url")).rpartition("#")[2] for found in item.get("authoritativeDefinitions") or [])
    return next((NAME_TERMS[term] for term in terms if term in NAME_TERMS), None)


def read_no_names(walk: Walk, extra: Properties, item: dict[str, Any], person_name: NamePart | None) -> bool:
    """Whether the column must hold no personal name. A key's value cannot be left empty, so its row is set aside."""
    name, place = str(item.get("name")), extra.place("noNames")
    match extra.values.get("noNames", False):
        case bool() as wanted:
            pass
        case given if given == LISTED:
            wanted = True
        case _:
            walk.problem(f"the noNames of {name!r} is true, false or {LISTED}", *place)
            return False
    severity = extra.values.get("severity")
    critical = isinstance(severity, dict) and severity.get("personal_name") == "critical"
    if wanted and (person_name or item.get("logicalType") != "string"):
        walk.problem(f"noNames is for text that is no name itself, not for {name!r}", *place)
    elif wanted and item.get("primaryKey") and not critical:
        walk.problem(f"noNames of the key column {name!r} needs the severity personal_name: critical", *place)
    return wanted


def read_listed_names(extra: Properties) -> tuple[str, ...]:
    """The given names that the rule looks for, in small letters; none unless the contract asks for the list."""
    return given_names() if extra.values.get("noNames") == LISTED else ()


@lru_cache(maxsize=1)
def given_names() -> tuple[str, ...]:
    """The given names and nicknames that linkage knows, in small letters, sorted."""
    with (include_folders()[0] / "linkage" / "nicknames.csv").open(encoding="utf-8", newline="") as text:
        return tuple(sorted({word.lower() for row in csv.reader(text) for word in row} - {"nickname", "name"}))
