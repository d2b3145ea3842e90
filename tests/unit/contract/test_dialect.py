"""How a contract says in which format a partner writes, and every mistake in saying it, with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_feed

from kinbridge.contract.dialect import OPTIONS
from kinbridge.contract.model import Dialect, ManifestTerms, Mark
from kinbridge.contract.odcs import ContractError, read_feed
from kinbridge.contract.paths import (
    Hl7Path,
    JsonStep,
    Segment,
    X12Path,
    XmlPath,
    hl7_path,
    json_path,
    json_records,
    x12_path,
    xml_path,
    xml_records,
)
from kinbridge.settings import home

FEED = "atlas/rows_v1"


def written(tmp_path: Path, delivery: str, *columns: str) -> Path:
    with site_of(tmp_path) as include:
        key = columns or (column("a", "string", "primaryKey: true"),)
        text = contract(FEED, *key, delivery="{ filePattern: x, " + delivery + " }")
        return write_feed(include, FEED, text) / "contract.odcs.yaml"


def placed(name: str, position: str, *lines: str) -> str:
    """A key column with a position."""
    properties = f"customProperties: [{{ property: position, value: {position} }}]"
    return column(name, "string", "primaryKey: true", *lines, properties)


def path_column(path: str) -> str:
    return column("a", "string", "primaryKey: true", f"physicalName: '{path}'")


@pytest.mark.parametrize(
    ("delivery", "dialect"),
    [
        ("skipLines: 3", Dialect("x", skip_lines=3)),
        ("format: excel", Dialect("x", format="excel")),
        ("format: excel, sheet: Data, headerRow: 4", Dialect("x", format="excel", sheet="Data", header_row=4)),
        ("format: excel, sheet: 2", Dialect("x", format="excel", sheet=2)),
        ("format: json", Dialect("x", format="json", records="$")),
        ("format: json, records: $.a.b, encoding: utf-16", Dialect("x", ",", "utf-16", format="json", records="$.a.b")),
        ("format: ndjson, member: 'a.*'", Dialect("x", format="ndjson", member="a.*")),
        ("format: xml, records: people/person", Dialect("x", format="xml", records="people/person")),
        ("nothing: 'n.*'", Dialect("x", nothing="n.*")),
        ("manifest: { filePattern: m, format: csv }", Dialect("x", manifest=ManifestTerms("m", "csv"))),
    ],
)
def test_what_a_contract_declares_is_the_dialect(tmp_path: Path, delivery: str, dialect: Dialect) -> None:
    assert read_feed(written(tmp_path, delivery)).dialect == dialect


def test_positions_and_records_of_a_fixed_width_file(tmp_path: Path) -> None:
    delivery = "format: fixed_width, header: { prefix: HDR }, trailer: { prefix: TRL, count: { start: 4, length: 9 } }"
    columns = (
        placed("a", "{ start: 1, length: 10 }"),
        placed("b", "{ start: 11, length: 1 }", "primaryKeyPosition: 2"),
    )
    feed = read_feed(written(tmp_path, delivery, *columns))
    assert feed.dialect == Dialect(
        "x", format="fixed_width", header_record=Mark("HDR"), trailer_record=Mark("TRL", (4, 9))
    )
    assert [c.position for c in feed.columns] == [(1, 10), (11, 1)]


FIXED = placed("a", "{ start: 1, length: 10 }")


@pytest.mark.parametrize(
    ("delivery", "columns", "words"),
    [
        ("format: parquet", (), "delivery.format is not known: delimited, fixed_width"),
        ("skipLines: -1", (), "skipLines is a number"),
        ("skipLines: true", (), "skipLines is a number"),
        ("header: { prefix: HDR }", (), "header is true or false"),
        ("sheet: 2", (), "delivery.sheet means nothing where the format is delimited"),
        ("skiplines: 2", (), "delivery.skiplines is not known; skipLines is"),
        ("member: '('", (), "regular expression for a file's name"),
        ("nothing: '('", (), "delivery.nothing is a regular expression"),
        ("nothing: ''", (), "delivery.nothing is a regular expression"),
        ("manifest: m", (), "delivery.manifest is {filePattern"),
        ("manifest: { filePattern: m }", (), "delivery.manifest is {filePattern"),
        ("manifest: { filePattern: '(', format: json }", (), "delivery.manifest is {filePattern"),
        ("manifest: { filePattern: m, format: xml }", (), "delivery.manifest is {filePattern"),
        ("format: excel, sheet: 0", (), "sheet is a name or a number"),
        ("format: excel, sheet: ''", (), "sheet is a name or a number"),
        ("format: excel, headerRow: 0", (), "headerRow is the number"),
        ("format: excel, delimiter: ;", (), "delimiter means nothing"),
        ("format: json, records: people", (), "the path of a list"),
        ("format: json, records: '$.a[0]'", (), "the path of a list"),
        ("format: xml", (), "the records' element"),
        ("format: xml, records: 'a//b'", (), "the records' element"),
        ("format: ndjson", (path_column("a..b"),), "the physicalName of 'a' is a JSON path"),
        ("format: xml, records: r", (path_column("a/@b/c"),), "an XML path"),
        ("format: x12_834", (path_column("NM1-3"),), "a path of X12"),
        ("format: hl7_v2", (path_column("PID.5.1"),), "a path of HL7"),
        ("format: fixed_width", (column("a", "string", "primaryKey: true"),), "needs the property position"),
        ("format: fixed_width", (placed("a", "{ start: 0, length: 1 }"),), "needs the property position"),
        ("format: fixed_width", (placed("a", "7"),), "needs the property position"),
        ("format: fixed_width", (FIXED, column("b", "string", "customProperties: [{ property: position, value: "
          "{ start: 10, length: 1 } }]")), "'a' and 'b' share a position"),
        ("header: true", (FIXED,), "is for the format fixed_width"),
        ("format: fixed_width, header: true", (FIXED,), "delivery.header is {prefix"),
        ("format: fixed_width, trailer: { count: { start: 1, length: 2 } }", (FIXED,), "delivery.trailer is {prefix"),
        ("format: fixed_width, trailer: { prefix: T, count: 4 }", (FIXED,), "delivery.trailer is {prefix"),
    ],
)  # fmt: skip
def test_every_mistake_is_said_with_its_line(
    tmp_path: Path, delivery: str, columns: tuple[str, ...], words: str
) -> None:
    path = written(tmp_path, delivery, *columns)
    with pytest.raises(ContractError) as caught:
        read_feed(path)
    [problem] = caught.value.problems
    assert (problem.code, problem.path) == ("KB-C02", path)
    assert words in problem.text
    line = path.read_text(encoding="utf-8").splitlines()[problem.line - 1]
    in_delivery = not columns or words.startswith("delivery.")
    assert ("filePattern" in line) == in_delivery
    assert in_delivery or "- name: " in line or "position" in line


@pytest.mark.parametrize(
    ("read", "text", "path"),
    [
        (json_path, "a", (JsonStep("a"),)),
        (json_path, "$.a[0][k.l=v.w/x].b c", (JsonStep("a", (0, ("k.l", "v.w/x"))), JsonStep("b c"))),
        (json_path, "a[k=]", (JsonStep("a", (("k", ""),)),)),
        (json_records, "$", ()),
        (json_records, "$.a.b", ("a", "b")),
        (xml_path, "a-b/c.d[2]", XmlPath((("a-b", None), ("c.d", 2)))),
        (xml_path, "@id", XmlPath((), "id")),
        (xml_path, "a/@id", XmlPath((("a", None),), "id")),
        (xml_path, ".", XmlPath(())),
        (xml_records, "/a/b", (True, ("a", "b"))),
        (x12_path, "DMG.02", X12Path(False, (), Segment("DMG"), 2, None)),
        (x12_path, "/N1[P5].04-2", X12Path(True, (), Segment("N1", ((1, "P5"),)), 4, 2)),
        (
            x12_path,
            "HD[03=HLT]/DTP[348][02=D8].03",
            X12Path(False, (Segment("HD", ((3, "HLT"),)),), Segment("DTP", ((1, "348"), (2, "D8"))), 3, None),
        ),
        (hl7_path, "PID-7", Hl7Path("PID", None, 7, 1, None, None)),
        (hl7_path, "PID-3[2].4.1", Hl7Path("PID", None, 3, 2, 4, 1)),
        (hl7_path, "PID-3[5=MR].1", Hl7Path("PID", None, 3, (5, "MR"), 1, None)),
        (hl7_path, "OBX[3.1=64994-7]-5.1", Hl7Path("OBX", (3, 1, "64994-7"), 5, 1, 1, None)),
    ],
)
def test_paths_are_read_into_steps(read: Callable[[str], object], text: str, path: object) -> None:
    assert read(text) == path


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (json_path, ["", "$", ".a", "a.", "a..b", "a[", "a[x]", "a[-1]", "[0]", "a]b", "a[0]b"]),
        (json_records, ["a", "$a", "$.", "$.a[0]"]),
        (xml_path, ["", "/a", "a//b", "@", "a@b", "a/@b/c", "a[0]", "a[x]", "1a", "a b"]),
        (xml_records, ["", "/", "a/", "//a", "@a"]),
        (
            x12_path,
            ["", "NM1", "NM1.3", "NM1.00", "nm1.03", "NM1[IL.03", "NM1[].03", "/.03", "NM1//DMG.02", "TOOLONG.01"],
        ),
        (
            hl7_path,
            ["", "PID", "PID-0", "PID-5.0", "PID5", "pid-5", "PID-5.1.1.1", "PID-3[0]", "PID-3[x=y]", "PID-3[]"],
        ),
    ],
)
def test_what_is_no_path_is_refused(read: Callable[[str], object], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"such as|the path of a list|the records' element"):
            read(text)


def test_every_format_and_option_is_documented() -> None:
    page = (home() / "docs" / "adding-a-feed.md").read_text(encoding="utf-8")
    section = page[page.index("## Formats") : page.index("## Rules")]
    for format, options in OPTIONS.items():
        line = next(line for line in section.splitlines() if line.startswith(f"| `{format}`"))
        assert set(re.findall(r"`(\w+)`", line.split("|")[-2])) >= set(options), format
    assert "`delivery.member`" in section
