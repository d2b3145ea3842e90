"""Reads the columns of a contract: names, types, and what each column is allowed to hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_args

from kinbridge.contract.dialect import span
from kinbridge.contract.model import Column, Dialect, Kind, LogicalType, Severity
from kinbridge.contract.paths import PATHS
from kinbridge.contract.person_names import read_listed_names, read_no_names, read_person_name
from kinbridge.contract.walk import Properties, Walk
from kinbridge.declaration.document import Problem, Where
from kinbridge.errors import KinbridgeError
from kinbridge.standards import code_set, read_code_csv

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
# Names that the landing tables and their views use themselves.
RESERVED = re.compile(r"^(line_no|row_shape)$|__(typed|known|overlap|consistent|personal_name|former_key)$")
# A day, and perhaps the time of day after it.
DATE_FORMAT = re.compile(r"^(?=.*yyyy)(?=.*MM)(?=.*dd)(yyyy|MM|dd|[/\-. ]){3,5}( HH:mm:ss)?$")
# What of the standard is held against the data; the rest would promise what nobody checks.
OPTIONS = frozenset({"format", "pattern", "minimum", "maximum"})
TYPES = frozenset(get_args(LogicalType))
# The kinds of rule whose severity a column may set.
COLUMN_KINDS = frozenset(
    kind.value
    for kind in (
        Kind.PRESENCE,
        Kind.TYPE,
        Kind.FORMAT,
        Kind.CODE_SET,
        Kind.PLACEHOLDER,
        Kind.RANGE,
        Kind.PERSONAL_NAME,
    )
)
UNENFORCED = ("unique", "enum", "quality")
PROPERTIES = (
    "directIdentifier",
    "quasiIdentifier",
    "codeSet",
    "placeholders",
    "severity",
    "position",
    "personName",
    "noNames",
)


def read_columns(walk: Walk, table: dict[str, Any], dialect: Dialect) -> Iterator[Column]:
    """The columns of a contract's one object; mistakes are noted on the walk."""
    names: set[str] = set()
    headers: set[str] = set()
    places = _Places(walk, dialect)
    for index, item in enumerate(table.get("properties") or []):
        where: Where = ("schema", 0, "properties", index)
        name, header = _names(item)
        if not NAME.match(name) or len(name) > 50:
            walk.problem(f"the column name {name!r} is not lower_case_with_underscores", *where)
        if RESERVED.search(name):
            walk.problem(f"the column name {name!r} is one that the landing tables use themselves", *where)
        # Names in JSON and XML differ by their letters' case, those in a header line do not.
        place = header if dialect.format in PATHS else header.lower()
        if name in names or place in headers:
            walk.problem(f"the column {name!r} is declared twice", *where)
        names.add(name)
        headers.add(place)
        if not item.get("description"):
            walk.problem(f"the column {name!r} has no description", *where)
        if item.get("classification") not in CLASSIFICATIONS:
            walk.problem(f"the column {name!r} needs a classification out of {', '.join(CLASSIFICATIONS)}", *where)
        if item.get("logicalType") not in TYPES:
            walk.problem(f"the column {name!r} needs a logicalType: string, date, integer or number", *where)
        for unenforced in UNENFORCED:
            if item.get(unenforced):
                walk.problem(f"{unenforced!r} of {name!r} is not held against the data", *where, unenforced)
        yield _column(walk, item, where, places)


def _column(walk: Walk, item: dict[str, Any], where: Where, places: _Places) -> Column:
    name, header = _names(item)
    options = item.get("logicalTypeOptions") or {}
    extra = walk.custom(item, PROPERTIES, *where)
    kind: LogicalType = item["logicalType"] if item.get("logicalType") in TYPES else "string"
    for option in options:
        if option not in OPTIONS:
            text = f"{option!r} of {name!r} is not held against the data: {', '.join(sorted(OPTIONS))} are"
            walk.problem(text, *where, "logicalTypeOptions", option)
    code_set = extra.values.get("codeSet")
    person_name = read_person_name(walk, extra, item, name)
    return Column(
        name=name,
        header=header,
        logical_type=kind,
        description=str(item.get("description", "")),
        classification=str(item.get("classification", "")),
        required=bool(item.get("required")),
        key_position=item.get("primaryKeyPosition", 1) if item.get("primaryKey") else None,
        date_format=_date_format(walk, options, name, where) if kind == "date" else None,
        pattern=_pattern(walk, options, name, where),
        minimum=_limit(walk, "minimum", item, kind, where),
        maximum=_limit(walk, "maximum", item, kind, where),
        code_set=code_set,
        codes=_codes(walk, str(code_set), name, extra.place("codeSet")) if code_set is not None else (),
        placeholders=_placeholders(walk, extra, name),
        severity=_severity(walk, extra, name),
        line=walk.document.line(*where),
        position=places.position(extra, name, header, where),
        person_name=person_name,
        no_names=read_no_names(walk, extra, item, person_name),
        listed_names=read_listed_names(extra),
    )


def _names(item: dict[str, Any]) -> tuple[str, str]:
    """The contract's name of a column, and the partner's."""
    name = str(item.get("name"))
    return name, str(item.get("physicalName") or name)


class _Places:
    """Where the columns stand in their format: by positions without overlap in a line, or by paths in a record."""

    def __init__(self, walk: Walk, dialect: Dialect) -> None:
        self.walk = walk
        self.dialect = dialect
        self.taken: dict[str, tuple[int, int]] = {}

    def position(self, extra: Properties, name: str, header: str, where: Where) -> tuple[int, int] | None:
        """The position in a fixed-width line, None in other formats. Mistakes are noted, those of paths too."""
        if self.dialect.format in PATHS:
            try:
                PATHS[self.dialect.format](header)
            except ValueError as error:
                self.walk.problem(f"the physicalName of {name!r} is {error}", *where)
        declared = "position" in extra.values
        place = extra.place("position") if declared else where
        if self.dialect.format != "fixed_width":
            if declared:
                self.walk.problem(f"the position of {name!r} is for the format fixed_width", *place)
            return None
        position = span(extra.values.get("position"))
        if position is None:
            text = f"the column {name!r} needs the property position, such as {{ start: 1, length: 10 }}"
            self.walk.problem(text, *place)
            return None
        first, last = position[0], sum(position) - 1
        for other, (start, length) in self.taken.items():
            if first <= start + length - 1 and start <= last:
                self.walk.problem(f"the columns {other!r} and {name!r} share a position", *place)
        self.taken[name] = position
        return position


def _date_format(walk: Walk, options: dict[str, Any], name: str, where: Where) -> str:
    given = str(options.get("format"))
    if DATE_FORMAT.match(given) and len(re.findall("yyyy|MM|dd", given)) == 3:
        return given
    walk.problem(f"the date column {name!r} needs logicalTypeOptions.format, such as MM/dd/yyyy", *where)
    return "yyyy-MM-dd"


def _pattern(walk: Walk, options: dict[str, Any], name: str, where: Where) -> str | None:
    """A regular expression that Postgres, which runs it, and people who know other dialects read alike."""
    pattern = options.get("pattern")
    if pattern is None:
        return None
    problem = "it is not text"
    try:
        re.compile(pattern)
        problem = "it begins a group with (?P, which Postgres does not know" if "(?P" in pattern else ""
    except re.error as error:
        problem = error.msg
    except TypeError:
        pattern = ""
    if problem:
        text = f"the pattern of {name!r} is not a regular expression: {problem}"
        walk.problem(text, *where, "logicalTypeOptions", "pattern")
    return pattern


def _limit(walk: Walk, end: str, item: dict[str, Any], kind: LogicalType, where: Where) -> str | None:
    value = (item.get("logicalTypeOptions") or {}).get(end)
    if value is None or item.get("logicalType") != kind:
        return None
    text = str(value)
    try:
        if kind == "date":
            good = text == "asOf" or date.fromisoformat(text).isoformat() == text
        elif kind == "integer":
            good = str(int(text)) == text
        else:
            good = kind == "number" and Decimal(text).is_finite()
    except (ValueError, InvalidOperation):
        good = False
    if not good:
        wanted = {"date": "a day such as 2026-01-31, or asOf", "integer": "a whole number", "number": "a number"}
        problem = f"the {end} of {item.get('name')!r} must be {wanted.get(kind, 'left out: text has none')}"
        walk.problem(problem, *where, "logicalTypeOptions", end)
        return None
    return text


def _placeholders(walk: Walk, extra: Properties, name: str) -> tuple[str, ...]:
    given = extra.values.get("placeholders")
    if given is None or (isinstance(given, list) and all(isinstance(v, str) and v.strip() == v != "" for v in given)):
        return tuple(given or ())
    walk.problem(f"the placeholders of {name!r} are a list of texts; quote each", *extra.place("placeholders"))
    return ()


def _severity(walk: Walk, extra: Properties, name: str) -> dict[str, Severity]:
    place = extra.place("severity")
    given = walk.mapping(extra.values.get("severity"), f"the severity of {name!r}", *place)
    for kind, value in given.items():
        if kind not in COLUMN_KINDS or value not in {"critical", "warning"}:
            kinds = ", ".join(sorted(COLUMN_KINDS))
            text = f"the severity of {name!r} maps a kind of rule ({kinds}) to critical or warning"
            walk.problem(text, *place, "value", kind)
    return dict(given)


def _codes(walk: Walk, reference: str, name: str, where: Where) -> tuple[str, ...]:
    try:
        if reference.startswith("standard/"):
            codes = code_set(reference.removeprefix("standard/")).codes
        else:
            codes = read_code_csv(walk.document.path.parent / reference).codes
    except KinbridgeError as error:
        listed = error.facts.get("path")
        if isinstance(listed, Path) and listed.is_file():
            walk.problems.append(Problem("KB-C33", listed, error.facts["line"], error.facts["problem"]))
        else:
            walk.problem(f"the code set of {name!r} is {reference}, and there is no such list", *where)
        return ()
    if not codes:
        walk.problem(f"the code set of {name!r}, {reference}, has no code", *where)
    return codes
