"""Unpacks gzip and zip: what a delivered file is by its first bytes, whatever its name says.

What comes out goes into a nameless temporary file beside the landed one, readable by us only and gone when it is
closed, or when the process dies. No member is written under its own name. How much comes out is measured while it
comes out; sizes that an archive states about itself are never believed. Nothing is unpacked twice: an archive in an
archive is refused.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from kinbridge.contract.model import Dialect
from kinbridge.format.table import Unreadable

# More than this is never taken out of an archive, and never so many times its size, once it is more than a little.
INFLATED_BYTES = 16 * 1024**3
INFLATED_RATIO = 250
LITTLE_BYTES = 16 * 1024**2
# A workbook is held in memory while it is read.
WORKBOOK_BYTES = 512 * 1024**2
# More members than this are no delivery; their list alone would fill the memory.
MEMBERS = 10_000
PIECE = 1024 * 1024

GZIP, ZIP, OLE = b"\x1f\x8b\x08", (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OTHER = {
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)")
TAR_MARK = 257
# Office programs write one of these into every file of theirs.
WORKBOOK_PARTS = ("[Content_Types].xml", "META-INF/manifest.xml")
# What a Mac adds to a zip of its own accord.
EXTRAS = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._[^/]*$)")


@contextmanager
def contents(path: Path, dialect: Dialect) -> Iterator[IO[bytes]]:
    """The bytes to read: those of the file, or of the one file in it. Raises `Unreadable`."""
    with path.open("rb") as file:
        kind = kind_of(file)
        if _fits(kind, dialect):
            yield file
            return
        with TemporaryFile(dir=path.parent) as inside:
            if kind == "gzip":
                _gunzip(file, inside, path.stat().st_size)
            else:
                _unzip(file, inside, dialect)
            if not _fits(kind_of(inside), dialect):
                raise Unreadable(1, "an archive stands within an archive")
            yield inside


def kind_of(file: IO[bytes]) -> str:
    """`plain`, `gzip`, `zip` or `workbook`. Raises `Unreadable` for other archives."""
    file.seek(0)
    head = file.read(512)
    kind = "plain"
    other = next((name for mark, name in OTHER.items() if head.startswith(mark)), None)
    if head.startswith(GZIP):
        kind = "gzip"
    elif head.startswith(ZIP):
        kind = "workbook" if _is_workbook(file) else "zip"
    elif head.startswith(OLE):
        kind = "workbook"
    elif BZIP2.match(head):
        other = "bzip2"
    elif head[TAR_MARK : TAR_MARK + 5] == b"ustar":
        other = "tar"
    if other:
        raise Unreadable(1, f"the file is packed as {other}; gzip and zip are read")
    file.seek(0)
    return kind


def check_workbook(file: IO[bytes]) -> None:
    """Whether a workbook can be held in memory: its members, inflated and measured. Raises `Unreadable`."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    head = file.read(8)
    if size > WORKBOOK_BYTES:
        raise Unreadable(1, f"the workbook is larger than {WORKBOOK_BYTES} bytes")
    if head == OLE:
        return
    if not head.startswith(ZIP):
        raise Unreadable(1, "the file is no workbook")
    with archive_errors("zip"), zipfile.ZipFile(file) as archive:
        total = 0
        for member in _members(archive):
            with archive.open(member) as packed:
                while piece := packed.read(PIECE):
                    total += len(piece)
                    if total > WORKBOOK_BYTES:
                        raise Unreadable(1, f"the workbook has more than {WORKBOOK_BYTES} bytes inside")


def _fits(kind: str, dialect: Dialect) -> bool:
    """Whether these bytes are to be read as they are; a workbook under another contract is refused."""
    if kind == "workbook" and dialect.format != "excel":
        raise Unreadable(1, "the file is a workbook, which is not what the contract says")
    return kind in {"plain", "workbook"}


def _is_workbook(file: IO[bytes]) -> bool:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name in archive.NameToInfo for name in WORKBOOK_PARTS)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False


def _gunzip(file: IO[bytes], inside: IO[bytes], size: int) -> None:
    file.seek(0)
    with archive_errors("gzip"), gzip.GzipFile(fileobj=file) as packed:
        _copy(packed, inside, size)


def _unzip(file: IO[bytes], inside: IO[bytes], dialect: Dialect) -> None:
    file.seek(0)
    with archive_errors("zip"), zipfile.ZipFile(file) as archive:
        member = _chosen(_members(archive), dialect.member)
        if member.flag_bits & 0x1:
            raise Unreadable(1, "the file in the zip is encrypted")
        with archive.open(member) as packed:
            _copy(packed, inside, member.compress_size)


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [m for m in archive.infolist() if not m.is_dir() and not EXTRAS.search(m.filename)]
    if len(members) > MEMBERS:
        raise Unreadable(1, f"the zip has more than {MEMBERS} files")
    return members


def _chosen(members: list[zipfile.ZipInfo], pattern: str | None) -> zipfile.ZipInfo:
    """The file that the contract names, or the only one."""
    chosen = members if pattern is None else [m for m in members if re.fullmatch(pattern, m.filename)]
    if len(chosen) == 1:
        return chosen[0]
    which = "" if pattern is None else " that delivery.member names"
    if pattern is not None and not chosen:
        raise Unreadable(1, f"the zip has no file{which}")
    raise Unreadable(1, f"the zip has {len(chosen)} files{which}, not one")


def _copy(packed: IO[bytes] | gzip.GzipFile, inside: IO[bytes], size: int) -> None:
    """All bytes of an archive's file, as long as they are not too many for its `size`."""
    most = min(INFLATED_BYTES, max(LITTLE_BYTES, INFLATED_RATIO * size))
    total = 0
    while piece := packed.read(PIECE):
        total += len(piece)
        if total > most:
            raise Unreadable(1, f"the archive inflates to more than {most} bytes")
        inside.write(piece)


@contextmanager
def archive_errors(kind: str) -> Iterator[None]:
    """What an archive's libraries raise about its content, as `Unreadable`; a full disk is not among it."""
    damaged = Unreadable(1, f"the {kind} archive is damaged or cut off")
    try:
        yield
    except RuntimeError:
        # zipfile says so of a file that wants a password.
        raise Unreadable(1, "the file in the zip is encrypted or packed in an unknown way") from None
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error, ValueError, OverflowError):
        raise damaged from None
    except OSError as error:
        # A place before the file's beginning, or a stream that its library does not know: the system has no fault.
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise damaged from None
