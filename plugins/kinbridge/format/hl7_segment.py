"""One segment of HL7 v2: its fields, and the value of a path in it, escapes decoded. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kinbridge.contract.paths import Hl7Path
from kinbridge.format.table import Spoilt

NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
# An HL7 value that says: there is nothing, and what you have is to be removed.
NOTHING = '""'
LAYOUT = {".br": "\n", ".sp": "\n", ".sk": " ", "H": "", "N": ""}


@dataclass(frozen=True)
class Marks:
    """The separators that a message declares in its MSH, and the encoding of the file for escaped bytes."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    encoding: str

    @classmethod
    def of(cls, line: str, encoding: str) -> Marks | None:
        """The marks of a line that begins with MSH; None when they are not declared as the standard says."""
        field = line[3:4]
        declared = line[4:].split(field, 1)[0] if field else ""
        signs = [field, *declared[:4]]
        if len(declared) not in {4, 5} or len(set(signs)) < 5 or any(s.isalnum() or s.isspace() for s in signs):
            return None
        return cls(field, declared[0], declared[1], declared[2], declared[3], encoding)


@dataclass(frozen=True)
class Segment:
    """A segment's id and its fields by number; field 0 is the id."""

    id: str
    fields: list[str]


def segment_of(line: str, marks: Marks) -> Segment | None:
    """The segment of a line; None for a line that does not begin with a segment's id, such as one broken in two."""
    fields = line.split(marks.field)
    if not NAME.fullmatch(fields[0]):
        return None
    if fields[0] == "MSH":
        # The separator itself counts as the first field.
        fields.insert(1, marks.field)
    return Segment(fields[0], fields)


def value_of(segments: list[Segment], marks: Marks, path: Hl7Path) -> str | None:
    """The value at the path; None where no such segment is there.

    Raises `Spoilt`: ragged where segments differ, or where the value has parts that the path does not choose between;
    undecodable where an escape is unknown.
    """
    chosen = [s for s in segments if s.id == path.segment and _is(s, path, marks)]
    values = {_read(segment, path, marks) for segment in chosen}
    if len(values) > 1:
        raise Spoilt("ragged")
    return values.pop() if values else None


def _is(segment: Segment, path: Hl7Path, marks: Marks) -> bool:
    if path.where is None:
        return True
    field, component, value = path.where
    return _at(_field(segment, field).split(marks.repetition)[0], marks.component, component) == value


def _read(segment: Segment, path: Hl7Path, marks: Marks) -> str:
    text = _field(segment, path.field)
    if segment.id == "MSH" and path.field <= 2:
        return text
    repetitions = text.split(marks.repetition)
    if isinstance(path.repetition, int):
        text = repetitions[path.repetition - 1] if path.repetition <= len(repetitions) else ""
    else:
        number, wanted = path.repetition
        text = next((r for r in repetitions if _at(r, marks.component, number) == wanted), "")
    text = _one(text, marks.component, path.component)
    text = _one(text, marks.subcomponent, path.subcomponent)
    return "" if text == NOTHING else _decoded(text, marks)


def _field(segment: Segment, number: int) -> str:
    return segment.fields[number] if number < len(segment.fields) else ""


def _at(text: str, separator: str, number: int) -> str:
    parts = text.split(separator)
    return parts[number - 1] if number <= len(parts) else ""


def _one(text: str, separator: str, number: int | None) -> str:
    """The part of that number; without a number there may be only one that is not empty, the first."""
    if number is not None:
        return _at(text, separator, number)
    first, *others = text.split(separator)
    if any(others):
        raise Spoilt("ragged")
    return first


def _decoded(text: str, marks: Marks) -> str:
    if marks.escape not in text:
        return text
    parts = text.split(marks.escape)
    if len(parts) % 2 == 0:
        raise Spoilt("undecodable")
    return "".join(part if place % 2 == 0 else _escaped(part, marks) for place, part in enumerate(parts))


def _escaped(code: str, marks: Marks) -> str:
    """What stands between two escape characters."""
    signs = {
        "F": marks.field,
        "S": marks.component,
        "T": marks.subcomponent,
        "R": marks.repetition,
        "E": marks.escape,
        "P": "#",
        **LAYOUT,
    }
    if code in signs:
        return signs[code]
    try:
        if code.startswith("X"):
            return bytes.fromhex(code[1:]).decode(marks.encoding)
    except ValueError:
        pass
    raise Spoilt("undecodable")
