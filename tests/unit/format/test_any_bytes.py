"""Whatever the bytes: rows, or a refusal with a line and a reason. Never another error, in no format."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.readers import Rows, columns_at, rows_of, text_column
from tests.support.workbooks import number, text, xlsx

from kinbridge.contract.model import Column, Dialect, Mark
from kinbridge.format.table import Unreadable

GOLDEN = Path(__file__).parents[2] / "golden" / "formats"
FIXED = (text_column("a", position=(1, 6)), text_column("b", position=(7, 10)))
WORKBOOK = xlsx(("S", [[text("a"), text("b")], [text("1"), number("45000", 1)], [number("2"), ""]]))
FIXED_DIALECT = Dialect(
    "x", format="fixed_width", encoding="cp1252", header_record=Mark("HDR"), trailer_record=Mark("TRL", (4, 9))
)
CASES: dict[str, tuple[Dialect, tuple[Column, ...]]] = {
    "delimited": (Dialect("x", delimiter=";", skip_lines=2), columns_at(a="LAST", b="ZIP")),
    "fixed_width": (FIXED_DIALECT, FIXED),
    "json": (Dialect("x", format="json", records="$.data.people"), columns_at(a="id", b="name.first")),
    "ndjson": (Dialect("x", format="ndjson"), columns_at(a="id", b="name[use=official].given[0]")),
    "xml": (Dialect("x", format="xml", records="people/person"), columns_at(a="@id", b="name/last")),
    "x12_834": (Dialect("x", format="x12_834"), columns_at(a="REF[0F].02", b="HD[03=DEN]/DTP[348].03")),
    "hl7_v2": (Dialect("x", format="hl7_v2"), columns_at(a="PID-3[5=MR].1", b="OBX[3.1=64994-7]-5.1")),
    "excel": (Dialect("x", format="excel"), columns_at(a="a", b="b")),
}


def sound(name: str) -> bytes:
    return WORKBOOK if name == "excel" else next((GOLDEN / name).glob("given.*")).read_bytes()


edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 40), st.binary(max_size=6)), min_size=1, max_size=3)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=edits)
def test_a_spoilt_file_is_read_or_refused(tmp_path: Path, name: str, changes: list[tuple[int, int, bytes]]) -> None:
    """Bytes cut out, put in or changed, anywhere in a sound file."""
    content = sound(name)
    for place, cut, put in changes:
        begin = place % (len(content) + 1)
        content = content[:begin] + put + content[begin + cut :]
    refused_or_read(tmp_path, content, name)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200), head=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"[", b"<a>", b"ISA"])
)
def test_any_bytes(tmp_path: Path, name: str, content: bytes, head: bytes) -> None:
    refused_or_read(tmp_path, head + content, name)


def refused_or_read(tmp_path: Path, content: bytes, name: str) -> Rows:
    path = tmp_path / "delivered"
    path.write_bytes(content)
    dialect, columns = CASES[name]
    try:
        return rows_of(path, dialect, columns)
    except Unreadable as error:
        assert error.line >= 1, error  # noqa: PT017
        return []


@pytest.mark.parametrize("name", CASES)
def test_the_sound_files_are_read(tmp_path: Path, name: str) -> None:
    """Else the properties above would spoil what is spoilt already."""
    assert len(refused_or_read(tmp_path, sound(name), name)) >= 2
