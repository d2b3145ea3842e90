"""The process that opens one OpenPGP message: decrypts it, checks its integrity and its signature, and ends.

A process of its own, because Sequoia's bindings hold Python's lock all the while, because the clear text can then be
bounded by the operating system, and because our secret key is gone from memory with it. It reads a `Task` as JSON from
standard input and writes the outcome as one word. It says nothing else: Sequoia's own messages stay here.
"""

from __future__ import annotations

import base64
import binascii
import json
import resource
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pysequoia import Cert, PyDecryptor, Tsk, decrypt, decrypt_file, encrypt
from pysequoia.packet import PacketPile

from kinbridge.openpgp.gnupg import NotAble, open_by_gnupg

# The packet that begins a message encrypted to a public key (RFC 9580, 5.1).
ENCRYPTED_SESSION_KEY = 1
_ARMOR = b"-----BEGIN PGP MESSAGE-----"


class Outcome(StrEnum):
    """What opening a message came to."""

    OPENED = "opened"
    NOT_ENCRYPTED = "not_encrypted"
    UNSIGNED = "unsigned"
    OTHER_SIGNER = "other_signer"
    INVALID_KEY = "invalid_key"
    DAMAGED = "damaged"
    COMPRESSED = "compressed"
    TOO_BIG = "too_big"
    OUR_KEY = "our_key"
    OUR_DISK = "our_disk"


# What the bindings (0.1.35) say of messages that RFC 9580 allows and they do not know: a signature within compression
# within encryption, and compression by bzip2. The outcome is for where nothing else can open them.
UNKNOWN = {"Unexpected message structure": Outcome.COMPRESSED, "Malformed Message": Outcome.DAMAGED}


@dataclass(frozen=True)
class Task:
    """What to open: paths of the message, of the clear text and of our secret key (None where files are only signed),
    the pinned public keys in hexadecimal, and how many bytes of clear text there may be."""

    message: str
    clear: str
    key: str | None
    certificates: tuple[str, ...]
    most: int


def open_message(task: Task) -> Outcome:
    """Write the clear text of the message; only after `OPENED` may anything of it be used.

    Sequoia reads the message to its end, where its integrity shows, before it returns; it gives out the last 25 MB of
    clear text, and reports signatures as valid, only then.
    """
    if task.key is not None and not encrypted(Path(task.message)):
        return Outcome.NOT_ENCRYPTED
    certificates = [Cert.from_bytes(binascii.unhexlify(text)) for text in task.certificates]
    usable = [certificate for certificate in certificates if _usable(certificate)]
    if not usable:
        return Outcome.INVALID_KEY
    signers: list[str] = []
    asked = False

    def store(names: list[str]) -> list[Cert]:
        nonlocal asked
        asked = True
        signers.extend(names)
        return usable

    try:
        decryptor = _decryptor(task.key) if task.key else None
    except (RuntimeError, OSError, TypeError):
        return Outcome.OUR_KEY
    # The bindings want some way to decrypt, even where a message is only signed; no message opens with this one.
    passwords = [] if decryptor else [""]
    try:
        opened = decrypt_file(task.message, task.clear, decryptor=decryptor, store=store, passwords=passwords)
    except (RuntimeError, OSError) as error:
        unknown = next((cause for cause in UNKNOWN if cause in str(error)), None)
        if unknown and task.key:
            return _by_gnupg(task, task.key, certificates, usable) or UNKNOWN[unknown]
        if not asked or "Signature verification failed" not in str(error):
            return _unread(str(error))
        return _unverified(task, signers, certificates, usable)
    valid = {signature.certificate.upper() for signature in opened.valid_sigs}
    return Outcome.OPENED if valid & {c.fingerprint.upper() for c in usable} else Outcome.UNSIGNED


def _by_gnupg(task: Task, key: str, certificates: list[Cert], usable: list[Cert]) -> Outcome | None:
    """The outcome for a message that Sequoia's bindings do not know; None when GnuPG cannot be asked."""
    try:
        found = open_by_gnupg(task.message, task.clear, key, [bytes(certificate) for certificate in usable])
    except NotAble:
        return None
    except OSError:
        return Outcome.OUR_DISK
    if not found.decrypted:
        return Outcome.TOO_BIG if Path(task.clear).stat().st_size >= task.most else Outcome.DAMAGED
    if set(found.valid) & {certificate.fingerprint.upper() for certificate in usable}:
        return Outcome.OPENED
    return _unverified(task, list(found.named), certificates, usable)


def encrypted(message: Path) -> bool:
    """Whether the file begins like a message encrypted to a public key, in binary form or in ASCII armor."""
    with message.open("rb") as file:
        head = file.read(4096)
    if head.lstrip().startswith(_ARMOR):
        body = head.replace(b"\r\n", b"\n").partition(b"\n\n")[2].split(b"\n", 1)[0].strip()
        try:
            head = base64.b64decode(body, validate=True)
        except binascii.Error:
            return False
    if not head or not head[0] & 0x80:
        return False
    tag = head[0] & 0x3F if head[0] & 0x40 else (head[0] & 0x3C) >> 2
    return tag == ENCRYPTED_SESSION_KEY


def _decryptor(path: str) -> PyDecryptor:
    """Our secret key, tried on a message of our own: a sender must not be refused for a key that cannot open any."""
    key = Tsk.from_file(path)
    decrypt(encrypt(b"", recipients=[key.extract_certificate()]), decryptor=key.decryptor())
    return key.decryptor()


def _usable(certificate: Cert) -> bool:
    expires = certificate.expiration
    return not certificate.is_revoked and (expires is None or expires > datetime.now(UTC))


def _unread(text: str) -> Outcome:
    """The outcome by what Sequoia says of a message that it could not read to its end."""
    if "os error 27" in text:  # EFBIG: more than the limit that this process has set itself
        return Outcome.TOO_BIG
    if "os error" in text:
        return Outcome.OUR_DISK
    return Outcome.NOT_ENCRYPTED if "No key to decrypt" in text else Outcome.DAMAGED


def _unverified(task: Task, signers: list[str], certificates: list[Cert], usable: list[Cert]) -> Outcome:
    """The outcome for a whole message without a valid signature of a pinned key."""
    if not signers:
        return Outcome.UNSIGNED
    if _made_by(signers, [certificate for certificate in certificates if certificate not in usable]):
        return Outcome.INVALID_KEY
    if not _made_by(signers, usable):
        return Outcome.OTHER_SIGNER
    # Encryption has proved that nothing was changed, so it is the signing subkey that was given up.
    return Outcome.INVALID_KEY if task.key else Outcome.DAMAGED


def _made_by(signers: list[str], certificates: list[Cert]) -> bool:
    """Whether a signature names one of these keys or a subkey of theirs."""
    packets = [packet for certificate in certificates for packet in PacketPile.from_bytes(bytes(certificate))]
    known = [packet.fingerprint.upper() for packet in packets if packet.fingerprint]
    return any(fingerprint.endswith(name.upper()) for name in signers for fingerprint in known)


def main() -> None:
    """Run the task on standard input."""
    given = json.load(sys.stdin)
    task = Task(**{**given, "certificates": tuple(given["certificates"])})
    resource.setrlimit(resource.RLIMIT_FSIZE, (task.most, task.most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(open_message(task).value)


if __name__ == "__main__":
    main()
