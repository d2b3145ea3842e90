"""How a sample is written is found out from its bytes: encoding, delimiter, quoting, header, and what is in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.draft.sample import form_of, rows_of
from kinbridge.errors import KinbridgeError

ROWS = [
    ["id", "First Name", "dob", "note"],
    ["A1", "Zoë", "2020-01-31", "x, y"],
    ["A2", "Renée", "2020-02-28", 'says "no"'],
    ["A3", "Bo", "2019-12-01", "a; b|c"],
]


def written(path: Path, delimiter: str, encoding: str, *, end: str = "\n", quoted: bool = True) -> Path:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quoted else text.replace(delimiter, "").replace('"', "")

    path.write_bytes("".join(delimiter.join(map(cell, row)) + end for row in ROWS).encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", "\t", "|", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_form_is_found_and_the_rows_come_back(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    path = written(tmp_path / "s.txt", delimiter, encoding, end=end)
    form = form_of(path)
    assert (form.delimiter, form.encoding, form.quote_char, form.header) == (delimiter, encoding, '"', True)
    assert list(rows_of(path, form)) == ROWS
    assert bool(form.doubts) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Smith,Anna,NY\nJones,Ben,CA\nMiller,Cleo,TX\n", False),  # nothing tells names from data: better none
        ("M001,Smith,1990-01-31\nM002,Jones,1991-02-28\n", False),
        ("1,2,3\n4,5,6\n", False),
        ("Anna,Smith,Kansas City\nBen,Jones,Troy\nCleo,Miller,Rome\n", False),
        ("Anna,Smith,Child\nBen,Jones,Parent\nCleo,Miller,Other\n", False),
        ("member_id,last,state\n1,Smith,NY\n2,Jones,CA\n", True),
        ("LASTNAME|FIRSTNAME|SEX\nSMITH|ANNA|F\nJONES|BEN|M\n", True),
        ("name,name\nA,B\n", False),
        ("Anna,Ben,Cleo\nCleo,Anna,Ben\nAnna,Cleo,Ben\n", False),
    ],
)
def test_a_first_row_of_data_is_not_taken_for_names(tmp_path: Path, text: str, header: bool) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text, encoding="utf-8")
    assert form_of(path).header is header
    assert form_of(path, header=not header).header is not header


def test_apostrophes_quote_only_where_they_surround_fields(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("id,'last, first'\n1,'O''Neil, Ann'\n2,'Ray, Bo'\n", encoding="utf-8")
    form = form_of(path)
    assert form.quote_char == "'"
    assert [row[1] for row in rows_of(path, form)] == ["last, first", "O'Neil, Ann", "Ray, Bo"]
    path.write_text("id,name\n1,O'Neil\n2,D'Arc\n", encoding="utf-8")
    assert form_of(path).quote_char == '"'


def test_two_delimiters_that_fit_alike_are_a_doubt(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("a id,b;c name,d\n1,2;3,4\n5,6;7,8\n", encoding="utf-8")
    assert any("delimiter" in doubt for doubt in form_of(path).doubts)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"PK\x03\x04\x00\x00\x00\x00binary\x00\x00"])
def test_what_is_no_delimited_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(KinbridgeError, match="KB-P11"):
        form_of(path)
