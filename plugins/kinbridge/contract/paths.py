"""The paths by which a contract's columns name a value in a record without a header: JSON, XML, X12 and HL7 v2.

Pure: text to steps. A path that cannot be read raises `ValueError` with what such a path looks like; the readers below
`format/` follow the steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kinbridge.contract.model import Format

# The index of an entry (from 0), or a key and the value that the entry wanted has there.
JsonPick = int | tuple[str, str]


@dataclass(frozen=True)
class JsonStep:
    """One name of a JSON path, and which entries of the lists below it are meant: `identifier[system=x]`."""

    name: str
    picks: tuple[JsonPick, ...] = ()


@dataclass(frozen=True)
class XmlPath:
    """Local names of elements below the record, each with its number (from 1) if given; then an attribute, or text."""

    steps: tuple[tuple[str, int | None], ...]
    attribute: str | None = None


@dataclass(frozen=True)
class Segment:
    """A segment's id, and the elements (by number, from 1) whose values choose it among others of that id."""

    id: str
    where: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class X12Path:
    """An element of a member's segments, or, when `above`, of those before the first member.

    `within` are segments after which the wanted one stands, each up to the next of its id. `component` is from 1.
    """

    above: bool
    within: tuple[Segment, ...]
    segment: Segment
    element: int
    component: int | None


@dataclass(frozen=True)
class Hl7Path:
    """A field of a segment, and what of it. All numbers are from 1; None takes what has no parts.

    `where` is a field and component of the segment with the value wanted; `repetition` is a number, or a component and
    the value that the repetition wanted has there.
    """

    segment: str
    where: tuple[int, int, str] | None
    field: int
    repetition: int | tuple[int, str]
    component: int | None
    subcomponent: int | None


_JSON_STEP = re.compile(r"([^.\[\]]+)((?:\[(?:\d+|[^\[\]=]+=[^\[\]]*)\])*)(?:\.(?=.)|$)")
_PICK = re.compile(r"\[([^\]]*)\]")
_XML_STEP = re.compile(r"([^\W\d][\w.-]*)(?:\[([1-9]\d*)\])?")
_X12_SEGMENT = re.compile(r"([A-Z][A-Z0-9]{1,2})((?:\[[^\[\]/]+\])*)")
_X12_ELEMENT = re.compile(r"(.+)\.(\d{2})(?:-([1-9]))?")
_X12_WHERE = re.compile(r"(?:(\d{2})=)?(.+)")
_HL7 = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[([1-9]\d*)(?:\.([1-9]\d*))?=([^\]]*)\])?"
    r"-([1-9]\d*)(?:\[(?:([1-9]\d*)|([1-9]\d*)=([^\]]*))\])?(?:\.([1-9]\d*))?(?:\.([1-9]\d*))?"
)


def json_path(text: str) -> tuple[JsonStep, ...]:
    """`name[0].family`, `address.city`, `identifier[system=http://x].value`; `$.` may stand before it."""
    rest = text.removeprefix("$.")
    steps: list[JsonStep] = []
    while rest:
        found = _JSON_STEP.match(rest)
        if found is None:
            break
        steps.append(JsonStep(found[1], tuple(_pick(pick) for pick in _PICK.findall(found[2]))))
        rest = rest[found.end() :]
    if rest or not steps or text == "$":
        raise ValueError("a JSON path, such as name[0].family or telecom[system=phone].value")
    return tuple(steps)


def json_records(text: str) -> tuple[str, ...]:
    """The names from a document's root to its list of records: `$` is the root itself, `$.data.people` below it."""
    if text in {"", "$"}:
        return ()
    steps = json_path(text)
    if not text.startswith("$.") or any(step.picks for step in steps):
        raise ValueError("the path of a list, such as $.data.people")
    return tuple(step.name for step in steps)


def xml_path(text: str) -> XmlPath:
    """`name/first`, `phone[2]`, `@id`, `name/@use`; `.` is the record's own text."""
    path, at, attribute = text.rpartition("@")
    if not at:
        path, attribute = text, ""
    parts = [part for part in path.rstrip("/").split("/") if part != "."] if path not in {"", "."} else []
    found = [_XML_STEP.fullmatch(part) for part in parts]
    named = not at or (_XML_STEP.fullmatch(attribute) and (not path or path.endswith("/")))
    if not text or None in found or not named:
        raise ValueError("an XML path, such as name/first or @id")
    return XmlPath(tuple((f[1], int(f[2]) if f[2] else None) for f in found if f), attribute or None)


def xml_records(text: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the path of the records begins at the root, and its local names: `person`, `/people/person`."""
    names = tuple(text.removeprefix("/").split("/"))
    if not all(re.fullmatch(r"[^\W\d][\w.-]*", name) for name in names):
        raise ValueError("the records' element, such as person or people/person")
    return text.startswith("/"), names


def x12_path(text: str) -> X12Path:
    """`NM1[IL].03`, `REF[0F].02`, `HD[03=HLT]/DTP[348].03`, `SVC.01-2`; with `/` before it, before the first member.

    What stands in brackets is the segment's first element, or with its number the one named.
    """
    found = _X12_ELEMENT.fullmatch(text.removeprefix("/"))
    segments = [_X12_SEGMENT.fullmatch(part) for part in found[1].split("/")] if found else [None]
    if found is None or None in segments or found[2] == "00":
        raise ValueError("a path of X12, such as NM1[IL].03 or HD[03=HLT]/DTP[348].03")
    chosen = [Segment(s[1], tuple(map(_where, _PICK.findall(s[2])))) for s in segments if s]
    component = int(found[3]) if found[3] else None
    return X12Path(text.startswith("/"), tuple(chosen[:-1]), chosen[-1], int(found[2]), component)


def hl7_path(text: str) -> Hl7Path:
    """`PID-5.1`, `RXA-5.1`, `PID-3[5=MR].1`, `OBX[3.1=64994-7]-5.1`; without a repetition the first is meant."""
    found = _HL7.fullmatch(text)
    if found is None:
        raise ValueError("a path of HL7, such as PID-5.1 or PID-3[5=MR].1")
    segment, field, part, value, wanted, number, component, content, first, second = found.groups()
    return Hl7Path(
        segment=segment,
        where=(int(field), int(part or 1), value) if field else None,
        field=int(wanted),
        repetition=(int(component), content) if component else int(number or 1),
        component=int(first) if first else None,
        subcomponent=int(second) if second else None,
    )


PATHS: dict[Format, Callable[[str], object]] = {
    "json": json_path,
    "ndjson": json_path,
    "xml": xml_path,
    "x12_834": x12_path,
    "hl7_v2": hl7_path,
}


def _pick(text: str) -> JsonPick:
    key, equals, value = text.partition("=")
    return (key, value) if equals else int(text)


def _where(text: str) -> tuple[int, str]:
    found = _X12_WHERE.fullmatch(text)
    number, value = (found[1], found[2]) if found else (None, text)
    return int(number or 1), value
