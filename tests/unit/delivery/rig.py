"""A hostile SFTP server and a cutting proxy, for tests of the client. Both are real: sockets, SSH, threads."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import paramiko
from paramiko.sftp import SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_OP_UNSUPPORTED

from kinbridge.delivery.endpoint import SftpEndpoint

READ_CHUNK = 64 * 1024
REGULAR = stat.S_IFREG | 0o644


@dataclass
class Thing:
    """One entry of the hostile server. What it says of itself and what it does may differ."""

    content: bytes = b""
    mode: int | None = REGULAR
    mtime: int | None = 1_700_000_000
    claims: int | None = None  # the size it gives, if not the truth
    longest_read: int | None = None  # answers reads short
    stalls_at: int | None = None  # goes silent from this offset on
    on_read: Callable[[int], None] | None = None  # called with the offset of each read

    @property
    def size(self) -> int:
        return len(self.content) if self.claims is None else self.claims


@dataclass
class Hostile:
    """The server's state, to be arranged by a test and looked at afterwards."""

    entries: dict[bytes, Thing] = field(default_factory=dict)
    log_ins: int = 0
    refuses_log_in: bool = False
    posix_rename: bool = True
    kept_bytes: int | None = None  # an upload keeps only so many bytes
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    host_key: paramiko.PKey = field(default_factory=lambda: paramiko.ECDSAKey.generate(bits=256))
    client_key: paramiko.PKey = field(default_factory=lambda: paramiko.ECDSAKey.generate(bits=256))

    def endpoint(self, *, port: int | None = None, host_key: paramiko.PKey | None = None) -> SftpEndpoint:
        key = host_key or self.host_key
        private = StringIO()
        self.client_key.write_private_key(private)
        return SftpEndpoint(
            partner="acme",
            host="127.0.0.1",
            port=port or self.port,
            user="kinbridge",
            host_key=f"{key.get_name()} {key.get_base64()}",
            private_key=private.getvalue(),
        )

    def attributes(self, name: bytes) -> paramiko.SFTPAttributes:
        return _attributes(name, self.entries[name])


def _attributes(name: bytes, thing: Thing) -> paramiko.SFTPAttributes:
    attributes = paramiko.SFTPAttributes()
    attributes.filename = name
    attributes.st_size = thing.size
    attributes.st_mode = thing.mode
    if thing.mtime is not None:
        attributes.st_atime = attributes.st_mtime = thing.mtime
    return attributes


def _named(path: str) -> bytes:
    return path.rpartition("/")[2].encode()


class _Gate(paramiko.ServerInterface):
    def __init__(self, state: Hostile) -> None:
        self.state = state

    def get_allowed_auths(self, username: str) -> str:
        self.state.log_ins += 1
        return "publickey"

    def check_auth_none(self, username: str) -> int:
        self.state.log_ins += 1
        return paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.state.log_ins += 1
        return paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.state.log_ins += 1
        right = key.asbytes() == self.state.client_key.asbytes() and not self.state.refuses_log_in
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    """An open file stays what it was, whatever becomes of its name, as on a real file system."""

    def __init__(self, state: Hostile, name: bytes) -> None:
        super().__init__()
        self.state, self.name, self.thing = state, name, state.entries[name]

    def stat(self) -> paramiko.SFTPAttributes:
        return _attributes(self.name, self.thing)

    def read(self, offset: int, length: int) -> bytes:
        thing = self.thing
        if thing.on_read:
            thing.on_read(offset)
        if thing.stalls_at is not None and offset + length > thing.stalls_at:
            self.state.released.wait(60)
        return thing.content[offset : offset + min(length, thing.longest_read or length)]

    def write(self, offset: int, data: bytes) -> int:
        self.thing.content = (self.thing.content[:offset] + data)[: self.state.kept_bytes]
        return SFTP_OK


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: _Gate) -> None:
        self.state = server.state

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        if path == "missing":
            return SFTP_NO_SUCH_FILE
        return [self.state.attributes(name) for name in self.state.entries]

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        name = _named(path)
        return self.state.attributes(name) if name in self.state.entries else SFTP_NO_SUCH_FILE

    stat = lstat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> _Handle | int:
        name, writes = _named(path), bool(flags & 0o3)
        if writes:
            self.state.entries[name] = Thing()
        return _Handle(self.state, name) if name in self.state.entries else SFTP_NO_SUCH_FILE

    def remove(self, path: str) -> int:
        return SFTP_OK if self.state.entries.pop(_named(path), None) else SFTP_NO_SUCH_FILE

    def rename(self, oldpath: str, newpath: str) -> int:
        if _named(newpath) in self.state.entries:
            return paramiko.SFTP_FAILURE
        return self._move(oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._move(oldpath, newpath) if self.state.posix_rename else SFTP_OP_UNSUPPORTED

    def _move(self, oldpath: str, newpath: str) -> int:
        self.state.entries[_named(newpath)] = self.state.entries.pop(_named(oldpath))
        return SFTP_OK


@contextmanager
def serving(state: Hostile) -> Iterator[Hostile]:
    """Run the hostile server on a free port of 127.0.0.1."""
    listener = socket.create_server(("127.0.0.1", 0))
    state.port = listener.getsockname()[1]
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.set_log_channel("kinbridge.delivery.wire")
            transport.add_server_key(state.host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
            transports.append(transport)
            try:
                transport.start_server(threading.Event(), _Gate(state))
            except (paramiko.SSHException, EOFError):
                continue

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()


@contextmanager
def cutting_proxy(port: int, after_bytes: int, *, stall: bool = False) -> Iterator[int]:
    """A proxy in front of `port` that hangs up (or goes silent) once it has passed `after_bytes` to the client."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def forward(source: socket.socket, target: socket.socket, budget: int | None) -> None:
        try:
            while data := source.recv(READ_CHUNK):
                if budget is not None:
                    data, budget = data[:budget], budget - len(data)
                target.sendall(data)
                if budget is not None and budget <= 0:
                    if stall:
                        done.wait(60)
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=forward, args=(client, server, None), daemon=True).start()
            threading.Thread(target=forward, args=(server, client, after_bytes), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def leftovers(folder: Path) -> list[str]:
    """Every file below `folder`."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
