"""Reads `laws/*.yaml` and `laws/classes.yaml` of every include folder.

A file that cannot be read whole is never read in part: `read_laws` raises, since a run that does not know what the law
demands must not go on. `read_declared_laws` collects the problems instead. A site's folder may add laws, classes and
clauses of the fallback; it takes none away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.law.classes import class_problems, read_classes
from kinbridge.law.clauses import is_text, read_clauses, unknown_fields, words_of
from kinbridge.law.model import Classification, Law, LawClause, Laws, Trait
from kinbridge.settings import include_folders

CLASSES = "classes.yaml"
LAW_FIELDS = ("id", "title", "citation", "as_of", "reviewed", "note", "governs", "clauses")


@dataclass
class DeclaredLaws:
    """What was read: each law with its document, the classification with its documents, and every problem of shape."""

    laws: list[tuple[Law, Document]] = field(default_factory=list)
    classification: Classification = field(default_factory=lambda: Classification({}))
    class_documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_laws(folders: Sequence[Path] | None = None) -> Laws:
    """Every law and the classification of the include folders.

    Raises `KinbridgeError` KB-J01 naming the first file and line that cannot be read whole.
    """
    declared = read_declared_laws(folders)
    for problem in sorted(declared.problems, key=lambda p: (str(p.path), p.line)):
        raise KinbridgeError("KB-J01", path=problem.path, line=problem.line, problem=problem.text)
    return Laws(tuple(law for law, _ in declared.laws), declared.classification)


def read_declared_laws(folders: Sequence[Path] | None = None) -> DeclaredLaws:
    """Laws and classes of the folders (by default the include folders), with all problems of shape: KB-C01 unreadable;
    KB-J10 a field is missing, unknown or of the wrong kind; KB-J11 unknown demand; KB-J12 a value that the demand does
    not take; KB-J13 no citation; KB-J14 unknown class; KB-J17 no fallback; KB-J18 declared twice."""
    declared = DeclaredLaws()
    documents: list[Document] = []
    for folder in include_folders() if folders is None else folders:
        for path in sorted((folder / "laws").glob("*.yaml")):
            try:
                document = read_document(path)
            except DocumentError as error:
                declared.problems.append(error.problem)
                continue
            if path.name == CLASSES:
                _add_classes(declared, document)
            else:
                documents.append(document)
    if not declared.classification.fallback:
        path = (include_folders() if folders is None else folders)[0] / "laws" / CLASSES
        text = "no fallback is declared for what has no class"
        declared.problems.append(Problem("KB-J17", path, 1, text))
    for document in documents:
        _add_law(declared, document)
    known = set(declared.classification.meanings)
    for law, document in declared.laws:
        for name in sorted(law.governs - known):
            declared.problems.append(document.problem("KB-J14", f"there is no class {name}", "governs"))
        declared.problems += _unknown_classes(document, "clauses", law.clauses, known)
    for document in declared.class_documents:
        declared.problems += class_problems(document, declared.classification)
        own = [clause for clause in declared.classification.fallback if clause.path == document.path]
        declared.problems += _unknown_classes(document, "fallback", own, known)
    return declared


def _add_classes(declared: DeclaredLaws, document: Document) -> None:
    found = read_classes(document, declared.problems)
    known = declared.classification
    clauses = read_clauses(document, "fallback", "fallback", declared.problems)
    elements = dict(known.elements)
    for name, trait in found.elements.items():
        elements[name] = _both(elements[name], trait) if name in elements else trait
    declared.class_documents.append(document)
    declared.classification = Classification(
        meanings={**found.meanings, **known.meanings},
        feeds=_union(known.feeds, found.feeds),
        columns=_union(known.columns, found.columns),
        programs=_union(known.programs, found.programs),
        elements=elements,
        fallback=(*known.fallback, *(replace(clause, force="office") for clause in clauses)),
    )


def _union(ours: Mapping[str, frozenset[str]], theirs: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: ours.get(name, frozenset()) | theirs.get(name, frozenset()) for name in [*ours, *theirs]}


def _both(ours: Trait, theirs: Trait) -> Trait:
    """A site may add classes to an element of ours; what the element can tell stays as it is."""
    return replace(ours, classes=ours.classes | theirs.classes)


def _unknown_classes(document: Document, key: str, clauses: Sequence[LawClause], known: set[str]) -> Iterator[Problem]:
    for index, clause in enumerate(clauses):
        for name in sorted(clause.scope.classes - known):
            where = (key, index, "applies_to", "classes")
            yield document.problem("KB-J14", f"there is no class {name}", *where)


def _add_law(declared: DeclaredLaws, document: Document) -> None:
    problems: list[Problem] = []
    data = document.data
    problems += unknown_fields(document, data, LAW_FIELDS)
    for name in ("id", "title", "citation", "note"):
        if not is_text(data.get(name)):
            problems.append(document.problem("KB-J10", f"{name} is required, as text", name))
    if not isinstance(data.get("as_of"), date):
        problems.append(document.problem("KB-J10", "as_of is required, as a day such as 2026-01-31", "as_of"))
    if not (data.get("reviewed") is None or is_text(data["reviewed"])):
        problems.append(document.problem("KB-J10", "reviewed says who reviewed it, or is empty", "reviewed"))
    governs = words_of(document, problems, data.get("governs"), ("governs",), least=0)
    law_id = str(data.get("id", ""))
    clauses = read_clauses(document, "clauses", law_id, problems)
    if not clauses and not problems:
        problems.append(document.problem("KB-J10", "a law has at least one clause", "clauses"))
    for law, _ in declared.laws:
        if law.id == law_id:
            problems.append(document.problem("KB-J18", f"{law_id} is declared in {law.path.name} already", "id"))
    if problems:
        declared.problems += problems
        return
    law = Law(
        id=law_id,
        title=data["title"],
        citation=data["citation"],
        as_of=data["as_of"],
        reviewed=data.get("reviewed") or "",
        note=data["note"],
        governs=governs,
        clauses=clauses,
        path=document.path,
    )
    declared.laws.append((law, document))
