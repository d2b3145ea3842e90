"""Reads a delimited file as the contract describes it and turns it into the text that COPY takes.

Works on chunks of rows, so memory does not grow with the file. Lines may end with LF, CRLF or a lone CR. Never repairs
anything silently: a row that is ragged or cannot be decoded is passed on with its `shape` said, a file that cannot be
read at all raises `Unreadable` with the line. A row whose quoting is broken is ragged, and reading goes on with the
next line (see `record_lines`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import IO, Any

from kinbridge.contract.model import Column, Dialect
from kinbridge.format.record_lines import RecordLines
from kinbridge.format.regular import Layout, Scan, scan, transcribe
from kinbridge.format.table import Header, Row, Source, Unreadable, encode, match_header, opened
from kinbridge.format.twin import twins

CHUNK_ROWS = 20_000
CHUNK_CHARACTERS = 16 * 1024 * 1024
# A field longer than this is taken for a quote that was never closed.
FIELD_LIMIT = 1_000_000
# The first bytes, with the header, and then so many at once; a record longer than the last figure is irregular.
FIRST_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
RECORD_BYTES = 4 * 1024 * 1024
LINE_END = re.compile(rb"\r\n|\r|\n")
# A byte order mark says how the text is written, whatever the contract says of UTF-8; longer marks first.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Two ASCII characters in UTF-16, as any header begins.
TWO_BYTES = re.compile(rb"([\x01-\x7f]\0){2}|(\0[\x01-\x7f]){2}")
# Encodings in which a byte below 128 is that ASCII character wherever it stands.
ASCII_BASED = re.compile(r"ascii|utf-8(-sig)?|cp125\d|iso8859-\d+")


@dataclass
class DelimitedFile:
    """One delimited file under its contract. Iterate `chunks()` once; what it found is known afterwards.

    `header` is None for a file that has none to read, `rows` counts its rows, and `blank` names the columns in which
    some value has blanks around it; it may name one too many.
    """

    source: Source
    dialect: Dialect
    expected: tuple[Column, ...]
    columns: tuple[Column, ...]
    header: Header | None = None
    rows: int = 0
    blank: set[str] = field(default_factory=set)
    _lines: int = field(default=0, repr=False)

    def chunks(self) -> Iterator[bytes]:
        """CSV text for `COPY … (line_no, shape, columns…, twins…) WITH (FORMAT csv)`, UTF-8, one chunk at a time.

        Chunks that are regular go the fast way (see `regular`); the csv module reads the others, and the first one for
        its header. From where quoting is irregular on, it reads all: there the end of a record cannot be seen from
        outside.
        """
        csv.field_size_limit(FIELD_LIMIT)
        codec = codecs.lookup(self.dialect.encoding).name
        with opened(self.source) as file:
            codec = _as_marked(file, codec)
            if not ASCII_BASED.fullmatch(codec) or not self.dialect.delimiter.isascii():
                codec = "utf-8-sig" if codec == "utf-8" else codec
                text = io.TextIOWrapper(file, codec, "surrogateescape", "")
                self._skip_lines(text)
                yield from self._parsed(text)
                return
            buffer = file.read(FIRST_BYTES)
            if codec.startswith("utf-8"):
                # It may begin with a byte order mark, whoever wrote it.
                codec, buffer = "utf-8", buffer.removeprefix(codecs.BOM_UTF8)
            yield from self._by_chunks(file, self._after_preamble(file, buffer), codec)

    def _after_preamble(self, file: IO[bytes], buffer: bytes) -> bytes:
        """The buffer without the lines that the contract says to skip."""
        for _ in range(self.dialect.skip_lines):
            if buffer.endswith(b"\r"):
                buffer += file.read(1)
            end = LINE_END.search(buffer)
            if end is None:
                raise self._too_short()
            buffer = buffer[end.end() :]
            self._lines += 1
        return buffer or file.read(CHUNK_BYTES)

    def _skip_lines(self, text: IO[str]) -> None:
        for _ in range(self.dialect.skip_lines):
            try:
                line = text.readline(FIRST_BYTES)
            except UnicodeError:
                raise Unreadable(self._lines + 1, f"the text is not {self.dialect.encoding}") from None
            if not line.endswith(("\r", "\n")):
                raise self._too_short()
            self._lines += 1

    def _too_short(self) -> Unreadable:
        return Unreadable(self._lines + 1, f"the file has not the {self.dialect.skip_lines} lines before its header")

    def _by_chunks(self, file: IO[bytes], buffer: bytes, codec: str) -> Iterator[bytes]:
        more = buffer
        while buffer or self.header is None:
            # Without a line end at the very end, the last row has none.
            whole = buffer if more or buffer.endswith(b"\n") else buffer + b"\n"
            found = scan(whole, self._layout())
            if found is None or (len(found.content) < len(whole) and (not more or len(buffer) > RECORD_BYTES)):
                file.seek(-len(buffer), io.SEEK_CUR)
                yield from self._parsed(io.TextIOWrapper(file, codec, "surrogateescape", ""))
                return
            if found.content:
                yield from self._chunk(found, codec)
            buffer = buffer[len(found.content) :]
            more = file.read(CHUNK_BYTES)
            buffer += more

    def _chunk(self, found: Scan, codec: str) -> Iterator[bytes]:
        """A chunk of whole records, the fast way if it is regular."""
        if self.header is not None:
            regular = found if found.content.isascii() else self._in_utf8(found, codec)
            transcript = transcribe(regular, self._layout(), self._lines + 1) if regular else None
            if transcript is not None:
                self.rows += transcript.rows
                self._lines += transcript.rows
                places = self.header.positions
                self.blank |= {
                    c.name for c, place in zip(self.columns, places, strict=True) if place in transcript.blank
                }
                yield transcript.text
                return
        yield from self._parsed(io.StringIO(found.content.decode(codec, "surrogateescape"), newline=""))

    def _in_utf8(self, found: Scan, codec: str) -> Scan | None:
        """The same records in UTF-8; None when they cannot be decoded."""
        try:
            text = found.content.decode(codec)
        except UnicodeDecodeError:
            return None
        return found if codec == "utf-8" else scan(text.encode("utf-8"), self._layout())

    def _layout(self) -> Layout:
        """How rows lie; nothing is kept where fields would have to change places: that is left to the csv module."""
        header = self.header or Header(1, ())
        kept = tuple(place for place in header.positions if place is not None)
        if len(kept) < len(header.positions) or list(kept) != sorted(kept):
            kept = ()
        quote = ord(self.dialect.quote_char) if self.dialect.quote_char else None
        typed = tuple((kept[place], read) for place, read in twins(self.columns)) if kept else ()
        return Layout(header.width, kept, ord(self.dialect.delimiter), quote, FIELD_LIMIT, typed)

    def _parsed(self, text: IO[str]) -> Iterator[bytes]:
        """The rows of `text`, which begins after `_lines` lines, by the csv module."""
        lines = RecordLines(text, self._reader, self._lines)
        try:
            self.header = self.header or self._read_header(lines)
            for rows in _batches(lines.rows(self.header.width)):
                self.rows += len(rows)
                yield self._encode(rows, self.header)
        except UnicodeError:
            raise Unreadable(lines.number + 1, f"the text is not {self.dialect.encoding}") from None
        self._lines = lines.number

    def _reader(self, lines: Iterable[str], strict: bool) -> Any:
        """The csv module's reader over lines; one that is not `strict` takes quotes as they come."""
        return csv.reader(
            lines,
            delimiter=self.dialect.delimiter,
            quotechar=self.dialect.quote_char or None,
            quoting=csv.QUOTE_MINIMAL if self.dialect.quote_char else csv.QUOTE_NONE,
            strict=strict,
        )

    def _read_header(self, lines: RecordLines) -> Header:
        if not self.dialect.header:
            return Header(len(self.expected), tuple(self.expected.index(c) for c in self.columns))
        line = self._lines + 1
        first = lines.first()
        if not first or not any(cell.strip() for cell in first):
            raise Unreadable(line, "the file has no header line")
        return match_header(first, self.expected, self.columns, line)

    def _encode(self, rows: list[tuple[int, list[str]]], header: Header) -> bytes:
        """A chunk as CSV bytes."""
        pick = _picker(header.positions)
        if all(len(row) == header.width for _, row in rows):
            return encode([(line, "whole", *pick(row)) for line, row in rows], self.columns, self.blank)
        read = sum(place is not None for place in header.positions)
        kept = header.width if read == header.width else 0
        shaped = [_shaped(line, row, header.width, kept, pick) for line, row in rows]
        return encode(shaped, self.columns, self.blank)


def _as_marked(file: IO[bytes], codec: str) -> str:
    """The encoding that a byte order mark declares where the contract says UTF-8; else the contract's.

    Raises `Unreadable` for UTF-16 without a mark: to read it would be a guess.
    """
    if not codec.startswith("utf-8"):
        return codec
    head = file.read(4)
    file.seek(0)
    if TWO_BYTES.match(head):
        raise Unreadable(1, "the text is UTF-16 without a byte order mark")
    return next((marked for mark, marked in MARKS if head.startswith(mark)), codec)


def _batches(numbered: Iterator[tuple[int, list[str]]]) -> Iterator[list[tuple[int, list[str]]]]:
    """Rows in lots that memory can hold, however wide they are."""
    batch: list[tuple[int, list[str]]] = []
    size = 0
    for line, row in numbered:
        batch.append((line, row))
        size += sum(map(len, row))
        if len(batch) >= CHUNK_ROWS or size >= CHUNK_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _picker(positions: tuple[int | None, ...]) -> Any:
    if None not in positions and len(positions) > 1:
        return itemgetter(*[p for p in positions if p is not None])

    def pick(row: list[str]) -> tuple[str, ...]:
        return tuple("" if p is None else row[p] for p in positions)

    return pick


def _shaped(line: int, row: list[str], width: int, kept: int, pick: Any) -> Row:
    """One row with its shape. Of a ragged one `kept` values are, all or none: padded or cut.

    Its values may have moved to a neighbour's place, so where the file has columns that are not read, one of those
    might stand in a column that is.
    """
    if len(row) == width:
        return (line, "whole", *pick(row))
    return (line, "ragged", *pick((row[:kept] + [""] * width)[:width]))
