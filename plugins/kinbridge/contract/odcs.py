"""Reads `contract.odcs.yaml` files into `Feed`s.

The Open Data Contract Standard 3.1 is parsed by its own library, so a contract that other ODCS tools refuse is refused
here too. What the standard has no place for stands in `customProperties`; docs/adding-a-feed.md lists them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from kinbridge.contract.model import Column, Dialect, Feed, Kind, Reference
from kinbridge.declaration.document import Document, DocumentError, Problem, Where, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders
from kinbridge.standards import code_set, read_code_csv

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
DATE_FORMAT = re.compile(r"^(?=.*yyyy)(?=.*MM)(?=.*dd)[yMd/\-. ]+$")


class ContractError(Exception):
    """A contract with mistakes; carries all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))


def contract_paths() -> list[Path]:
    """Every contract of every include folder, sorted by partner and feed."""
    return sorted(
        path for folder in include_folders() for path in folder.glob("partners/*/feeds/*/contract.odcs.yaml")
    )


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
        found[feed.id] = feed
    return found


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
    objects = document.data.get("schema")
    if objects is not None and (not isinstance(objects, list) or len(objects) != 1):
        yield document.problem(
            "KB-C02", "a contract describes exactly one file: one object in `schema`", "schema"
        )


class _Reader:
    """Walks one contract, collecting problems instead of stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def problem(self, text: str, *where: str | int) -> None:
        self.problems.append(self.document.problem("KB-C02", text, *where))

    def custom(self, holder: dict[str, Any], *where: str | int) -> dict[str, Any]:
        """The custom properties of a holder as a mapping."""
        items = holder.get("customProperties") or []
        return {
            item["property"]: item.get("value")
            for item in items
            if isinstance(item, dict) and "property" in item
        }

    def feed(self) -> Feed:
        data, document = self.document.data, self.document
        folder = document.path.parent
        expected = f"{folder.parent.parent.name}/{folder.name}"
        if data["id"] != expected.replace("/", "."):
            self.problem(f"the id {data['id']!r} does not match the folder: {expected.replace('/', '.')!r}", "id")
        if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*_v\d+", expected) or len(expected) > 40:
            self.problem("a feed is partner/feed_vN in lower case, at most 40 characters", "id")
        top = self.custom(data)
        table = data["schema"][0]
        extra = self.custom(table)
        columns = tuple(self._columns(table))
        names = {c.name for c in columns}
        intake = top.get("intake") or {}
        share = intake.get("maxBadRowShare")
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            self.problem(
                "customProperties needs intake.maxBadRowShare, a share from 0 to 1", "customProperties"
            )
            share = 0.0
        feed = Feed(
            id=expected,
            version=str(data["version"]),
            title=str(data.get("name") or data["id"]),
            path=document.path,
            columns=columns,
            dialect=self._dialect(top.get("delivery")),
            max_bad_row_share=float(share),
            schedule=(top.get("pipeline") or {}).get("schedule"),
            date_orders=tuple(self._date_orders(extra.get("dateOrder") or [], columns)),
            references=tuple(self._references(extra.get("references") or [], names)),
            row_count=self._row_count(table),
        )
        if not feed.key:
            self.problem("no column is a primaryKey: a row could not be told from another", "schema", 0)
        return feed

    def _columns(self, table: dict[str, Any]) -> Iterator[Column]:
        seen: set[str] = set()
        for index, item in enumerate(table.get("properties") or []):
            where: Where = ("schema", 0, "properties", index)
            name = str(item.get("name"))
            if not NAME.match(name) or len(name) > 50 or name == "line_no":
                self.problem(f"the column name {name!r} is not lower_case_with_underscores", *where)
            if name in seen:
                self.problem(f"the column {name!r} is declared twice", *where)
            seen.add(name)
            if not item.get("description"):
                self.problem(f"the column {name!r} has no description", *where)
            if item.get("classification") not in CLASSIFICATIONS:
                self.problem(
                    f"the column {name!r} needs a classification out of {', '.join(CLASSIFICATIONS)}", *where
                )
            if item.get("logicalType") not in {"string", "date", "integer", "number"}:
                self.problem(
                    f"the column {name!r} needs a logicalType: string, date, integer or number", *where
                )
            yield self._column(item, name, where)

    def _column(self, item: dict[str, Any], name: str, where: Where) -> Column:
        options = item.get("logicalTypeOptions") or {}
        extra = self.custom(item)
        date_format = options.get("format")
        if item.get("logicalType") == "date" and not (date_format and DATE_FORMAT.match(str(date_format))):
            self.problem(
                f"the date column {name!r} needs logicalTypeOptions.format, such as MM/dd/yyyy", *where
            )
            date_format = "yyyy-MM-dd"
        pattern = options.get("pattern")
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                self.problem(f"the pattern of {name!r} is not a regular expression: {error.msg}", *where)
        severity = extra.get("severity") or {}
        for kind, value in severity.items():
            if kind not in {k.value for k in Kind} or value not in {"critical", "warning"}:
                self.problem(f"the severity of {name!r} maps a kind of rule to critical or warning", *where)
        reference = extra.get("codeSet")
        position = item.get("primaryKeyPosition", 1) if item.get("primaryKey") else None
        return Column(
            name=name,
            header=str(item.get("physicalName") or name),
            logical_type=item.get("logicalType", "string"),
            description=str(item.get("description", "")),
            classification=str(item.get("classification", "")),
            required=bool(item.get("required")),
            key_position=position,
            date_format=date_format if item.get("logicalType") == "date" else None,
            pattern=pattern,
            minimum=_text(options.get("minimum")),
            maximum=_text(options.get("maximum")),
            code_set=reference,
            codes=self._codes(reference, name, where) if reference else (),
            placeholders=tuple(str(v) for v in extra.get("placeholders") or ()),
            severity=dict(severity),
            line=self.document.line(*where),
        )

    def _codes(self, reference: str, name: str, where: Where) -> tuple[str, ...]:
        try:
            if reference.startswith("standard/"):
                return tuple(code_set(reference.removeprefix("standard/")).codes)
            return tuple(read_code_csv(self.document.path.parent / reference).codes)
        except KinbridgeError as error:
            self.problem(f"the code set of {name!r}: {error}", *where)
            return ()

    def _dialect(self, value: Any) -> Dialect:
        given = value or {}
        pattern = given.get("filePattern")
        if not pattern:
            self.problem("customProperties needs delivery.filePattern", "customProperties")
            pattern = "$^"
        try:
            re.compile(pattern)
            codecs.lookup(given.get("encoding", "utf-8"))
        except (re.error, LookupError) as error:
            self.problem(f"delivery: {error}", "customProperties")
        delimiter = given.get("delimiter", ",")
        if len(delimiter) != 1:
            self.problem("delivery.delimiter is one character", "customProperties")
            delimiter = ","
        if given.get("format", "delimited") != "delimited":
            self.problem(f"delivery.format {given['format']!r} is not known: delimited", "customProperties")
        return Dialect(
            pattern,
            delimiter,
            given.get("encoding", "utf-8"),
            given.get("quoteChar", '"'),
            given.get("header", True),
        )

    def _date_orders(self, items: list[Any], columns: tuple[Column, ...]) -> Iterator[tuple[str, str]]:
        dates = {c.name for c in columns if c.logical_type == "date"}
        for item in items:
            pair = (item.get("earlier"), item.get("later"))
            for name in pair:
                if name not in dates:
                    self.problem(
                        f"dateOrder names {name!r}, which is no date column", "schema", 0, "customProperties"
                    )
            yield pair

    def _references(self, items: list[Any], names: set[str]) -> Iterator[Reference]:
        for item in items:
            columns: dict[str, str] = item.get("columns") or {}
            for name in columns:
                if name not in names:
                    self.problem(
                        f"references names {name!r}, which is no column", "schema", 0, "customProperties"
                    )
            yield Reference(str(item.get("feed")), tuple(columns), tuple(columns.values()))

    def _row_count(self, table: dict[str, Any]) -> tuple[int, int] | None:
        for item in table.get("quality") or []:
            if item.get("metric") == "rowCount":
                limits = item.get("mustBeBetween")
                if not (isinstance(limits, list) and len(limits) == 2):
                    self.problem("rowCount needs mustBeBetween: [low, high]", "schema", 0, "quality")
                    return None
                return int(limits[0]), int(limits[1])
        return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
