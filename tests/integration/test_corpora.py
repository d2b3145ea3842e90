"""Other people's awkward files: each is read exactly as what comes with it says, or refused with the right reason."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.support.readers import Rows, columns_at, rows_of, text_column

from kinbridge.contract.model import Column, Dialect, Format
from kinbridge.format.table import Unreadable

pytestmark = pytest.mark.shared_data

DELIMITED, EXCEL = Dialect("x"), Dialect("x", format="excel")
FIXED = {
    "text": (1, 18),
    "date": (19, 10),
    "integer": (30, 4),
    "boolean": (34, 5),
    "float": (39, 11),
    "time": (51, 8),
    "datetime": (59, 19),
}
FIXED_COLUMNS = tuple(text_column(name, position=position) for name, position in FIXED.items())


def plain(text: str) -> str:
    """The same for values that differ in writing only: 40 and 40.0, True and true, 4:14:00 and 04:14:00."""
    if text.lower() in {"true", "false"}:
        return text.lower()
    if re.fullmatch(r"\d:\d\d:\d\d", text):
        return "0" + text
    try:
        return str(Decimal(text).normalize())
    except InvalidOperation:
        return text.strip().removesuffix("T00:00:00")


def converted(path: Path, names: list[str]) -> list[list[str]]:
    """What csvkit made of a file, these columns of it."""
    with path.open(encoding="utf-8", newline="") as text:
        return [[plain(row.get(name) or "") for name in names] for row in csv.DictReader(text)]


def headed(*names: str) -> tuple[Column, ...]:
    return tuple(text_column(f"c{number}", name) for number, name in enumerate(names))


TABLE = headed("text", "date", "integer", "boolean", "float", "datetime", "empty_column")
TIMED = headed("text", "date", "integer", "boolean", "float", "time", "datetime", "empty_column")
SKIPPED = Dialect("x", format="excel", header_row=4)
NESTED = {
    "text": "text",
    "float": "float",
    "datetime": "datetime",
    "boolean": "boolean",
    "nested/time": "nested.time",
    "nested/nested/date": "nested.nested.date",
    "nested/nested/integer": "nested.nested.integer",
}


@pytest.mark.parametrize(
    ("name", "dialect", "columns", "expected", "ragged"),
    [
        # A note stands beside the table in the second row: a value without a column.
        ("test.xls", EXCEL, TABLE, "testxls", [3]),
        ("test.xlsx", EXCEL, TABLE, "testxlsx", [3]),
        ("test_skip_lines.xls", SKIPPED, TABLE, "testxls", [6]),
        ("test_skip_lines.xlsx", SKIPPED, TABLE, "testxlsx", [6]),
        ("sheets.xls", Dialect("x", format="excel", sheet="data"), TABLE, "testxls", [3]),
        ("sheets.xlsx", Dialect("x", format="excel", sheet=2), TABLE, "testxlsx", [3]),
        ("sheets.xls", Dialect("x", format="excel", sheet="ʤ"), headed("a", "b", "c"), "testxls_unicode", []),
        ("sheets.xlsx", Dialect("x", format="excel", sheet=3), headed("a", "b", "c"), "testxlsx_unicode", []),
        # The last line of the file breaks off behind its first column.
        ("testfixed", Dialect("x", format="fixed_width"), FIXED_COLUMNS, "testfixed", [4]),
        ("testfixed_skip_lines", Dialect("x", format="fixed_width", skip_lines=3), FIXED_COLUMNS, "testfixed", [7]),
        ("testjson.json", Dialect("x", format="json"), headed(*FIXED), "testjson", []),
        ("testjson_nested.json", Dialect("x", format="json"), headed(*NESTED.values()), "testjson_nested", []),
        ("testjson_multiline.json", Dialect("x", format="ndjson"), headed("a", "b", "d"), "testjson_multiline", []),
        ("blanks.csv", DELIMITED, headed(*"abcdef"), "", []),
        ("dummy.csv.gz", DELIMITED, headed("a", "b", "c"), "", []),
        ("dummy.tsv", Dialect("x", delimiter="\t"), headed("a", "b", "c"), "", []),
        ("dummy.xls", EXCEL, headed("a", "b", "c"), "", []),
        ("dummy.xlsx", EXCEL, headed("a", "b", "c"), "", []),
    ],
)
def test_csvkit_as_converted(  # noqa: PLR0917
    shared_data: Path, name: str, dialect: Dialect, columns: tuple[Column, ...], expected: str, ragged: list[int]
) -> None:
    found = rows_of(shared_data / "csvkit" / name, dialect, columns)
    assert [line for line, shape, _ in found if shape == "ragged"] == ragged
    headers = [{path: name for name, path in NESTED.items()}.get(c.header, c.header) for c in columns]
    said = {"blanks.csv": [["", "NA", "N/A", "NONE", "NULL", "."]]}.get(name, [["1", "2", "3"]])
    wanted = converted(shared_data / "csvkit" / f"{expected}_converted.csv", headers) if expected else said
    assert [[plain(value) for value in values] for _, _, values in found] == wanted


@pytest.mark.parametrize(
    ("name", "dialect", "rows"),
    [
        ("test_utf8.csv", DELIMITED, [["1", "2", "3"], ["4", "5", "ʤ"]]),
        ("test_utf8_bom.csv", DELIMITED, [["1", "2", "3"], ["4", "5", "ʤ"]]),
        ("test_utf16_big.csv", Dialect("x", encoding="utf-16"), [["1", "2", "3"], ["4", "5", "ʤ"]]),
        ("test_utf16_little.csv", Dialect("x", encoding="utf-16"), [["1", "2", "3"], ["4", "5", "ʤ"]]),
        ("test_latin1.csv", Dialect("x", encoding="latin-1"), [["1", "2", "3"], ["4", "5", "©"]]),
        ("mac_newlines.csv", DELIMITED, [["1", "2", "3"], ["Once upon\ra time", "5", "6"]]),
        ("test_skip_lines.csv", Dialect("x", skip_lines=3), [["1", "2", "3"]]),
        ("no_header_row.csv", Dialect("x", header=False), [["1", "2", "3"]]),
        ("test_locale.csv", DELIMITED, [["1,7", "200.000.000", ""]]),
    ],
)
def test_csvkit_text_in_all_its_dialects(shared_data: Path, name: str, dialect: Dialect, rows: list[list[str]]) -> None:
    first = ("foo", "bar", "baz") if "utf8" in name else ("a", "b", "c")
    found = rows_of(shared_data / "csvkit" / name, dialect, headed(*first))
    assert [(shape, values) for _, shape, values in found] == [("whole", row) for row in rows]


@pytest.mark.parametrize(
    ("name", "dialect", "found"),
    [
        ("bad.csv", DELIMITED, [(2, "ragged"), (3, "ragged"), (4, "whole")]),
        ("bad_skip_lines.csv", Dialect("x", skip_lines=3), [(5, "ragged"), (6, "ragged"), (7, "whole")]),
        ("null_byte.csv", DELIMITED, [(2, "undecodable")]),
        ("test_extra_header.csv", DELIMITED, [(2, "ragged")]),
        ("test_latin1.csv", DELIMITED, [(2, "whole"), (3, "undecodable")]),
        ("empty.csv", DELIMITED, "the file has no header line"),
        ("test_utf16_big.csv", DELIMITED, [(2, "whole"), (3, "whole")]),
        ("dummy.csv.bz2", DELIMITED, "packed as bzip2"),
        ("dummy.xlsx", DELIMITED, "is a workbook"),
        ("test.xls", DELIMITED, "is a workbook"),
        ("testdbf.dbf", DELIMITED, "none of the contract's columns"),
        ("testdbf.dbf", EXCEL, "no workbook"),
        ("testjson.json", Dialect("x", format="ndjson"), "no line of the file is a JSON object"),
        ("testjson_multiline.json", Dialect("x", format="json"), "the document is not JSON"),
    ],
)
def test_csvkit_broken(shared_data: Path, name: str, dialect: Dialect, found: Any) -> None:
    path = shared_data / "csvkit" / name
    columns = headed("a", "b", "c", "d", "column_a", "column_b", "column_c", "foo", "bar", "baz")
    if isinstance(found, str):
        with pytest.raises(Unreadable, match=re.escape(found)):
            rows_of(path, dialect, columns)
    else:
        assert [(line, shape) for line, shape, _ in rows_of(path, dialect, columns)] == found


MEMBERS = {
    "add-dependent": ["DOE", "JOHN", "123456789", "19770816", "", "", "HLT"],
    "add-subscriber-coverage": ["SMITH", "WILLIAM", "123456789", "", "", "", "DEN"],
    "cancel-dependent": ["DOE", "JAMES", "123456789", "19770816", "", "", ""],
    "change-subscriber-information": ["DOE", "JAMES", "123456789", "19500415", "", "", ""],
    "enroll-employee-managed-care": ["SMITH", "WILLIAM", "123456789", "19700614", "PA", "171110000", "HMO"],
    "enroll-employee-multiple-products": ["DOE", "JOHN", "123456789", "19400816", "PA", "17011", None],
    "reinstate-employee": ["DOE", "JAMES", "123456789", "", "", "", ""],
    "reinstate-employee-coverage-level": ["SMITH", "WILLIAM", "202443307", "", "", "", "DEN"],
    "reinstate-member-eligiblity-ins": ["SMITH", "WILLIAM", "202443307", "", "", "", ""],
    "terminate-subscriber-eligibility": ["DOE", "JOHN", "123456789", "", "", "", ""],
}


def test_every_834_is_read_and_every_other_transaction_refused(shared_data: Path) -> None:
    paths = ["NM1[IL].03", "NM1[IL].04", "REF[0F].02", "NM1[IL]/DMG.02", "NM1[IL]/N4.02", "NM1[IL]/N4.03", "HD.03"]
    columns = headed(*paths)
    dialect = Dialect("x", format="x12_834")
    files = sorted(path for path in (shared_data / "x12").rglob("*.*") if re.fullmatch(r"\.\d{3}i?", path.suffix))
    seen = set()
    for path in files:
        if path.suffix != ".834":
            with pytest.raises(Unreadable, match="a transaction set is not 834"):
                rows_of(path, dialect, columns)
            continue
        seen.add(path.stem)
        wanted = MEMBERS[path.stem]
        [(_, shape, values)] = rows_of(path, dialect, columns)
        # Two coverages in one member: which of them is meant, the path does not say.
        assert (shape, values) == ("ragged" if None in wanted else "whole", [v or "" for v in wanted]), path.name
    assert seen == set(MEMBERS)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sample_request", (6, "whole", ["ZTEST", "PEDIARIX", "20180808", "3054790", "08", "20180809", "M"])),
        ("FileSingleMessageLongTZ", (6, "whole", ["ZTEST", "PEDIARIX", "20180808", "3054790", "08", "20180809", "M"])),
        # What is too long for a day is left as it is, for the contract's date format to find.
        (
            "FileSingleMessageLongDate",
            (6, "whole", ["ZTEST", "PEDIARIX", "2018080800000000000", "3054790", "08", "20180809", "M"]),
        ),
        # An ADT and an ORU are no reports of vaccinations.
        ("FileSingleMessageSimple", (1, "ragged", [""] * 7)),
        ("hl7_with_msh_3_set", (1, "ragged", [""] * 7)),
        ("sample_hl7", (1, "ragged", [""] * 7)),
        ("FileSingleMessageInvalidSegments", "belongs to no message"),
    ],
)
def test_hl7_messages(shared_data: Path, name: str, found: Any) -> None:
    [path] = (shared_data / "health_messages").rglob(f"{name}.hl7")
    columns = headed("PID-5.1", "PID-5.2", "PID-7", "PID-3.1", "RXA-5.1", "RXA-3", "PID-8")
    if isinstance(found, str):
        with pytest.raises(Unreadable, match=found):
            rows_of(path, Dialect("x", format="hl7_v2"), columns)
    else:
        assert rows_of(path, Dialect("x", format="hl7_v2"), columns) == [found]


SSN = "http://hl7.org/fhir/sid/us-ssn"


def patients(path: Path) -> Iterator[list[str]]:
    """Of each patient what a contract would want, by other means than paths."""
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        ssn = [i["value"] for i in record["identifier"] if i["system"] == SSN]
        phone = [t["value"] for t in record["telecom"] if t["system"] == "phone"]
        home = record["address"][0]
        name = record["name"][0]
        yield [
            record["id"],
            name["family"],
            name["given"][0],
            record["birthDate"],
            *(ssn or [""])[:1],
            *phone[:1],
            home["city"],
            home.get("postalCode", ""),
            json.dumps(record.get("multipleBirthBoolean", "")).strip('"'),
        ]


def immunizations(path: Path) -> Iterator[list[str]]:
    """Of each vaccination what a contract would want."""
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        code = record["vaccineCode"]["coding"][0]["code"]
        yield [record["id"], record["patient"]["reference"], code, record["occurrenceDateTime"], record["status"]]


@pytest.mark.parametrize("size", ["10", "100"])
def test_fhir_patients_and_immunizations(shared_data: Path, size: str) -> None:
    folder, dialect = shared_data / "synthea" / f"fhir_ndjson_{size}", Dialect("x", format="ndjson")
    person = columns_at(
        id="id",
        family="name[use=official].family",
        given="name[use=official].given[0]",
        born="birthDate",
        ssn=f"identifier[system={SSN}].value",
        phone="telecom[system=phone].value",
        city="address[0].city",
        zip="address[0].postalCode",
        twin="multipleBirthBoolean",
    )
    shot = columns_at(
        id="id", who="patient.reference", code="vaccineCode.coding[0].code", day="occurrenceDateTime", status="status"
    )
    for name, columns, said in (("Patient", person, patients), ("Immunization", shot, immunizations)):
        path = folder / f"{name}.000.ndjson"
        expected = [(number, "whole", values) for number, values in enumerate(said(path), 1)]
        assert len(expected) > 10
        assert rows_of(path, dialect, columns) == expected


def parsed(content: bytes) -> list[tuple[int, list[str]]] | None:
    """A file by Python's csv module, with the line of each row; None where it is no sound CSV in UTF-8."""
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows, before = [], 0
        for row in reader:
            rows.append((before + 1, row))
            before = reader.line_num
    except (UnicodeDecodeError, csv.Error):
        return None
    names = [name.strip().lower() for name in rows[0][1]] if rows else []
    return rows if any(names) and len(set(names)) == len(names) and b"\0" not in content else None


def test_every_csv_with_a_header_is_read_as_the_csv_module_reads_it(shared_data: Path) -> None:
    """The fast way is another one; rows of another width than the header are said to be."""
    read = 0
    for path in sorted(shared_data.rglob("*.csv")):
        if path.stat().st_size > 3_000_000 or (rows := parsed(path.read_bytes())) is None:
            continue
        names = rows[0][1]
        wanted: Rows = []
        for line, row in rows[1:]:
            if row:
                shape = "whole" if len(row) == len(names) else "ragged"
                wanted.append((line, shape, (row + [""] * len(names))[: len(names)]))
        assert rows_of(path, DELIMITED, headed(*(name.strip() for name in names))) == wanted, path.name
        read += 1
    assert read > 150


def test_no_file_makes_a_traceback_in_any_format(shared_data: Path) -> None:
    """Whatever is dropped under whatever contract: rows, or a refusal with a reason."""
    refused: dict[Format, int] = dict.fromkeys(get_args(Format), 0)
    paths = [path for path in sorted(shared_data.rglob("*")) if path.is_file() and path.stat().st_size < 200_000]
    assert len(paths) > 400
    columns = {
        "x12_834": headed("NM1[IL].03"),
        "hl7_v2": headed("PID-5.1"),
        "fixed_width": (text_column("a", position=(1, 5)),),
    }
    for format in refused:
        dialect = Dialect("x", format=format, records={"json": "$", "xml": "person"}.get(format, ""))
        for path in paths:
            try:
                rows_of(path, dialect, columns.get(format, headed("id", "name", "a")))
            except Unreadable as error:
                refused[format] += bool(error.why) and error.line >= 1
    # A reader that took what is not its own would show here.
    foreign = {"json", "xml", "x12_834", "hl7_v2", "excel"}
    assert all(refused[format] > 0.85 * len(paths) for format in refused if format in foreign), refused
