"""The SFTP client: the partner's pinned host key is proven before any credential leaves this machine.

Airflow's own SFTP hooks accept any host key by default, so they are not used. No agent, no key files of the user, no
password: one private key for one partner. Retries are the caller's matter; everything here ends in bounded time.
"""

from __future__ import annotations

import hmac
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import paramiko

from kinbridge.delivery.endpoint import SftpEndpoint, fingerprint, key_type
from kinbridge.delivery.inbox import Listing, Oddity, RemoteFile, list_inbox
from kinbridge.delivery.names import printable
from kinbridge.delivery.session import Session, watchdog
from kinbridge.delivery.transfer import Landed, download, upload
from kinbridge.errors import KinbridgeError

__all__ = [
    "Landed",
    "Listing",
    "Oddity",
    "RemoteFile",
    "Session",
    "SftpEndpoint",
    "Timeouts",
    "download",
    "fingerprint",
    "list_inbox",
    "open_sftp",
    "printable",
    "upload",
]

# Paramiko logs what servers say (versions, banners, names) as it stands, and tracebacks from its own thread.
_WIRE_LOG = "kinbridge.delivery.wire"
logging.getLogger(_WIRE_LOG).setLevel(logging.CRITICAL + 1)

_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr")
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")

# Larger than paramiko's own: fewer packets and fewer waits for one large file.
_WINDOW_BYTES = 16 * 1024 * 1024
_PACKET_BYTES = 256 * 1024


@dataclass(frozen=True)
class Timeouts:
    """Patience in seconds: for the TCP connection, for key exchange and log-in each, for any answer afterwards."""

    connect: float = 15.0
    handshake: float = 30.0
    silence: float = 30.0


@contextmanager
def open_sftp(endpoint: SftpEndpoint, timeouts: Timeouts | None = None) -> Iterator[Session]:
    """Connect, prove the host key, log in, and give the session; it is closed on leaving.

    Raises KB-D01 (not reachable), KB-D02 (another host key; no credential was sent), KB-D03 (log-in refused), KB-D04
    (lost or silent) or KB-D11 (the endpoint lacks a key; nothing was sent at all).
    """
    patience = timeouts or Timeouts()
    pinned = endpoint.host_key_blob()
    private_key = endpoint.load_private_key()
    transport = _connect(endpoint, patience)
    try:
        _prefer(transport, key_type(pinned) or "")
        _exchange_keys(endpoint, transport, patience.handshake)
        _prove_host_key(endpoint, transport, pinned)
        _log_in(endpoint, transport, private_key, patience.handshake)
        session = _start_session(endpoint, transport, patience)
        try:
            yield session
        finally:
            # A cut that is noticed only now has nothing to say that the body has not said.
            with suppress(EOFError, OSError, paramiko.SSHException):
                session.close()
    finally:
        transport.close()


def _connect(endpoint: SftpEndpoint, patience: Timeouts) -> paramiko.Transport:
    try:
        connection = socket.create_connection((endpoint.host, endpoint.port), timeout=patience.connect)
    except OSError as error:
        raise _unreachable(endpoint, _why(error)) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(connection)
    transport.set_log_channel(_WIRE_LOG)
    transport.banner_timeout = patience.handshake
    transport.handshake_timeout = patience.handshake
    transport.auth_timeout = patience.handshake
    return transport


def _prefer(transport: paramiko.Transport, pinned_type: str) -> None:
    """Ask for the pinned key's type first, and for sound ciphers only.

    The other key types stay on offer, so that a changed key can be shown with its fingerprint instead of ending in
    "no common algorithm".
    """
    options = transport.get_security_options()
    first = ("rsa-sha2-512", "rsa-sha2-256") if pinned_type == "ssh-rsa" else (pinned_type,)
    options.key_types = [
        *(t for t in first if t in options.key_types),
        *(t for t in options.key_types if t not in first),
    ]
    options.ciphers = [c for c in _CIPHERS if c in options.ciphers]
    options.digests = [d for d in _MACS if d in options.digests]


def _exchange_keys(endpoint: SftpEndpoint, transport: paramiko.Transport, seconds: float) -> None:
    with watchdog(transport, seconds) as expired:
        try:
            transport.start_client()
        except (OSError, EOFError, paramiko.SSHException):
            cause = (
                f"no SSH greeting within {seconds:.0f} seconds" if expired.is_set() else "it does not speak SSH with us"
            )
            raise _unreachable(endpoint, cause) from None


def _prove_host_key(endpoint: SftpEndpoint, transport: paramiko.Transport, pinned: bytes) -> None:
    try:
        presented = transport.get_remote_server_key().asbytes()
    except paramiko.SSHException:
        raise _unreachable(endpoint, "the connection ended during the key exchange") from None
    if not hmac.compare_digest(presented, pinned):
        raise KinbridgeError(
            "KB-D02",
            partner=endpoint.partner,
            host=endpoint.host,
            port=endpoint.port,
            presented=f"{key_type(presented)} {fingerprint(presented)}",
            expected=f"{key_type(pinned)} {fingerprint(pinned)}",
        )


def _log_in(endpoint: SftpEndpoint, transport: paramiko.Transport, private_key: paramiko.PKey, seconds: float) -> None:
    with watchdog(transport, seconds + 5) as expired:
        try:
            if not transport.auth_publickey(endpoint.user, private_key):
                return
        except paramiko.AuthenticationException as error:
            if expired.is_set() or "timeout" in str(error).lower() or "shut down" in str(error):
                cause = "no answer to our log-in"
                raise KinbridgeError("KB-D04", partner=endpoint.partner, action="logging in", cause=cause) from None
        except (OSError, EOFError, paramiko.SSHException):
            cause = "the server hung up"
            raise KinbridgeError("KB-D04", partner=endpoint.partner, action="logging in", cause=cause) from None
    # Refused outright, or the server wants a second factor after the key: either way we are not in.
    raise KinbridgeError("KB-D03", partner=endpoint.partner, host=endpoint.host, port=endpoint.port, user=endpoint.user)


def _start_session(endpoint: SftpEndpoint, transport: paramiko.Transport, patience: Timeouts) -> Session:
    transport.set_keepalive(15)
    with watchdog(transport, patience.handshake) as expired:
        try:
            channel = transport.open_session(_WINDOW_BYTES, _PACKET_BYTES, timeout=patience.handshake)
            channel.settimeout(patience.silence)
            channel.invoke_subsystem("sftp")
            return Session(channel, endpoint.partner, patience.silence)
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError):
            cause = f"no answer for {patience.handshake:.0f} seconds" if expired.is_set() else "it offers no SFTP"
            raise KinbridgeError(
                "KB-D04", partner=endpoint.partner, action="starting the SFTP session", cause=cause
            ) from None


def _unreachable(endpoint: SftpEndpoint, cause: str) -> KinbridgeError:
    return KinbridgeError("KB-D01", partner=endpoint.partner, host=endpoint.host, port=endpoint.port, cause=cause)


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    return "there is no way to the host"
