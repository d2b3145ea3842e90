"""A partner's SFTP endpoint: where it is, who we are there, and the one host key that we accept.

Holds our private key (as a path or as text), so that its repr and its errors never show it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import paramiko

from kinbridge.errors import KinbridgeError

_KEY_CLASSES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


@dataclass(frozen=True)
class SftpEndpoint:
    """How to reach one partner's server.

    `host_key` is one line as in `known_hosts` without the host: type, key in base64, optional comment. Exactly one of
    `key_file` (path) and `private_key` (text) is our unencrypted private key in OpenSSH or PEM form. `folder` is where
    the partner's inbox and outbox are, below the account's own folder; empty where they are in it.
    """

    partner: str
    host: str
    port: int
    user: str
    host_key: str
    key_file: Path | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    folder: str = ""

    def place(self, box: str) -> str:
        """The path of the partner's inbox or outbox on this account."""
        return f"{self.folder}/{box}" if self.folder else box

    def host_key_blob(self) -> bytes:
        """The pinned key as the bytes that a server presents; KB-D11 when there is none."""
        parts = self.host_key.split()
        try:
            blob = base64.b64decode(parts[1], validate=True)
        except (IndexError, binascii.Error, ValueError):
            raise KinbridgeError("KB-D11", partner=self.partner, part="host key") from None
        if key_type(blob) != parts[0]:
            raise KinbridgeError("KB-D11", partner=self.partner, part="host key")
        return blob

    def load_private_key(self) -> paramiko.PKey:
        """Our private key; KB-D11 when it is missing, encrypted or of a kind that is not known."""
        try:
            text = self.key_file.read_text(encoding="ascii") if self.key_file else self.private_key or ""
        except (OSError, UnicodeDecodeError):
            raise KinbridgeError("KB-D11", partner=self.partner, part="private key") from None
        for key_class in _KEY_CLASSES:
            try:
                return key_class.from_private_key(StringIO(text))
            except (paramiko.SSHException, ValueError, IndexError):
                continue
        raise KinbridgeError("KB-D11", partner=self.partner, part="private key")


def key_type(blob: bytes) -> str | None:
    """The algorithm that a public key's bytes name (RFC 4253, 6.6), or None when they are not a key."""
    length = int.from_bytes(blob[:4], "big")
    name = blob[4 : 4 + length]
    return name.decode("ascii") if 0 < length == len(name) and name.isascii() else None


def fingerprint(blob: bytes) -> str:
    """A public key's fingerprint as OpenSSH shows it: `SHA256:` and base64 without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
