"""A real browser for tests: Debian's Chromium without a window, driven by the DevTools protocol, by keys alone.

Skips where no Chromium is installed. Its profile lives in a folder of the test, and goes with it.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--remote-debugging-port=0",
)
CODES = {"Enter": ("Enter", 13, "\r"), "Tab": ("Tab", 9, ""), "ArrowDown": ("ArrowDown", 40, "")}


class Browser:
    """One page. Keys go where the focus is, as from a keyboard."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def cookie(self, url: str, name: str, value: str) -> None:
        """Have a cookie, as after a log-in."""
        self.call("Network.setCookie", url=url, name=name, value=value, httpOnly=True)

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size, and whether the machine prefers dark pages."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, *, on: bool) -> None:
        """Let the pages that come run scripts, or not."""
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def ask(self, expression: str) -> Any:
        """What a script gives."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait(self, expression: str, seconds: float = 60.0) -> Any:
        """Until a script gives something that is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.ask(expression)
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"not within {seconds:.0f} s: {expression}; the page is {self.ask('location.href')}")

    def press(self, key: str) -> None:
        """Press and let go of one key."""
        code, number, text = CODES.get(key) or (f"Key{key.upper()}", ord(key.upper()), key)
        what = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **what)
        self.call("Input.dispatchKeyEvent", type="keyUp", **what)

    def write(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """A browser with a fresh profile below `folder`; ended in the end."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium")
    log = folder / "chromium.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"], stdout=output, stderr=output
        )
    try:
        with connect(_page_of(process, log), max_size=None, ping_interval=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(30)


def _page_of(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address of the first page's socket, once the browser has said where it listens."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"ws://(127\.0\.0\.1:\d+)/", log.read_text(encoding="utf-8", errors="replace"))
        if found:
            import httpx

            pages = httpx.get(f"http://{found[1]}/json", timeout=30).json()
            return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
        time.sleep(0.2)
    raise AssertionError("Chromium does not answer")
