"""Reads HL7 v2 VXU (vaccination updates): one row for each RXA, with the patient of its message.

Messages may stand alone or in batches (FHS, BHS, BTS, FTS), whose counts must agree. A message that is no sound VXU, or
reports no vaccination, is a ragged row on the line of its MSH, so that none vanishes. Values come with their escapes
decoded; one that cannot be decoded makes its row undecodable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from kinbridge.contract.paths import Hl7Path, hl7_path
from kinbridge.format.hl7_segment import Marks, Segment, segment_of, value_of
from kinbridge.format.table import PathTable, Row, Shape, Unreadable
from kinbridge.format.text_lines import text_lines

MESSAGE = "VXU"
# Segments that belong to one vaccination; all others belong to the message.
GROUP = frozenset({"ORC", "TQ1", "TQ2", "RXA", "RXR", "OBX", "NTE"})
# What the transport puts around a message.
FRAME = "\x0b\x1c"
# A message beyond this is none; it is held in memory.
MESSAGE_CHARACTERS = 64 * 1024 * 1024

Lines = list[tuple[int, str]]


@dataclass
class _Batches:
    """The wrappers that are open, and what was counted in them."""

    open: list[str] = field(default_factory=list)
    messages: int = 0
    batches: int = 0

    def take(self, number: int, line: str) -> None:
        """One of FHS, BHS, BTS, FTS. Raises `Unreadable`."""
        name = line[:3]
        allowed = {"FHS": [], "BHS": [[], ["FHS"]], "BTS": [["BHS"], ["FHS", "BHS"]], "FTS": [["FHS"]]}
        if self.open not in (allowed[name] or [[]]):
            raise Unreadable(number, f"the segment {name} stands where it may not")
        if name in {"FHS", "BHS"}:
            self.open.append(name)
            self.messages, self.batches = 0, self.batches + (name == "BHS")
            if name == "FHS":
                self.batches = 0
            return
        self.open.pop()
        found, what = (self.messages, "messages") if name == "BTS" else (self.batches, "batches")
        said = line.split(line[3])[1].strip() if len(line) > 4 else ""
        if said and not (said.isascii() and said.isdigit() and int(said) == found):
            counted = int(said) if said.isascii() and said.isdigit() else "no number of"
            raise Unreadable(number, f"{name} counts {counted} {what}, there are {found}")


@dataclass
class Hl7File(PathTable):
    """One file of HL7 v2 VXU messages under its contract, see `Table`. A row's line is the line of its RXA."""

    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """One row for each RXA. Raises `Unreadable`."""
        paths = [(c.name, hl7_path(c.header)) for c in self.columns]
        number = 0
        for lines in self._messages(content):
            number = lines[0][0]
            yield from self._rows(lines, paths)
        if not number:
            raise Unreadable(1, "the file has no HL7 message")

    def _messages(self, content: IO[bytes]) -> Iterator[Lines]:
        """The lines of each message, from its MSH on."""
        batches, message, size, last = _Batches(), Lines(), 0, 1
        for number, text in text_lines(content, self.dialect.encoding):
            line = text.strip(FRAME)
            if not line.strip():
                continue
            last = number
            if line[:3] in {"MSH", "FHS", "BHS", "BTS", "FTS"}:
                if message:
                    yield message
                message, size = [], 0
                if line[:3] != "MSH":
                    batches.take(number, line)
                    continue
                batches.messages += 1
            elif not message:
                raise Unreadable(number, "what stands here belongs to no message")
            message.append((number, line))
            size += len(line)
            if size > MESSAGE_CHARACTERS:
                raise Unreadable(number, f"a message has more than {MESSAGE_CHARACTERS} characters")
        if message:
            yield message
        if batches.open:
            raise Unreadable(last, f"the file ends before the end of its {batches.open[-1]}")

    def _rows(self, lines: Lines, paths: list[tuple[str, Hl7Path]]) -> Iterator[Row]:
        marks = Marks.of(lines[0][1], self.dialect.encoding)
        segments = [(number, segment_of(line, marks)) for number, line in lines] if marks else []
        found = [(number, segment) for number, segment in segments if segment is not None]
        head, groups, sound = _grouped(found)
        if not groups or not marks:
            yield self.empty_row(lines[0][0])
            return
        sound &= len(found) == len(lines) and _is_sound(head)
        for number, group in groups:
            shape: Shape = "whole" if sound else "ragged"
            yield self.row(number, paths, partial(value_of, [*head, *group], marks), shape)


def _is_sound(head: list[Segment]) -> bool:
    """Whether the message is a VXU about one patient."""
    kind = head[0].fields[9] if len(head[0].fields) > 9 else ""
    return kind[:3] == MESSAGE and not kind[3:4].isalnum() and sum(s.id == "PID" for s in head) == 1


def _grouped(found: list[tuple[int, Segment]]) -> tuple[list[Segment], list[tuple[int, list[Segment]]], bool]:
    """The message's own segments, those of each vaccination by the line of its RXA, and whether each order has one."""
    head: list[Segment] = []
    groups: list[tuple[int, list[Segment]]] = []
    order: list[Segment] = []
    sound = True
    for number, segment in found:
        if segment.id == "ORC":
            sound &= not order
            order = [segment]
        elif segment.id == "RXA":
            groups.append((number, [*order, segment]))
            order = []
        elif order and segment.id in GROUP:
            order.append(segment)
        elif groups and segment.id in GROUP:
            groups[-1][1].append(segment)
        elif segment.id not in GROUP:
            head.append(segment)
    return head, groups, sound and not order
