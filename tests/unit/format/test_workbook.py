"""A sheet's cells as the text that the contract expects; what a cell does not say is never taken for empty."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from tests.support.readers import Rows, columns_at, delivered, rows_of, text_column, typed
from tests.support.workbooks import number, text, xlsx

from kinbridge.contract.model import Dialect
from kinbridge.format import container, workbook_cells
from kinbridge.format.table import Unreadable
from kinbridge.format.xls_stream import BOF, BOUNDSHEET, EOF, sheet_records

EXCEL = Dialect("x", format="excel")
A, B = columns_at(a="a", b="b")
HEAD = [text("a"), text("b")]


def read(tmp_path: Path, content: bytes, dialect: Dialect = EXCEL) -> Rows:
    path = tmp_path / "rows.xlsx"
    path.write_bytes(content)
    return rows_of(path, dialect, (A, B))


def test_what_each_kind_of_cell_becomes(tmp_path: Path) -> None:
    cells = {
        "zeros": (text("00501"), "00501"),
        "blanks": (text(" x "), " x "),
        "whole": (number("40"), "40"),
        "decimal": (number("41800000.01"), "41800000.01"),
        "sum": (number("0.30000000000000004"), "0.3"),
        "large": (number("1E20"), "100000000000000000000"),
        "small": (number("1E-7"), "0.0000001"),
        "yes": ('<c t="b"><v>1</v></c>', "TRUE"),
        "no": ('<c t="b"><v>0</v></c>', "FALSE"),
        "iso": (number("45000", 1), "2023-03-15"),
        "moment": (number("45000.5", 2), "2023-03-15T12:00:00"),
        "clock": (number("0.25", 3), "06:00:00"),
        "formula": ("<c><f>1+1</f><v>2</v></c>".replace("<c>", '<c s="0">'), "2"),
        "shown": (text("#DIV/0!"), "#DIV/0!"),
    }
    path = tmp_path / "rows.xlsx"
    path.write_bytes(xlsx(("S", [[text(name) for name in cells], [cell for cell, _ in cells.values()]])))
    columns = columns_at(**{name: name for name in cells})
    assert rows_of(path, EXCEL, columns) == [(2, "whole", [wanted for _, wanted in cells.values()])]


@pytest.mark.parametrize(("date_format", "wanted"), [("MM/dd/yyyy", "03/15/2023"), ("yyyyMMdd", "20230315")])
def test_a_real_date_comes_in_the_format_of_its_column(tmp_path: Path, date_format: str, wanted: str) -> None:
    path = tmp_path / "rows.xlsx"
    rows = [[text("d"), text("s")], [number("45000", 1), number("45000", 1)], [number("45000.5", 2)], [number("45000")]]
    path.write_bytes(xlsx(("S", rows)))
    found = rows_of(path, EXCEL, (typed("d", "date", date_format), text_column("s")))
    assert [values for _, _, values in found] == [[wanted, "2023-03-15"], [wanted + "T12:00:00", ""], ["45000", ""]]


def test_sheet_and_header_row_are_found(tmp_path: Path) -> None:
    data = [[], [text("Report of January")], [], HEAD, [], [number("1"), number("2")], ["", ""], [number("3")]]
    content = xlsx(("Notes", [[text("x")]]), ("Data", data))
    rows = [(6, "whole", ["1", "2"]), (8, "whole", ["3", ""])]
    assert read(tmp_path, content, Dialect("x", format="excel", sheet="Data", header_row=4)) == rows
    assert read(tmp_path, content, Dialect("x", format="excel", sheet=2, header_row=4)) == rows
    for wanted in (3, "data"):
        with pytest.raises(Unreadable, match=f"no sheet {wanted}"):
            read(tmp_path, content, Dialect("x", format="excel", sheet=wanted, header_row=4))
    with pytest.raises(Unreadable, match="no header in this row"):
        read(tmp_path, content, Dialect("x", format="excel", sheet="Data", header_row=3))


def test_columns_that_have_no_name(tmp_path: Path) -> None:
    """Left of the header, between its names, and behind it, where a value is one too many."""
    rows = [
        ["", text("b"), "", text("a"), "", ""],
        ["", number("1"), "", number("2")],
        ["", number("3"), number("9"), number("4"), "", text("note")],
    ]
    path = tmp_path / "rows.xlsx"
    path.write_bytes(xlsx(("S", rows)))
    file, found = delivered(path, EXCEL, (A, B))
    assert found == [(2, "whole", ["2", "1"]), (3, "ragged", ["4", "3"])]
    assert file.header is not None
    assert file.header.unknown == 1


ERROR = '<c t="e"><v>#DIV/0!</v></c>'
NEVER = '<c s="0"><f>1+1</f></c>'


@pytest.mark.parametrize("cell", [ERROR, NEVER, '<c s="0"><f>1+1</f><v></v></c>'])
@pytest.mark.parametrize("left", [0, 1])
def test_a_cell_without_a_value_to_read_makes_its_row_undecodable(tmp_path: Path, cell: str, left: int) -> None:
    before = [""] * left
    rows = [
        [*before, *HEAD, text("c")],
        [*before, number("1"), cell],
        [*before, number("2"), number("2"), cell],
        [*before, cell],
    ]
    found = read(tmp_path, xlsx(("S", rows)))
    assert [(line, shape) for line, shape, _ in found] == [(2, "undecodable"), (3, "whole"), (4, "undecodable")]


def test_error_cells_of_an_ods(tmp_path: Path) -> None:
    space = "urn:oasis:names:tc:opendocument:xmlns"

    def cell(value: str, kind: str = "string") -> str:
        return (
            f'<table:table-cell office:value-type="string" calcext:value-type="{kind}"><text:p>{value}</text:p>'
            "</table:table-cell>"
        )

    rows = "".join(
        f"<table:table-row>{''.join(cells)}</table:table-row>"
        for cells in (
            [cell("a"), cell("b")],
            ['<table:table-cell table:number-columns-repeated="1"/>', cell("#DIV/0!", "error")],
            [cell("1"), cell("2")],
        )
    )
    body = f"""<office:document-content xmlns:office="{space}:office:1.0" xmlns:table="{space}:table:1.0"
      xmlns:text="{space}:text:1.0"
      xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">
      <office:body><office:spreadsheet><table:table table:name="S">{rows}</table:table></office:spreadsheet>
      </office:body></office:document-content>"""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", body)
    found = read(tmp_path, buffer.getvalue())
    assert [(line, shape) for line, shape, _ in found] == [(2, "undecodable"), (3, "whole")]
    assert found[1][2] == ["1", "2"]


def compound(stream: bytes) -> bytes:
    """The smallest compound file around a workbook's stream: header, FAT, directory, then the stream."""
    size, sectors = 512, -(-len(stream) // 512)
    free, end, fat = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    chain = [fat, end, *range(3, 2 + sectors), end]
    head = bytearray(size)
    head[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HH", head, 30, 9, 6)
    struct.pack_into("<I", head, 44, 1)
    struct.pack_into("<I", head, 48, 1)
    struct.pack_into("<5I", head, 56, 4096, end, 0, end, 0)
    struct.pack_into("<109I", head, 76, 0, *[free] * 108)
    table = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))
    directory = b"".join(
        name.encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<H", 2 * len(name) + 2)
        + bytes(50)
        + struct.pack("<II", start, length)
        + bytes(4)
        for name, start, length in (("Root Entry", end, 0), ("Workbook", 2, len(stream)), ("", 0, 0), ("", 0, 0))
    )
    return bytes(head) + table + directory + stream.ljust(sectors * size, b"\0")


def test_error_cells_of_an_xls() -> None:
    """By the records of the published format: an error as such, and one that a formula came to."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    number_record, error = record(0x0203, bytes(14)), record(0x0205, struct.pack("<HHHBB", 6, 2, 0, 7, 1))
    truth = record(0x0205, struct.pack("<HHHBB", 7, 2, 0, 1, 0))
    formula = record(0x0006, struct.pack("<HHH", 8, 3, 0) + b"\x02\0\x07\0\0\0\xff\xff" + bytes(8))
    sheet = record(BOF, bytes(16)) + number_record + error + truth + formula + record(EOF, b"")
    other = record(BOF, bytes(16)) + record(EOF, b"")

    def listed(place: int) -> bytes:
        return record(BOUNDSHEET, struct.pack("<IBB", place, 0, 0) + b"\1\0S")

    length = 20 + 2 * len(listed(0)) + 4
    book = record(BOF, bytes(16)) + listed(length) + listed(length + len(other)) + record(EOF, b"")
    stream = (book + other + sheet).ljust(5000, b"\0")
    data = compound(stream)
    assert [kind for kind, _ in sheet_records(data, 0)] == [BOF, EOF]
    assert workbook_cells.unread_cells(io.BytesIO(data), "S", 1) == {7: {2}, 9: {3}}
    with pytest.raises(Unreadable, match="damaged"):
        workbook_cells.unread_cells(io.BytesIO(data[:600]), "S", 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a,b\n1,2\n", "no workbook"),
        (b"", "no workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "no workbook"),
        (xlsx(("S", [HEAD]))[:-100], "damaged"),
        (xlsx(("S", [[text("x")]])), "none of the contract's columns"),
        (xlsx(("S", [[text("a"), text("A")]])), "one column twice"),
        (xlsx(("S", [])), "no header"),
        (xlsx(("S", [HEAD, ['<c r="XFD1048576" s="0"><v>1</v></c>']])), "more than"),
    ],
)
def test_what_is_no_such_workbook_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, content)
    assert why in caught.value.why


def test_a_workbook_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "WORKBOOK_BYTES", 100_000)
    with pytest.raises(Unreadable, match="more than 100000 bytes inside"):
        read(tmp_path, xlsx(("S", [HEAD, [text("x" * 200_000)]])))


def test_a_workbook_in_a_zip_and_one_that_is_not_expected(tmp_path: Path) -> None:
    content = xlsx(("S", [HEAD, [number("1"), number("2")]]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("january.xlsx", content)
    assert read(tmp_path, buffer.getvalue()) == [(2, "whole", ["1", "2"])]
    for packed in (content, buffer.getvalue()):
        with pytest.raises(Unreadable, match="is a workbook"):
            read(tmp_path, packed, Dialect("x"))
