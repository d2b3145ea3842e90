"""Reads `contract.odcs.yaml` files into `Feed`s.

The Open Data Contract Standard 3.1 is parsed by its own library, so a contract that other ODCS tools refuse is refused
here too. What the standard has no place for stands in `customProperties`; docs/adding-a-feed.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from kinbridge.contract.model import Column, Dialect, Feed, Kind, LogicalType, Reference, Severity
from kinbridge.contract.sql import reference_name
from kinbridge.declaration.document import Document, DocumentError, Key, Problem, Where, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders
from kinbridge.standards import code_set, read_code_csv

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
# Names that the landing tables and their views use themselves.
RESERVED = re.compile(r"^(line_no|row_shape)$|__(typed|known)$")
DATE_FORMAT = re.compile(r"^(?=.*yyyy)(?=.*MM)(?=.*dd)(yyyy|MM|dd|[/\-. ]){3,5}$")
# Postgres cuts longer names off.
LONGEST_NAME = 63
# What of the standard is held against the data; the rest would promise what nobody checks.
OPTIONS = frozenset({"format", "pattern", "minimum", "maximum"})
TYPES = frozenset(get_args(LogicalType))
# The kinds of rule whose severity a column may set.
COLUMN_KINDS = frozenset(
    kind.value for kind in (Kind.PRESENCE, Kind.TYPE, Kind.FORMAT, Kind.CODE_SET, Kind.PLACEHOLDER, Kind.RANGE)
)
UNENFORCED = ("unique", "enum", "quality")
PROPERTIES = ("directIdentifier", "quasiIdentifier", "codeSet", "placeholders", "severity")


class ContractError(Exception):
    """A contract with mistakes; carries all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))


def contract_paths() -> list[Path]:
    """Every contract of every include folder, sorted by partner and feed."""
    return sorted(path for folder in include_folders() for path in folder.glob("partners/*/feeds/*/contract.odcs.yaml"))


@lru_cache(maxsize=1)
def feeds() -> dict[str, Feed]:
    """All feeds by id. Raises `KinbridgeError` KB-C02 that names the first mistake and says how many there are."""
    found: dict[str, Feed] = {}
    for path in contract_paths():
        try:
            feed = read_feed(path)
        except ContractError as error:
            first = error.problems[0]
            raise KinbridgeError(
                "KB-C02", path=first.path, line=first.line, problem=first.text, more=len(error.problems) - 1
            ) from None
        if feed.id in found:
            raise KinbridgeError("KB-C02", path=path, line=1, problem=declared_twice(found[feed.id]), more=0)
        found[feed.id] = feed
    return found


def declared_twice(feed: Feed) -> str:
    """What to say of a second contract of one feed: neither may silently replace the other."""
    return f"the feed {feed.id} is declared in {feed.path} already"


def feed_of(feed_id: str) -> Feed:
    """The feed of that id. Raises `KinbridgeError` KB-C03 when no contract declares it."""
    try:
        return feeds()[feed_id]
    except KeyError:
        raise KinbridgeError("KB-C03", feed=feed_id) from None


def read_feed(path: Path) -> Feed:
    """Read one contract. Raises `ContractError` with every mistake, each with file and line."""
    try:
        document = read_document(path)
    except DocumentError as error:
        raise ContractError([error.problem]) from None
    problems = list(_standard_problems(document))
    if not problems:
        reader = _Reader(document)
        feed = reader.feed()
        if not reader.problems:
            return feed
        problems = reader.problems
    raise ContractError(problems)


def _standard_problems(document: Document) -> Iterator[Problem]:
    try:
        OpenDataContractStandard.model_validate(document.data)
    except ValidationError as error:
        for item in error.errors():
            where = tuple(part for part in item["loc"] if isinstance(part, str | int))
            yield document.problem("KB-C02", f"not valid ODCS: {item['msg'].lower()}", *where)
    for name in ("version", "apiVersion", "kind", "id", "status", "schema", "customProperties"):
        if name not in document.data:
            yield document.problem("KB-C02", f"the contract has no {name!r}")
        elif document.data[name] is None:
            yield document.problem("KB-C02", f"the contract's {name!r} is empty", name)
    objects = document.data.get("schema")
    if isinstance(objects, list) and len(objects) != 1:
        yield document.problem("KB-C02", "a contract describes exactly one file: one object in `schema`", "schema")


@dataclass
class _Properties:
    """Custom properties by name, and where each stands."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Where] = field(default_factory=dict)

    def place(self, name: str) -> Where:
        """Where the property stands; the place of all of them when it is not there."""
        return self.places.get(name, ("customProperties",))


class _Reader:
    """Walks one contract, collecting problems instead of stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def problem(self, text: str, *where: Key) -> None:
        self.problems.append(self.document.problem("KB-C02", text, *where))

    def custom(self, holder: Mapping[str, Any], known: tuple[str, ...], *where: Key) -> _Properties:
        """The custom properties of a holder. Other tools' are left alone; one that is nearly ours is a slip."""
        found = _Properties()
        for index, item in enumerate(holder.get("customProperties") or []):
            name, place = str(item.get("property")), (*where, "customProperties", index)
            near = get_close_matches(name.lower(), [k.lower() for k in known], 1, 0.8)
            if name in known:
                found.values[name], found.places[name] = item.get("value"), place
            elif near:
                meant = next(k for k in known if k.lower() == near[0])
                self.problem(f"the property {name!r} is not known; {meant!r} is", *place)
        return found

    def mapping(self, value: Any, text: str, *where: Key) -> dict[str, Any]:
        """The value as a mapping; anything else is a problem."""
        if value is None or isinstance(value, dict):
            return value or {}
        self.problem(f"{text} is a mapping of names to values", *where)
        return {}

    def items(self, found: _Properties, name: str) -> Iterator[tuple[dict[str, Any], Where]]:
        """The mappings of a property that is a list of them."""
        value, place = found.values.get(name), found.place(name)
        if value is not None and not isinstance(value, list):
            self.problem(f"{name} is a list", *place)
            return
        for index, item in enumerate(value or []):
            where = (*place, "value", index)
            yield self.mapping(item, f"an entry of {name}", *where), where

    def feed(self) -> Feed:
        data, document = self.document.data, self.document
        folder = document.path.parent
        expected = f"{folder.parent.parent.name}/{folder.name}"
        if data["id"] != expected.replace("/", "."):
            self.problem(f"the id {data['id']!r} does not match the folder: {expected.replace('/', '.')!r}", "id")
        if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*_v\d+", expected) or len(expected) > 40:
            self.problem("a feed is partner/feed_vN in lower case, at most 40 characters", "id")
        top = self.custom(data, ("delivery", "intake", "pipeline"))
        table = data["schema"][0]
        extra = self.custom(table, ("dateOrder", "references"), "schema", 0)
        columns = tuple(self._columns(table))
        feed = Feed(
            id=expected,
            version=str(data["version"]),
            title=str(data.get("name") or data["id"]),
            path=document.path,
            columns=columns,
            dialect=self._dialect(top),
            max_bad_row_share=self._share(top),
            schedule=self.mapping(top.values.get("pipeline"), "pipeline", *top.place("pipeline")).get("schedule"),
            date_orders=tuple(self._date_orders(extra, columns)),
            references=tuple(self._references(extra, {c.name for c in columns})),
            row_count=self._row_count(table),
        )
        if not feed.key:
            self.problem("no column is a primaryKey: a row could not be told from another", "schema", 0)
        return feed

    def _share(self, top: _Properties) -> float:
        place = top.place("intake")
        share = self.mapping(top.values.get("intake"), "intake", *place).get("maxBadRowShare")
        if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1:
            return float(share)
        self.problem(
            "customProperties needs intake.maxBadRowShare, a share from 0 to 1", *place, "value", "maxBadRowShare"
        )
        return 0.0

    def _columns(self, table: dict[str, Any]) -> Iterator[Column]:
        names: set[str] = set()
        headers: set[str] = set()
        for index, item in enumerate(table.get("properties") or []):
            where: Where = ("schema", 0, "properties", index)
            name = str(item.get("name"))
            header = str(item.get("physicalName") or name)
            if not NAME.match(name) or len(name) > 50:
                self.problem(f"the column name {name!r} is not lower_case_with_underscores", *where)
            if RESERVED.search(name):
                self.problem(f"the column name {name!r} is one that the landing tables use themselves", *where)
            if name in names or header.lower() in headers:
                self.problem(f"the column {name!r} is declared twice", *where)
            names.add(name)
            headers.add(header.lower())
            if not item.get("description"):
                self.problem(f"the column {name!r} has no description", *where)
            if item.get("classification") not in CLASSIFICATIONS:
                self.problem(f"the column {name!r} needs a classification out of {', '.join(CLASSIFICATIONS)}", *where)
            if item.get("logicalType") not in TYPES:
                self.problem(f"the column {name!r} needs a logicalType: string, date, integer or number", *where)
            for unenforced in UNENFORCED:
                if item.get(unenforced):
                    self.problem(f"{unenforced!r} of {name!r} is not held against the data", *where, unenforced)
            yield self._column(item, name, header, where)

    def _column(self, item: dict[str, Any], name: str, header: str, where: Where) -> Column:
        options = item.get("logicalTypeOptions") or {}
        extra = self.custom(item, PROPERTIES, *where)
        kind: LogicalType = item["logicalType"] if item.get("logicalType") in TYPES else "string"
        for option in options:
            if option not in OPTIONS:
                text = f"{option!r} of {name!r} is not held against the data: {', '.join(sorted(OPTIONS))} are"
                self.problem(text, *where, "logicalTypeOptions", option)
        code_set = extra.values.get("codeSet")
        return Column(
            name=name,
            header=header,
            logical_type=kind,
            description=str(item.get("description", "")),
            classification=str(item.get("classification", "")),
            required=bool(item.get("required")),
            key_position=item.get("primaryKeyPosition", 1) if item.get("primaryKey") else None,
            date_format=self._date_format(options, name, where) if kind == "date" else None,
            pattern=self._pattern(options, name, where),
            minimum=self._limit("minimum", options, kind, name, where),
            maximum=self._limit("maximum", options, kind, name, where),
            code_set=code_set,
            codes=self._codes(str(code_set), name, extra.place("codeSet")) if code_set is not None else (),
            placeholders=self._placeholders(extra, name),
            severity=self._severity(extra, name),
            line=self.document.line(*where),
        )

    def _date_format(self, options: dict[str, Any], name: str, where: Where) -> str:
        given = str(options.get("format"))
        if DATE_FORMAT.match(given) and len(re.findall("yyyy|MM|dd", given)) == 3:
            return given
        self.problem(f"the date column {name!r} needs logicalTypeOptions.format, such as MM/dd/yyyy", *where)
        return "yyyy-MM-dd"

    def _pattern(self, options: dict[str, Any], name: str, where: Where) -> str | None:
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
            self.problem(text, *where, "logicalTypeOptions", "pattern")
        return pattern

    def _limit(self, end: str, options: dict[str, Any], kind: LogicalType, name: str, where: Where) -> str | None:
        value = options.get(end)
        if value is None:
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
            problem = (
                f"the {end} of {name!r} must be {wanted[kind]}" if kind in wanted else f"{name!r}, text, has no {end}"
            )
            self.problem(problem, *where, "logicalTypeOptions", end)
            return None
        return text

    def _placeholders(self, extra: _Properties, name: str) -> tuple[str, ...]:
        given = extra.values.get("placeholders")
        if given is None or (
            isinstance(given, list) and all(isinstance(v, str) and v.strip() == v != "" for v in given)
        ):
            return tuple(given or ())
        self.problem(f"the placeholders of {name!r} are a list of texts; quote each", *extra.place("placeholders"))
        return ()

    def _severity(self, extra: _Properties, name: str) -> dict[str, Severity]:
        place = extra.place("severity")
        given = self.mapping(extra.values.get("severity"), f"the severity of {name!r}", *place)
        for kind, value in given.items():
            if kind not in COLUMN_KINDS or value not in {"critical", "warning"}:
                kinds = ", ".join(sorted(COLUMN_KINDS))
                text = f"the severity of {name!r} maps a kind of rule ({kinds}) to critical or warning"
                self.problem(text, *place, "value", kind)
        return dict(given)

    def _codes(self, reference: str, name: str, where: Where) -> tuple[str, ...]:
        try:
            if reference.startswith("standard/"):
                codes = code_set(reference.removeprefix("standard/")).codes
            else:
                codes = read_code_csv(self.document.path.parent / reference).codes
        except KinbridgeError as error:
            listed = error.facts.get("path")
            if isinstance(listed, Path) and listed.is_file():
                self.problems.append(Problem("KB-C33", listed, error.facts["line"], error.facts["problem"]))
            else:
                self.problem(f"the code set of {name!r} is {reference}, and there is no such list", *where)
            return ()
        if not codes:
            self.problem(f"the code set of {name!r}, {reference}, has no code", *where)
        return codes

    def _dialect(self, top: _Properties) -> Dialect:
        place = (*top.place("delivery"), "value")
        given = self.mapping(top.values.get("delivery"), "delivery", *top.place("delivery"))
        pattern, encoding = given.get("filePattern"), given.get("encoding", "utf-8")
        delimiter, quote = given.get("delimiter", ","), given.get("quoteChar", '"') or ""
        header = given.get("header", True)
        try:
            re.compile(pattern or "")
            "".encode(encoding)
        except (re.error, LookupError, TypeError) as error:
            self.problem(f"delivery: {error}", *place)
            encoding = "utf-8"
        wanted = (
            (bool(pattern), "filePattern", "customProperties needs delivery.filePattern"),
            (_one_character(delimiter), "delimiter", "delivery.delimiter is one character"),
            (quote == "" or _one_character(quote), "quoteChar", "delivery.quoteChar is one character, or empty"),
            (quote != delimiter, "quoteChar", "delivery.quoteChar is the delimiter too"),
            (isinstance(header, bool), "header", "delivery.header is true or false"),
            (given.get("format", "delimited") == "delimited", "format", "delivery.format is not known: delimited"),
            (
                given.get("nullValues", [""]) == [""],
                "nullValues",
                "delivery.nullValues is ['']: list what else stands for nothing as placeholders of its column",
            ),
        )
        for holds, name, text in wanted:
            if not holds:
                self.problem(text, *place, name)
        return Dialect(str(pattern or "$^"), str(delimiter), str(encoding), str(quote), bool(header))

    def _date_orders(self, extra: _Properties, columns: tuple[Column, ...]) -> Iterator[tuple[str, str]]:
        dates = {c.name for c in columns if c.logical_type == "date"}
        for item, where in self.items(extra, "dateOrder"):
            pair = (str(item.get("earlier")), str(item.get("later")))
            for name in pair:
                if name not in dates:
                    self.problem(f"dateOrder names {name!r}, which is no date column", *where)
            yield pair

    def _references(self, extra: _Properties, names: set[str]) -> Iterator[Reference]:
        for item, where in self.items(extra, "references"):
            columns = self.mapping(item.get("columns"), "references.columns", *where)
            if not columns:
                self.problem("references needs columns, ours to theirs", *where)
            for name in columns:
                if name not in names:
                    self.problem(f"references names {name!r}, which is no column", *where)
            reference = Reference(
                str(item.get("feed")),
                tuple(str(c) for c in columns),
                tuple(str(c) for c in columns.values()),
                self.document.line(*where),
            )
            if len(reference_name(reference)) > LONGEST_NAME:
                self.problem(f"the names of a reference's columns have more than {LONGEST_NAME - 7} characters", *where)
            yield reference

    def _row_count(self, table: dict[str, Any]) -> tuple[int, int] | None:
        for index, item in enumerate(table.get("quality") or []):
            where = ("schema", 0, "quality", index)
            if item.get("metric") != "rowCount":
                self.problem("only the metric rowCount is held against the data", *where)
                continue
            limits = item.get("mustBeBetween")
            if isinstance(limits, list) and len(limits) == 2 and all(isinstance(n, int) for n in limits):
                return int(limits[0]), int(limits[1])
            self.problem("rowCount needs mustBeBetween: [low, high]", *where)
        return None


def _one_character(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1
