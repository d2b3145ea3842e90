"""Workbooks written by hand, to the cell: what an office program writes, and what it would not."""

from __future__ import annotations

import io
import zipfile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPES = f"""<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"""
# Style 1 is a date, style 2 a date with time, style 3 a time of day.
STYLES = f"""<styleSheet xmlns="{MAIN}"><cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/>
<xf numFmtId="21"/></cellXfs></styleSheet>"""


def text(value: str) -> str:
    """A cell of text."""
    return f'<c t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def number(value: str, style: int = 0) -> str:
    """A cell of a number; with a style, of a date or time."""
    return f'<c s="{style}"><v>{value}</v></c>'


def xlsx(*sheets: tuple[str, list[list[str]]]) -> bytes:
    """A workbook of sheets by name; each row is a list of cells in XML, an empty text leaves its place empty."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", _relations(("r1", "officeDocument", "xl/workbook.xml")))
        named = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, (name, _) in enumerate(sheets, 1))
        workbook = f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>{named}</sheets></workbook>'
        archive.writestr("xl/workbook.xml", workbook)
        parts = [(f"r{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)]
        archive.writestr("xl/_rels/workbook.xml.rels", _relations(*parts, ("s", "styles", "styles.xml")))
        archive.writestr("xl/styles.xml", STYLES)
        for n, (_, rows) in enumerate(sheets, 1):
            body = "".join(_row(place, cells) for place, cells in enumerate(rows, 1))
            archive.writestr(
                f"xl/worksheets/sheet{n}.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
            )
    return buffer.getvalue()


def _row(place: int, cells: list[str]) -> str:
    named = (
        cell.replace("<c ", f'<c r="{chr(65 + column)}{place}" ', 1) if ' r="' not in cell else cell
        for column, cell in enumerate(cells)
        if cell
    )
    return f'<row r="{place}">{"".join(named)}</row>' if any(cells) else ""


def _relations(*items: tuple[str, str, str]) -> str:
    body = "".join(f'<Relationship Id="{i}" Type="{LINKS}/{kind}" Target="{to}"/>' for i, kind, to in items)
    return f'<Relationships xmlns="{PACKAGE}/relationships">{body}</Relationships>'
