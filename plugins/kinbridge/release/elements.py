"""What `integrated` is made of: for each of its columns the elements of the common schema, and the feeds that give
them.

Input: `standards/integrated_elements.csv`, and the transforms of the feeds. A release speaks of columns of
`integrated`; agreements, laws and use cases of elements. A column that is not in the list is not released.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from kinbridge.contract.model import Feed
from kinbridge.errors import KinbridgeError
from kinbridge.load.lineage import NotOneSelect, lineage
from kinbridge.load.transform import read_transform
from kinbridge.settings import include_folders
from kinbridge.standards import common_schema

_HEADER = ["table", "column", "kind", "identifying", "elements"]
_IDENTIFYING = ("direct", "quasi", "none")


class ElementKind(StrEnum):
    """What a column of `integrated` tells, which decides in which forms it may be given."""

    IDENTIFIER = "identifier"
    BIRTH = "birth"
    DATE = "date"
    GEOGRAPHY = "geography"
    CODE = "code"
    NUMBER = "number"


@dataclass(frozen=True)
class IntegratedElement:
    """One column of a table of `integrated`; `elements` are those of the common schema that it is made of.

    `identifying` is `direct` (stands for a person), `quasi` (may, with others, tell who somebody is) or `none`.
    """

    table: str
    column: str
    kind: ElementKind
    identifying: str
    elements: tuple[str, ...]

    @property
    def name(self) -> str:
        """As releases and agreements name it: `person.birth_month`."""
        return f"{self.table}.{self.column}"

    @property
    def may_identify(self) -> bool:
        """Whether it counts as a quasi-identifier in a release."""
        return self.identifying != "none"


def integrated_elements() -> dict[str, IntegratedElement]:
    """Every column of `integrated` by its name. Raises KB-T02 when the list cannot be read as what it should be."""
    return _read(include_folders()[0] / "standards" / "integrated_elements.csv")


def elements_of_feed(feed: Feed) -> frozenset[str]:
    """The elements of the common schema that the feed's transform fills; none where it cannot be understood."""
    path = feed.folder / "transform.sql"
    try:
        return _filled(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return frozenset()


@lru_cache(maxsize=256)
def _filled(path: Path, text: str) -> frozenset[str]:  # noqa: ARG001 - the text is what the answer is kept by
    statements, _ = read_transform(path)
    found: set[str] = set()
    for statement in statements:
        try:
            outputs = lineage(statement).outputs
        except NotOneSelect:
            continue  # `kinbridge check` says so; what cannot be read is not taken to give anything
        found.update(f"{statement.target}.{column}" for column in outputs if column != "line_no")
    return frozenset(found)


def supplied(names: Iterable[str], feed: Feed) -> frozenset[str]:
    """Those of the columns of `integrated` that are made of something that the feed gives."""
    known, given = integrated_elements(), elements_of_feed(feed)
    return frozenset(name for name in names if name in known and given & set(known[name].elements))


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[str, IntegratedElement]:
    try:
        with path.open(encoding="utf-8", newline="") as text:
            rows = list(csv.reader(text, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise KinbridgeError("KB-T02", path=path, line=1, problem="not readable as CSV in UTF-8") from None
    if not rows or rows[0] != _HEADER:
        raise KinbridgeError("KB-T02", path=path, line=1, problem=f"expected {', '.join(_HEADER)}")
    found: dict[str, IntegratedElement] = {}
    kinds = {kind.value for kind in ElementKind}
    common = {element.name for elements in common_schema().values() for element in elements}
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(_HEADER) or row[2] not in kinds:
            raise KinbridgeError("KB-T02", path=path, line=line, problem=f"kind is one of {', '.join(sorted(kinds))}")
        if row[3] not in _IDENTIFYING:
            problem = f"identifying is one of {', '.join(_IDENTIFYING)}"
            raise KinbridgeError("KB-T02", path=path, line=line, problem=problem)
        parts = tuple(filter(None, row[4].split(";")))
        unknown = [name for name in parts if name not in common]
        if unknown:
            raise KinbridgeError("KB-T02", path=path, line=line, problem=f"the common schema has no {unknown[0]}")
        element = IntegratedElement(row[0], row[1], ElementKind(row[2]), row[3], parts)
        found[element.name] = element
    return found
