"""Reads `contract.odcs.yaml` files into `Feed`s.

The Open Data Contract Standard 3.1 is parsed by its own library, so a contract that other ODCS tools refuse is refused
here too. What the standard has no place for stands in `customProperties`; docs/adding-a-feed.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from kinbridge.contract.code_pairs import CODES_WHEN, read_code_pairs
from kinbridge.contract.columns import read_columns
from kinbridge.contract.cross_rows import CONSISTENT, SPELLS, read_consistencies, read_spells
from kinbridge.contract.dialect import read_dialect
from kinbridge.contract.extent import read_extent
from kinbridge.contract.model import Column, Feed, Reference
from kinbridge.contract.sql import reference_name
from kinbridge.contract.walk import Properties, Walk
from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

TABLE_PROPERTIES = ("dateOrder", "references", SPELLS, CONSISTENT, CODES_WHEN)
# Postgres cuts longer names off. Those of a feed's tables are made of its id.
LONGEST_NAME = 63
LONGEST_FEED = 40


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


class _Reader(Walk):
    """Walks one contract from its top to its feed."""

    def feed(self) -> Feed:
        data, document = self.document.data, self.document
        folder = document.path.parent
        expected = f"{folder.parent.parent.name}/{folder.name}"
        if data["id"] != expected.replace("/", "."):
            self.problem(f"the id {data['id']!r} does not match the folder: {expected.replace('/', '.')!r}", "id")
        if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*_v\d+", expected) or len(expected) > LONGEST_FEED:
            self.problem(f"a feed is partner/feed_vN in lower case, at most {LONGEST_FEED} characters", "id")
        top = self.custom(data, ("delivery", "intake", "pipeline"))
        table = data["schema"][0]
        extra = self.custom(table, TABLE_PROPERTIES, "schema", 0)
        dialect = read_dialect(self, top)
        columns = tuple(read_columns(self, table, dialect))
        feed = Feed(
            id=expected,
            version=str(data["version"]),
            title=str(data.get("name") or data["id"]),
            path=document.path,
            columns=columns,
            dialect=dialect,
            max_bad_row_share=self._share(top, "maxBadRowShare"),
            schedule=self.mapping(top.values.get("pipeline"), "pipeline", *top.place("pipeline")).get("schedule"),
            date_orders=tuple(self._date_orders(extra, columns)),
            references=tuple(self._references(extra, {c.name for c in columns})),
            row_count=self._row_count(table),
            drift_share=self._share(top, "driftShare", 0.5),
            shrink_below=self._share(top, "shrinkBelow", 0.5),
            extent=read_extent(self, top, columns),
            spells=tuple(read_spells(self, extra, columns)),
            consistencies=tuple(read_consistencies(self, extra, columns)),
            code_pairs=tuple(read_code_pairs(self, extra, columns)),
        )
        if not feed.key:
            self.problem("no column is a primaryKey: a row could not be told from another", "schema", 0)
        return feed

    def _share(self, top: Properties, name: str, default: float | None = None) -> float:
        """A share of `intake`, from 0 to 1; one without a default has to be there."""
        place = top.place("intake")
        share = self.mapping(top.values.get("intake"), "intake", *place).get(name, default)
        if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1:
            return float(share)
        self.problem(f"customProperties needs intake.{name}, a share from 0 to 1", *place, "value", name)
        return 0.0

    def _date_orders(self, extra: Properties, columns: tuple[Column, ...]) -> Iterator[tuple[str, str]]:
        dates = {c.name for c in columns if c.logical_type == "date"}
        for item, where in self.items(extra, "dateOrder"):
            pair = (str(item.get("earlier")), str(item.get("later")))
            for name in pair:
                if name not in dates:
                    self.problem(f"dateOrder names {name!r}, which is no date column", *where)
            yield pair

    def _references(self, extra: Properties, names: set[str]) -> Iterator[Reference]:
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
