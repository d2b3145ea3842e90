"""Holds laws and classes against contracts, the common schema and agreements.

Collects every mistake with file and line; it never stops at the first and never changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.law.reader import DeclaredLaws
from kinbridge.settings import include_folders
from kinbridge.standards import code_set, common_schema


def law_problems(
    declared: DeclaredLaws, columns: Mapping[str, set[str]], folders: Sequence[Path] | None = None
) -> list[Problem]:
    """Every mistake in the laws and classes that were read from the folders (by default the include folders).

    `columns` are the contract names of the columns of each feed. Codes: those of `read_declared_laws`; KB-J15 a feed,
    column, element or program that is not declared, or a date of the common schema that is not said to be one; KB-J16
    an agreement names a law that no file declares.
    """
    problems = list(declared.problems)
    for document in declared.class_documents:
        problems += _unknown(document, columns)
    problems += _dates(declared)
    problems += _named(declared, include_folders() if folders is None else folders)
    return problems


def _unknown(document: Document, columns: Mapping[str, set[str]]) -> Iterator[Problem]:
    # Of a partner that is not here nothing can be said; should its name be misspelt, the fallback binds the right one.
    partners = {feed.split("/", 1)[0] for feed in columns}
    for feed in _names(document, "feeds"):
        if "/" in feed and feed.split("/", 1)[0] in partners and feed not in columns:
            yield document.problem("KB-J15", f"there is no feed {feed}", "feeds", feed)
    for name in _names(document, "columns"):
        feed, _, column = name.partition(".")
        if feed.split("/", 1)[0] in partners and column not in columns.get(feed, set()):
            yield document.problem("KB-J15", f"no contract has the column {name}", "columns", name)
    try:
        programs = set(code_set("program").codes)
    except KinbridgeError:
        programs = set()  # the code list's own check says what is wrong with it
    for program in _names(document, "programs"):
        if programs and program not in programs:
            yield document.problem("KB-J15", f"there is no program {program}", "programs", program)
    known = {name for entity, elements in common_schema().items() for name in (entity, *(e.name for e in elements))}
    for element in _names(document, "elements"):
        if element not in known:
            yield document.problem("KB-J15", f"{element} is no element of the common schema", "elements", element)


def _names(document: Document, part: str) -> list[str]:
    given = document.data.get(part)
    return [str(name) for name in given] if isinstance(given, dict) else []


def _dates(declared: DeclaredLaws) -> Iterator[Problem]:
    """A date of an entity that is classified has to be said to be one, or no law on dates would touch it."""
    classification = declared.classification
    for elements in common_schema().values():
        for element in elements:
            trait = classification.of_element(element.name)
            if element.type == "date" and trait is not None and trait.dates is None:
                for document in declared.class_documents[:1]:
                    text = f"{element.name} is a date, and `dates` does not say how fine"
                    yield document.problem("KB-J15", text, "elements", element.entity)


def _named(declared: DeclaredLaws, folders: Sequence[Path]) -> Iterator[Problem]:
    """KB-J16, straight from the files: an agreement with other mistakes is held against the laws all the same."""
    known = {law.id for law, _ in declared.laws}
    for folder in folders:
        for path in sorted((folder / "agreements").glob("*.yaml")):
            try:
                # Most agreements name no law; reading a thousand of them twice would take longer than all other checks.
                if "laws:" not in path.read_text(encoding="utf-8"):
                    continue
                document = read_document(path)
            except (UnicodeDecodeError, DocumentError):
                continue  # the agreements' own check says so
            laws = document.data.get("laws")
            for index, law in enumerate(laws if isinstance(laws, list) else ()):
                if law not in known:
                    yield document.problem("KB-J16", f"no file below laws/ declares {law}", "laws", index)
