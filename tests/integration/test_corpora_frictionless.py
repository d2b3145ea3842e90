"""The frictionless corpus file by file: each is read exactly, or refused for the right reason; none is left out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.integration.test_corpora import DELIMITED, EXCEL, headed, parsed
from tests.support.readers import rows_of

from kinbridge.contract.model import Dialect
from kinbridge.format.table import Unreadable

pytestmark = pytest.mark.shared_data
TABLE = [["1", "english"], ["2", "中国人"]]
GERMAN = [["1", "english"], ["2", "german"]]
ID, JSON, LINES = ("id", "name"), Dialect("x", format="json", records="$"), Dialect("x", format="ndjson")
BOOLEANS = [["1", "TRUE"], ["2", "FALSE"]]
DATED = [["2013", "3.3", "2009-08-16"], ["1997", "5.6", "2009-09-20"], ["1969", "11.7", "2012-08-23"]]
CODED = [["001", "b", "1", "a", "1"], ["002", "c", "1", "1", "1"]]
CITIES = [["london", "8787892"], ["paris", "2244000"], ["rome", "2877215"]]
GREEKS = [["1", "39", "Λεωνιδας"], ["2", "23", "Αλεξανδρος"], ["3", "36", "Μυρων"], ["4", "28", "Ευστοργιος"]]
SEMICOLON = Dialect("x", delimiter=";")
LEVELS = [
    [
        f"{day:02}.07.2013" + " 12:00:00" * (day == 9),
        level,
        "qualitätsgesichert" if day > 9 else "nicht qualitätsgesichert",
    ]
    for day, level in enumerate(["146", "145", "145", "144", "143", "143", "142"], 9)
]
NAMED = [
    [first, last, "Male" if last in {"Gent", "Brumm"} else "Female"]
    for first, last in (
        ("Dulce", "Abril"),
        ("Mara", "Hashimoto"),
        ("Philip", "Gent"),
        ("Kathleen", "Hanner"),
        ("Nereida", "Magwood"),
        ("Gaston", "Brumm"),
        ("Etta", "Hurn"),
        ("Earlean", "Melgar"),
        ("Vincenza", "Weiland"),
    )
]
PERSON = ("First Name", "Last Name", "Gender")


def sheet(name: str | int = 1, header_row: int = 1) -> Dialect:
    return Dialect("x", format="excel", sheet=name, header_row=header_row)


# File, how a contract would describe it, the headers it would name, and the values of each row that is whole.
READ: list[tuple[str, Dialect, tuple[str, ...], list[list[str]]]] = [
    ("cast-int-to-string-issue-1251.xls", EXCEL, ("A", "B", "C", "D", "E"), CODED),
    ("cast-int-to-string-issue-1251.xlsx", EXCEL, ("A", "B", "C", "D", "E"), CODED),
    ("sheet2.xls", sheet("Sheet2"), ID, TABLE),
    ("sheet2.xlsx", sheet(2), ID, TABLE),
    ("sheets.xlsx", sheet("Sheet1"), ID, [["1", "london"]]),
    ("sheets.xlsx", sheet("Sheet2"), ID, [["2", "paris"]]),
    ("sheets.xlsx", sheet("Sheet3"), ID, [["3", "rome"]]),
    ("skip-rows.xlsx", sheet(1, 2), ("A", "B"), [["8", "9"], ["", "TOTAL"]]),
    (
        "table-infer-boolean.xlsx",
        EXCEL,
        ("number", "string", "boolean"),
        [["1", "two", "TRUE"], ["3", "four", "FALSE"]],
    ),
    ("table-output.ods", EXCEL, ID, GERMAN),
    ("table-output.xlsx", EXCEL, ID, GERMAN),
    ("table-with-booleans.ods", EXCEL, ("id", "boolean"), BOOLEANS),
    ("table-with-booleans.xls", EXCEL, ("id", "boolean"), BOOLEANS),
    ("table-with-ints-floats-dates.ods", EXCEL, ("Int", "Float", "Date"), DATED),
    ("table-with-ints-floats-dates.xls", EXCEL, ("Int", "Float", "Date"), DATED),
    ("table-with-two-sheets.ods", EXCEL, ID, TABLE),
    ("table-with-two-sheets.ods", sheet("Tabelle2"), ("a", "b", "c"), [["1", "2", "3"]]),
    ("table.ods", EXCEL, ID, TABLE),
    ("table.xls", EXCEL, ID, TABLE),
    ("table.xlsx", EXCEL, ID, TABLE),
    ("merged-cells-boolean.xls", EXCEL, ("True",), []),
    ("merged-cells.xls", EXCEL, ("data",), []),
    ("merged-cells.xlsx", EXCEL, ("data",), []),
    ("fixtures/template.xlsx", sheet("abc list"), ("A",), [["B"], ["C"]]),
    # To the 15 digits that the office program shows.
    (
        "number-format-multicode.xlsx",
        EXCEL,
        ("col1",),
        [["4.51119775197299"], ["-9.03233986479077"], ["15.7929464439101"]],
    ),
    (
        "preserve-formatting-percentage.xlsx",
        EXCEL,
        ("col1", "col2"),
        [["123", "0.52"], ["456", "0.3"], ["789", "0.06"]],
    ),
    ("preserve-formatting.xlsx", EXCEL, ("0.00", "m/d/yy", "mmddyy"), [["1000.5577", "2040-05-20", "2040-05-20"]]),
    (
        "adjust-floating-point-error.xlsx",
        EXCEL,
        ("Sample Name", "peak PO4", "actual PO4 (formula)"),
        [
            ["P-1-94-AR P21 16-20cm Pi split 3", "60.565", "242.26"],
            ["W-2-98-NC TF1 0-4cm Total P split 1", "68.665", "274.66"],
            ["W-2-98-NC TF1 0-4cm Total P split 2", "72.965", "291.86"],
            ["TT013-06MC 10-12cm Total P split 3", "12.1", "968"],
            ["TT013-06MC 24-26cm Pi split 2", "21.5", "1720"],
        ],
    ),
    (
        "issue-313.xlsx",
        EXCEL,
        ("Column_1", "Column_3"),
        [["column_1_value_1", "column_3_value_1"], ["column_1_value_2", ""]],
    ),
    ("chunk1.csv.zip", DELIMITED, ID, TABLE[:1]),
    ("chunk2.csv.zip", DELIMITED, ID, TABLE[1:]),
    ("compression/explicit.csv.gz", DELIMITED, ID, TABLE),
    ("compression/explicit.csv.zip", DELIMITED, ID, TABLE),
    ("compression/implicit-gz.csv", DELIMITED, ID, TABLE),
    ("compression/implicit-zip.csv", DELIMITED, ID, TABLE),
    ("table.csv.gz", DELIMITED, ID, TABLE),
    ("table.csv.zip", DELIMITED, ID, TABLE),
    ("table-multiple-files.zip", Dialect("x", member="table.csv"), ID, TABLE),
    ("package.zip", Dialect("x", member="data.csv"), ID, [["A3001", "Taxes"], ["A5032", "Parking Fees"]]),
    ("without-rows.csv.zip", DELIMITED, ID, []),
    ("table.bad", DELIMITED, ID, TABLE),
    ("table.csv2k", DELIMITED, ID, TABLE),
    ("table.tsv", Dialect("x", delimiter="\t"), ID, [*TABLE, ["3", "\\N"]]),
    ("table.csvformat", DELIMITED, ("city", "population"), CITIES),
    ("table.jsonl", LINES, ID, TABLE),
    ("table.ndjson", LINES, ID, TABLE),
    ("table.keyed.json", JSON, ID, TABLE),
    ("latin1.csv", Dialect("x", encoding="latin-1"), ID, [["1", "english"], ["2", "©"]]),
    ("table-infer-iso-8859-7.csv", Dialect("x", encoding="iso-8859-7"), ("id", "age", "name"), GREEKS),
    ("issue-1138.csv", SEMICOLON, ("Zeit [MEZ]", "Wasserstand", "Status"), LEVELS),
    ("issue-870.xlsx", EXCEL, PERSON, NAMED),
]
NAMES = "the header names one column twice"
# File, contract, headers, and the line and reason of the refusal.
REFUSED: list[tuple[str, Dialect, tuple[str, ...], int, str]] = [
    ("issue-1024.xlsx", EXCEL, ID, 1, "the sheet has no header in this row"),
    ("issue-320.xlsx", EXCEL, ID, 1, "the sheet has no header in this row"),
    ("issue-312.xlsx", EXCEL, ID, 1, NAMES),
    ("sheet2.xls", EXCEL, ID, 1, "the sheet has no header in this row"),
    ("skip-rows.xlsx", EXCEL, ("A", "B"), 1, "the header has none of the contract's columns"),
    ("capital-invalid.csv", DELIMITED, ID, 1, NAMES),
    ("duplicate-column.csv", DELIMITED, ID, 1, NAMES),
    ("duplicate-headers.csv", DELIMITED, ("header1",), 1, NAMES),
    ("invalid.csv", DELIMITED, ID, 1, NAMES),
    ("empty.csv", DELIMITED, ID, 1, "the file has no header line"),
    ("innerpath.package.zip", DELIMITED, ID, 1, "the zip has 11 files, not one"),
    ("package-invalid.zip", DELIMITED, ID, 1, "the zip has 3 files, not one"),
    ("package.zip", DELIMITED, ID, 1, "the zip has 3 files, not one"),
    ("resource.zip", DELIMITED, ID, 1, "the zip has 2 files, not one"),
    ("zipped-resources/ogd10_catalogs.zip", DELIMITED, ID, 1, "the zip has 2 files, not one"),
    ("table.csv.bz2", DELIMITED, ID, 1, "the file is packed as bzip2"),
    ("table.csv.xz", DELIMITED, ID, 1, "the file is packed as xz"),
    ("table.parquet", DELIMITED, ID, 1, NAMES),
    ("table.parq", DELIMITED, ID, 1, NAMES),
    ("table-output.parq", DELIMITED, ID, 1, NAMES),
    ("invalid.json", JSON, ID, 1, "the document is not JSON"),
    ("table.xlsx", sheet("Sheet 2"), ID, 1, "the sheet has no header in this row"),
    ("table.xlsx", sheet("Sheet9"), ID, 1, "the workbook has no sheet Sheet9"),
    ("table-multiple-files.zip", DELIMITED, ID, 1, "the zip has 2 files, not one"),
]
# What is no table at all, whatever a contract says of it.
NO_TABLE = re.compile(r".*\.(md|yml|xml|rels|vml|txt)|.*/?text.txt")
# Rows that are no rows of the table, or cannot be decoded: all of them are said to be so.
FLAWED = {
    "multiline-headers.xlsx": (EXCEL, ("Region",), ["ragged", "whole", "ragged"]),
    "latin1.csv": (DELIMITED, ID, ["whole", "undecodable"]),
    "table-infer-iso-8859-7.csv": (DELIMITED, ("id", "age", "name"), ["undecodable"] * 4),
    # Read with the wrong delimiter, its quotation marks begin and end within values.
    "issue-1138.csv": (DELIMITED, ("Zeit [MEZ];Wasserstand;Status;",), ["ragged"] * 7),
    "skip-rows.xlsx": (EXCEL, ("Table 1",), ["ragged"] * 3),
    "table.json": (JSON, ID, ["ragged"] * 3),
    "table-output.json": (JSON, ID, ["ragged"] * 3),
    "transform.json": (JSON, ID, ["ragged"] * 4),
}


@pytest.fixture
def corpus(shared_data: Path) -> Path:
    return shared_data / "frictionless"


@pytest.mark.parametrize(("name", "dialect", "headers", "values"), READ)
def test_read_exactly(
    corpus: Path, name: str, dialect: Dialect, headers: tuple[str, ...], values: list[list[str]]
) -> None:
    found = rows_of(corpus / name, dialect, headed(*headers))
    assert [(shape, row) for _, shape, row in found] == [("whole", row) for row in values]


@pytest.mark.parametrize(("name", "dialect", "headers", "line", "why"), REFUSED)
def test_refused(  # noqa: PLR0917
    corpus: Path, name: str, dialect: Dialect, headers: tuple[str, ...], line: int, why: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        rows_of(corpus / name, dialect, headed(*headers))
    assert caught.value.line == line
    assert caught.value.why.startswith(why)


@pytest.mark.parametrize("name", FLAWED)
def test_flawed_rows_are_said_to_be(corpus: Path, name: str) -> None:
    dialect, headers, shapes = FLAWED[name]
    assert [shape for _, shape, _ in rows_of(corpus / name, dialect, headed(*headers))] == shapes


def test_a_packed_file_as_the_csv_module_reads_it(corpus: Path) -> None:
    rows = parsed((corpus / "doublequote.csv").read_bytes())
    assert rows is not None
    wanted = [(line, "whole", row) for line, row in rows[1:] if row]
    assert rows_of(corpus / "doublequote.csv.zip", DELIMITED, headed(*rows[0][1])) == wanted


@pytest.mark.parametrize("name", ["table-with-accents.csv", "issue-647.csv.txt"])
def test_latin_1_by_its_name_only(corpus: Path, name: str) -> None:
    """Under a contract that says UTF-8 each row with an accent is told; under the right one all are read."""
    lines = (corpus / name).read_text(encoding="latin-1").splitlines()
    headers = headed(*(name for name in lines[0].split(";") if name.isascii()))
    shapes = [shape for _, shape, _ in rows_of(corpus / name, SEMICOLON, headers)]
    right = rows_of(corpus / name, Dialect("x", delimiter=";", encoding="latin-1"), headers)
    assert {shape for _, shape, _ in right} == {"whole"}
    accented = [not all(map(str.isascii, values)) for _, _, values in right]
    assert any(accented)
    assert [shape == "undecodable" for shape in shapes] == accented


def test_no_file_is_left_out(corpus: Path) -> None:
    """Every other file is no table; descriptions of tables in JSON are refused as what they are."""
    named = {name for name, *_ in [*READ, *REFUSED]} | {*FLAWED, "doublequote.csv.zip", "table-with-accents.csv"}
    others = 0
    for path in sorted(p for p in corpus.rglob("*") if p.is_file()):
        name = path.relative_to(corpus).as_posix()
        sound = path.suffix == ".csv" and parsed(path.read_bytes()) is not None
        if (
            name in named
            or sound
            or name in {"issue-647.csv.txt", "issue-1293/sample.json", "schema-invalid-wrong-type.json"}
        ):
            continue
        assert NO_TABLE.fullmatch(name) or isinstance(_json(path), dict), name
        for dialect in (DELIMITED, EXCEL, JSON):
            with pytest.raises(Unreadable):
                rows_of(path, dialect, headed(*ID))
        others += 1
    assert others > 100


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
