"""The records of one sheet of an xls workbook (BIFF in an OLE compound file), as bytes.

After Microsoft's published formats MS-CFB and MS-XLS, no more of them than finding a sheet's records takes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

FREE = 0xFFFFFFFA
BOUNDSHEET, BOF, EOF = 0x0085, 0x0809, 0x000A
STREAMS = ("Workbook", "Book")
ROOT = "Root Entry"


def sheet_records(data: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    """The kind and content of each record of the sheet with that number, from 0.

    Raises `ValueError`, `LookupError` or `struct.error` for what is no such file.
    """
    stream = _workbook(data)
    starts = [struct.unpack_from("<I", record)[0] for kind, record in _records(stream, 0) if kind == BOUNDSHEET]
    yield from _records(stream, starts[number])


def _records(stream: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """From the beginning of a substream to its end, those nested in it included."""
    depth = 0
    if struct.unpack_from("<H", stream, place)[0] != BOF:
        raise ValueError("no beginning of a substream")
    while place + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, place)
        yield kind, stream[place + 4 : place + 4 + length]
        place += 4 + length
        depth += (kind == BOF) - (kind == EOF)
        if depth <= 0:
            return


def _workbook(data: bytes) -> bytes:
    """The stream of the compound file that holds the workbook."""
    size = 1 << struct.unpack_from("<H", data, 30)[0]
    small = 1 << struct.unpack_from("<H", data, 32)[0]
    directory, _, cutoff, small_table = struct.unpack_from("<4I", data, 48)
    table = _table(data, size)
    entries = {}
    listing = _chain(data, table, directory, size, size)
    for place in range(0, len(listing), 128):
        length = struct.unpack_from("<H", listing, place + 64)[0]
        name = listing[place : place + max(length - 2, 0)].decode("utf-16-le")
        entries[name] = struct.unpack_from("<2I", listing, place + 116)
    start, wanted = entries[STREAMS[0] if STREAMS[0] in entries else STREAMS[1]]
    if wanted >= cutoff:
        return _chain(data, table, start, size, size)[:wanted]
    # Small streams lie in sectors of their own within the root's.
    inner = _chain(data, table, entries[ROOT][0], size, size)
    chained = _chain(data, table, small_table, size, size)
    links = struct.unpack(f"<{len(chained) // 4}I", chained)
    return _chain(inner, links, start, small, 0)[:wanted]


def _table(data: bytes, size: int) -> tuple[int, ...]:
    """Which sector follows which: the sectors that say so are listed in the header, and in sectors of their own."""
    listed = list(struct.unpack_from("<109I", data, 76))
    more, count = struct.unpack_from("<2I", data, 68)
    for _ in range(min(count, len(data) // size)):
        if more >= FREE:
            break
        *further, more = struct.unpack_from(f"<{size // 4}I", data, (more + 1) * size)
        listed.extend(further)
    parts = [data[(s + 1) * size : (s + 2) * size] for s in listed if s < FREE]
    joined = b"".join(parts)
    return struct.unpack(f"<{len(joined) // 4}I", joined)


def _chain(data: bytes, table: tuple[int, ...], sector: int, size: int, offset: int) -> bytes:
    """The sectors of a chain. Raises `ValueError` for one that bites its tail."""
    found: list[bytes] = []
    while sector < FREE:
        if len(found) > len(table):
            raise ValueError("a chain without end")
        found.append(data[offset + sector * size : offset + (sector + 1) * size])
        sector = table[sector]
    return b"".join(found)
