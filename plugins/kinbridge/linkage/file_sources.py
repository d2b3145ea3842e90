"""What `kinbridge link files` is given: sources in CSV files, and which of their columns mean what.

Input: one YAML file, read with line numbers; output: `FileSources`. Every mistake that can be seen in the YAML alone is
found here, all at once; what only the files themselves can show is said by `file_records`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.engine.choice import EngineChoice, choice_problems, hint, read_choice
from kinbridge.linkage.model import Duplicates

CODE = "KB-K02"
COLUMNS = (
    "first_name",
    "middle_name",
    "last_name",
    "name_suffix",
    "birth_date",
    "sex",
    "ssn",
    "email",
    "phone",
    "address_line",
    "city",
    "state",
    "postal_code",
    "mother_first_name",
    "local_id",
)
HABITS: tuple[Duplicates, ...] = get_args(Duplicates)


@dataclass(frozen=True)
class GivenColumn:
    """Their columns, joined with a blank, that are one of ours; `format` is for dates, as in `strptime`."""

    theirs: tuple[str, ...]
    line: int
    format: str | None = None


@dataclass(frozen=True)
class FileSource:
    """One file: where it is, the column that tells its rows apart, and how often it lists one person twice."""

    name: str
    file: Path
    id: str
    id_line: int
    duplicates: Duplicates
    columns: dict[str, GivenColumn]


@dataclass(frozen=True)
class FileSources:
    """The whole configuration; `path` is its own file, for messages."""

    path: Path
    sources: tuple[FileSource, ...]
    engine: EngineChoice


def read_file_sources(path: Path) -> FileSources:
    """Read and check a configuration.

    Raises `KinbridgeError` KB-K02 with the line of the first mistake and how many there are.
    """
    try:
        document = read_document(path)
    except DocumentError as error:
        raise _unusable(error.problem, 1) from None
    except OSError:
        raise _unusable(Problem(CODE, path, 1, "the file cannot be read"), 1) from None
    problems = sorted(_problems(document), key=lambda problem: problem.line)
    if problems:
        raise _unusable(problems[0], len(problems))
    sources = tuple(_source(document, name) for name in document.data["sources"])
    return FileSources(path, sources, read_choice(document.data))


def _unusable(problem: Problem, count: int) -> KinbridgeError:
    return KinbridgeError(CODE, path=problem.path, line=problem.line, problem=problem.text, count=count)


def _problems(document: Document) -> Iterator[Problem]:
    data = document.data
    yield from _unknown(document, data, ("sources", "engine", "spark"))
    yield from choice_problems(document, CODE)
    sources = data.get("sources")
    if not isinstance(sources, dict) or not sources:
        yield document.problem(CODE, "expected `sources`: each source's name with its file, id and columns", "sources")
        return
    for name, source in sources.items():
        if not isinstance(source, dict):
            yield document.problem(CODE, "expected the file, id and columns of the source", "sources", name)
            continue
        yield from _source_problems(document, name, source)


def _source_problems(document: Document, name: str, source: dict[str, Any]) -> Iterator[Problem]:
    at = ("sources", name)
    yield from _unknown(document, source, ("file", "id", "duplicates", "columns"), *at)
    for part in ("file", "id"):
        if not isinstance(source.get(part), str) or not source[part].strip():
            yield document.problem(CODE, f"the source {name} needs {part!r}", *at, part)
    if isinstance(source.get("file"), str) and source["file"].strip():
        file = document.path.parent / source["file"]
        if not file.is_file():
            yield document.problem(CODE, f"there is no file {source['file']}", *at, "file")
    if source.get("duplicates", "common") not in HABITS:
        yield document.problem(CODE, f"duplicates must be one of {', '.join(HABITS)}", *at, "duplicates")
    columns = source.get("columns")
    if not isinstance(columns, dict) or not columns:
        yield document.problem(CODE, "expected `columns`: our names, each with theirs", *at, "columns")
        return
    yield from _unknown(document, columns, COLUMNS, *at, "columns")
    for ours, given in columns.items():
        if ours in COLUMNS:
            yield from _column_problems(document, ours, given, *at, "columns", ours)


def _column_problems(document: Document, ours: str, given: object, *where: str) -> Iterator[Problem]:
    form = None
    if isinstance(given, dict):
        yield from _unknown(document, given, ("column", "format"), *where)
        form, given = given.get("format"), given.get("column")
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        yield document.problem(CODE, f"{ours} needs the name of a column, or a list of names", *where)
    if form is None:
        return
    if ours != "birth_date":
        yield document.problem(CODE, f"{ours} is no date and has no format", *where, "format")
    elif not isinstance(form, str) or "%" not in form:
        yield document.problem(CODE, 'the format of a date is written as "%m/%d/%Y"', *where, "format")


def _unknown(document: Document, given: dict[str, Any], known: tuple[str, ...], *where: str) -> Iterator[Problem]:
    for name in given:
        if name not in known:
            yield document.problem(CODE, f"{name!r} is not known; {hint(name, known)}", *where, str(name))


def _source(document: Document, name: str) -> FileSource:
    source = document.data["sources"][name]
    columns = {}
    for ours, given in source["columns"].items():
        form = given.get("format") if isinstance(given, dict) else None
        theirs = given["column"] if isinstance(given, dict) else given
        names = tuple(theirs) if isinstance(theirs, list) else (theirs,)
        columns[ours] = GivenColumn(names, document.line("sources", name, "columns", ours), form)
    return FileSource(
        name=name,
        file=document.path.parent / source["file"],
        id=source["id"],
        id_line=document.line("sources", name, "id"),
        duplicates=source.get("duplicates", "common"),
        columns=columns,
    )
