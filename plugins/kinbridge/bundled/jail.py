"""What one partner can do on the bundled SFTP server: files and folders of its own jail, and nothing else.

Every path that a client names is resolved, links included, and must end in the jail. Clients cannot make links, so
what was resolved stays so until it is opened (the server works on one request at a time). The log names files and
sizes; it must never hold content.
"""

from __future__ import annotations

import io
import logging
import os
import stat
from pathlib import Path
from typing import Any

import asyncssh

INBOX = "inbox"
OUTBOX = "outbox"

log = logging.getLogger("kinbridge.bundled.sftp")


class OpenFile(io.FileIO):
    """A file that a client holds open, and how much of it went through."""

    def __init__(self, descriptor: int, mode: str, name: bytes) -> None:
        super().__init__(descriptor, mode)
        self.client_name = name
        self.bytes_read = 0
        self.bytes_written = 0


class Jail(asyncssh.SFTPServer):  # type: ignore[misc]
    """An SFTP session inside `root`; `partner` is for the log."""

    def __init__(self, channel: Any, root: Path, partner: str) -> None:
        super().__init__(channel, chroot=os.fsencode(root))
        self._root = os.fsencode(os.path.realpath(root))
        self._partner = partner

    def map_path(self, path: bytes) -> bytes:
        """The local path that `path` leads to, links followed. Refused when that is outside the jail."""
        return self._inside(os.path.realpath(super().map_path(path)))

    def _entry(self, path: bytes) -> bytes:
        """The local path of the directory entry itself: links above it are followed, it is not."""
        local: bytes = super().map_path(path)
        if local in (self._root, self._root + b"/"):
            return self._root
        folder, name = os.path.split(local)
        return os.path.join(self._inside(os.path.realpath(folder)), name)  # noqa: PTH118 (bytes)

    def _own_entry(self, path: bytes) -> bytes:
        """The same, for what the partner may move and remove: not the jail and its two folders."""
        entry = self._entry(path)
        fixed = (self._root, *(os.path.join(self._root, name.encode()) for name in (INBOX, OUTBOX)))  # noqa: PTH118
        if entry in fixed:
            raise asyncssh.SFTPPermissionDenied("Permission denied")
        return entry

    def _inside(self, local: bytes) -> bytes:
        if local != self._root and not local.startswith(self._root + b"/"):
            log.warning("%s: refused a path that leads out of its jail", self._partner)
            raise asyncssh.SFTPPermissionDenied("Permission denied")
        return local

    def open(self, path: bytes, pflags: int, attrs: Any) -> OpenFile:  # noqa: ARG002 (modes are ours)
        """Open a regular file; a new one is readable by the server's user only."""
        reads, writes = bool(pflags & asyncssh.FXF_READ), bool(pflags & asyncssh.FXF_WRITE)
        flags = os.O_RDWR if reads and writes else os.O_WRONLY if writes else os.O_RDONLY
        for wanted, flag in (
            (asyncssh.FXF_APPEND, os.O_APPEND),
            (asyncssh.FXF_CREAT, os.O_CREAT),
            (asyncssh.FXF_TRUNC, os.O_TRUNC),
            (asyncssh.FXF_EXCL, os.O_EXCL),
        ):
            if pflags & wanted:
                flags |= flag
        # NONBLOCK: opening a pipe must not halt the server until somebody writes to it.
        descriptor = os.open(self.map_path(path), flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise asyncssh.SFTPPermissionDenied("Not a file")
        return OpenFile(descriptor, "r+b" if reads and writes else "wb" if writes else "rb", path)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: Any) -> OpenFile:  # noqa: ARG002
        """Not offered: it belongs to protocol versions above 3."""
        raise asyncssh.SFTPOpUnsupported("Not supported")

    def read(self, file_obj: OpenFile, offset: int, size: int) -> bytes:
        """Bytes of the file."""
        data = os.pread(file_obj.fileno(), size, offset)
        file_obj.bytes_read += len(data)
        return data

    def write(self, file_obj: OpenFile, offset: int, data: bytes) -> int:
        """Write all the bytes; clients take one answer for all of them."""
        rest = memoryview(data)
        while rest:
            done = os.pwrite(file_obj.fileno(), rest, offset)
            rest, offset = rest[done:], offset + done
        file_obj.bytes_written += len(data)
        return len(data)

    def close(self, file_obj: OpenFile) -> None:
        """Close the file and log its name and what went through."""
        size = os.fstat(file_obj.fileno()).st_size
        log.info(
            "%s: %a size %d read %d written %d",
            self._partner,
            os.fsdecode(file_obj.client_name),
            size,
            file_obj.bytes_read,
            file_obj.bytes_written,
        )
        file_obj.close()

    def lstat(self, path: bytes) -> os.stat_result:
        """What the entry itself is; a link is not followed."""
        return os.lstat(self._entry(path))

    def setstat(self, path: bytes, attrs: Any) -> None:
        """Set size, times and permissions; owners are not changed."""
        super().setstat(path, _harmless(attrs))

    def lsetstat(self, path: bytes, attrs: Any) -> None:
        """The same; links are not changed."""
        self.setstat(path, attrs)

    def fsetstat(self, file_obj: OpenFile, attrs: Any) -> None:
        """The same, of an open file."""
        super().fsetstat(file_obj, _harmless(attrs))

    def remove(self, path: bytes) -> None:
        """Remove a file or a link (not what it leads to)."""
        Path(os.fsdecode(self._own_entry(path))).unlink()
        log.info("%s: %a removed", self._partner, os.fsdecode(path))

    def mkdir(self, path: bytes, attrs: Any) -> None:  # noqa: ARG002
        """Make a folder."""
        Path(os.fsdecode(self._own_entry(path))).mkdir(0o700)

    def rmdir(self, path: bytes) -> None:
        """Remove an empty folder."""
        Path(os.fsdecode(self._own_entry(path))).rmdir()

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename; an existing file is not overwritten."""
        new = self._own_entry(newpath)
        if os.path.lexists(new):
            raise asyncssh.SFTPFailure("File already exists")
        self._rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename; an existing file is replaced in one step."""
        self._rename(oldpath, newpath)

    def _rename(self, old: bytes, new: bytes) -> None:
        Path(os.fsdecode(self._own_entry(old))).replace(os.fsdecode(self._own_entry(new)))
        log.info("%s: %a renamed to %a", self._partner, os.fsdecode(old), os.fsdecode(new))

    def readlink(self, path: bytes) -> bytes:
        """Where a link leads, as seen from inside the jail; refused when that is outside."""
        entry = self._entry(path)
        target = os.path.realpath(os.path.join(os.path.dirname(entry), os.readlink(entry)))  # noqa: PTH118, PTH120, PTH115
        reversed_path: bytes = self.reverse_map_path(self._inside(target))
        return reversed_path

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002
        """Refused."""
        raise asyncssh.SFTPPermissionDenied("Links are not allowed")

    def link(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002
        """Refused."""
        raise asyncssh.SFTPPermissionDenied("Links are not allowed")


def _harmless(attrs: Any) -> Any:
    """Size, times and plain permission bits; no owner, no set-user-id."""
    return asyncssh.SFTPAttrs(
        size=attrs.size,
        permissions=None if attrs.permissions is None else attrs.permissions & 0o777,
        atime=attrs.atime,
        mtime=attrs.mtime,
    )
