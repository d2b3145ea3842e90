"""Records of an XML document, of any size, with nothing fetched and nothing expanded."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.readers import Rows, columns_at, rows_of

from kinbridge.contract.model import Dialect
from kinbridge.format import table, xml_document
from kinbridge.format.table import Unreadable

PEOPLE = """<?xml version="1.0" encoding="{encoding}"?>
<p:people xmlns:p="urn:x" xmlns="urn:y">
  <person id="007" p:kind="a">
    <name use="legal"><first>Zo\u00eb</first><last><![CDATA[O'<Brien>]]> &amp; Co</last></name>
    <phone>1</phone><phone>2</phone><empty/><!-- no --><?no no?>
  </person>
  <other><person id="008"/></other>
</p:people>
"""
PATHS = {
    "id": "@id",
    "kind": "@kind",
    "use": "name/@use",
    "first": "name/first",
    "last": "name/last",
    "second": "phone[2]",
    "third": "phone[3]",
    "empty": "empty",
    "none": "a/b",
}


def read(tmp_path: Path, content: str | bytes, records: str = "person", **paths: str) -> Rows:
    path = tmp_path / "rows.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return rows_of(path, Dialect("x", format="xml", records=records), columns_at(**(paths or {"a": "a"})))


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_values_are_found_by_their_paths(tmp_path: Path, encoding: str) -> None:
    first = ["007", "a", "legal", "Zo\u00eb", "O'<Brien> & Co", "2", "", "", ""]
    found = read(tmp_path, PEOPLE.format(encoding=encoding).encode(encoding), **PATHS)
    assert found == [(3, "whole", first), (7, "whole", ["008", *[""] * 8])]


@pytest.mark.parametrize(
    ("records", "ids"),
    [
        ("people/person", ["007"]),
        ("/people/person", ["007"]),
        ("other/person", ["008"]),
        ("/people/other/person", ["008"]),
    ],
)
def test_records_may_be_told_by_their_place(tmp_path: Path, records: str, ids: list[str]) -> None:
    found = read(tmp_path, PEOPLE.format(encoding="utf-8"), records, id="@id")
    assert [values for _, _, values in found] == [[i] for i in ids]


def test_what_is_built_otherwise_is_ragged(tmp_path: Path) -> None:
    rows = ["<a>1</a><a>2</a>", "<a><b/></a>", "<a>x</a><r><a>y</a></r>", "<a>g</a>"]
    found = read(tmp_path, "<rs>" + "".join(f"<r>{row}</r>" for row in rows) + "</rs>", "r")
    assert [(line, shape) for line, shape, _ in found] == [(1, "ragged"), (2, "ragged"), (3, "ragged"), (4, "whole")]
    assert found[3][2] == ["g"]


BOMB = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><rs><r><a>&b;</a></r></rs>'
OUTSIDE = '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]><rs><r><a>&a;</a></r></rs>'


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (BOMB, 1, "document type"),
        (OUTSIDE, 1, "document type"),
        ('<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><rs><r/></rs>', 1, "document type"),
        ("<rs>\n<r><a>1</a></r>\n<r><a>2</a>", 3, "not XML, or is cut off"),
        ("<rs><r><a>&b;</a></r></rs>", 1, "not XML"),
        ("<rs><r/></rs>\n<rs/>", 2, "not XML"),
        ("<rs>" + "<x>" * 100_000, 1, "not XML"),
        ("<rs><x/></rs>", 1, "no element r"),
        ("a,b\n1,2\n", 1, "not XML"),
        ("", 1, "not XML"),
        (b"<rs><r><a>\xff</a></r></rs>", 1, "not XML"),
    ],
)
def test_what_is_no_sound_document_is_refused(tmp_path: Path, content: str | bytes, line: int, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, content, "r")
    assert why in caught.value.why
    assert caught.value.line == line


def test_lines_go_on_beyond_what_fits_two_bytes(tmp_path: Path) -> None:
    assert read(tmp_path, "<rs>" + "\n" * 70_000 + "<r><a>1</a></r></rs>", "r") == [(70_001, "whole", ["1"])]


def test_memory_holds_a_batch_and_not_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is let go: the root never has more than a few children."""
    monkeypatch.setattr(table, "BATCH_ROWS", 10)
    path = tmp_path / "rows.xml"
    path.write_text("<rs>" + "<x><r><a>1</a></r><y/></x>" * 3_000 + "</rs>")
    columns = columns_at(a="a")
    reader = xml_document.XmlDocument(path, Dialect("x", format="xml", records="r"), columns, columns)
    kept = []
    with path.open("rb") as content:
        for element, _ in reader._elements(content):
            kept.append(sum(1 for _ in element.getroottree().iter()))
    assert len(kept) == 3_000
    # The parser reads ahead by a buffer, not by the document.
    assert max(kept) < 12_000 / 2
    assert max(chunk.count(b"\n") for chunk in reader.chunks()) == 10
