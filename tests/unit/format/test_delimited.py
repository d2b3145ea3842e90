"""What the reader hands to COPY is what the partner wrote, byte for meaning, or it says that it is not."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kinbridge.contract.model import Column, Dialect
from kinbridge.contract.odcs import feeds
from kinbridge.format import delimited as reader
from kinbridge.format.delimited import DelimitedFile
from kinbridge.format.record_lines import MOST_BROKEN
from kinbridge.format.table import Header, Unreadable

NASTY = [
    "\\.",
    "\\N",
    "\t",
    '"',
    "''",
    "\n",
    "\r",
    "\r\n",
    "a\n\\.\nb",
    "\n\\.\n",
    "'; DROP TABLE record.person; --",
    "👩‍👧",
    "=1+1",
    "@SUM(A1)",
    "-5",
    "+5",
    "\u2028",
    "\x0b",
    "\x1c",
    "\x85",
    "\ufeff",
    " x ",
    "NULL",
    "",
    "é",
    "|",
    ",",
    "\x00",
]
# What ends a line in the eyes of a text editor, and of our line numbers.
LINE_END = re.compile("\r\n|\r|\n")
DIALECTS = {feed.dialect for feed in feeds().values()}
PLAIN = Dialect("x")


def columns(*names: str, required: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, name.upper(), "string", "A column.", "internal", required=required) for name in names)


A, B, C = columns("a", "b", "c")


Rows = list[tuple[int, str, list[str]]]


def read(path: Path, dialect: Dialect, expected: tuple[Column, ...], wanted: tuple[Column, ...] | None = None) -> Rows:
    """The rows as COPY would take them: line, shape, values."""
    file = DelimitedFile(path, dialect, expected, expected if wanted is None else wanted)
    text = b"".join(file.chunks()).decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert file.rows == len(rows)
    return [(int(line), shape, values) for line, shape, *values in rows]


def read_bytes(tmp_path: Path, content: bytes, dialect: Dialect = PLAIN, names: str = "abc") -> Rows:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    return read(path, dialect, columns(*names))


# What makes a chunk irregular, or nearly so, in few characters.
SPARKS = st.text(st.sampled_from([*'ab,"\n\r |', "\t", "\0", "é"]), max_size=40)

texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=6), crlf=st.booleans(), data=st.data())
@example(table=[("a\n\\.\nb", "", "\\."), ("", "", "")], crlf=False, data=None)
def test_any_text_in_any_dialect_is_read_as_it_was_written(
    tmp_path: Path, table: list[tuple[str, str, str]], crlf: bool, data: st.DataObject | None
) -> None:
    dialect = data.draw(st.sampled_from(sorted(DIALECTS, key=str))) if data else PLAIN
    written = [[cell.encode(dialect.encoding, "ignore").decode(dialect.encoding) for cell in row] for row in table]
    path = tmp_path / "rows.csv"
    with path.open("w", encoding=dialect.encoding, newline="") as text:
        end = "\r\n" if crlf else "\n"
        # With LF as line end, Python's writer leaves a lone CR unquoted unless it quotes everything.
        quoting = csv.QUOTE_MINIMAL if crlf else csv.QUOTE_ALL
        writer = csv.writer(
            text, delimiter=dialect.delimiter, quotechar=dialect.quote_char, lineterminator=end, quoting=quoting
        )
        writer.writerows([["A", "b", "C"], *written])
    lines = [2]
    for row in written[:-1]:
        lines.append(lines[-1] + 1 + sum(len(LINE_END.findall(cell)) for cell in row))
    found = read(path, dialect, (A, B, C))
    assert [line for line, _, _ in found] == lines
    assert [shape for _, shape, _ in found] == ["undecodable" if "\0" in "".join(row) else "whole" for row in written]
    assert [values for _, _, values in found] == [[cell.replace("\0", "\ufffd") for cell in row] for row in written]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=SPARKS,
    delimiter=st.sampled_from(",|\t"),
    size=st.integers(1, 30),
    wanted=st.sampled_from([(A, B, C), (A, C), (C,), (B, A)]),
)
@example(content='"a","b""c",""\r\n"d" ,e,f\n', delimiter=",", size=8, wanted=(A, C))
@example(content=" a|b ,|c\n", delimiter="|", size=30, wanted=(A, B, C))
def test_the_fast_way_and_the_csv_module_agree(
    tmp_path: Path, content: str, delimiter: str, size: int, wanted: tuple[Column, ...]
) -> None:
    """Whatever the chunks: the same rows, lines and shapes, the same blanks, or the same refusal at the same line."""
    path = tmp_path / "rows.csv"
    path.write_bytes((delimiter.join("abc") + "\n" + content).encode())
    dialect = Dialect("x", delimiter=delimiter)
    seen = []
    for slowly in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "FIRST_BYTES", 6)
            patch.setattr(reader, "CHUNK_BYTES", size)
            if slowly:
                patch.setattr(reader, "ASCII_BASED", re.compile("none"))
            file = DelimitedFile(path, dialect, (A, B, C), wanted)
            try:
                text = b"".join(file.chunks()).decode()
                seen.append((list(csv.reader(io.StringIO(text, newline=""))), file.rows, slowly or file.blank))
            except Unreadable as error:
                seen.append(([], error.line, error.why))
            blank = file.blank
    assert seen[0][:2] == seen[1][:2]
    # The fast way may name a column too many (a doubled quote beside a blank), never one too few.
    if seen[0][0]:
        assert blank <= seen[0][2]


def test_dialects_of_the_feeds_differ() -> None:
    """Else the property above would prove less than it says."""
    assert {d.delimiter for d in DIALECTS} == {",", "|", "\t"}
    assert {d.encoding for d in DIALECTS} == {"utf-8", "cp1252", "utf-8-sig"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(tmp_path: Path, end: bytes, bom: bytes) -> None:
    lines = [b"a,b,c", b"1,2,3", b"", b'"x\ny",5,6', b"7,8,9"]
    assert read_bytes(tmp_path, bom + end.join(lines)) == [
        (2, "whole", ["1", "2", "3"]),
        (4, "whole", ["x\ny", "5", "6"]),
        (6, "whole", ["7", "8", "9"]),
    ]


def test_cp1252_is_read_as_declared_and_what_it_lacks_is_said(tmp_path: Path) -> None:
    content = b"a,b,c\n\x80,\xe9,\x93q\x94\n\x81,ok,ok\n"
    assert read_bytes(tmp_path, content, Dialect("x", encoding="cp1252")) == [
        (2, "whole", ["€", "é", "“q”"]),
        (3, "undecodable", ["?", "ok", "ok"]),
    ]


def test_bytes_that_are_no_utf8_spoil_their_row_only(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"a,b,c\nM\xfcller,1,2\nM\xc3\xbcller,3,4\nx\0y,5,6\n")
    assert [(line, shape) for line, shape, _ in found] == [(2, "undecodable"), (3, "whole"), (4, "undecodable")]
    assert found[1][2] == ["Müller", "3", "4"]
    assert found[2][2][0] == "x\ufffdy"
    assert "M" in found[0][2][0]
    assert found[0][2][0] != "Müller"


@pytest.mark.parametrize("declared", ["utf-16", "utf-8"])
@pytest.mark.parametrize("written", ["utf-16", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_says_how_the_text_is_written(tmp_path: Path, declared: str, written: str) -> None:
    if (declared, written) == ("utf-16", "utf-32"):
        return
    content = ("\ufeff" if written.endswith("be") else "") + "a,b,c\n1,2,ü\n"
    found = read_bytes(tmp_path, content.encode(written), Dialect("x", encoding=declared))
    assert found == [(2, "whole", ["1", "2", "ü"])]


@pytest.mark.parametrize("written", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_refused_where_it_is_not_declared(tmp_path: Path, written: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_bytes(tmp_path, "a,b,c\n1,2,ü\n".encode(written))
    assert (caught.value.line, caught.value.why) == (1, "the text is UTF-16 without a byte order mark")


def test_ragged_rows_are_said_and_nothing_is_shifted(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, b"a,b,c\n1,2\n1,2,3,4\n\n5,6,7\n") == [
        (2, "ragged", ["1", "2", ""]),
        (3, "ragged", ["1", "2", "3"]),
        (5, "whole", ["5", "6", "7"]),
    ]


def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(" C ,new,A\n3,x,1\n", encoding="utf-8")
    expected = (A, *columns("b", required=True), C)
    file = DelimitedFile(path, PLAIN, expected, expected)
    assert b"".join(file.chunks()) == b"2,whole,1,,3\r\n"
    assert file.header == Header(3, (2, None, 0), missing_required=("b",), unknown=1)


def test_a_column_that_is_not_asked_for_is_not_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n1,secret,3\n", encoding="utf-8")
    for wanted, values in (((A, C), ["1", "3"]), ((C,), ["3"]), ((), [])):
        file = DelimitedFile(path, PLAIN, (A, B, C), wanted)
        text = b"".join(file.chunks()).decode()
        assert text == ",".join(["2", "whole", *values]) + "\r\n"
        assert file.header is not None
        assert (file.header.missing_optional, file.header.unknown) == ((), 0)


def test_files_without_header_are_read_by_position(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,2,3\n4,5\n", encoding="utf-8")
    assert read(path, Dialect("x", header=False), (A, B, C), (C, A)) == [
        (1, "whole", ["3", "1"]),
        (2, "ragged", ["", ""]),
    ]


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (b"", 1, "no header"),
        (b"\n1,2,3\n", 1, "no header"),
        (b" , ,\n", 1, "no header"),
        (b"x,y\n1,2\n", 1, "none of the contract's columns"),
        (b"a,b,B\n1,2,3\n", 1, "one column twice"),
        (b'a,"b,c\n1,2,3\n', 1, "never closed"),
        (b'a,"b"x,c\n1,2,3\n', 1, "quoting is broken"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(tmp_path: Path, content: bytes, line: int, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_bytes(tmp_path, content)
    assert caught.value.line == line
    assert why in caught.value.why


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_broken_quote_costs_its_row_alone(tmp_path: Path, end: str, encoding: str) -> None:
    lines = [
        "a,b,c",
        '"1","x","y"',
        '"2","never closed,"y"',
        '"3","two\nlines","y"',
        '"4","x","never closed',
        '"5","x","y"',
        '"6","in the "middle" of it","y"',
        "7,x,y",
        '8,"never closed again,y',
        "9,x,y",
    ]
    found = read_bytes(tmp_path, (end.join(lines) + end).encode(encoding), Dialect("x", encoding=encoding))
    ragged = {line for line, shape, _ in found if shape == "ragged"}
    # The third record's own line break moves what comes after it.
    assert ragged == {3, 6, 8, 10}
    assert [(line, values[0]) for line, _, values in found if line not in ragged] == [
        (2, "1"),
        (4, "3"),
        (7, "5"),
        (9, "7"),
        (11, "9"),
    ]


def test_a_quote_that_swallows_the_rest_of_a_large_file_costs_its_row_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "FIELD_LIMIT", 1000)
    found = read_bytes(tmp_path, b'a,b,c\n1,"2,3\n' + b"4,5,6\n" * 1000)
    assert found[0][:2] == (2, "ragged")
    assert found[1:] == [(line, "whole", ["4", "5", "6"]) for line in range(3, 1003)]


def test_a_file_that_is_quoted_in_another_way_is_not_read_on(tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as caught:
        read_bytes(tmp_path, b"a,b,c\n" + b'1,"2"x,3\n' * (MOST_BROKEN + 5))
    assert (caught.value.line, caught.value.why) == (MOST_BROKEN + 2, "the quoting is broken")


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, b"a,b,c\n") == []


def test_one_column(tmp_path: Path) -> None:
    """An empty field of a single column is written as a quoted empty line; a blank line is no row."""
    assert read_bytes(tmp_path, b'a\n1\n""\n\n\\.\n', names="a") == [
        (2, "whole", ["1"]),
        (3, "whole", [""]),
        (5, "whole", ["\\."]),
    ]


def test_quotes_mean_nothing_where_none_are_declared(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, b'a|b|c\n"1|2"|3\n', Dialect("x", delimiter="|", quote_char="")) == [
        (2, "whole", ['"1', '2"', "3"])
    ]


def test_an_irregular_row_in_a_later_chunk_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_ROWS", 100)
    lines = [f"{n},x,y" for n in range(250)]
    lines[99], lines[100], lines[230] = "99,x", '100,"x\n",y', "230,x,\x00"
    found = read_bytes(tmp_path, ("a,b,c\n" + "\n".join(lines) + "\n").encode())
    assert len(found) == 250
    assert [int(values[0]) for _, _, values in found] == list(range(250))
    assert {n: shape for n, (_, shape, _) in enumerate(found) if shape != "whole"} == {99: "ragged", 230: "undecodable"}
    # The line break inside row 100 moves all later lines by one.
    assert [line for line, _, _ in found] == [n + 2 + (n > 100) for n in range(250)]


@pytest.mark.parametrize("value", ["1", '"1"', "1,x"])
def test_memory_holds_a_chunk_and_not_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Regular, quoted and ragged rows alike."""
    monkeypatch.setattr(reader, "FIRST_BYTES", 100)
    monkeypatch.setattr(reader, "CHUNK_BYTES", 1000)
    path = tmp_path / "rows.csv"
    path.write_text("a\n" + f"{value}\n" * 5_000, encoding="utf-8")
    chunks = [chunk.count(b"\n") for chunk in DelimitedFile(path, PLAIN, (A,), (A,)).chunks()]
    assert sum(chunks) == 5_000
    assert max(chunks) <= 500


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_lines_before_the_header_are_skipped(tmp_path: Path, end: str, encoding: str) -> None:
    """Whatever they hold, quotes that are never closed too; lines keep their numbers."""
    content = end.join(['Report of "January', "", "a,b,c", "1,2,3", "", '"x', 'y",5,6', ""]).encode(encoding)
    dialect = Dialect("x", encoding=encoding, skip_lines=2)
    assert read_bytes(tmp_path, content, dialect) == [
        (4, "whole", ["1", "2", "3"]),
        (6, "whole", [f"x{end}y", "5", "6"]),
    ]
    with pytest.raises(Unreadable) as caught:
        read_bytes(tmp_path, content, Dialect("x", encoding=encoding, skip_lines=3))
    assert (caught.value.line, caught.value.why) == (4, "the header has none of the contract's columns")
    with pytest.raises(Unreadable, match="9 lines before its header"):
        read_bytes(tmp_path, content, Dialect("x", encoding=encoding, skip_lines=9))


def test_a_preamble_that_fills_the_first_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(8, 20):
        monkeypatch.setattr(reader, "FIRST_BYTES", size)
        found = read_bytes(tmp_path, b"Report\r\na,b,c\r\n1,2,3\r\n", Dialect("x", skip_lines=1))
        assert found == [(3, "whole", ["1", "2", "3"])]


def test_a_large_file_of_lone_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As old Macs wrote them: no line feed shows the fast way where a record ends."""
    monkeypatch.setattr(reader, "FIRST_BYTES", 10)
    monkeypatch.setattr(reader, "CHUNK_BYTES", 100)
    monkeypatch.setattr(reader, "RECORD_BYTES", 500)
    rows = [["1", "2\n", "3"], ["4", "5", "6"]] * 500
    content = "\r".join(["a,b,c", *(",".join(f'"{v}"' for v in row) for row in rows)]).encode()
    found = read_bytes(tmp_path, content)
    assert [values for _, _, values in found] == rows


def test_wide_rows_are_handed_on_in_small_lots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_CHARACTERS", 5_000)
    path = tmp_path / "rows.csv"
    path.write_text("a\n" + ("x" * 1_000 + "\n") * 100, encoding="utf-16")
    chunks = list(DelimitedFile(path, Dialect("x", encoding="utf-16"), (A,), (A,)).chunks())
    assert max(map(len, chunks)) < 6_000
    assert sum(chunk.count(b"\n") for chunk in chunks) == 100


@pytest.mark.shared_data
def test_every_file_of_csv_spectrum_is_read_as_its_json_says(shared_data: Path) -> None:
    files = sorted((shared_data / "csv-spectrum" / "csvs").glob("*.csv"))
    assert len(files) >= 10
    for path in files:
        said = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
        expected = said if isinstance(said, list) else [said]
        with path.open(encoding="utf-8", newline="") as text:
            header = next(csv.reader(text))
        wanted = tuple(Column(f"c{n}", name, "string", "", "public") for n, name in enumerate(header))
        found = [dict(zip(header, values, strict=True)) for _, _, values in read(path, PLAIN, wanted)]
        if path.stem == "location_coordinates":  # its JSON has another telephone number than its CSV
            found[0]["Contact Phone Number"] = expected[0]["Contact Phone Number"]
        assert found == expected, path.name


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), encoding=st.sampled_from(["utf-8", "cp1252", "utf-16"]))
def test_any_bytes_are_read_or_refused_and_no_row_is_lost(tmp_path: Path, content: bytes, encoding: str) -> None:
    head = "a,b,c\n".encode(encoding)
    try:
        found = read_bytes(tmp_path, head + content, Dialect("x", encoding=encoding))
    except Unreadable:
        return
    assert all(len(values) == 3 for _, _, values in found)
    text = content.decode(head_free(encoding), "surrogateescape") if encoding != "utf-8" else None
    if text is not None and '"' not in text:
        assert len(found) == sum(1 for line in LINE_END.split(text) if line)


def head_free(encoding: str) -> str:
    """The encoding of what comes after the byte order mark."""
    return {"utf-16": "utf-16-le"}.get(encoding, encoding)
