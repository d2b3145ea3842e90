"""Reads `releases/<name>.yaml` and the SELECT beside them, `sql/release/<file>.sql`.

A declaration that cannot be read whole is not read in part: it yields problems and no extract.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinbridge.declaration.document import DocumentError, Key, Problem, read_document
from kinbridge.declaration.shape import Shape
from kinbridge.errors import KinbridgeError
from kinbridge.release.forms import GROUPED, Form
from kinbridge.release.model import Codes, Extract, ExtractColumn, Grain
from kinbridge.settings import include_folders

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KEYS = (
    "id",
    "version",
    "title",
    "recipient",
    "use_case",
    "agreement",
    "purpose",
    "grain",
    "codes",
    "feeds",
    "population",
    "columns",
    "until",
)
_COLUMN_KEYS = (
    "element",
    "elements",
    "form",
    "groups",
    "on",
    "quasi_identifier",
    "label",
    "text",
    "code_set",
    "values",
)


@dataclass(frozen=True)
class DeclaredExtracts:
    """The extracts that could be read, and every mistake in the shape of the others."""

    extracts: list[Extract]
    problems: list[Problem]


def read_extracts(folders: Sequence[Path] | None = None) -> DeclaredExtracts:
    """All declarations of the folders (by default the include folders), by path. Problems have the code KB-T01."""
    declared = DeclaredExtracts([], [])
    seen: dict[str, Path] = {}
    for folder in folders or include_folders():
        for path in sorted((folder / "releases").glob("*.yaml")):
            extract, problems = _read(path, folder)
            if path.stem in seen:
                problems.append(Problem("KB-T01", path, 1, f"{seen[path.stem]} has the same name"))
            seen.setdefault(path.stem, path)
            declared.problems.extend(problems)
            if extract and not problems:
                declared.extracts.append(extract)
    return declared


def read_extract(name: str, folders: Sequence[Path] | None = None) -> Extract:
    """The named extract. Raises `KinbridgeError` KB-T04 when there is none, KB-T05 when it has mistakes."""
    declared = read_extracts(folders)
    for problem in declared.problems:
        if name in (problem.path.stem, problem.path.parent.name):
            raise KinbridgeError("KB-T05", name=name, path=problem.path, line=problem.line, problem=problem.text)
    found = next((extract for extract in declared.extracts if extract.name == name), None)
    if found is None:
        raise KinbridgeError("KB-T04", name=name)
    return found


def _read(path: Path, folder: Path) -> tuple[Extract | None, list[Problem]]:
    try:
        read = Shape(read_document(path), code="KB-T01")
    except DocumentError as error:
        return None, [error.problem]
    data = read.document.data
    for key in data:
        if key not in _KEYS:
            read.refuse(f"{key} is no field of a release", key)
    if data.get("id") != path.stem or not NAME.fullmatch(path.stem):
        read.refuse(f"`id` is the name of the file, {path.stem}, in lower case letters, digits and underscores", "id")
    sql_path = folder / "sql" / "release" / read.text("population")
    text = _sql(read, sql_path, folder)
    columns = _columns(read)
    grain, codes = _enumerations(read)
    extract = Extract(
        name=path.stem,
        version=read.text("version"),
        title=read.text("title"),
        recipient=read.text("recipient"),
        use_case=read.text("use_case"),
        agreement=read.text("agreement"),
        purpose=read.text("purpose"),
        grain=grain,
        codes=codes,
        feeds=read.texts("feeds"),
        columns=columns,
        until=read.day("until"),
        sql=text,
        sql_path=sql_path,
        path=path,
        digest=_digest(data, text),
        lines=read.document.lines,
    )
    # A field that is read twice is told once.
    return extract, list(dict.fromkeys(read.problems))


def _digest(data: dict[str, Any], sql: str) -> str:
    """SHA-256 of what is declared, whatever its layout and comments, and of the SELECT as it stands."""
    canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(f"{canonical}\n{sql}".encode()).hexdigest()


def _sql(read: Shape, path: Path, folder: Path) -> str:
    if path.parent != folder / "sql" / "release" or path.suffix != ".sql":
        read.refuse("population is the name of a file below include/sql/release/", "population")
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        read.refuse(f"there is no readable file {path.name} below include/sql/release/", "population")
        return ""


def _enumerations(read: Shape) -> tuple[Grain, Codes]:
    grain, codes = read.text("grain"), read.document.data.get("codes", Codes.RANDOM.value)
    if grain not in set(Grain):
        read.refuse(f"grain is one of {', '.join(Grain)}", "grain")
        grain = Grain.PERSON.value
    if codes not in set(Codes):
        read.refuse(f"codes is one of {', '.join(Codes)}", "codes")
        codes = Codes.RANDOM.value
    return Grain(grain), Codes(codes)


def _columns(read: Shape) -> tuple[ExtractColumn, ...]:
    columns = read.document.data.get("columns")
    if not isinstance(columns, dict) or not columns:
        read.refuse("columns is required, as a mapping of names to what they are", "columns")
        return ()
    return tuple(_column(read, name) for name in columns)


def _column(read: Shape, name: str) -> ExtractColumn:
    where = ("columns", name)
    given = read.document.data["columns"][name]
    if not isinstance(given, dict) or not NAME.fullmatch(name) or name in ("code", "person_id"):
        read.refuse(f"{name} is a mapping, in lower case letters, digits and underscores; not `code`", *where)
        return ExtractColumn(name, (), Form(""), True, name)
    for key in given:
        if key not in _COLUMN_KEYS:
            read.refuse(f"{key} is no field of a column", *where, key)
    elements = (read.text(*where, "element"),) if "element" in given else read.texts(*where, "elements")
    quasi = given.get("quasi_identifier", False)
    if not isinstance(quasi, bool):
        read.refuse("quasi_identifier is true or false", *where, "quasi_identifier")
    values = given.get("values", {})
    if not isinstance(values, dict):
        read.refuse("values is a mapping of codes to words", *where, "values")
        values = {}
    return ExtractColumn(
        name=name,
        elements=elements,
        form=_form(read, where, given),
        quasi_identifier=bool(quasi),
        label=read.text(*where, "label"),
        text=str(given.get("text", "")).strip(),
        code_set=str(given["code_set"]) if "code_set" in given else None,
        values={str(code): str(words) for code, words in values.items()},
    )


def _form(read: Shape, where: tuple[Key, ...], given: dict[str, Any]) -> Form:
    name = read.text(*where, "form")
    groups = given.get("groups", [])
    whole = isinstance(groups, list) and all(isinstance(g, int) and not isinstance(g, bool) for g in groups)
    if name not in GROUPED:
        if groups or "on" in given:
            read.refuse(f"the form {name} has neither groups nor a day", *where, "form")
        return Form(name)
    if not whole or not groups or groups != sorted(set(groups)):
        read.refuse("groups are the first values of each group, rising", *where, "groups")
        groups = [0]
    on = read.day(*where, "on") if name == "age" else None
    return Form(name, tuple(groups), on)
