"""Consent forms as declared in `include/consent/forms/*.yaml`: what a signature covers, how long, and how it ends.

A file that cannot be read whole is never read in part. `read_forms` raises the first problem, since a grant on a form
that nobody can read must not count; `read_declared_forms` collects them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.declaration.shape import Shape
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

SIGNERS = ("parent", "guardian", "adult")
CODE = "KB-N10"
_ALL = "all"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_VERSION = re.compile(r"[1-9][0-9]*")
_LANGUAGE = re.compile(r"[a-z]{3}")
_FIELDS = (
    "id",
    "version",
    "title",
    "covers",
    "signed_by",
    "languages",
    "valid_months",
    "revocable",
    "revocation",
    "text",
)


@dataclass(frozen=True)
class Stands:
    """What a revocation does not reach: what stays, why, and the citation by which it may."""

    what: str
    why: str
    citation: str


@dataclass(frozen=True)
class Form:
    """One version of a form. `use_cases` and `programs` are what a signature covers; None is all of them.

    `signed_by` are those who may sign; `languages` ISO 639-2 codes; `valid_months` counts from the signature, None
    until it is revoked; `revocable` says how it is revoked, `reaches` what a revocation ends, `stands` what stays.
    """

    id: str
    version: str
    title: str
    use_cases: tuple[str, ...] | None
    programs: tuple[str, ...] | None
    signed_by: tuple[str, ...]
    languages: tuple[str, ...]
    valid_months: int | None
    revocable: str
    reaches: tuple[str, ...]
    stands: tuple[Stands, ...]
    text: str
    path: Path

    @property
    def name(self) -> str:
        """How a statement names it: `family_consent/1`."""
        return f"{self.id}/{self.version}"

    def covers(self, use_case: str, program: str | None) -> bool:
        """Whether a signature on it speaks of the use case and program; of all programs where none is named."""
        of_use = self.use_cases is None or use_case in self.use_cases
        return of_use and (self.programs is None or program in self.programs)


@dataclass(frozen=True)
class DeclaredForms:
    """Each form with its document, and every problem of shape (KB-C01, KB-N10)."""

    forms: list[tuple[Form, Document]]
    problems: list[Problem]


def read_forms(folders: Sequence[Path] | None = None) -> dict[str, Form]:
    """Every form by name.

    Raises `KinbridgeError` KB-N01 naming the first file and line that is not a whole form.
    """
    declared = read_declared_forms(folders)
    for problem in sorted(declared.problems, key=lambda one: (str(one.path), one.line)):
        raise KinbridgeError("KB-N01", path=problem.path, line=problem.line, problem=problem.text)
    return {form.name: form for form, _ in declared.forms}


def read_declared_forms(folders: Sequence[Path] | None = None) -> DeclaredForms:
    """The forms of the folders (by default the include folders) with all problems of shape."""
    declared = DeclaredForms([], [])
    seen: dict[str, Path] = {}
    for folder in include_folders() if folders is None else folders:
        for path in sorted((folder / "consent" / "forms").glob("*.yaml")):
            try:
                shape = Shape(read_document(path), code=CODE)
            except DocumentError as error:
                declared.problems.append(error.problem)
                continue
            form = _form(shape)
            if not shape.problems and form.name in seen:
                shape.refuse(f"{form.name} is declared in {seen[form.name].name} already", "id")
            if not shape.problems:
                seen[form.name] = path
                declared.forms.append((form, shape.document))
            declared.problems.extend(shape.problems)
    return declared


def _form(read: Shape) -> Form:
    for name in read.document.data:
        if name not in _FIELDS:
            read.refuse(f"{name} is no field of a form", name)
    return Form(
        id=_matching(read, _NAME, "a name in small letters, digits, - and _", "id"),
        version=_version(read),
        title=read.text("title"),
        use_cases=_covered(read, "use_cases"),
        programs=_covered(read, "programs"),
        signed_by=_each(read, SIGNERS, "signed_by"),
        languages=_languages(read),
        valid_months=read.optional_whole("valid_months", least=1),
        revocable=read.text("revocable"),
        reaches=read.texts("revocation", "reaches"),
        stands=tuple(_stands(read, index) for index in read.items("revocation", "stands")),
        text=read.text("text"),
        path=read.document.path,
    )


def _version(read: Shape) -> str:
    found = read.value("version")
    # A bare 1 in YAML is a number; it is meant as the version's name.
    version = str(found) if isinstance(found, int | str) and not isinstance(found, bool) else ""
    if not _VERSION.fullmatch(version):
        read.refuse("version is a whole number from 1", "version")
    return version


def _matching(read: Shape, pattern: re.Pattern[str], what: str, *where: str) -> str:
    found = read.text(*where)
    if found and not pattern.fullmatch(found):
        read.refuse(f"{where[-1]} is {what}", *where)
    return found


def _covered(read: Shape, what: str) -> tuple[str, ...] | None:
    """The names that are covered; None when the form says `all`, which has to be written out."""
    if read.value("covers", what) == _ALL:
        return None
    return read.texts("covers", what)


def _each(read: Shape, options: tuple[str, ...], where: str) -> tuple[str, ...]:
    found = read.texts(where)
    for index, one in enumerate(found):
        if one not in options:
            read.refuse(f"{where} are among {', '.join(options)}", where, index)
    return found


def _languages(read: Shape) -> tuple[str, ...]:
    found = read.texts("languages")
    for index, one in enumerate(found):
        if not _LANGUAGE.fullmatch(one):
            read.refuse("a language is the three letters of ISO 639-2, as in eng", "languages", index)
    return found


def _stands(read: Shape, index: int) -> Stands:
    where = ("revocation", "stands", index)
    return Stands(read.text(*where, "what"), read.text(*where, "why"), read.text(*where, "citation"))
