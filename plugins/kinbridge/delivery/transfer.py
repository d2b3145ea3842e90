"""Bytes between a partner's server and this machine, whole or not at all.

A download goes to a generated local name (a remote name is never part of a local path), is hashed on the way, and only
becomes visible under its final name once size and time of the remote file were the same before and after. Whatever
fails, no half file stays. The remote file is never changed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path

from kinbridge.delivery.names import printable
from kinbridge.delivery.session import EndOfFile, Entry, Session
from kinbridge.errors import KinbridgeError

RESERVE_BYTES = 64 * 1024 * 1024  # left free on the landing disk, which may be the database's disk too
SLOWEST_BYTES_PER_SECOND = 20_000  # slower than this over a whole file counts as stalled
GRACE_SECONDS = 120.0
FINAL_SUFFIX = ".delivery"
PART_SUFFIX = ".part"

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Landed:
    """A collected file: where it lies here, its size in bytes, the SHA-256 of its bytes in hexadecimal."""

    path: Path
    size: int
    sha256: str


def download(
    session: Session, remote: str, local_folder: Path, expected_size: int, *, expected_mtime: int | None = None
) -> Landed:
    """Fetch the file at `remote` into `local_folder` (made with mode 0700; the file has 0600).

    Raises KB-D04 (lost, silent, too slow), KB-D06 (fewer or more bytes than announced), KB-D07 (changed meanwhile),
    KB-D08 (gone), KB-D09 (no room), KB-D10 (folder not writable) or KB-D13 (a link, pipe or folder).
    """
    make_private(local_folder)
    return _Download(session, remote, local_folder, expected_size, expected_mtime).run()


def upload(session: Session, content: bytes, remote: str) -> None:
    """Put `content` at `remote`, replacing what is there in one step, so that the partner never sees half a file.

    Raises KB-D04, KB-D05 or KB-D16.
    """
    part = remote + PART_SUFFIX
    cause = ""
    try:
        with session.bounded(f"sending {_name(remote)}", deadline(len(content))):
            with session.open(part, "wb") as file:
                file.write(content)
            if session.stat(part).st_size == len(content):
                _rename(session, part, remote)
            else:
                session.remove(part)
                cause = "the server kept fewer bytes than were sent"
    except FileNotFoundError:
        cause = "the folder is missing"
    if cause:
        raise KinbridgeError("KB-D16", partner=session.partner, file=_name(remote), cause=cause)


def make_private(folder: Path) -> None:
    """Make `folder` (and its parents) if needed, and close it to everybody but us."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if stat.S_IMODE(folder.stat().st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise KinbridgeError("KB-D10", folder=folder, cause=_plain(error)) from None


def deadline(size: int) -> float:
    """Seconds within which `size` bytes must have been moved."""
    return GRACE_SECONDS + size / SLOWEST_BYTES_PER_SECOND


@dataclass(frozen=True)
class _Download:
    """One download under way; the parameters are those of `download`."""

    session: Session
    remote: str
    folder: Path
    size: int
    mtime: int | None

    def run(self) -> Landed:
        stem = uuid.uuid4().hex
        part = self.folder / (stem + PART_SUFFIX)
        final = self.folder / (stem + FINAL_SUFFIX)
        if shutil.disk_usage(self.folder).free < self.size + RESERVE_BYTES:
            raise self._no_room()
        try:
            try:
                with self.session.bounded(f"receiving {_name(self.remote)}", deadline(self.size)):
                    before = self.session.describe(self.remote)
                    self._check_unchanged(before, self.mtime)
                    sha256 = self._receive(part)
                    self._check_unchanged(self.session.describe(self.remote), before.mtime)
            except FileNotFoundError:
                raise KinbridgeError("KB-D08", partner=self.session.partner, file=_name(self.remote)) from None
            try:
                part.rename(final)
                _sync_folder(self.folder)
            except OSError as error:
                raise self._local_failure(error) from None
        finally:
            part.unlink(missing_ok=True)
        return Landed(final, self.size, sha256)

    def _receive(self, part: Path) -> str:
        """Copy the remote file into `part`; its SHA-256."""
        digest = hashlib.sha256()
        received = 0
        with self.session.open(self.remote, "rb") as source:
            if source.stat().st_size != self.size:
                raise self._changed()
            target = self._create(part)
            try:
                for block in self.session.blocks(source, self.size):
                    digest.update(block)
                    self._write(target, block)
                    received += len(block)
                if not self.session.ends_at(source, self.size):
                    raise self._incomplete(f"more than {self.size}")
                self._sync(target)
            except EndOfFile:
                raise self._incomplete(str(received)) from None
            finally:
                os.close(target)
        return digest.hexdigest()

    def _create(self, part: Path) -> int:
        try:
            return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._local_failure(error) from None

    def _write(self, target: int, block: memoryview) -> None:
        try:
            while block:
                block = block[os.write(target, block) :]
        except OSError as error:
            raise self._local_failure(error) from None

    def _sync(self, target: int) -> None:
        try:
            os.fsync(target)
        except OSError as error:
            raise self._local_failure(error) from None

    def _check_unchanged(self, found: Entry, mtime: int | None) -> None:
        if found.kind not in {None, stat.S_IFREG}:
            raise KinbridgeError(
                "KB-D13",
                partner=self.session.partner,
                file=_name(self.remote),
                folder=printable(self.remote.rpartition("/")[0]),
                cause="it is not a regular file",
            )
        if found.size != self.size or (mtime is not None and found.mtime != mtime):
            raise self._changed()

    def _changed(self) -> KinbridgeError:
        return KinbridgeError("KB-D07", partner=self.session.partner, file=_name(self.remote))

    def _incomplete(self, received: str) -> KinbridgeError:
        return KinbridgeError(
            "KB-D06", partner=self.session.partner, file=_name(self.remote), expected=self.size, received=received
        )

    def _local_failure(self, error: OSError) -> KinbridgeError:
        if error.errno in _DISK_FULL:
            return self._no_room()
        return KinbridgeError("KB-D10", folder=self.folder, cause=_plain(error))

    def _no_room(self) -> KinbridgeError:
        return KinbridgeError(
            "KB-D09",
            partner=self.session.partner,
            file=_name(self.remote),
            needed=self.size,
            folder=self.folder,
            free=shutil.disk_usage(self.folder).free,
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rename(session: Session, part: str, remote: str) -> None:
    try:
        session.posix_rename(part, remote)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        # Plain SFTP renames to free names only; for a moment there is then no file, but never half of one.
        with contextlib.suppress(FileNotFoundError):
            session.remove(remote)
        session.rename(part, remote)


def _name(remote: str) -> str:
    return printable(remote.rpartition("/")[2])


def _plain(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "unknown cause"
