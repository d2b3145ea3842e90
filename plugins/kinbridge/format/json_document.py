"""Reads the records of one JSON document, which may be larger than memory: a list at the path that the contract names.

Memory holds one record. The document must be JSON to its end; where it is not, nothing of it is taken. A record that is
no object or has one name twice is a ragged row. Numbers keep their digits.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any

import ijson

from kinbridge.contract.paths import json_path, json_records
from kinbridge.format.json_lines import record_row
from kinbridge.format.json_record import unique_names
from kinbridge.format.table import PathTable, Row, Unreadable

# Deeper nesting and larger records are no data that a contract could describe.
DEPTH = 100
RECORD_PARTS = 1_000_000
VALUE_BYTES = 64 * 1024 * 1024
# A pair of escapes that stands for one character, and half of one. The parser would silently make a question mark of
# a half.
PAIR = re.compile(rb"\\u[dD][89aAbB]..\\u[dD][c-fC-F]..")
HALF = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]")
PAIR_BYTES = 12
OVERLAP = 64


class _Twice(Exception):
    """The record has one name twice."""


class _Missing(Exception):
    """There is no list of records, or a second one."""


@dataclass
class JsonDocument(PathTable):
    """One JSON document under its contract, see `Table`. A row's line is the number of its record, from 1."""

    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """One row for each entry of the list. Raises `Unreadable`."""
        paths = [(c.name, json_path(c.header)) for c in self.columns]
        number = 0
        text = _Utf8(content, self.dialect.encoding)
        try:
            for record in _entries(_limited(text), json_records(self.dialect.records)):
                number += 1
                yield record_row(self, number, record, paths)
        except _Missing:
            raise Unreadable(1, f"the document has no list at {self.dialect.records}, or more than one") from None
        except UnicodeError:
            raise Unreadable(number + 1, f"the text is not {self.dialect.encoding}") from None
        except (ijson.JSONError, ValueError):
            raise Unreadable(number + 1, "the document is not JSON, or is cut off, at this record") from None


class _Utf8:
    """The document as UTF-8 without byte order mark, from whatever encoding the contract names.

    `unheard` counts the bytes that were read since the parser last gave something: it would gather a text of any size.
    """

    def __init__(self, content: IO[bytes], encoding: str) -> None:
        name = codecs.lookup(encoding).name
        self._content = content
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)("strict")
        self._tail = b""
        self.unheard = 0

    def read(self, size: int) -> bytes:
        """Some bytes; none at the end. Raises `UnicodeError`."""
        while size:
            piece = self._content.read(size)
            data = self._decoder.decode(piece, final=not piece).encode("utf-8")
            self._look(data, last=not piece)
            self.unheard += len(data)
            if self.unheard > VALUE_BYTES:
                raise ValueError("a value without end")
            if data or not piece:
                return data
        return b""

    def _look(self, data: bytes, *, last: bool) -> None:
        window = self._tail + data
        if b"\\u" in window:
            # What is near the window's end is looked at with what follows; what is before, was looked at already.
            begin = max(len(self._tail) - PAIR_BYTES, 0)
            end = len(window) if last else len(window) - PAIR_BYTES
            plain = PAIR.sub(b"-" * PAIR_BYTES, window)
            if any(begin <= found.end() - 4 < end for found in HALF.finditer(plain)):
                raise UnicodeError("half a character")
        self._tail = window[-OVERLAP:]


def _limited(text: _Utf8) -> Iterator[tuple[str, Any]]:
    """What the parser gives, as long as values are not too large and not nested too deeply."""
    depth = 0
    for event, value in ijson.basic_parse(text, use_float=False):
        text.unheard = 0
        if event in {"start_map", "start_array"}:
            depth += 1
            if depth > DEPTH:
                raise ValueError("nested too deeply")
        elif event in {"end_map", "end_array"}:
            depth -= 1
        yield event, value


def _entries(events: Iterator[tuple[str, Any]], path: tuple[str, ...]) -> Iterator[Any]:
    """The entries of the list at the path; None for one that has a name twice. Reads the document to its end."""
    trail: list[str | None] = []
    found = False
    for event, value in events:
        if event == "map_key":
            trail[-1] = value
        elif event == "start_array" and tuple(trail) == path:
            if found:
                raise _Missing
            found = True
            yield from _list(events)
        elif event == "start_map":
            trail.append("")
        elif event == "start_array":
            trail.append(None)
        elif event in {"end_map", "end_array"}:
            trail.pop()
    if not found:
        raise _Missing


def _list(events: Iterator[tuple[str, Any]]) -> Iterator[Any]:
    """The entries up to the end of the list whose beginning was read."""
    for event, value in events:
        if event == "end_array":
            return
        try:
            yield _built(event, value, events)
        except _Twice:
            yield None


def _built(event: str, value: Any, events: Iterator[tuple[str, Any]]) -> Any:
    """One whole value out of its events. Raises `_Twice` after its last event, so that reading can go on."""
    if event not in {"start_map", "start_array"}:
        return _scalar(event, value)
    parts, twice = 0, False
    stack: list[tuple[list[Any], str | None]] = [([], event)]
    for event, value in events:  # noqa: PLR1704
        parts += 1
        if parts > RECORD_PARTS:
            raise ValueError("a record without end")
        if event in {"start_map", "start_array"}:
            stack.append(([], event))
            continue
        if event == "map_key":
            stack[-1][0].append(value)
            continue
        if event in {"end_map", "end_array"}:
            items, kind = stack.pop()
            try:
                whole: Any = (
                    unique_names(list(zip(items[::2], items[1::2], strict=True))) if kind == "start_map" else items
                )
            except ValueError:
                whole, twice = {}, True
            if not stack:
                if twice:
                    raise _Twice
                return whole
            stack[-1][0].append(whole)
        else:
            stack[-1][0].append(_scalar(event, value))
    raise ValueError("cut off")


def _scalar(event: str, value: Any) -> Any:
    """Text, truth value or None; a number as text without exponent where that is short."""
    if event != "number":
        return value
    if isinstance(value, Decimal) and -30 <= int(value.as_tuple().exponent) <= 0:
        return format(value, "f")
    return str(value)
