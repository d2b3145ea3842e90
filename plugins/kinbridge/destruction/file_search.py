"""Searches files for probes: as they are, in hexadecimal or base64, and within gzip, bzip2, xz and zip.

Archives may lie in archives. A piece at a time, so that memory does not grow with a file. What is encrypted is not
found, and what no reader of ours opens is searched as it is. Tells how often something was found, never what.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

CHUNK = 1 << 22
# Archives within archives; a deeper one is searched as it is.
DEEPEST = 3
# How many bytes of a needle decide whether it is worth a look.
START = 3
# A shorter probe in base64 is a few letters, which stand anywhere by chance.
SHORTEST = 8
_OPENING: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_ZIP = b"PK\x03\x04"
_BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)


def hits_in_file(path: Path, probes: Sequence[str]) -> int:
    """How often any of the probes stands in a file, in any of these forms."""
    if not probes:
        return 0
    needles = _needles(tuple(probes))
    with path.open("rb") as file:
        return _hits(file, needles, 0)


def forms_of(probe: str) -> set[bytes]:
    """A probe as it is, in hexadecimal, and in base64 at each of the three places at which it may begin there; all in
    small letters, in which files are searched."""
    found = {probe.lower().encode()}
    for text in (probe, probe.lower(), probe.upper()):
        raw = text.encode()
        found.add(raw.hex().encode())
        for before in range(3) if len(raw) >= SHORTEST else ():
            coded = base64.b64encode(bytes(before) + raw)
            # The letters at both ends hold bits of what stands beside the probe.
            kept = coded[(0, 2, 3)[before] : len(coded) - (0, 3, 2)[(before + len(raw)) % 3]]
            found |= {kept.lower(), kept.translate(bytes.maketrans(b"+/", b"-_")).lower()}
    return found


class _Needles:
    """What is looked for. A table of the first bytes tells at once where nothing can stand."""

    def __init__(self, probes: Sequence[str]) -> None:
        self.starting: dict[bytes, list[bytes]] = {}
        self.short: list[bytes] = []
        for needle in {form for probe in probes for form in forms_of(probe)}:
            if len(needle) < START:
                self.short.append(needle)
            else:
                self.starting.setdefault(needle[:START], []).append(needle)
        self.longest = max(len(needle) for found in (*self.starting.values(), self.short) for needle in found)
        self._table: Any = np.zeros(1 << 8 * START, dtype=bool)
        self._table[[int.from_bytes(start) for start in self.starting]] = True

    def count(self, data: bytes, seen: int) -> int:
        """The places at which a needle begins that ends after the first `seen` bytes."""
        text = data.lower()
        count = sum(
            text.find(needle, at, at + len(needle)) == at and at + len(needle) > seen
            for needle in self.short
            for at in range(len(text))
        )
        letters = np.frombuffer(text, dtype=np.uint8).astype(np.uint32)
        if len(letters) < START:
            return count
        starts = (letters[:-2] << 16) | (letters[1:-1] << 8) | letters[2:]
        for at in np.flatnonzero(self._table[starts]).tolist():
            for needle in self.starting[text[at : at + START]]:
                if at + len(needle) > seen and text.startswith(needle, at):
                    count += 1
                    break
        return count


@lru_cache(maxsize=1)
def _needles(probes: tuple[str, ...]) -> _Needles:
    return _Needles(probes)


def _hits(file: IO[bytes], needles: _Needles, depth: int) -> int:
    count, before = 0, b""
    head = file.read(len(max(_OPENING, key=len)))
    file.seek(0)
    if depth < DEEPEST:
        count += sum(_within(file, head, needles, depth))
        file.seek(0)
    while chunk := file.read(CHUNK):
        data = before + chunk
        # What ends within the overlap was counted with the piece before.
        count += needles.count(data, len(before))
        before = data[-(needles.longest - 1) :] if needles.longest > 1 else b""
    return count


def _within(file: IO[bytes], head: bytes, needles: _Needles, depth: int) -> Iterator[int]:
    """The hits in what a compressed file or archive holds; what is broken is read as far as it goes."""
    for magic, opening in _OPENING.items():
        if head.startswith(magic):
            try:
                with opening(file, "rb") as inner:
                    yield _hits(inner, needles, depth + 1)
            except _BROKEN:
                continue
    if head.startswith(_ZIP):
        try:
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    if not member.is_dir():
                        with archive.open(member) as inner:
                            yield _hits(inner, needles, depth + 1)
        except _BROKEN:
            return
