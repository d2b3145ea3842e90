"""Compressed and encrypted streams: what is written is held in memory for one frame at most.

Each file has a key derived (HKDF-SHA-256, RFC 5869) from its part's key and its own name, and is a sequence of
AES-256-GCM frames: a length, and a ciphertext of up to a megabyte. The nonce is the frame's number, the associated data
its number and whether it is the last: frames cannot be left out, swapped or taken from another file, and a cut is
noticed.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kinbridge.errors import KinbridgeError

MAGIC = b"KBB1"
FRAME = 1 << 20
_LEVEL = 3


def _cipher(key: bytes, name: str) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=name.encode()).derive(key))


def _nonce(number: int) -> bytes:
    return struct.pack(">IQ", 0, number)


def _data(number: int, last: bool) -> bytes:
    return struct.pack(">Q?", number, last)


class SealedWriter:
    """Takes bytes (`write`), and writes them compressed and encrypted to a file. `close` writes the last frame."""

    def __init__(self, file: IO[bytes], key: bytes, name: str) -> None:
        self._file, self._cipher = file, _cipher(key, name)
        self._zip, self._waiting, self._number = zlib.compressobj(_LEVEL), bytearray(), 0
        self.digest, self.size = hashlib.sha256(), 0
        self._out(MAGIC)

    def write(self, data: bytes | str) -> int:
        """Take more; COPY calls it with what the server sends."""
        content = data.encode() if isinstance(data, str) else data
        self._waiting += self._zip.compress(content)
        while len(self._waiting) > FRAME:
            self._frame(bytes(self._waiting[:FRAME]), last=False)
            del self._waiting[:FRAME]
        return len(content)

    def close(self) -> None:
        """Write what is left. Without this the stream is not whole, and no reader takes it."""
        self._waiting += self._zip.flush()
        while len(self._waiting) > FRAME:
            self._frame(bytes(self._waiting[:FRAME]), last=False)
            del self._waiting[:FRAME]
        self._frame(bytes(self._waiting), last=True)

    def _frame(self, content: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number), content, _data(self._number, last))
        self._out(struct.pack(">I?", len(sealed), last) + sealed)
        self._number += 1

    def _out(self, content: bytes) -> None:
        self._file.write(content)
        self.digest.update(content)
        self.size += len(content)


class SealedReader:
    """Gives back (`read`) what a `SealedWriter` took. Raises `KinbridgeError` KB-U23 for a file that is not whole."""

    def __init__(self, file: IO[bytes], key: bytes, name: str) -> None:
        self._file, self._cipher, self._name = file, _cipher(key, name), name
        self._unzip, self._waiting, self._number, self._over = zlib.decompressobj(), bytearray(), 0, False
        # COPY hides what its reader raises; it can be seen here.
        self.damaged = False
        if file.read(len(MAGIC)) != MAGIC:
            raise KinbridgeError("KB-U23", file=name)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, all that is left if negative; empty at the end."""
        while not self._over and (size < 0 or len(self._waiting) < size):
            self._next()
        taken = bytes(self._waiting if size < 0 else self._waiting[:size])
        del self._waiting[: len(taken)]
        return taken

    def _next(self) -> None:
        try:
            length, last = struct.unpack(">I?", self._file.read(5))
            sealed = self._file.read(min(length, FRAME + 16))
            content = self._cipher.decrypt(_nonce(self._number), sealed, _data(self._number, last))
            self._waiting += self._unzip.decompress(content)
        except (InvalidTag, struct.error, zlib.error):
            self.damaged = True
            raise KinbridgeError("KB-U23", file=self._name) from None
        self._number += 1
        if last:
            self._waiting += self._unzip.flush()
            self._over = True
