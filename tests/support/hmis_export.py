"""HMIS exports made up from the standard's facts: sound rows of every file, written as the standard asks for."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from kinbridge.hmis.standard import SpecColumn, Version, files
from kinbridge.hmis.structure import REFERENCES, key_of
from kinbridge.standards import code_set

Row = dict[str, str]
# Of these there is one, to which all rows refer.
SINGLE = {"Export": "X1", "Organization": "O1", "Project": "P1", "User": "U1"}
VALUES = {
    "ExportID": "X1",
    "UserID": "U1",
    "HouseholdID": "H1",
    "DateDeleted": "",
    "DateCreated": "2026-05-02 08:00:00",
    "DateUpdated": "2026-05-03 23:59:59",
    "SSN": "078051120",
    "CoCCode": "XX-500",
    "EnrollmentCoC": "XX-500",
    "Geocode": "990001",
    "State": "XX",
    "ZIP": "00501",
    "UserEmail": "desk@example.org",
    "SourceContactEmail": "desk@example.org",
    "UserPhone": "2025550100",
    "SourceContactPhone": "2025550100",
    "UserExtension": "12",
    "SourceContactExtension": "12",
    "YearEnteredService": "1999",
    "YearSeparated": "2003",
    "NameDataQuality": "1",
    "SSNDataQuality": "1",
    "DOBDataQuality": "1",
    "DOB": "1990-02-28",
    "VAMCStation": "402",
    "EntryDate": "2026-01-05",
    "ExitDate": "2026-05-20",
    "RecordType": "200",
    "TypeProvided": "200",
    "SubTypeProvided": "",
}


def identity(file: str, number: int) -> str:
    """The key of the file's row of that number."""
    return SINGLE.get(file, f"{file}-{number}")


def sound_row(version: Version, file: str, number: int) -> Row:
    """A row of the file in which every column holds what the standard asks for."""
    columns = files(version)[file]
    return {column.name: _value(column, columns, number) for column in columns}


def _value(column: SpecColumn, columns: tuple[SpecColumn, ...], number: int) -> str:
    if column == key_of(columns):
        return identity(column.file, number)
    if column.name in REFERENCES:
        return identity(REFERENCES[column.name], number)
    if column.name in VALUES:
        return VALUES[column.name]
    if column.code_set is not None:
        return _first_code(column.code_set)
    by_type = {"date": "2026-05-04", "datetime": "2026-05-04 12:00:00", "integer": "7", "number": "10.50"}
    return by_type.get(column.type, "text, with a comma"[: column.length])


@lru_cache(maxsize=1000)
def _first_code(reference: str) -> str:
    return code_set(reference.removeprefix("standard/")).codes[0]


def sound_rows(version: Version, file: str, number: int) -> list[Row]:
    """So many rows of the file, or the one of which there is only one."""
    return [sound_row(version, file, n) for n in range(1, 1 + (1 if file in SINGLE else number))]


def csv_text(version: Version, file: str, rows: Iterable[Row]) -> str:
    """The file as text: every value in quotes, lines with CRLF."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    names = [column.name for column in files(version)[file]]
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in rows)
    return out.getvalue()


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    """A zip with these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
