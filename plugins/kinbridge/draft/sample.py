"""How a sample file is written: encoding, delimiter, quoting, header. Reads bytes, decides, says where it was not sure.

Nothing here keeps a value; what it finds out is about the file's form. A header is believed only when it looks like
one: a first row of data taken for names would be written into a declaration.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kinbridge.draft.names import VOCABULARY, words
from kinbridge.errors import KinbridgeError

DELIMITERS = (",", "\t", "|", ";", "~", "^")
# The form is told from so many bytes and rows of the file's beginning.
HEAD_BYTES = 4 * 1024 * 1024
HEAD_ROWS = 2_000
FIELD_LIMIT = 1_000_000
# How much better than another a delimiter has to be to be beyond doubt.
MARGIN = 0.05

_NAME = re.compile(r"^[^\W\d_][\w .:/()#%&'\-]{0,79}$")


@dataclass(frozen=True)
class Form:
    """How the file is written. `doubts` are words for a person about what could be otherwise."""

    encoding: str
    delimiter: str
    quote_char: str
    header: bool
    width: int
    doubts: tuple[str, ...] = ()


def form_of(path: Path, *, header: bool | None = None) -> Form:
    """Find out how the file is written; `header` overrides what the first row looks like.

    Raises `KinbridgeError` KB-P11 when it is empty or no text that could be delimited.
    """
    with path.open("rb") as file:
        content = file.read(HEAD_BYTES)
        more = bool(file.read(1))
    encoding, doubt = _encoding(content, path, more)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(content)
    if more:
        text = text[: text.rfind("\n") + 1] or text
    if not text.strip() or "\0" in text:
        raise KinbridgeError("KB-P11", file=path.name, problem="it is empty or no delimited text")
    doubts = [doubt] if doubt else []
    delimiter, quote, rival = _dialect(text)
    if rival:
        doubts.append(f"the delimiter could be {rival} as well")
    rows = list(islice(_parse(text, delimiter, quote), HEAD_ROWS))
    if not rows:
        raise KinbridgeError("KB-P11", file=path.name, problem="it has no row")
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    if width == 1:
        doubts.append("no delimiter divides the lines: is it one column, or another format?")
    if len(rows[0]) != width:
        doubts.append("the first line has another number of fields than most")
    if header is None:
        header, sure = _header(rows)
        if not sure:
            doubts.append("it is not plain whether the first line is a header; --header or --no-header settles it")
    return Form(encoding, delimiter, quote, header, width, tuple(doubts))


def rows_of(path: Path, form: Form) -> Iterator[list[str]]:
    """The rows of the file as text, the header too. Broken quoting ends them early rather than guessing."""
    csv.field_size_limit(FIELD_LIMIT)
    with path.open(encoding=form.encoding, errors="replace", newline="") as text:
        try:
            yield from _reader(text, form.delimiter, form.quote_char)
        except csv.Error:
            return


def _encoding(content: bytes, path: Path, more: bool) -> tuple[str, str]:
    """The codec's name, and a doubt or nothing."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", ""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", ""
    even, odd = content[0::2].count(0), content[1::2].count(0)
    if max(even, odd) > len(content) // 8 and min(even, odd) < max(even, odd) // 8:
        return ("utf-16-be" if even > odd else "utf-16-le"), ""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(content, final=not more)
    except UnicodeDecodeError:
        return _single_byte(content)
    if more and not _is_utf8(path):
        return _single_byte(content)
    return "utf-8", ""


def _is_utf8(path: Path) -> bool:
    """Whether the rest of a long file is UTF-8 too."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    with path.open("rb") as file:
        try:
            while block := file.read(HEAD_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _single_byte(content: bytes) -> tuple[str, str]:
    """Windows-1252 unless it has bytes that this does not know; which of its kind it is, bytes alone do not tell."""
    try:
        content.decode("cp1252")
        found = "cp1252"
    except UnicodeDecodeError:
        found = "latin-1"
    return found, f"it is not UTF-8; {found} is likely, but accents in names should be looked at"


def _dialect(text: str) -> tuple[str, str, str]:
    """Delimiter, quoting character (empty: none), and a rival delimiter in words or nothing."""
    scored = sorted(
        ((_score(text, delimiter, quote), delimiter, quote) for delimiter in DELIMITERS for quote in _quotes(text)),
        key=lambda one: one[0],
        reverse=True,
    )
    best, delimiter, quote = scored[0]
    rivals = [d for score, d, _ in scored if d != delimiter and score > 0 and best - score < MARGIN]
    if best <= 0:
        return ",", '"', ""
    return delimiter, quote, {"\t": "a tab"}.get(rivals[0], f"'{rivals[0]}'") if rivals else ""


def _quotes(text: str) -> tuple[str, ...]:
    """Quoting characters to try: the first one that fits as well as the others is taken."""
    return ('"', "'", "") if "'" in text else ('"', "")


def _score(text: str, delimiter: str, quote: str) -> float:
    """From 0 (divides nothing) to a little over 1: the share of rows of the usual width, and quotes that are used."""
    try:
        rows = list(islice(_parse(text, delimiter, quote), HEAD_ROWS))
    except csv.Error:
        return 0.0
    if not rows:
        return 0.0
    width, count = Counter(len(row) for row in rows).most_common(1)[0]
    if width < 2:
        return 0.0
    share = count / len(rows)
    if quote == "'":
        # An apostrophe quotes only where as many fields begin with one as end with one, and many do.
        plain = [cell for row in islice(_parse(text, delimiter, ""), 200) for cell in row if cell]
        begin, end = (sum(cell[place] == quote for cell in plain) for place in (0, -1))
        return share + 0.01 if begin == end > len(plain) / 5 else 0.0
    # Between two that fit alike, more columns are likelier; and a quoting character is the usual thing.
    return share + min(width, 50) / 5_000 + (0.005 if quote else 0.0)


def _parse(text: str, delimiter: str, quote: str) -> Iterator[list[str]]:
    csv.field_size_limit(FIELD_LIMIT)
    try:
        yield from _reader(io.StringIO(text, newline=""), delimiter, quote)
    except csv.Error:
        return


def _reader(text: Iterator[str] | io.TextIOBase, delimiter: str, quote: str) -> Iterator[list[str]]:
    reader = csv.reader(
        text,
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    return (row for row in reader if row)


def _header(rows: list[list[str]]) -> tuple[bool, bool]:
    """Whether the first row is a header, and whether that is plain."""
    first, below = [cell.strip() for cell in rows[0]], rows[1:]
    named = [cell for cell in first if cell]
    if not named or len({cell.lower() for cell in named}) < len(named) or not all(map(_NAME.match, named)):
        return False, True
    below_first = [{row[place].strip() for row in below if place < len(row)} - {""} for place in range(len(first))]
    if any(cell and cell in column for cell, column in zip(first, below_first, strict=True)):
        return False, not any(map(_speaks, named))
    evidence = sum(_speaks(cell) or _differs(cell, column) for cell, column in zip(first, below_first, strict=True))
    believed = evidence >= len(named) / 2
    return believed, believed


def _speaks(cell: str) -> bool:
    """Whether at least half of its words are such as name columns: `Kansas City` is no name of a column, `CITY` is."""
    said = words(cell)
    return bool(said) and sum(word in VOCABULARY for word in said) >= (len(said) + 1) / 2


def _differs(cell: str, column: set[str]) -> bool:
    """Whether the column has digits in every value and the first row has none."""
    has_digit = re.compile("[0-9]").search
    return bool(cell and column) and not has_digit(cell) and all(map(has_digit, column))
