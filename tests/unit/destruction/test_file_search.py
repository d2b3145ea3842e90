"""Probes are found in files whatever they are wrapped in, and nothing else is."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinbridge.destruction import file_search
from kinbridge.destruction.file_search import forms_of, hits_in_file

PROBE = "AtQz0001"
LINE = b"line_no,name\n7,AtQz0001\n"


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "nothing")
        archive.writestr("in/it.csv", content)
    return file.getvalue()


def two_members(content: bytes) -> bytes:
    return gzip.compress(b"nothing\n") + gzip.compress(content)


WRAPS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "capitals": bytes.upper,
    "hexadecimal": lambda content: content.hex().encode(),
    "hexadecimal in capitals": lambda content: content.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64 for addresses": base64.urlsafe_b64encode,
    "gzip": gzip.compress,
    "second member of a gzip": two_members,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "gzip in zip": lambda content: zipped(gzip.compress(content)),
    "base64 in gzip": lambda content: gzip.compress(base64.b64encode(content)),
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("before", range(3))
def test_a_probe_is_found_in_every_wrapping(tmp_path: Path, wrap: Callable[[bytes], bytes], before: int) -> None:
    path = tmp_path / "copy.bin"
    path.write_bytes(wrap(b"-" * before + LINE))
    # What is too short to become shorter stands in its archive as it is, and is found there too.
    assert hits_in_file(path, [PROBE]) in {1, 2}
    assert hits_in_file(path, ["boqz0001"]) == 0
    assert hits_in_file(path, []) == 0


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40), st.binary(max_size=9))
def test_in_base64_a_probe_is_found_wherever_it_begins(probe: str, before: bytes) -> None:
    text = base64.b64encode(before + probe.encode() + b"end").lower()
    assert any(form in text for form in forms_of(probe))


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_value_is_found_once_wherever_the_pieces_of_a_file_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(file_search, "CHUNK", 16)
    path = tmp_path / "export.txt"
    path.write_bytes(b"-" * place + PROBE.encode() + b"-" * 50)
    assert hits_in_file(path, [PROBE.lower(), "nothing.of.it"]) == 1
    path.write_bytes(b"-" * place + b"9a" + b"-" * 50)
    assert hits_in_file(path, ["9a"]) == 1


@pytest.mark.parametrize("wrap", [gzip.compress, zipped, lzma.compress], ids=["gzip", "zip", "xz"])
def test_what_is_broken_off_is_searched_as_far_as_it_goes(tmp_path: Path, wrap: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "torn"
    path.write_bytes(wrap(LINE * 5000)[:-9] + b"AtQz0001")
    assert hits_in_file(path, [PROBE]) >= 1
