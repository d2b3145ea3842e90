"""Reads `laws/classes.yaml`: which classes of data touch which feed, column, program and element.

Adds what is wrong to a list and never guesses: an entry with a mistake is left out, so that what it speaks of has fewer
classes, and the reader refuses the whole file because of the mistake.
"""

from __future__ import annotations

from typing import Any

from kinbridge.declaration.document import Document, Problem
from kinbridge.law.demand import LADDERS, Kind
from kinbridge.law.model import Classification, Trait

FIELDS = ("note", "as_of", "classes", "feeds", "columns", "programs", "elements", "fallback")
TRAIT_FIELDS = ("classes", "geography", "dates", "ages")


def read_classes(document: Document, problems: list[Problem]) -> Classification:
    """The classification of one file, without its fallback. Problems: KB-J10 wrong shape; KB-J14 unknown class."""
    for name in document.data:
        if name not in FIELDS:
            text = f"{name} is not a part of it: {', '.join(FIELDS)}"
            problems.append(document.problem("KB-J10", text, name))
    meanings: dict[str, str] = {}
    for name, meaning in _part(document, problems, "classes").items():
        if isinstance(meaning, str) and meaning.strip():
            meanings[str(name)] = " ".join(meaning.split())
        else:
            problems.append(document.problem("KB-J10", f"{name} has no meaning", "classes", name))
    touched: dict[str, dict[str, frozenset[str]]] = {"feeds": {}, "columns": {}, "programs": {}}
    for part, found in touched.items():
        for name, given in _part(document, problems, part).items():
            found[str(name)] = _class_names(document, problems, given, part, name)
    elements = {
        str(name): _trait(document, problems, given, str(name))
        for name, given in _part(document, problems, "elements").items()
    }
    return Classification(meanings, touched["feeds"], touched["columns"], touched["programs"], elements)


def class_problems(document: Document, classification: Classification) -> list[Problem]:
    """KB-J14 for every class that the file names and that no file declares."""
    problems: list[Problem] = []
    for part in ("feeds", "columns", "programs", "elements"):
        given = document.data.get(part)
        for name, value in given.items() if isinstance(given, dict) else ():
            listed = value.get("classes", []) if isinstance(value, dict) else value
            for index, one in enumerate(listed if isinstance(listed, list) else ()):
                if one not in classification.meanings:
                    where = (part, name, "classes", index) if part == "elements" else (part, name, index)
                    problems.append(document.problem("KB-J14", f"there is no class {one}", *where))
    return problems


def _part(document: Document, problems: list[Problem], name: str) -> dict[str, Any]:
    given = document.data.get(name, {})
    if isinstance(given, dict):
        return given
    problems.append(document.problem("KB-J10", f"{name} is a mapping", name))
    return {}


def _class_names(document: Document, problems: list[Problem], given: object, *where: Any) -> frozenset[str]:
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return frozenset(given)
    problems.append(document.problem("KB-J10", "classes are a list of at least one name", *where))
    return frozenset()


def _trait(document: Document, problems: list[Problem], given: object, name: str) -> Trait:
    where = ("elements", name)
    if not isinstance(given, dict):
        problems.append(document.problem("KB-J10", "an element says what it can tell, as a mapping", *where))
        return Trait()
    for field in given:
        if field not in TRAIT_FIELDS:
            text = f"{field} is not a trait: {', '.join(TRAIT_FIELDS)}"
            problems.append(document.problem("KB-J10", text, *where, field))
    for kind in (Kind.GEOGRAPHY, Kind.DATES):
        if given.get(kind.value) not in (None, *LADDERS[kind]):
            text = f"{kind} is one of {', '.join(LADDERS[kind])}"
            problems.append(document.problem("KB-J10", text, *where, kind.value))
    if not isinstance(given.get("ages", False), bool):
        problems.append(document.problem("KB-J10", "ages is true or false", *where, "ages"))
    classes = (
        _class_names(document, problems, given["classes"], *where, "classes") if "classes" in given else frozenset()
    )
    return Trait(classes, given.get("geography"), given.get("dates"), bool(given.get("ages")))
