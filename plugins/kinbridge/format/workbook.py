"""Reads one sheet of a workbook (xlsx, xls, ods) as text.

Text stays as it is, leading zeros too; a number comes without a needless `.0`; a real date comes in the format that the
contract has for its column, in a text column as ISO. A cell that shows an error, or a formula that was never reckoned,
makes its row undecodable; a value in a column without a name makes it ragged. One sheet is held in memory; how large a
workbook may be is bounded (see `container`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from kinbridge.contract.model import Column
from kinbridge.format.container import check_workbook
from kinbridge.format.table import Header, Row, RowTable, Unreadable, match_header
from kinbridge.format.workbook_cells import Cells, unread_cells

# Stands for the name of a column whose header cell is empty: no contract has it.
UNNAMED = "\0unnamed {}"


@dataclass
class Workbook(RowTable):
    """One sheet of a workbook under its contract, see `Table`. A row's line is its row in the sheet."""

    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """One row for each row below the header that has a value. Raises `Unreadable`."""
        check_workbook(content)
        content.seek(0)
        book = _opened(content)
        name = self._sheet_name(book.sheet_names)
        unread = unread_cells(content, name, book.sheet_names.index(name))
        sheet = _guarded(lambda: book.get_sheet_by_name(name))
        offset = sheet.start[1] if sheet.start else 0
        rows = enumerate(sheet.iter_rows(), 1)
        header = self._header(rows)
        self.header = header
        taken = list(zip(self.columns, header.positions, strict=True))
        for number, cells in self._below(rows, unread):
            failed = {place - offset for place in unread.get(number, ())}
            if not failed and not any(cell != "" for cell in cells):
                continue
            spare = any(cell != "" for cell in cells[header.width :])
            shape = "ragged" if spare else "whole"
            if not failed.isdisjoint(header.positions):
                shape = "undecodable"
            yield (number, shape, *("" if p is None or p >= len(cells) else text_of(cells[p], c) for c, p in taken))

    def _below(self, rows: Iterator[tuple[int, list[Any]]], unread: Cells) -> Iterator[tuple[int, list[Any]]]:
        """The rows below the header, those too that the library takes for empty and leaves out at the end."""
        last = self.dialect.header_row
        for last, cells in rows:
            yield last, cells
        yield from ((number, []) for number in sorted(unread) if number > last)

    def _sheet_name(self, names: list[str]) -> str:
        wanted = self.dialect.sheet
        if isinstance(wanted, int) and wanted <= len(names):
            return names[wanted - 1]
        if wanted in names:
            return str(wanted)
        raise Unreadable(1, f"the workbook has no sheet {wanted}")

    def _header(self, rows: Iterator[tuple[int, list[Any]]]) -> Header:
        line = self.dialect.header_row
        cells = next((cells for number, cells in rows if number == line), [])
        names = [text_of(cell, None).strip() for cell in cells]
        while names and not names[-1]:
            names.pop()
        if not names:
            raise Unreadable(line, "the sheet has no header in this row")
        named = [name or UNNAMED.format(place) for place, name in enumerate(names)]
        return match_header(named, self.expected, self.columns, line)


def text_of(cell: Any, column: Column | None) -> str:
    """A cell's value as the text that the contract expects in its column."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, float):
        # Fifteen digits are what office programs reckon with and show; the sixteenth is the machine's.
        return str(int(cell)) if cell.is_integer() else format(Decimal(f"{cell:.15g}"), "f")
    if isinstance(cell, date):
        return _day(cell, column)
    if isinstance(cell, time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        seconds = int(cell.total_seconds())
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return str(cell)


def _day(cell: date, column: Column | None) -> str:
    """A date, or a date with a time of day, which no date format of a contract can hold: it stays visible."""
    day, rest = cell, ""
    if isinstance(cell, datetime):
        day, moment = cell.date(), cell.time()
        rest = "" if moment == time() else moment.isoformat()
    written = day.isoformat()
    if column is not None and column.date_format:
        year, month, number = written.split("-")
        written = column.date_format.replace("yyyy", year).replace("MM", month).replace("dd", number)
    return f"{written}T{rest}" if rest else written


def _opened(content: IO[bytes]) -> CalamineWorkbook:
    return _guarded(lambda: CalamineWorkbook.from_filelike(content))


def _guarded(read: Any) -> Any:
    """What the library raises, a panic of its Rust code too, as `Unreadable`."""
    try:
        return read()
    except PasswordError:
        raise Unreadable(1, "the workbook is encrypted") from None
    except (CalamineError, ValueError, OSError):
        raise Unreadable(1, "the file is no workbook, or is damaged") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise Unreadable(1, "the file is no workbook, or is damaged") from None
