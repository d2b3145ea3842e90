"""Reads the records of an XML document of any size: one element after the other, by local names.

Memory holds one record. Nothing is fetched and nothing expanded: a document that declares a document type is refused,
since entities and external files are declared there. Namespaces do not matter. A path that meets two elements, or an
element with others inside, makes the row ragged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from lxml import etree

from kinbridge.contract.paths import XmlPath, xml_path, xml_records
from kinbridge.format.table import PathTable, Row, Shape, Spoilt, Unreadable

# A record with more elements than this is no record.
RECORD_PARTS = 1_000_000


@dataclass
class XmlDocument(PathTable):
    """One XML document under its contract, see `Table`.

    A row's line is the one on which its element begins, or the next number where records share a line.
    """

    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """One row for each element that the contract calls a record. Raises `Unreadable`."""
        paths = [(c.name, xml_path(c.header)) for c in self.columns]
        line = 0
        try:
            for element, nested in self._elements(content):
                line = max(int(element.sourceline or 0), line + 1)
                shape: Shape = "ragged" if nested else "whole"
                yield self.row(line, paths, _Record(element).value, shape)
        except etree.XMLSyntaxError as error:
            raise Unreadable(max(int(error.lineno or 0), 1), "the document is not XML, or is cut off, here") from None
        if not line:
            raise Unreadable(1, f"the document has no element {self.dialect.records}")

    def _elements(self, content: IO[bytes]) -> Iterator[tuple[Any, bool]]:
        """Each record's element, whole, and whether another record stood in it. What was read is let go."""
        rooted, names = xml_records(self.dialect.records)
        trail: list[str] = []
        record, nested, parts = 0, False, 0
        for event, element in _events(content):
            if event == "start":
                if not trail and element.getroottree().docinfo.internalDTD is not None:
                    raise Unreadable(1, "the document declares a document type (DOCTYPE)")
                trail.append(_local(element.tag))
                parts += 1
                if record and parts > RECORD_PARTS:
                    raise Unreadable(int(element.sourceline or 1), f"a record has more than {RECORD_PARTS} elements")
                if (
                    trail[-1] == names[-1]
                    and tuple(trail[-len(names) :]) == names
                    and (not rooted or len(trail) == len(names))
                ):
                    if record:
                        nested = True
                    else:
                        record, nested, parts = len(trail), False, 1
                continue
            if len(trail) == record:
                yield element, nested
                record = 0
            trail.pop()
            if not record:
                _let_go(element)


def _events(content: IO[bytes]) -> Any:
    return etree.iterparse(
        content,
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        remove_comments=True,
        remove_pis=True,
        recover=False,
        huge_tree=False,
    )


def _local(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _let_go(element: Any) -> None:
    """Frees an element that was read, and those before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


class _Record:
    """One record's element; the children of each element in it are sorted by name once."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.named: dict[Any, dict[str, list[Any]]] = {}

    def children(self, element: Any, name: str) -> list[Any]:
        """The children of that local name."""
        named = self.named.get(element)
        if named is None:
            named = self.named[element] = {}
            for child in element:
                named.setdefault(_local(child.tag), []).append(child)
        return named.get(name, [])

    def value(self, path: XmlPath) -> str | None:
        """The text or attribute at the path; None where the record has none. Raises `Spoilt` (ragged)."""
        found = self.element
        for name, number in path.steps:
            named = self.children(found, name)
            if number is None and len(named) > 1:
                raise Spoilt("ragged")
            if len(named) < (number or 1):
                return None
            found = named[(number or 1) - 1]
        if path.attribute is not None:
            return next((str(v) for k, v in found.attrib.items() if _local(k) == path.attribute), None)
        if len(found):
            raise Spoilt("ragged")
        return found.text or ""
