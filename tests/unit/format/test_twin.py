"""The typed twins of values: always of the type, empty where the text is not, the same by every way through a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.readers import feed_of, text_column, typed

from kinbridge.contract.model import Dialect
from kinbridge.format import delimited as reader
from kinbridge.format import twin
from kinbridge.format.delivered_file import open_file
from kinbridge.format.twin import reading

READ = [
    ("integer", None, "12", "12"),
    ("integer", None, " -7\r", "-7"),
    ("integer", None, "+5", "+5"),
    ("integer", None, "1.0", ""),
    ("integer", None, "9" * 18, "9" * 18),
    ("integer", None, "9" * 19, ""),
    ("integer", None, "\u0661", ""),
    ("integer", None, "1\n2", ""),
    ("number", None, "1.50", "1.50"),
    ("number", None, "1,50", ""),
    ("number", None, ".5", ""),
    ("number", None, "NaN", ""),
    ("date", None, "2024-02-29", "2024-02-29"),
    ("date", None, "2023-02-29", ""),
    ("date", None, "0000-01-01", ""),
    ("date", None, "20240229", ""),
    ("date", "yyyyMMdd", "20240229", "2024-02-29"),
    ("date", "MM/dd/yyyy", " 02/29/2024 ", "2024-02-29"),
    ("date", "MM/dd/yyyy", "2/29/2024", ""),
    ("date", "MM/dd/yyyy", "02-29-2024", ""),
    ("date", "dd.MM.yyyy", "29.02.2024", "2024-02-29"),
    ("date", "dd.MM.yyyy", "29x02x2024", ""),
    ("date", "yyyy-MM-dd HH:mm:ss", "2024-02-29 23:59:59", "2024-02-29 23:59:59"),
    ("date", "yyyy-MM-dd HH:mm:ss", "2024-02-29 24:00:00", ""),
    ("date", "yyyy-MM-dd HH:mm:ss", "2024-02-29 23:59:60", ""),
    ("date", "yyyy-MM-dd HH:mm:ss", "2024-02-29", ""),
]


@pytest.mark.parametrize(("kind", "date_format", "text", "wanted"), READ)
def test_a_twin_is_of_the_type_or_empty(kind: str, date_format: str | None, text: str, wanted: str) -> None:
    read = reading(typed("a", kind, date_format))  # type: ignore[arg-type]
    assert read is not None
    assert [read[text], read[text]] == [wanted, wanted]
    data = np.frombuffer(f"x,{text},y".encode("latin-1", "replace"), np.uint8)
    assert read.column(data, np.array([2]), np.array([2 + len(text)])) == [wanted.encode()]


@given(st.dates(min_value=date(1, 1, 1)), st.integers(-40, 40), st.sampled_from(["yyyyMMdd", "MM/dd/yyyy"]))
def test_both_ways_know_the_same_calendar(day: date, more: int, date_format: str) -> None:
    """Days of the month beyond its last, or below its first, too."""
    year, month, last = f"{day.year:04}", f"{day.month:02}", f"{abs(day.day + more):02}"
    text = date_format.replace("yyyy", year).replace("MM", month).replace("dd", last)
    read = twin._Dates(date_format)
    data = np.frombuffer(text.encode() + b"\n", np.uint8)
    assert read.column(data, np.array([0]), np.array([len(text)])) == [read[text].encode()]


def test_text_has_no_twin() -> None:
    assert reading(text_column("a")) is None


def test_dates_that_were_read_are_kept_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "MOST_KEPT", 3)
    dates = twin._Dates("yyyyMMdd")
    assert [dates[f"2024010{day}"] for day in range(1, 9)] == [f"2024-01-0{day}" for day in range(1, 9)]
    assert len(dates) <= 3


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_ways_through_a_file_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quoted: bool, end: str
) -> None:
    """The fast one reads fields by their places: first, inner and last ones, one beyond those that are asked for."""
    columns = (
        typed("first", "date", "MM/dd/yyyy"),
        text_column("name"),
        typed("unasked", "integer"),
        typed("number", "number"),
        typed("last", "date", "yyyyMMdd"),
    )
    rows = [
        ["01/02/2024", "Zo\u00eb", "1", "1.5", "20240102"],
        ["13/02/2024", "b", "2", "x", "20241399"],
        [" 01/02/2024", "c", "3", "", ""],
        ["", "d", "", "2", "20240103 "],
    ]
    mark = '"' if quoted else ""
    lines = [",".join(f"{mark}{value}{mark}" for value in row) for row in rows]
    path = tmp_path / "rows.csv"
    path.write_bytes("".join(line + end for line in ["first,name,unasked,number,last", *lines]).encode())
    wanted = (columns[0], columns[1], columns[3], columns[4])
    monkeypatch.setattr(reader, "FIRST_BYTES", 40)
    seen = []
    for pattern in (reader.ASCII_BASED.pattern, "none"):
        monkeypatch.setattr(reader, "ASCII_BASED", reader.re.compile(pattern))
        file = open_file(path, feed_of(columns, Dialect("x")), wanted)
        seen.append(b"".join(file.chunks()).replace(b'"', b"").decode().splitlines())
    assert seen[0] == seen[1]
    assert [line.split(",")[6:] for line in seen[0]] == [
        ["2024-01-02", "1.5", "2024-01-02"],
        ["", "", ""],
        ["2024-01-02", "", ""],
        ["", "2", "2024-01-03"],
    ]
