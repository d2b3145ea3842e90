"""The fast way through a delimited file: regular chunks, by the positions of bytes instead of by fields.

Input: bytes of an encoding in which ASCII bytes are ASCII characters (UTF-8 and the single-byte ones). Output: the same
rows and twins as the reader's csv module gives, several times as fast, or None where a chunk is not regular: then the
csv module reads it. It must never guess: whatever is unusual is not regular.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kinbridge.format.twin import Reading

NEWLINE, RETURN, COMMA, QUOTE = 10, 13, 44, 34
BLANKS = (32, 9)


@dataclass(frozen=True)
class Layout:
    """How rows lie in the file: the fields of a row, those to keep (rising), delimiter and quote as byte values.

    `quote` is None where the dialect has no quotes. `twins` are fields that have a typed twin, and how it is read.
    """

    width: int
    kept: tuple[int, ...]
    delimiter: int
    quote: int | None
    longest: int
    twins: tuple[tuple[int, Reading], ...] = ()


@dataclass(frozen=True)
class Scan:
    """A buffer's whole records, where quotation is open in them (None when they have no quote), and where they end."""

    content: bytes
    inside: np.ndarray | None
    ends: np.ndarray


@dataclass(frozen=True)
class Transcript:
    """Rows with their twins as CSV for COPY, how many, and which fields have blanks around a value somewhere."""

    text: bytes
    rows: int
    blank: frozenset[int] = field(default_factory=frozenset)


def scan(buffer: bytes, layout: Layout) -> Scan | None:
    """The whole records at the beginning of `buffer`, which begins with a record; None when the quoting is irregular.

    Regular are fields that have no quote, or one at both ends and doubled quotes within.
    """
    data, quote = np.frombuffer(buffer, np.uint8), layout.quote
    ends = np.flatnonzero(data == NEWLINE)
    inside = None
    if quote is not None and bytes((quote,)) in buffer:
        marks = data == quote
        # Wraps at 256, which is even: the parity stays right.
        inside = (np.add.accumulate(marks.view(np.uint8), dtype=np.uint8) & 1).view(np.bool_)
        ends = ends[~inside[ends]]
    last = int(ends[-1]) + 1 if len(ends) else 0
    content = buffer[:last]
    if inside is not None and not _regular(data[:last], layout):
        return None
    return Scan(content, None if inside is None else inside[:last], ends)


def _regular(data: np.ndarray, layout: Layout) -> bool:
    """Whether each quote opens a field, closes it, or is doubled."""
    marks = np.flatnonzero(data == layout.quote)
    opens, closes = marks[0::2], marks[1::2]
    if len(opens) != len(closes):
        return False
    if not len(opens):
        return True
    # The content ends with a line end: what stands "before" its first byte, index -1, is one too.
    before, after = data[opens - 1], data[closes + 1]
    starts = (before == layout.delimiter) | (before == NEWLINE)
    ends = (after == layout.delimiter) | (after == NEWLINE) | (after == RETURN)
    doubled = opens[1:] == closes[:-1] + 1
    starts[1:] |= doubled
    ends[:-1] |= doubled
    return bool(starts.all() and ends.all())


def transcribe(found: Scan, layout: Layout, line: int) -> Transcript | None:
    """The rows of a scan as `line,whole,fields…,twins…`, the first one's number being `line`. None when not regular."""
    content = found.content
    if not _plain(content, found, layout):
        return None
    data = np.frombuffer(content, np.uint8)
    stops = np.flatnonzero(data == layout.delimiter)
    if found.inside is not None:
        stops = stops[~found.inside[stops]]
    rows, inner = len(found.ends), layout.width - 1
    begins = np.concatenate((np.zeros(1, np.int64), found.ends[:-1] + 1))
    if len(stops) != rows * inner or int((found.ends - begins).max()) > layout.longest:
        return None
    grid = np.column_stack((stops.reshape(rows, inner), found.ends))
    # Each row's separators lie within the row, or the numbers agree by chance only.
    if inner and not ((grid[:, 0] >= begins).all() and (grid[:, -2] < found.ends).all()):
        return None
    # A blank line is no row; with more than one field it has shown itself by its missing separators.
    if not inner and bool((found.ends - begins <= (data[found.ends - 1] == RETURN)).any()):
        return None
    blank = _blank(data, grid, layout)
    body = _projected(data, grid, begins, layout)
    if body is None:
        return None
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    lines.pop()
    more = [read.column(data, *_within(found, data, grid, begins, place)) for place, read in layout.twins]
    shape = b"%d,whole," + b",".join([b"%b"] * (1 + len(more)))
    text = b"\r\n".join([shape % row for row in zip(range(line, line + rows), lines, *more, strict=True)])
    return Transcript(text + b"\r\n", rows, blank)


def _within(
    found: Scan, data: np.ndarray, grid: np.ndarray, begins: np.ndarray, place: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where one field of each row begins and ends, within its quotes and before the line's end."""
    starts = begins if place == 0 else grid[:, place - 1] + 1
    # The byte before a field's end is there: a separator's, for the first field of all is it the last line end.
    stops = grid[:, place] - (data[grid[:, place] - 1] == RETURN)
    if found.inside is not None:
        quoted = (data[starts] == QUOTE) & (stops - starts > 1)
        starts, stops = starts + quoted, stops - quoted
    return starts, stops


def _plain(content: bytes, found: Scan, layout: Layout) -> bool:
    """Whether one line is one row and every byte can be handed on as it is."""
    if not layout.kept or not len(found.ends) or b"\0" in content:
        return False
    if content.count(b"\r") != content.count(b"\r\n"):
        return False
    if found.inside is None:
        return QUOTE not in content if layout.quote != QUOTE else True
    return layout.quote == QUOTE and content.count(b"\n") == len(found.ends)


def _projected(data: np.ndarray, grid: np.ndarray, begins: np.ndarray, layout: Layout) -> bytes | None:
    """The kept fields with commas between them; None when a comma stands in a field that has no quotes."""
    if layout.delimiter != COMMA:
        commas = np.flatnonzero(data == COMMA)
        if len(commas):
            return None
        data = data.copy()
        data[grid[:, :-1].ravel()] = COMMA
    dropped = [place for place in range(layout.width) if place not in set(layout.kept)]
    if not dropped:
        return data.tobytes()
    last = layout.kept[-1]
    step: np.ndarray = np.zeros(len(data) + 1, np.int8)
    for place in dropped:
        if place < last:
            # The field and the separator after it.
            step[begins if place == 0 else grid[:, place - 1] + 1] += 1
            step[grid[:, place] + 1] -= 1
    if last < layout.width - 1:
        # All behind the last kept field, its separator included, up to the line end.
        step[grid[:, last]] += 1
        step[grid[:, -1]] -= 1
    return bytes(data[np.add.accumulate(step[:-1], dtype=np.int8) == 0])


def _blank(data: np.ndarray, grid: np.ndarray, layout: Layout) -> frozenset[int]:
    """Fields that have a blank beside a separator or quote; one too many costs time only."""
    separates: np.ndarray = np.zeros(256, np.bool_)
    separates[[layout.delimiter, NEWLINE, RETURN, QUOTE]] = True
    found: set[int] = set()
    for blank in BLANKS:
        if blank != layout.delimiter:
            places = np.flatnonzero(data == blank)
            # The content ends with a line end, so no blank is last, and the byte before the first one, -1, separates.
            places = places[separates[data[places - 1]] | separates[data[places + 1]]]
            found.update(int(place) for place in np.unique(np.searchsorted(grid.ravel(), places) % layout.width))
    return frozenset(found)
