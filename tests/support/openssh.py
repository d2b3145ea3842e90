"""A real OpenSSH `sshd` for tests, as partners run it: its own process, port, host key, configuration and log.

It lets in one user, the one that runs the tests; each partner has a key of its own, which leads to a folder of its own
by a forced `internal-sftp`. There are no passwords: Kinbridge never sends one, and `sshd` without PAM asks for none.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kinbridge.bundled import process

# Set where everything has to be tested, so that a missing server fails instead of being passed over.
REQUIRED = "KINBRIDGE_REQUIRE_SSHD"
# Fixed in Debian's build: where the part of the server that faces strangers is locked up. Only root needs it.
EMPTY_FOLDER = Path("/run/sshd")
CONFIGURATION = """\
Port {port}
ListenAddress {host}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin forced-commands-only
MaxStartups 100
LogLevel DEBUG1
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class OpenSsh:
    """A running `sshd`; to a test it looks like the bundled server, but for `user`, the name to log in with."""

    host: str
    port: int
    host_key: str
    keys: dict[str, Path]
    folder: Path
    user: str

    @property
    def log(self) -> Path:
        """What the server wrote, down to each attempt to log in."""
        return self.folder / "sshd.log"

    def jail(self, partner: str) -> Path:
        """The folder in which the partner's sessions begin; holds `inbox` and `outbox`."""
        return self.folder / "jails" / partner


def program() -> str:
    """The path of `sshd`; skips the test where there is none, or fails it where there has to be one."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        reason = "sshd is not installed (Debian's package is openssh-server)"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def running(folder: Path, partners: Iterable[str]) -> Iterator[OpenSsh]:
    """Run a server for these partners below `folder` until the block ends."""
    command = program()
    if os.geteuid() == 0:
        EMPTY_FOLDER.mkdir(mode=0o755, exist_ok=True)
    host_key = _key_pair(folder / "host_key")
    (folder / "keys").mkdir()
    keys, allowed = {}, []
    for partner in partners:
        jail = folder / "jails" / partner
        for box in ("inbox", "outbox"):
            (jail / box).mkdir(parents=True)
        keys[partner] = folder / "keys" / partner
        allowed.append(f'restrict,command="internal-sftp -d {jail}" {_key_pair(keys[partner])}\n')
    (folder / "authorized_keys").write_text("".join(allowed), encoding="ascii")
    user = pwd.getpwuid(os.geteuid()).pw_name
    service = OpenSsh(process.HOST, process.free_port(None), host_key, keys, folder, user)
    text = CONFIGURATION.format(port=service.port, host=service.host, folder=folder)
    (folder / "sshd_config").write_text(text, encoding="ascii")
    server = subprocess.Popen([command, "-D", "-f", str(folder / "sshd_config"), "-E", str(service.log)])
    try:
        _wait(service, server)
        yield service
    finally:
        server.terminate()
        server.wait(30)


def _key_pair(private: Path) -> str:
    """Make an Ed25519 key pair; the public half as one line without comment."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(private)], check=True)
    return " ".join(private.with_suffix(".pub").read_text(encoding="ascii").split()[:2])


def _wait(service: OpenSsh, server: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection((service.host, service.port), timeout=seconds) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("sshd does not answer; its log:\n" + service.log.read_text(encoding="utf-8"))
