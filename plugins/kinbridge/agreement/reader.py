"""Reads `agreements/*.yaml` and `use_cases/*.yaml` of every include folder.

A file that cannot be read whole is never read in part: it yields problems and no agreement. `read_declared`
collects the problems; `read_agreements` and `read_use_cases` raise the first, since a run must not go on
without knowing all that was agreed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kinbridge.agreement.model import Agreement
from kinbridge.agreement.text import agreement_of
from kinbridge.declaration.document import Document, DocumentError, Problem, document_of, text_of
from kinbridge.declaration.shape import Shape
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders
from kinbridge.use_case.model import UseCase
from kinbridge.use_case.reader import use_case_of


@dataclass(frozen=True)
class Declared:
    """What was read: each agreement and use case with its document, and every problem with the shape of a
    file."""

    agreements: list[tuple[Agreement, Document]]
    use_cases: list[tuple[UseCase, Document]]
    problems: list[Problem]


def read_agreements(folders: Sequence[Path] | None = None) -> list[Agreement]:
    """Every agreement of the include folders, sorted by path within each.

    Raises `KinbridgeError` KB-A06 naming the first file and line that is not a whole agreement: a run that
    cannot read all of what was agreed does not know what is forbidden.
    """
    declared = Declared([], [], [])
    _read_agreements(declared, folders)
    _raise_first(declared)
    return [agreement for agreement, _ in declared.agreements]


def read_use_cases(folders: Sequence[Path] | None = None) -> list[UseCase]:
    """Every use case of the include folders, sorted by path within each. Raises like `read_agreements`."""
    declared = Declared([], [], [])
    _read_use_cases(declared, folders)
    _raise_first(declared)
    return [use_case for use_case, _ in declared.use_cases]


def read_declared(folders: Sequence[Path] | None = None) -> Declared:
    """Agreements and use cases of the folders (by default the include folders) with all problems of shape."""
    declared = Declared([], [], [])
    _read_agreements(declared, folders)
    _read_use_cases(declared, folders)
    return declared


def _read_agreements(declared: Declared, folders: Sequence[Path] | None) -> None:
    for path, text in _texts("agreements", declared, folders):
        agreement, document, problems = _agreement_in(path, text)
        if agreement is not None and document is not None:
            declared.agreements.append((agreement, document))
        declared.problems.extend(problems)


def _read_use_cases(declared: Declared, folders: Sequence[Path] | None) -> None:
    for path, text in _texts("use_cases", declared, folders):
        use_case, document, problems = _use_case_in(path, text)
        if use_case is not None and document is not None:
            declared.use_cases.append((use_case, document))
        declared.problems.extend(problems)


def _texts(place: str, declared: Declared, folders: Sequence[Path] | None) -> Iterator[tuple[Path, str]]:
    """The files of a place with their texts. Templates lie in a folder of their own below, and are no agreements."""
    for folder in include_folders() if folders is None else folders:
        for path in sorted((folder / place).glob("*.yaml")):
            try:
                yield path, text_of(path)
            except DocumentError as error:
                declared.problems.append(error.problem)


# The same text is the same agreement; `kinbridge check` asks for it many times.
@lru_cache(maxsize=4096)
def _agreement_in(path: Path, text: str) -> tuple[Agreement | None, Document | None, tuple[Problem, ...]]:
    try:
        shape = Shape(document_of(path, text))
    except DocumentError as error:
        return None, None, (error.problem,)
    agreement = agreement_of(shape)
    return (None, None, tuple(shape.problems)) if shape.problems else (agreement, shape.document, ())


@lru_cache(maxsize=1024)
def _use_case_in(path: Path, text: str) -> tuple[UseCase | None, Document | None, tuple[Problem, ...]]:
    try:
        shape = Shape(document_of(path, text))
    except DocumentError as error:
        return None, None, (error.problem,)
    use_case = use_case_of(shape)
    return (None, None, tuple(shape.problems)) if shape.problems else (use_case, shape.document, ())


def _raise_first(declared: Declared) -> None:
    for problem in declared.problems:
        raise KinbridgeError("KB-A06", path=problem.path, line=problem.line, problem=problem.text)
