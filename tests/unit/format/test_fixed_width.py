"""Columns by their places in the line; header and trailer records must agree with what stands between them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.readers import Rows, delivered, rows_of, text_column

from kinbridge.contract.model import Dialect, Mark
from kinbridge.format.table import Header, Unreadable

ID, NAME, ZIP = (
    text_column(name, position=position) for name, position in (("id", (1, 4)), ("name", (5, 6)), ("zip", (11, 5)))
)
COLUMNS = (ID, NAME, ZIP)
FIXED = Dialect("x", format="fixed_width")
MARKED = Dialect(
    "x", format="fixed_width", header_record=Mark("HDR", (5, 3)), trailer_record=Mark("TRL", (4, 9)), encoding="cp1252"
)


def read(tmp_path: Path, content: bytes, dialect: Dialect = FIXED) -> Rows:
    path = tmp_path / "rows.txt"
    path.write_bytes(content)
    return rows_of(path, dialect, COLUMNS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_places_are_characters_and_not_bytes(tmp_path: Path, end: str, encoding: str) -> None:
    text = end.join(["0001Zoë   01234", "", '   2é,"  €00501  ', "0003Jo", "0004Amelia99999x"])
    assert read(tmp_path, text.encode(encoding), Dialect("x", format="fixed_width", encoding=encoding)) == [
        (1, "whole", ["0001", "Zoë", "01234"]),
        (3, "whole", ["2", 'é,"  €', "00501"]),
        (4, "ragged", ["0003", "Jo", ""]),
        (5, "ragged", ["0004", "Amelia", "99999"]),
    ]


def test_only_columns_asked_for_are_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"0001Secret01234\n")
    file, rows = delivered(path, FIXED, COLUMNS, (ZIP, ID))
    assert rows == [(1, "whole", ["01234", "0001"])]
    assert file.header == Header(15, (2, 0))
    assert file.blank == set()


def test_bytes_that_are_no_text_spoil_their_line_only(tmp_path: Path) -> None:
    found = read(tmp_path, b"0001A\xffB   01234\n0002A\0B   01234\n0003Amy   01234\n")
    assert [shape for _, shape, _ in found] == ["undecodable", "undecodable", "whole"]


def test_header_and_trailer_that_agree(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf"[:0] + b"HDR 002 Jefferson\r\n0001Amy   01234\r\n0002Bea   01234\r\nTRL000000002\r\n\r\n"
    assert [line for line, _, _ in read(tmp_path, content, MARKED)] == [2, 3]


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        (["HDR 002", "0001Amy   01234", "TRL000000002"], 1, "the header record counts 2 records, the file has 1"),
        (["HDR 001", "0001Amy   01234", "TRL000000007"], 3, "the trailer record counts 7 records, the file has 1"),
        (["HDR 001", "0001Amy   01234", "TRL        x"], 3, "no number"),
        (["HDR 001", "0001Amy   01234"], 2, "ends without its trailer"),
        (["0001Amy   01234", "TRL000000001"], 1, "does not begin with its header"),
        (["HDR 001", "TRL000000001", "0001Amy   01234"], 3, "after the trailer"),
        ([], 1, "no header record"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, lines: list[str], line: int, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, "\n".join(lines).encode(), MARKED)
    assert why in caught.value.why
    assert caught.value.line == line


def test_lines_before_the_first_record_are_skipped(tmp_path: Path) -> None:
    dialect = Dialect("x", format="fixed_width", skip_lines=2)
    assert read(tmp_path, b"Report of\nJanuary\n0001Amy   01234\n", dialect) == [(3, "whole", ["0001", "Amy", "01234"])]


def test_cut_text_is_refused(tmp_path: Path) -> None:
    content = "0001Amy   01234\n".encode("utf-16") + b"\0"
    with pytest.raises(Unreadable, match="not utf-16"):
        read(tmp_path, content, Dialect("x", format="fixed_width", encoding="utf-16"))
