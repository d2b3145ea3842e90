"""Values that must never be seen outside the warehouse, files that are full of them, and the search for them.

Every text canary holds one stem that occurs nowhere else, so that a search for the stem finds each of them, however
the rest of it was escaped, cut or joined. Numbers and dates cannot hold a stem: they are searched one by one.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import re
import unicodedata
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pandas as pd

from kinbridge.contract.model import Column, Feed, Kind, Rule
from kinbridge.contract.rules import rules
from kinbridge.simulator.layout import LAYOUTS, Layout

STEM = "Zqxvkwjy"
ACCENTED = "Ñåvëqûéçøß"
# What such a value may look like beside its stem. A tab, a pipe or a line break would be another column in some files.
SHAPES = (
    "{stem}{n}",
    "{stem}{n} {accented}",
    "{stem}'{n}''o",
    "{stem}\\{n}\\N\\.",
    "{stem}-{n}%s %(x)s {{}}",
    "{n}; DROP TABLE {stem}--",
    "<b>{stem}{n}</b>&amp;",
    "{stem}{n}",
)
QUOTED_SHAPES = (*SHAPES, '{stem}"{n}""', "{stem},{n}")


@dataclass
class Canaries:
    """Makes canaries, and remembers those that have to be searched one by one."""

    numbers: set[str] = field(default_factory=set)
    dates: set[date] = field(default_factory=set)
    made: int = 0
    _next: Iterator[int] = field(default_factory=lambda: count(1))

    def text(self, *, quotes: bool) -> str:
        n = self._count()
        shapes = QUOTED_SHAPES if quotes else SHAPES
        return shapes[n % len(shapes)].format(stem=STEM, n=n, accented=ACCENTED)

    def number(self, pattern: str) -> str:
        """Nine or ten digits as the pattern writes them (`#` for a digit)."""
        digits = f"97{self._count() * 7919 % 10_000_000:07d}"
        digits += "3" * (pattern.count("#") - len(digits))
        self.numbers.add(digits)
        left = iter(digits)
        return "".join(next(left) if letter == "#" else letter for letter in pattern)

    def birth_date(self, form: str) -> str:
        """A day long ago that no log has another reason to name."""
        day = date(1903, 1, 1) + timedelta(days=self._count() * 31 % 16_000)
        self.dates.add(day)
        return day.strftime(form)

    def mail(self) -> str:
        return f"{STEM.lower()}.{self._count()}@example.org"

    def _count(self) -> int:
        self.made += 1
        return next(self._next)


DIGITS = {
    "^[0-9]{3}-[0-9]{2}-[0-9]{4}$": "###-##-####",
    "^[0-9]{9}$": "#########",
    "^[(][0-9]{3}[)] [0-9]{3}-[0-9]{4}$": "(###) ###-####",
    "^[0-9]{5}(-[0-9]{4})?$": "#####-####",
}


def canary_rows(feed: Feed, rows: pd.DataFrame, canaries: Canaries) -> pd.DataFrame:
    """The same rows with a canary in every column that can hold one; keys keep their meaning among the feeds."""
    layout = LAYOUTS[feed.id]
    quotes = bool(feed.dialect.quote_char)
    made = rows.copy()
    for column in feed.columns:
        if column.classification == "internal" or column.code_set:
            continue
        if column.logical_type == "date":
            if "birth" in column.name or "dob" in column.name:
                made[column.header] = [canaries.birth_date(layout.date) for _ in range(len(rows))]
        elif "email" in column.name:
            made[column.header] = [canaries.mail() for _ in range(len(rows))]
        elif column.pattern:
            made[column.header] = [canaries.number(DIGITS[column.pattern]) for _ in range(len(rows))]
        elif column.name.endswith(("_id", "_number")):
            made[column.header] = STEM + rows[column.header]
            canaries.made += len(rows)
        else:
            made[column.header] = [canaries.text(quotes=quotes) for _ in range(len(rows))]
    return made


def breaking_rows(feed: Feed, rows: pd.DataFrame, canaries: Canaries) -> tuple[pd.DataFrame, set[str]]:
    """One row more for each rule of a row, broken by a canary where the rule looks; and the rules that are broken."""
    spoilt: list[pd.Series] = []
    broken: set[str] = set()
    for number, rule in enumerate(r for r in rules(feed, feed.columns) if r.scope == "row"):
        row = rows.iloc[number % len(rows)].copy()
        for name in feed.key:
            if not _refers(feed, name):
                row[feed.column(name).header] = f"{row[feed.column(name).header]}{STEM}{number}"
        if _break(feed, rule, row, canaries):
            spoilt.append(row)
            broken.add(rule.id)
            if rule.kind is Kind.UNIQUE:
                other = row.copy()
                free = next(c for c in feed.columns if c.name not in feed.key and not _typed(c) and not c.code_set)
                other[free.header] = canaries.text(quotes=bool(feed.dialect.quote_char))
                spoilt.append(other)
    spoilt.append(rows.iloc[0].copy())  # an exact repeat
    return pd.concat([rows, pd.DataFrame(spoilt)], ignore_index=True), broken


def _refers(feed: Feed, name: str) -> bool:
    return any(name in reference.columns for reference in feed.references)


def _typed(column: Column) -> bool:
    return column.logical_type != "string" or column.pattern is not None


def _break(feed: Feed, rule: Rule, row: pd.Series, canaries: Canaries) -> bool:
    layout = LAYOUTS[feed.id]
    column = feed.column(rule.columns[0]) if rule.columns else None
    header = column.header if column else ""
    match rule.kind:
        case Kind.PRESENCE:
            row[header] = ""
        case Kind.TYPE | Kind.FORMAT | Kind.CODE_SET:
            row[header] = f"13/45/{STEM}{canaries.number('#########')}"
        case Kind.PLACEHOLDER:
            row[header] = rule.values[0]
        case Kind.RANGE if column and column.logical_type == "date":
            day = date(1893, 1, 1) + timedelta(days=canaries.made % 2000)
            canaries.dates.add(day)
            row[header] = day.strftime(layout.date)
        case Kind.RANGE:
            row[header] = "971234567"
            canaries.numbers.add("971234567")
        case Kind.DATE_ORDER:
            earlier, later = (feed.column(name).header for name in rule.columns)
            row[earlier] = date(2026, 8, 20).strftime(layout.date)
            row[later] = date(2026, 8, 2).strftime(layout.date)
        case Kind.REFERENCE:
            for name in rule.columns:
                row[feed.column(name).header] = f"{STEM}nobody{canaries.made}"
        case Kind.CONSISTENT:
            row[feed.column(rule.columns[-1]).header] = f"{STEM}nobody{canaries.made}"
        case Kind.PERSONAL_NAME:
            row[header] = row[next(c for c in feed.columns if c.person_name == "last").header]
        case Kind.UNIQUE:
            pass
        case _:
            return False
    return True


def write(layout: Layout, rows: pd.DataFrame, *, ragged: str = "", header: str = "") -> bytes:
    """The file's bytes; with a `ragged` row at its end that holds it, and one more column under `header`, if given."""
    buffer = io.StringIO(newline="")
    bare = layout.quoting == csv.QUOTE_NONE
    out = csv.writer(
        buffer,
        delimiter=layout.delimiter,
        quoting=layout.quoting,  # type: ignore[arg-type]
        quotechar=None if bare else '"',
        lineterminator=layout.newline,
    )
    columns = list(layout.columns)
    out.writerow([*columns, header] if header else columns)
    for row in rows[columns].to_numpy():
        out.writerow([*row, header] if header else row)
    if ragged:
        out.writerow([ragged, ragged])
    return buffer.getvalue().encode(layout.encoding)


def sound_rows(files: Path, feed: Feed) -> pd.DataFrame:
    """The simulated rows of the feed's only file that break no rule and repeat nothing."""
    layout = LAYOUTS[feed.id]
    start, end = layout.file.split("{period}")
    [path] = [p for p in (files / layout.partner).iterdir() if p.name.startswith(start) and p.name.endswith(end)]
    rows = layout.read(path)
    lines = layout.line_numbers(rows)
    spoilt = pd.read_csv(files / "truth" / "spoilt.csv", dtype={"line_no": "int64"})
    known = set(spoilt.loc[spoilt["file"] == path.name, "line_no"])
    keep = [line not in known for line in lines]
    return rows[keep].drop_duplicates().reset_index(drop=True)


class Scanner:
    """Finds canaries in bytes, in every form in which a program may have written them."""

    RUN = re.compile(r"[0-9](?:[-/. ()]{0,2}[0-9]){8,}")
    DATE = re.compile(r"(?<![0-9])(?:[0-9]{4}[-/]?[0-9]{2}[-/]?[0-9]{2}|[0-9]{2}[-/]?[0-9]{2}[-/]?[0-9]{4})(?![0-9])")
    ESCAPE = re.compile(rb"\\+(?:u00|x)([0-9a-fA-F]{2})")
    BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
    HEX = re.compile(rb"[0-9a-fA-F]{16,}")

    def __init__(self, canaries: Canaries) -> None:
        self.numbers = set(canaries.numbers)
        self.lengths = sorted({len(n) for n in self.numbers})
        self.dates = {day.strftime(form) for day in canaries.dates for form in ("%Y%m%d", "%m%d%Y", "%d%m%Y")}
        self.words = {STEM.casefold(), ACCENTED.casefold(), _plain(ACCENTED).casefold()}

    def forms(self, data: bytes) -> set[str]:
        """The forms in which `data` holds canaries (`words`, `digits, base64`); empty when it holds none."""
        return {
            f"{what}{layer}"
            for layer, content in self._layers(data)
            for text in {content.decode("utf-8", "replace"), content.decode("latin-1")}
            for what in self._found(text)
        }

    def _layers(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """The bytes as they are, and with one kind of wrapping undone."""
        yield "", data
        if b"%" in data:
            yield ", URL", unquote_to_bytes(data)
        if self.ESCAPE.search(data):
            yield ", escaped", self.ESCAPE.sub(lambda m: bytes([int(m[1], 16)]), data)
        runs = {run.replace(b"-", b"+").replace(b"_", b"/") for run in self.BASE64.findall(data)}
        whole = (run[shift:] for run in runs for shift in range(4))
        yield ", base64", b" \n".join(b64decode(run[: len(run) // 4 * 4]) for run in whole)
        runs = set(self.HEX.findall(data))
        whole = (run[shift:] for run in runs for shift in range(2))
        yield ", hex", b" \n".join(bytes.fromhex(run[: len(run) // 2 * 2].decode()) for run in whole)
        if data[:1] == b"\x78":
            with contextlib.suppress(zlib.error):
                yield ", compressed", zlib.decompress(data)

    def _found(self, text: str) -> Iterator[str]:
        folded = text.casefold()
        if any(word in folded for word in self.words):
            yield "words"
        for run in self.RUN.findall(text):
            digits = re.sub(r"[^0-9]", "", run)
            windows = (digits[at : at + size] for size in self.lengths for at in range(len(digits) - size + 1))
            if any(window in self.numbers for window in windows):
                yield "digits"
                break
        if any(re.sub(r"[^0-9]", "", day) in self.dates for day in self.DATE.findall(text)):
            yield "date"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def disguises(value: str, seed: int = 0) -> dict[str, bytes]:
    """The forms that a scanner has to see through, around one canary; for testing the scanner."""
    chance = random.Random(seed)
    around = "".join(chance.choices("abcdefgh", k=chance.randrange(1, 9)))
    text = f"{around}{value}{around}"
    return {
        "raw": text.encode(),
        "lower": text.lower().encode(),
        "upper": text.upper().encode(),
        "json": json.dumps({"value": text}).encode(),
        "json in json": json.dumps(json.dumps({"value": text})).encode(),
        "url": quote(text).encode(),
        "all of it as url": "".join(f"%{b:02X}" for b in text.encode()).encode(),
        "unicode escapes": "".join(f"\\u{ord(c):04x}" for c in text).encode(),
        "base64": b64encode(text.encode()),
        "base64 in upper case": b64encode(text.upper().encode()),
        "repr of bytes": repr(text.encode()).encode(),
        "hex": text.encode().hex().encode(),
        "compressed": zlib.compress(text.encode()),
        "without separators": re.sub(r"[^\w]", "", text).encode(),
        "in a line": f"2026-11-22 20:58:42.123 ERROR Failing row contains ({text}, 12, null).".encode(),
    }
