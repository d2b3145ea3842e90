"""Encrypting what leaves, to the recipient's key, in memory: no clear text of a release is ever a file here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from pysequoia import Cert, PySigner, Tsk, encrypt

from kinbridge.errors import KinbridgeError
from kinbridge.openpgp.keys import OUR_KEY, our_key


def usable(key: Cert) -> bool:
    """Whether the public key is neither revoked nor expired."""
    expires = key.expiration
    return not key.is_revoked and (expires is None or expires > datetime.now(UTC))


def seal(content: bytes, keys: Sequence[Cert], recipient: str) -> bytes:
    """The content encrypted to each of the keys, in binary form; signed by ours where one is set up.

    Raises KB-H17 when our key is set up and cannot be used, KB-T14 when theirs cannot be encrypted to.
    """
    signer = _signer(recipient)
    try:
        return bytes(encrypt(signer=signer, recipients=list(keys), bytes=content, armor=False))
    except RuntimeError:
        fingerprints = ", ".join(key.fingerprint.upper() for key in keys)
        raise KinbridgeError(
            "KB-T14", name="what is to be sent", recipient=recipient, clause="their public key", keys=fingerprints
        ) from None


def signs() -> bool:
    """Whether a key of ours is set up."""
    return bool(os.environ.get(OUR_KEY))


def _signer(recipient: str) -> PySigner | None:
    if not signs():
        return None
    path = our_key(recipient)
    try:
        return Tsk.from_file(str(path)).signer()
    except (RuntimeError, OSError, TypeError):
        cause = "our secret key cannot be used, perhaps because it has a passphrase or has expired"
        raise KinbridgeError("KB-H17", partner=recipient, cause=cause) from None
