"""Reads a contract's `delivery`: how the partner names and writes the file. Mistakes are noted on the walk."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, get_args

from kinbridge.contract.model import Dialect, Format, ManifestFormat, ManifestTerms, Mark
from kinbridge.contract.paths import json_records, xml_records
from kinbridge.contract.walk import Properties, Walk
from kinbridge.declaration.document import Where

FORMATS: tuple[Format, ...] = get_args(Format)
MANIFEST_FORMATS: tuple[ManifestFormat, ...] = get_args(ManifestFormat)
# What each format leaves open, besides what all have.
COMMON = ("filePattern", "format", "nullValues", "member", "manifest", "nothing")
OPTIONS: dict[Format, tuple[str, ...]] = {
    "delimited": ("encoding", "delimiter", "quoteChar", "header", "skipLines"),
    "fixed_width": ("encoding", "header", "trailer", "skipLines"),
    "excel": ("sheet", "headerRow"),
    "json": ("encoding", "records"),
    "ndjson": ("encoding",),
    "xml": ("records",),
    "x12_834": ("encoding",),
    "hl7_v2": ("encoding",),
}
KNOWN = tuple(dict.fromkeys((*COMMON, *(name for options in OPTIONS.values() for name in options))))


def read_dialect(walk: Walk, top: Properties) -> Dialect:
    """The dialect that `delivery` declares, with defaults where it has mistakes."""
    place: Where = (*top.place("delivery"), "value")
    given = walk.mapping(top.values.get("delivery"), "delivery", *top.place("delivery"))
    kind: Format = given.get("format", "delimited")
    if kind not in FORMATS:
        walk.problem(f"delivery.format is not known: {', '.join(FORMATS)}", *place, "format")
        kind = "delimited"
    else:
        _strangers(walk, given, kind, place)
    encoding = _encoding(walk, given, place)
    delimiter, quote = given.get("delimiter", ","), given.get("quoteChar", '"') or ""
    skip, sheet, row = given.get("skipLines", 0), given.get("sheet", 1), given.get("headerRow", 1)
    wanted = (
        (bool(given.get("filePattern")), "filePattern", "customProperties needs delivery.filePattern"),
        (_one_character(delimiter), "delimiter", "delivery.delimiter is one character"),
        (quote == "" or _one_character(quote), "quoteChar", "delivery.quoteChar is one character, or empty"),
        (quote != delimiter, "quoteChar", "delivery.quoteChar is the delimiter too"),
        (_whole(skip, 0), "skipLines", "delivery.skipLines is a number of lines"),
        (bool(sheet) if isinstance(sheet, str) else _whole(sheet, 1), "sheet", "delivery.sheet is a name or a number"),
        (_whole(row, 1), "headerRow", "delivery.headerRow is the number of a row"),
        (
            given.get("nullValues", [""]) == [""],
            "nullValues",
            "delivery.nullValues is ['']: list what else stands for nothing as placeholders of its column",
        ),
    )
    for holds, name, text in wanted:
        if not holds:
            walk.problem(text, *place, name)
    header = given.get("header", True)
    fixed = kind == "fixed_width"
    if not fixed and not isinstance(header, bool):
        walk.problem("delivery.header is true or false", *place, "header")
    return Dialect(
        file_pattern=str(given.get("filePattern") or "$^"),
        delimiter=str(delimiter),
        encoding=encoding,
        quote_char=str(quote),
        header=bool(header),
        format=kind,
        skip_lines=skip if _whole(skip, 0) else 0,
        header_record=_mark(walk, given.get("header"), "header", place) if fixed else None,
        trailer_record=_mark(walk, given.get("trailer"), "trailer", place) if fixed else None,
        sheet=sheet if isinstance(sheet, str | int) else 1,
        header_row=row if _whole(row, 1) else 1,
        records=_records(walk, given, kind, place),
        member=_member(walk, given, place),
        manifest=_manifest(walk, given, place),
        nothing=_nothing(walk, given, place),
    )


def span(value: Any) -> tuple[int, int] | None:
    """`{start, length}` as a pair, both from 1; None when the value is not that."""
    if not isinstance(value, dict) or set(value) != {"start", "length"}:
        return None
    start, length = value["start"], value["length"]
    return (start, length) if _whole(start, 1) and _whole(length, 1) else None


def _strangers(walk: Walk, given: dict[str, Any], kind: Format, place: Where) -> None:
    """Options of another format, and slips of the pen; other words are left alone."""
    for name in given:
        if name in COMMON or name in OPTIONS[kind]:
            continue
        near = get_close_matches(str(name).lower(), [k.lower() for k in KNOWN], 1, 0.8)
        if name in KNOWN:
            walk.problem(f"delivery.{name} means nothing where the format is {kind}", *place, name)
        elif near:
            meant = next(k for k in KNOWN if k.lower() == near[0])
            walk.problem(f"delivery.{name} is not known; {meant} is", *place, name)


def _encoding(walk: Walk, given: dict[str, Any], place: Where) -> str:
    encoding = given.get("encoding", "utf-8")
    try:
        re.compile(given.get("filePattern") or "")
        "".encode(encoding)
    except (re.error, LookupError, TypeError) as error:
        walk.problem(f"delivery: {error}", *place)
        return "utf-8"
    return str(encoding)


def _member(walk: Walk, given: dict[str, Any], place: Where) -> str | None:
    member = given.get("member")
    if member is None:
        return None
    try:
        re.compile(member)
    except (re.error, TypeError):
        walk.problem("delivery.member is a regular expression for a file's name in the zip", *place, "member")
        return None
    return str(member)


def _manifest(walk: Walk, given: dict[str, Any], place: Where) -> ManifestTerms | None:
    value = given.get("manifest")
    if value is None:
        return None
    named = isinstance(value, dict) and set(value) == {"filePattern", "format"}
    if named and value["format"] in MANIFEST_FORMATS and _pattern(value["filePattern"]):
        return ManifestTerms(value["filePattern"], value["format"])
    known = " | ".join(MANIFEST_FORMATS)
    walk.problem(f"delivery.manifest is {{filePattern: a regular expression, format: {known}}}", *place, "manifest")
    return None


def _nothing(walk: Walk, given: dict[str, Any], place: Where) -> str | None:
    value = given.get("nothing")
    if value is None or _pattern(value):
        return value
    walk.problem("delivery.nothing is a regular expression for the name of an attestation", *place, "nothing")
    return None


def _pattern(value: Any) -> bool:
    """Whether the value is a regular expression that stands for some name."""
    try:
        return isinstance(value, str) and value != "" and bool(re.compile(value))
    except re.error:
        return False


def _mark(walk: Walk, value: Any, name: str, place: Where) -> Mark | None:
    """A header or trailer record; `header: false` says that there is none."""
    if value is None or value is False:
        return None
    prefix = value.get("prefix") if isinstance(value, dict) else None
    count = span(value.get("count")) if isinstance(value, dict) else None
    sound = isinstance(value, dict) and set(value) <= {"prefix", "count"} and isinstance(prefix, str) and prefix != ""
    if sound and (count is not None or "count" not in value):
        return Mark(str(prefix), count)
    walk.problem(f"delivery.{name} is {{prefix: text, count: {{start: 1, length: 9}}}}", *place, name)
    return None


def _records(walk: Walk, given: dict[str, Any], kind: Format, place: Where) -> str:
    if kind not in {"json", "xml"}:
        return ""
    text = str(given.get("records", "$" if kind == "json" else ""))
    try:
        json_records(text) if kind == "json" else xml_records(text)
    except ValueError as error:
        walk.problem(f"delivery.records is {error}", *place, "records")
    return text


def _one_character(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
