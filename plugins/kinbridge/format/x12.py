"""Reads X12 834 (benefit enrolment): one row for each member, the INS segment and what follows it.

Segments are cut by the delimiters that each interchange declares in its own ISA. The envelopes' counts and control
numbers (SE, GE, IEA) must agree with what is there; where they do not, the file is cut off or stitched together, and
nothing of it is taken. Where a path meets several segments with different values, the row is ragged: which of two
coverages is meant must stand in the contract.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

from kinbridge.contract.paths import Segment as Choice
from kinbridge.contract.paths import X12Path, x12_path
from kinbridge.format.table import PathTable, Row, Spoilt, Unreadable

TRANSACTION = "834"
ISA_CHARACTERS = 106
ISA_ELEMENTS = 16
PIECE = 64 * 1024
# A segment or member beyond this is no X12.
SEGMENT_CHARACTERS = 128 * 1024
MEMBER_SEGMENTS = 2_000
SPACE = " \t\r\n"

# Segment id and elements.
Elements = list[str]


@dataclass(frozen=True)
class _Level:
    """An envelope that was opened: its segment's id, its control number."""

    id: str
    control: str


CLOSES = {"SE": "ST", "GE": "GS", "IEA": "ISA"}
OPENS_IN = {"ISA": "", "GS": "ISA", "ST": "GS"}
# Where the control number stands in the segment that opens an envelope, and what the one that closes it counts.
CONTROL = {"ISA": 13, "GS": 6, "ST": 2}
COUNTED = {"SE": "segments", "GE": "transaction sets", "IEA": "groups"}


@dataclass
class X12File(PathTable):
    """One file of X12 834 interchanges under its contract, see `Table`. A row's line is the number of its INS."""

    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """One row for each member. Raises `Unreadable`."""
        paths = [(c.name, x12_path(c.header)) for c in self.columns]
        above: list[Elements] = []
        member: list[Elements] = []
        begun = number = 0
        part = ""
        for number, elements, part in self._transactions(content):
            match elements[0]:
                case "ISA":
                    above = [elements]
                case "GS":
                    above = [*above[:1], elements]
                case "ST":
                    above = [*above[:2], elements]
                case "INS" | "SE":
                    if member:
                        yield self.row(begun, paths, partial(_value, _Segments(member), _Segments(above), part))
                    begun, member = number, [elements] if elements[0] == "INS" else []
                case _:
                    (member or above).append(elements)
                    if len(member or above) > MEMBER_SEGMENTS:
                        raise Unreadable(number, f"a member has more than {MEMBER_SEGMENTS} segments")
        if not number:
            raise Unreadable(1, "the file is no X12 interchange")

    def _transactions(self, content: IO[bytes]) -> Iterator[tuple[int, Elements, str]]:
        """All segments with their number and the separator of components, envelopes checked."""
        open_levels: list[_Level] = []
        counts = {"ISA": 0, "GS": 0, "ST": 0}
        number = 0
        for number, elements, part in _segments(content, self.dialect.encoding):
            name, inner = elements[0], open_levels[-1].id if open_levels else ""
            if name in OPENS_IN:
                if inner != OPENS_IN[name]:
                    raise Unreadable(number, f"the segment {name} stands where it may not")
                if name == "ST" and _element(elements, 1) != TRANSACTION:
                    raise Unreadable(number, f"a transaction set is not {TRANSACTION}")
                if inner:
                    counts[inner] += 1
                counts[name] = int(name == "ST")
                open_levels.append(_Level(name, _element(elements, CONTROL[name])))
            elif name in CLOSES:
                if inner != CLOSES[name]:
                    raise Unreadable(number, f"the segment {name} stands where it may not")
                _compare(number, elements, counts[inner] + (name == "SE"), open_levels.pop())
            elif inner == "ST":
                counts["ST"] += 1
            elif not (inner == "ISA" and name == "TA1"):
                raise Unreadable(number, "a segment stands outside a transaction set")
            yield number, elements, part
        if open_levels:
            raise Unreadable(max(number, 1), f"the file ends before the end of its {open_levels[-1].id}")


def _segments(content: IO[bytes], encoding: str) -> Iterator[tuple[int, Elements, str]]:
    """Segments of one interchange after the other, each cut as its ISA says."""
    codec = codecs.lookup(encoding).name
    text = io.TextIOWrapper(content, "utf-8-sig" if codec == "utf-8" else codec, "surrogateescape", "")
    number, rest, more = 0, "", "more"
    separator = part = end = ""
    while True:
        try:
            more = text.read(PIECE)
        except UnicodeError:
            raise Unreadable(number + 1, f"the text is not {encoding}") from None
        rest += more
        while True:
            if not end:
                rest = rest.lstrip(SPACE)
                if not rest and not more:
                    return
                if len(rest) < ISA_CHARACTERS and more:
                    break
                separator, part, end = _delimiters(rest, number + 1)
            # Cutting off one segment at a time would copy the rest each time: they are cut together up to the end.
            pieces = rest.split(end)
            rest = pieces.pop()
            if not pieces:
                break
            for place, piece in enumerate(pieces):
                number += 1
                elements = piece.lstrip(SPACE).split(separator)
                yield number, elements, part
                if elements[0] == "IEA":
                    rest = end.join([*pieces[place + 1 :], rest])
                    separator = part = end = ""
                    break
        if len(rest) > SEGMENT_CHARACTERS:
            raise Unreadable(number + 1, "a segment has no end")
        if not more:
            if rest.strip(SPACE):
                raise Unreadable(number + 1, "the file ends within a segment")
            return


def _delimiters(text: str, number: int) -> tuple[str, str, str]:
    """The separators of elements and components, and what ends a segment, by their places in the ISA."""
    head = text[:ISA_CHARACTERS]
    if len(head) == ISA_CHARACTERS and head.startswith("ISA"):
        separator, part, end = head[3], head[104], head[105]
        signs = {separator, part, end}
        if (
            len(signs) == 3
            and head.count(separator) == ISA_ELEMENTS
            and not any(s.isalnum() or s == " " for s in signs)
        ):
            return separator, part, end
    raise Unreadable(number, "the file is no X12 interchange, or has something after its end")


def _compare(number: int, elements: Elements, found: int, opened: _Level) -> None:
    name, said = elements[0], _element(elements, 1)
    if not (said.isascii() and said.isdigit()):
        raise Unreadable(number, f"{name} has no number where its count should be")
    if int(said) != found:
        raise Unreadable(number, f"{name} counts {int(said)} {COUNTED[name]}, there are {found}")
    if _element(elements, 2) != opened.control:
        raise Unreadable(number, f"{name} has another control number than its {opened.id}")


def _element(elements: Elements, number: int) -> str:
    return elements[number].strip() if number < len(elements) else ""


class _Segments:
    """Segments in their order, and where those of an id stand, or of an id with a first element (its qualifier)."""

    def __init__(self, items: list[Elements]) -> None:
        self.items = items
        self.places: dict[tuple[str, str | None], list[int]] = {}
        for place, segment in enumerate(items):
            self.places.setdefault((segment[0], None), []).append(place)
            self.places.setdefault((segment[0], _element(segment, 1)), []).append(place)

    def chosen(self, choice: Choice, begin: int, end: int) -> list[int]:
        """The places of the segments meant, from `begin` up to `end`."""
        (number, value), *others = choice.where or ((0, None),)
        places = self.places.get((choice.id, value if number == 1 else None), [])
        wanted = others if number < 2 else choice.where
        return [
            place
            for place in places
            if begin <= place < end and all(_element(self.items[place], n) == v for n, v in wanted)
        ]


def _value(member: _Segments, above: _Segments, part: str, path: X12Path) -> str | None:
    """The element at the path; None where no such segment is there. Raises `Spoilt` (ragged) where several differ."""
    segments = above if path.above else member
    begin, end = 0, len(segments.items)
    for choice in path.within:
        places = segments.chosen(choice, begin, end)
        if not places:
            return None
        if len(places) > 1:
            raise Spoilt("ragged")
        begin = places[0] + 1
        end = min((p for p in segments.places[choice.id, None] if begin <= p < end), default=end)
    found = segments.chosen(path.segment, begin, end)
    values = {_part(segments.items[place], path, part) for place in found}
    if len(values) > 1:
        raise Spoilt("ragged")
    return values.pop() if values else None


def _part(segment: Elements, path: X12Path, part: str) -> str:
    value = segment[path.element] if path.element < len(segment) else ""
    if path.component is not None:
        return [*value.split(part), *[""] * path.component][path.component - 1]
    if part in value and segment[0] != "ISA":
        raise Spoilt("ragged")
    return value
