"""A TCP proxy in front of a real server, by which a test cuts, stalls or swallows what the server answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CHUNK = 16 * 1024
LOCAL = "127.0.0.1"


@dataclass
class Proxy:
    """Passes bytes both ways until it is told otherwise. `port` is where clients connect."""

    target: int
    port: int = 0
    passed: int = 0  # bytes of the server that clients were given
    _budget: int | None = None
    _stalls: bool = False
    _word: bytes | None = None
    _swallows: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def cut_after(self, count: int, *, stall: bool = False) -> None:
        """Let `count` more bytes of the server through, then hang up; or go silent, and keep the connection open."""
        with self._lock:
            self._budget, self._stalls = count, stall

    def swallow_answer_to(self, word: bytes) -> None:
        """Once a client has sent `word`: let the server do it, but hang up instead of passing on its answer."""
        with self._lock:
            self._word = word

    def mend(self) -> None:
        """Pass everything again, to those who connect from now on."""
        with self._lock:
            self._budget = self._word = None
            self._stalls = self._swallows = False

    def serve(self, listener: socket.socket) -> None:
        """Accept clients until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection((LOCAL, self.target))
            except OSError:
                return
            for source, sink, down in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._forward, args=(source, sink, down), daemon=True).start()

    def close(self) -> None:
        """Release what was stalled."""
        self._ended.set()

    def _forward(self, source: socket.socket, sink: socket.socket, down: bool) -> None:
        try:
            while data := source.recv(CHUNK):
                data, go_on = self._of_server(data) if down else self._of_client(data)
                sink.sendall(data)
                if not go_on:
                    break
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _of_client(self, data: bytes) -> tuple[bytes, bool]:
        with self._lock:
            if self._word is not None and self._word in data:
                self._swallows = True
        return data, True

    def _of_server(self, data: bytes) -> tuple[bytes, bool]:
        with self._lock:
            if self._swallows:
                return b"", False
            if self._budget is not None:
                data = data[: self._budget]
                self._budget -= len(data)
            self.passed += len(data)
            go_on, stalls = self._budget != 0, self._stalls
        if not go_on and stalls:
            self._ended.wait(60)
        return data, go_on


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """A proxy in front of a port of this machine, on a port of its own."""
    listener = socket.create_server((LOCAL, 0))
    proxy = Proxy(target, listener.getsockname()[1])
    threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
