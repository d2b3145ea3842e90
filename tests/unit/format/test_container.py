"""A packed file is read as if it were not packed, or refused; by what it is, not by what it is called."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.support.readers import columns_at, delivered, rows_of

from kinbridge.contract.model import Dialect
from kinbridge.format import container
from kinbridge.format.table import Unreadable

TEXT = b"a,b\n1,x\n2,y\n"
FOUND = [(2, "whole", ["1", "x"]), (3, "whole", ["2", "y"])]
COLUMNS = columns_at(a="a", b="b")
PLAIN = Dialect("x")


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def refusal(tmp_path: Path, content: bytes, dialect: Dialect = PLAIN) -> str:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as caught:
        rows_of(path, dialect, COLUMNS)
    assert list(tmp_path.iterdir()) == [path]
    return caught.value.why


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:]),
        zipped({"x/rows.txt": TEXT}),
        zipped({"rows": TEXT}, zipfile.ZIP_STORED),
        zipped({"../../etc/rows": TEXT}),
        zipped({"folder/": b"", "rows.csv": TEXT, "__MACOSX/._rows.csv": b"x", ".DS_Store": b"x"}),
    ],
    ids=["plain", "gzip", "gzips", "zip", "stored", "slip", "extras"],
)
def test_packed_or_not_the_rows_are_the_same(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    file, rows = delivered(path, PLAIN, COLUMNS)
    assert rows == FOUND
    assert file.header is not None
    assert list(tmp_path.iterdir()) == [path]


def test_the_member_that_the_contract_names(tmp_path: Path) -> None:
    content = zipped({"readme.txt": b"x", "data/rows_202601.csv": TEXT})
    assert "2 files" in refusal(tmp_path, content)
    assert "no file that delivery.member names" in refusal(tmp_path, content, Dialect("x", member="rows.*"))
    assert "2 files that delivery.member names" in refusal(tmp_path, content, Dialect("x", member=".*"))
    (tmp_path / "rows.csv").write_bytes(content)
    assert rows_of(tmp_path / "rows.csv", Dialect("x", member=r"data/rows_\d{6}\.csv"), COLUMNS) == FOUND


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("rows.csv")
        entry.size = len(TEXT)
        archive.addfile(entry, io.BytesIO(TEXT))
    return buffer.getvalue()


def spoilt(archive: bytes) -> bytes:
    """One byte of the member's content is another: only its checksum tells."""
    return archive[:36] + bytes((archive[36] ^ 0x10,)) + archive[37:]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(gzip.compress(TEXT)), "within an archive"),
        (gzip.compress(zipped({"a": TEXT})), "within an archive"),
        (zipped({"a": zipped({"a": TEXT})}), "within an archive"),
        (gzip.compress(tar()), "packed as tar"),
        (tar(), "packed as tar"),
        (bz2.compress(TEXT), "packed as bzip2"),
        (lzma.compress(TEXT), "packed as xz"),
        (gzip.compress(TEXT)[:-5], "damaged or cut off"),
        (gzip.compress(TEXT)[:-8] + b"\0\0\0\0\0\0\0\0", "damaged or cut off"),
        (zipped({"a": TEXT})[:-30], "damaged or cut off"),
        (spoilt(zipped({"a": TEXT * 9})), "damaged or cut off"),
        (zipped({}), "0 files"),
    ],
    # Archives hold the time they were made at, so they are no names for a test.
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_what_cannot_be_unpacked_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    assert why in refusal(tmp_path, content)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    """The flag says so; nothing is asked for a password."""
    content = bytearray(zipped({"a": TEXT}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refusal(tmp_path, bytes(content))


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"a": data})])
def test_bombs_are_stopped_by_what_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: object) -> None:
    """First by how many times its size, then by a limit for all."""
    monkeypatch.setattr(container, "LITTLE_BYTES", 100_000)
    content = pack(b"a,b\n" + b"1,1\n" * 2_000_000)  # type: ignore[operator]
    assert "inflates to more than" in refusal(tmp_path, content)
    monkeypatch.setattr(container, "INFLATED_RATIO", 10_000)
    monkeypatch.setattr(container, "INFLATED_BYTES", 1_000_000)
    assert "inflates to more than 1000000 bytes" in refusal(tmp_path, content)


def test_what_is_small_may_inflate_as_it_likes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,1\n" * 40_000))
    assert len(rows_of(path, PLAIN, COLUMNS)) == 40_000


def test_what_is_unpacked_has_no_name_and_is_gone(tmp_path: Path) -> None:
    """Nobody else can open it while it is read, and a worker that dies leaves nothing."""
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(TEXT))
    with container.contents(path, PLAIN) as inside:
        assert inside.read() == TEXT
        facts = os.fstat(inside.fileno())
        assert (facts.st_nlink, facts.st_mode & 0o077) == (0, 0)
        assert list(tmp_path.iterdir()) == [path]
