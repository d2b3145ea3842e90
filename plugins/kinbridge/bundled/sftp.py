"""The bundled SFTP server: where partners drop files in the demo and in tests.

`start` makes one account, one key pair and one jail per partner below `folder` and starts
`python -m kinbridge.bundled.sftp FOLDER` as a process of its own on 127.0.0.1. Public keys only; no shell, no commands,
no forwarding. `python -m kinbridge.bundled.sftp FOLDER HOST PORT` listens elsewhere: so the container of
docker-compose.yml runs it, on a folder that `kinbridge.deployment` prepared. A file of public keys may hold several,
one a line: ours and those of the agency.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from kinbridge.bundled import process
from kinbridge.bundled.jail import INBOX, OUTBOX, Jail
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.secret_file import write_private

SERVICE = "SFTP"
PARTNER_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
START_SECONDS = 60.0
ATTEMPTS = 3
LOGIN_SECONDS = 30
KEEPALIVE_SECONDS = 60
# Authenticated ciphers need one pass over the bytes instead of two (cipher, then HMAC).
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
WINDOW_BYTES = 16 * 1024 * 1024
PACKET_BYTES = 64 * 1024

log = logging.getLogger("kinbridge.bundled.sftp")


@dataclass(frozen=True)
class SftpService:
    """A running bundled SFTP server; `host_key` is one OpenSSH line to pin, `keys` the partners' private keys."""

    host: str
    port: int
    host_key: str
    keys: dict[str, Path]
    folder: Path

    def jail(self, partner: str) -> Path:
        """The partner's folder on this machine; holds `inbox` and `outbox`."""
        return self.folder / "jails" / partner


def start(folder: Path, partners: Iterable[str]) -> SftpService:
    """Start the server of this folder, or return it when it runs already; partners that are new are added either way.

    Raises KB-S14 for a partner name that is no plain word, KB-S02, KB-S03 and KB-S11 when the server does not start.
    """
    names = list(partners)
    for name in names:
        if not PARTNER_NAME.fullmatch(name):
            raise KinbridgeError("KB-S14", service=SERVICE)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = folder.resolve()
    with process.locked(folder, SERVICE):
        for part in ("keys", "jails"):
            (folder / part).mkdir(exist_ok=True, mode=0o700)
        _key_pair(folder / "host_key")
        for name in names:
            _key_pair(folder / "keys" / name)
            for box in (INBOX, OUTBOX):
                (folder / "jails" / name / box).mkdir(parents=True, exist_ok=True, mode=0o700)
        daemon = process.read_pid_file(_pid_file(folder))
        if daemon is None or not process.serves(
            lambda: _answers(folder), daemon=daemon, service=SERVICE, log=_log_file(folder), timeout=START_SECONDS
        ):
            _start(folder)
    return _service(folder)


def running(folder: Path) -> SftpService | None:
    """The server of this folder if it runs."""
    folder = folder.resolve()
    return _service(folder) if process.read_pid_file(_pid_file(folder)) is not None else None


def stop(folder: Path) -> bool:
    """Stop the server of this folder; keys, jails and the port stay. Returns whether it was running."""
    if not folder.is_dir():
        return False
    folder = folder.resolve()
    with process.locked(folder, SERVICE):
        return process.stop(_pid_file(folder), service=SERVICE)


def _start(folder: Path) -> None:
    environment = process.bare_environment() | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for attempt in range(1, ATTEMPTS + 1):
        port = process.free_port(_port(folder))
        write_private(folder / "port", f"{port}\n")
        _ready_file(folder).unlink(missing_ok=True)
        daemon = process.spawn(
            # -P: the working folder is no place to import from.
            [sys.executable, "-P", "-m", "kinbridge.bundled.sftp", str(folder)],
            service=SERVICE,
            pid_file=_pid_file(folder),
            log=_log_file(folder),
            folder=folder,
            environment=environment,
        )
        try:
            process.wait_until_ready(
                lambda: _answers(folder),
                daemon=daemon,
                service=SERVICE,
                log=_log_file(folder),
                timeout=START_SECONDS,
            )
            return
        except KinbridgeError:
            process.stop(_pid_file(folder), service=SERVICE)
            # Another program may have taken the port since we looked; then, and only then, try another one.
            if attempt == ATTEMPTS or process.free_port(port) == port:
                raise


def _service(folder: Path) -> SftpService:
    keys = {path.stem: path.with_suffix("") for path in sorted((folder / "keys").glob("*.pub"))}
    host_key = " ".join((folder / "host_key.pub").read_text(encoding="ascii").split()[:2])
    port = _port(folder)
    if port is None:
        raise KinbridgeError("KB-S04", folder=folder, missing="port")
    return SftpService(process.HOST, port, host_key, keys, folder)


def _key_pair(private: Path) -> None:
    """Make an ed25519 key pair unless it is there; the public half is written last and makes it count."""
    public = private.with_name(private.name + ".pub")
    if private.exists() and public.exists():
        return
    key = asyncssh.generate_private_key("ssh-ed25519", comment=private.name)
    write_private(private, key.export_private_key("openssh").decode("ascii"))
    write_private(public, key.export_public_key("openssh").decode("ascii"))


def _pid_file(folder: Path) -> Path:
    return folder / "sftp.pid"


def _ready_file(folder: Path) -> Path:
    return folder / "ready"


def _log_file(folder: Path) -> Path:
    return folder / "sftp.log"


def _answers(folder: Path) -> bool:
    """Whether the server says so itself (a stranger on its port cannot) and takes connections."""
    if not _ready_file(folder).exists():
        return False
    try:
        with socket.create_connection((process.HOST, _port(folder) or 0), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _port(folder: Path) -> int | None:
    try:
        return int((folder / "port").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


class _Gate(asyncssh.SSHServer):  # type: ignore[misc]
    """Lets a partner in with its own key, which is read at each log-in, so that a new partner needs no restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._who = "somebody"

    def connection_made(self, conn: Any) -> None:
        self._who = "{}:{}".format(*conn.get_extra_info("peername")[:2])
        log.info("%s: connected", self._who)

    def begin_auth(self, username: str) -> bool:
        # The same for known and unknown names; what a stranger types may be anything, so it is not repeated.
        known = (self._folder / "keys" / f"{username}.pub").is_file() if PARTNER_NAME.fullmatch(username) else False
        log.info("%s: begins to log in as %s", self._who, username if known else "nobody we know")
        return True

    def auth_completed(self) -> None:
        log.info("%s: logged in", self._who)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        return any(known == key for known in _public_keys(self._folder, username))

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False


def _public_keys(folder: Path, partner: str) -> list[Any]:
    """The keys that open the partner's account; none for a name that is not a partner's."""
    if not PARTNER_NAME.fullmatch(partner):
        return []
    try:
        return list(asyncssh.read_public_key_list(folder / "keys" / f"{partner}.pub"))
    except (OSError, asyncssh.KeyImportError):
        return []


async def _serve(folder: Path, host: str, port: int | None) -> None:
    def jail(channel: Any) -> Jail:
        partner: str = channel.get_extra_info("username")
        return Jail(channel, folder / "jails" / partner, partner)

    server = await asyncssh.create_server(
        lambda: _Gate(folder),
        host,
        port,
        server_host_keys=[str(folder / "host_key")],
        sftp_factory=jail,
        allow_scp=False,
        allow_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        compression_algs=["none"],
        encryption_algs=list(CIPHERS),
        gss_host=None,
        login_timeout=LOGIN_SECONDS,
        keepalive_interval=KEEPALIVE_SECONDS,
        window=WINDOW_BYTES,
        max_pktsize=PACKET_BYTES,
        reuse_address=True,
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    log.info("listening on %s port %s", host, port)
    _ready_file(folder).touch()
    await ended.wait()
    server.close()
    log.info("stopped")


def main(arguments: list[str]) -> int:
    """Serve the folder until SIGTERM; what `start` runs. Arguments: FOLDER [HOST PORT]."""
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    # Its own log names commands and paths as clients send them.
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    try:
        folder = Path(arguments[0])
        host, port = (arguments[1], int(arguments[2])) if arguments[1:] else (process.HOST, _port(folder))
        asyncio.run(_serve(folder, host, port))
    except OSError as error:
        log.error("not started: %s", error.strerror)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
