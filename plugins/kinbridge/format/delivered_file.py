"""Opens a delivered file as its contract describes it: unpacks it if it is packed, and gives it to its format's reader.

Nothing is guessed from the file's name, and no format is tried that the contract does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from kinbridge.contract.model import Column, Feed, Format
from kinbridge.format.container import contents
from kinbridge.format.delimited import DelimitedFile
from kinbridge.format.fixed_width import FixedWidthFile
from kinbridge.format.hl7_v2 import Hl7File
from kinbridge.format.json_document import JsonDocument
from kinbridge.format.json_lines import JsonLines
from kinbridge.format.table import Header, Table
from kinbridge.format.workbook import Workbook
from kinbridge.format.x12 import X12File
from kinbridge.format.xml_document import XmlDocument

READERS: dict[Format, Callable[..., Table]] = {
    "delimited": DelimitedFile,
    "fixed_width": FixedWidthFile,
    "excel": Workbook,
    "json": JsonDocument,
    "ndjson": JsonLines,
    "xml": XmlDocument,
    "x12_834": X12File,
    "hl7_v2": Hl7File,
}


class DeliveredFile:
    """One delivered file under its contract, in any format. Iterate `chunks()` once; the rest is known afterwards."""

    def __init__(self, path: Path, feed: Feed, columns: tuple[Column, ...]) -> None:
        self.path = path
        self.feed = feed
        self.columns = columns
        self._reader: Table | None = None

    def chunks(self) -> Iterator[bytes]:
        """CSV text for COPY, see `Table`. Raises `Unreadable`; nothing unpacked stays behind."""
        with contents(self.path, self.feed.dialect) as content:
            reader = READERS[self.feed.dialect.format](content, self.feed.dialect, self.feed.columns, self.columns)
            self._reader = reader
            yield from reader.chunks()

    @property
    def header(self) -> Header | None:
        """How the file's columns differ from the contract's; None before it was read, or when it could not be."""
        return self._reader.header if self._reader else None

    @property
    def rows(self) -> int:
        """The rows that were read."""
        return self._reader.rows if self._reader else 0

    @property
    def blank(self) -> set[str]:
        """The columns in which some value has blanks around it; perhaps one too many."""
        return self._reader.blank if self._reader else set()


def open_file(path: Path, feed: Feed, columns: tuple[Column, ...]) -> DeliveredFile:
    """The file at `path`, of which the authorised `columns` are read. Nothing is read before `chunks()`."""
    return DeliveredFile(path, feed, columns)
