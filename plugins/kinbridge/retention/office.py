"""The office's own rules: `include/retention.yaml`, read and checked.

A site replaces them as a whole, in the first of its own include folders that has such a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kinbridge.declaration.clause import near
from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.retention.term import Kind, Term
from kinbridge.settings import include_folders

NAME = "retention.yaml"
# Identities have no term of their own: a link goes with the last record that it is about.
OWN_KINDS: tuple[Kind, ...] = tuple(kind for kind in Kind if kind is not Kind.IDENTITY)


@dataclass(frozen=True)
class OfficeRules:
    """`terms` by kind, what is `kept` and why, and within how many days a batch is destroyed by default."""

    terms: Mapping[Kind, Term]
    kept: Mapping[str, str]
    within_days: int


def read_office_rules(folders: list[Path] | None = None) -> OfficeRules:
    """The rules that hold here. Raises `KinbridgeError` KB-U01 with file and line: without them nothing is kept."""
    path = _path(folders)
    try:
        document = read_document(path)
    except FileNotFoundError:
        raise KinbridgeError("KB-U01", path=near(path), line=1, problem="there is no such file") from None
    except DocumentError as error:
        found = error.problem
        raise KinbridgeError("KB-U01", path=near(path), line=found.line, problem=found.text) from None
    for problem in _problems(document):
        raise KinbridgeError("KB-U01", path=near(path), line=problem.line, problem=problem.text)
    data = document.data
    terms: dict[Kind, Term] = {
        kind: Term(
            f"office rule {kind.value} ({near(path)}:{document.line(kind.value)})",
            data[kind.value].get("days"),
            data[kind.value].get("months"),
        )
        for kind in OWN_KINDS
    }
    return OfficeRules(terms, {str(name): str(why) for name, why in data["kept"].items()}, data["within_days"])


def check_office_rules(folders: list[Path] | None = None) -> list[Problem]:
    """Every mistake in the office's rules, for `kinbridge check`."""
    path = _path(folders)
    try:
        return list(_problems(read_document(path)))
    except FileNotFoundError:
        return [Problem("KB-U01", path, 1, "there is no such file")]
    except DocumentError as error:
        return [error.problem]


def _path(folders: list[Path] | None) -> Path:
    given = include_folders() if folders is None else folders
    # A site's own file comes before the project's.
    found = (folder / NAME for folder in [*given[1:], given[0]])
    return next((path for path in found if path.is_file()), given[0] / NAME)


def _problems(document: Document) -> Iterator[Problem]:
    data = document.data
    for kind in OWN_KINDS:
        given = data.get(kind.value)
        if not isinstance(given, dict) or ("days" in given) == ("months" in given):
            yield document.problem("KB-U01", f"{kind.value} says either `days` or `months`", kind.value)
            continue
        unit = "days" if "days" in given else "months"
        if not _whole(given[unit]):
            yield document.problem("KB-U01", f"{kind.value}.{unit} is a whole number from 0", kind.value, unit)
        if not isinstance(given.get("why"), str) or not given["why"].strip():
            yield document.problem("KB-U01", f"{kind.value} says `why`", kind.value)
    kept = data.get("kept")
    if not isinstance(kept, dict) or not all(isinstance(why, str) and why.strip() for why in kept.values()):
        yield document.problem("KB-U01", "`kept` says what stays, and why", "kept")
    if not _whole(data.get("within_days")):
        yield document.problem("KB-U01", "`within_days` is a whole number from 0", "within_days")
    for name in data:
        if name not in {*OWN_KINDS, "kept", "within_days"}:
            yield document.problem("KB-U01", f"{name} is no kind of thing that is kept", name)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
