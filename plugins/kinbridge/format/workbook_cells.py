"""What the library that reads workbooks does not say: which cells show an error, and how large a sheet pretends to be.

An error cell, or a formula whose value was never reckoned, would be read as an empty one; a single cell far out would
fill the memory with empty ones. Both are found in the workbook's own parts before it is read: XML in xlsx and ods,
records in xls.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from typing import IO, Any

from lxml import etree

from kinbridge.format.container import archive_errors
from kinbridge.format.table import Unreadable
from kinbridge.format.xls_stream import sheet_records

# Cells of the rectangle from the first to the last one with a value.
CELLS = 5_000_000
PIECE = 1024 * 1024
# A reference such as AB12 in a cell, and what makes a closer look worth its time.
REFERENCE = re.compile(rb'\sr="([A-Z]{1,3})([0-9]{1,7})"')
SUSPECT = re.compile(rb"""\st=["']e["']|<(\w+:)?f[\s>/]""")
BOOLERR, FORMULA = 0x0205, 0x0006

# Columns (from 0) by row (from 1).
Cells = dict[int, set[int]]


def unread_cells(content: IO[bytes], name: str, number: int) -> Cells:
    """The cells of a sheet that have no value to read, for the sheet's `name` and its `number` (from 0).

    Raises `Unreadable` for a sheet of too many cells, and for workbooks of other kinds.
    """
    content.seek(0)
    try:
        if content.read(4) != b"PK\x03\x04":
            content.seek(0)
            return _of_xls(content.read(), number)
        with archive_errors("zip"), zipfile.ZipFile(content) as archive:
            if "content.xml" in archive.NameToInfo:
                return _of_ods(archive, name)
            return _of_xlsx(archive, _part(archive, name))
    except (etree.XMLSyntaxError, struct.error, LookupError, ValueError):
        raise Unreadable(1, "the file is no workbook in xlsx, xls or ods, or is damaged") from None


def _part(archive: zipfile.ZipFile, name: str) -> str:
    """The part that holds the sheet. Raises `KeyError`."""
    for sheet in _tree(archive, "xl/workbook.xml").iter("{*}sheet"):
        if sheet.get("name") == name:
            wanted = next((value for key, value in sheet.attrib.items() if key.endswith("}id")), None)
            for relation in _tree(archive, "xl/_rels/workbook.xml.rels"):
                if relation.get("Id") == wanted:
                    target = str(relation.get("Target"))
                    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError(name)


def _tree(archive: zipfile.ZipFile, part: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(archive.read(part), parser)


def _of_xlsx(archive: zipfile.ZipFile, part: str) -> Cells:
    last_row = last_column = 0
    suspect, rest = False, b""
    with archive.open(part) as sheet:
        while piece := sheet.read(PIECE):
            window = rest + piece
            suspect = suspect or bool(SUSPECT.search(window))
            for letters, digits in set(REFERENCE.findall(window)):
                last_row, last_column = max(last_row, int(digits)), max(last_column, _column(letters.decode()) + 1)
            rest = window[-32:]
    _limit(last_row * last_column)
    found: Cells = {}
    if suspect:
        for row, column, cell in _xlsx_cells(archive, part):
            kinds = {etree.QName(child).localname: child.text for child in cell}
            if cell.get("t") == "e" or ("f" in kinds and not kinds.get("v") and cell.get("t") != "str"):
                found.setdefault(row, set()).add(column)
    return found


def _xlsx_cells(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[int, int, Any]]:
    """Each cell with its row and column, which it may say or leave to its order."""
    row = column = 0
    with archive.open(part) as sheet:
        for event, element in _events(sheet, "{*}row", "{*}c"):
            is_row = etree.QName(element).localname == "row"
            if event == "start":
                if is_row:
                    row, column = int(element.get("r") or row + 1), 0
            elif is_row:
                _forget(element)
            else:
                letters = re.match(r"[A-Z]+", element.get("r") or "")
                column = _column(letters[0]) if letters else column
                yield row, column, element
                column += 1


def _of_ods(archive: zipfile.ZipFile, name: str) -> Cells:
    found: Cells = {}
    row = column = cells = 0
    inside = False
    with archive.open("content.xml") as sheet:
        for event, element in _events(sheet, "{*}table", "{*}table-row", "{*}table-cell", "{*}covered-table-cell"):
            kind = etree.QName(element).localname
            if event == "start":
                if kind == "table":
                    inside = _attribute(element, "name") == name
                    row = 0
                elif kind == "table-row":
                    row, column = row + 1, 0
                continue
            repeated = int(_attribute(element, f"number-{'rows' if kind == 'table-row' else 'columns'}-repeated") or 1)
            if kind == "table-row":
                if len(element) and inside and any(_attribute(cell, "value-type") for cell in element):
                    cells += repeated * column
                    _limit(cells)
                row += repeated - 1
                _forget(element)
            elif kind.endswith("cell"):
                column += repeated
                if inside and "error" in (v for k, v in element.attrib.items() if k.endswith("}value-type")):
                    _limit(repeated)
                    found.setdefault(row, set()).update(range(column - repeated, column))
    return found


def _of_xls(data: bytes, number: int) -> Cells:
    found: Cells = {}
    for kind, record in sheet_records(data, number):
        failed = (kind == BOOLERR and record[7] == 1) or (
            kind == FORMULA and record[12:14] == b"\xff\xff" and record[6] == 2
        )
        if failed:
            row, column = struct.unpack_from("<HH", record)
            found.setdefault(row + 1, set()).add(column)
    return found


def _events(part: IO[bytes], *tags: str) -> Any:
    return etree.iterparse(
        part, events=("start", "end"), tag=tags, resolve_entities=False, no_network=True, load_dtd=False
    )


def _attribute(element: Any, name: str) -> str | None:
    return next((value for key, value in element.attrib.items() if etree.QName(key).localname == name), None)


def _forget(element: Any) -> None:
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _limit(cells: int) -> None:
    if cells > CELLS:
        raise Unreadable(1, f"the sheet spans more than {CELLS} cells")
