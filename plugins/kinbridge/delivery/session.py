"""One SFTP session with a partner: paramiko's client, made tolerant of odd servers and bounded in time and memory.

paramiko 5.1 as it stands stops a whole listing at the first name that is not UTF-8, repeats the server's own text in
its errors, buffers without bound when a server answers reads short, and waits for ever for some replies. What differs
here: names stay bytes, errors carry our words only, reads go through a sliding window, and every operation has a
deadline after which the connection is closed.
"""

from __future__ import annotations

import errno
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paramiko
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_DATA,
    CMD_EXTENDED,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_STATUS,
    SFTP_EOF,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_OP_UNSUPPORTED,
    SFTP_PERMISSION_DENIED,
    int64,
)

from kinbridge.errors import KinbridgeError

SMALLEST_BLOCK = 32 * 1024  # what every server grants at once (draft-ietf-secsh-filexfer-02, 3)
LARGEST_BLOCK = 192 * 1024  # asked for where the server says that it grants it; three times as fast
READ_AHEAD = 6 * 1024 * 1024  # bytes asked for before the first of them is used; the most that is held in memory

_ERRNO = {
    SFTP_NO_SUCH_FILE: errno.ENOENT,
    SFTP_PERMISSION_DENIED: errno.EACCES,
    SFTP_OP_UNSUPPORTED: errno.ENOTSUP,
}
_CAUSE = {
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "permission denied",
    errno.ENOTSUP: "the server does not support it",
}


class EndOfFile(EOFError):
    """The server says that a file or listing ends here; a plain `EOFError` is a connection that ended."""


@dataclass(frozen=True)
class Entry:
    """One entry of a remote folder, as the server describes it; what it does not say is None.

    `size` in bytes, `mtime` in epoch seconds, `mode` as in `stat`.
    """

    raw_name: bytes
    size: int | None
    mtime: int | None
    mode: int | None

    @property
    def kind(self) -> int | None:
        """The file type bits (`stat.S_IFREG` and so on), or None when the server gives none."""
        return stat.S_IFMT(self.mode) or None if self.mode is not None else None


# What is overridden below is not in paramiko's published types.
_Client: Any = paramiko.SFTPClient
_attributes: Any = paramiko.SFTPAttributes


class Session(_Client):  # type: ignore[misc]
    """An open SFTP session with one partner. Made by `kinbridge.delivery.sftp.open_sftp`."""

    def __init__(self, channel: paramiko.Channel, partner: str, silence_seconds: float) -> None:
        self.partner = partner
        self.silence_seconds = silence_seconds
        super().__init__(channel)
        self._block = min(max(self._granted_read(), SMALLEST_BLOCK), LARGEST_BLOCK)

    @contextmanager
    def bounded(self, action: str, seconds: float) -> Iterator[None]:
        """Run one operation; a lost, silent or refusing server becomes KB-D04 or KB-D05, after `seconds` at the latest.

        `OSError` with ENOENT passes through: what a missing file means is for the caller to say.
        """
        with watchdog(self.get_channel().get_transport(), seconds) as expired:
            try:
                yield
            except FileNotFoundError:
                raise
            except TimeoutError:
                cause = f"no answer for {self.silence_seconds:.0f} seconds"
                raise KinbridgeError("KB-D04", partner=self.partner, action=action, cause=cause) from None
            except (EOFError, ConnectionError, paramiko.SSHException, paramiko.SFTPError, struct.error) as error:
                raise self._lost(action, seconds, expired.is_set(), error) from None
            except OSError as error:
                if error.errno in _CAUSE or error.errno == errno.EREMOTEIO:
                    cause = _CAUSE.get(error.errno, "it gives no reason")
                    raise KinbridgeError("KB-D05", partner=self.partner, action=action, cause=cause) from None
                raise self._lost(action, seconds, expired.is_set(), error) from None

    def entries(self, folder: str) -> Iterator[list[Entry]]:
        """The entries of a folder, one list for each answer of the server; names stay bytes."""
        kind, message = self._request(CMD_OPENDIR, folder)
        handle = message.get_binary()
        while True:
            try:
                kind, message = self._request(CMD_READDIR, handle)
            except EndOfFile:
                break
            if kind != CMD_NAME:
                raise paramiko.SFTPError("not a list of names")
            yield [_entry(message) for _ in range(message.get_int())]
        self._request(CMD_CLOSE, handle)

    def describe(self, path: str) -> Entry:
        """One entry, links not followed. Raises `FileNotFoundError`."""
        found = self.lstat(path)
        return Entry(path.encode(), found.st_size, found.st_mtime, found.st_mode)

    def blocks(self, remote: Any, size: int) -> Iterator[memoryview]:
        """The first `size` bytes of an open file, in order, with `READ_AHEAD` bytes asked for in advance.

        Raises `EndOfFile` when the file ends sooner. Never holds more than the window in memory, in whatever order and
        in however short pieces the server answers.
        """
        under_way: dict[int, tuple[int, int]] = {}
        arrived: dict[int, memoryview] = {}
        asked = given = 0
        while given < size:
            while asked < size and asked < given + READ_AHEAD:
                length = min(self._block, size - asked)
                under_way[self._ask(remote.handle, asked, length)] = (asked, length)
                asked += length
            number, block = self._answer()
            if number not in under_way:
                continue
            offset, length = under_way.pop(number)
            if not 0 < len(block) <= length:
                raise paramiko.SFTPError("a read was answered with another length")
            if len(block) < length:
                rest = (offset + len(block), length - len(block))
                under_way[self._ask(remote.handle, *rest)] = rest
            arrived[offset] = block
            while given in arrived:
                ready = arrived.pop(given)
                given += len(ready)
                yield ready

    def ends_at(self, remote: Any, size: int) -> bool:
        """Whether the open file has no byte beyond `size`."""
        try:
            self._request(CMD_READ, remote.handle, int64(size), 1)
        except EndOfFile:
            return True
        return False

    def _granted_read(self) -> int:
        """The longest read in bytes that the server says it grants (OpenSSH's PROTOCOL, 4.8), or 0."""
        try:
            _, message = self._request(CMD_EXTENDED, "limits@openssh.com")
            message.get_int64()  # the longest packet
            return int(message.get_int64())
        except OSError:
            return 0

    def _ask(self, handle: bytes, offset: int, length: int) -> int:
        number: int = self._async_request(type(None), CMD_READ, handle, int64(offset), length)
        return number

    def _answer(self) -> tuple[int, memoryview]:
        kind, packet = self._read_packet()
        number, word = struct.unpack_from(">II", packet)
        self._expecting.pop(number, None)
        if kind == CMD_STATUS:
            self._convert_status(paramiko.Message(packet[4:]))
        elif kind != CMD_DATA:
            raise paramiko.SFTPError("not data")
        block = memoryview(packet)[8 : 8 + word]
        if kind == CMD_DATA and len(block) != word:
            raise paramiko.SFTPError("data is cut short")
        return number, block

    def _convert_status(self, msg: paramiko.Message) -> None:
        """Raise for an error status, in our own words: the server's text may hold anything."""
        code = msg.get_int()
        if code == SFTP_EOF:
            raise EndOfFile
        if code != SFTP_OK:
            # OSError picks its subclass by number; EREMOTEIO stands for "failed, and the server says no more".
            number = _ERRNO.get(code, errno.EREMOTEIO)
            raise OSError(number, _CAUSE.get(number, "the server reports a failure"))

    def _lost(self, action: str, seconds: float, expired: bool, error: Exception) -> KinbridgeError:
        if expired:
            cause = f"it took longer than {seconds:.0f} seconds"
        elif isinstance(error, (paramiko.SFTPError, struct.error)):
            cause = "the server does not keep to the protocol"
        else:
            cause = "the server hung up"
        return KinbridgeError("KB-D04", partner=self.partner, action=action, cause=cause)


@contextmanager
def watchdog(transport: Any, seconds: float) -> Iterator[threading.Event]:
    """Close `transport` after `seconds`, which wakes whatever waits on it; the event says that this happened."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        transport.close()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()


def _entry(message: paramiko.Message) -> Entry:
    raw_name = bytes(message.get_string())
    message.get_string()  # the "long name", a line of `ls -l` that may be in any encoding
    attributes = _attributes._from_msg(message)
    return Entry(raw_name, attributes.st_size, attributes.st_mtime, attributes.st_mode)
