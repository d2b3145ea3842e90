"""The keys of OpenPGP: partners' public ones, pinned by their full fingerprints, and where our secret one is.

Public keys stand in `keys/<partner>.asc` of an include folder. Our secret key is never in the project.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pysequoia import Cert

from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

OUR_KEY = "KINBRIDGE_OPENPGP_KEY"


def pinned(partner: str, fingerprints: Sequence[str], folders: Sequence[Path] | None = None) -> list[Cert]:
    """The partner's public keys of these fingerprints (upper case), in their order, whether they are valid or not.

    `folders` are the include folders by default. Raises KB-H16 when one of them is not there, or cannot be read.
    """
    found: dict[str, Cert] = {}
    cause = "there is no such file"
    for folder in include_folders() if folders is None else folders:
        path = folder / "keys" / f"{partner}.asc"
        if not path.is_file():
            continue
        cause = "it holds no key of that fingerprint"
        for certificate in _public(path, partner, fingerprints):
            found[certificate.fingerprint.upper()] = certificate
    for fingerprint in fingerprints:
        if fingerprint not in found:
            raise KinbridgeError("KB-H16", partner=partner, fingerprint=fingerprint, cause=cause)
    return [found[fingerprint] for fingerprint in fingerprints]


def _public(path: Path, partner: str, fingerprints: Sequence[str]) -> list[Cert]:
    content = path.read_bytes()
    if b"-----BEGIN PGP PRIVATE KEY BLOCK-----" in content:
        raise KinbridgeError("KB-H16", partner=partner, fingerprint=fingerprints[0], cause="it holds a secret key")
    try:
        if content.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"):
            return Cert.split_bytes(content)
    except RuntimeError:
        pass
    cause = "it is no public key in ASCII armor"
    raise KinbridgeError("KB-H16", partner=partner, fingerprint=fingerprints[0], cause=cause)


def our_key(partner: str) -> Path:
    """The file of our secret key, named by `KINBRIDGE_OPENPGP_KEY`. Raises KB-H17 when it is not there or is open."""
    given = os.environ.get(OUR_KEY)
    if not given:
        raise KinbridgeError("KB-H17", partner=partner, cause="no secret key is set up")
    path = Path(given)
    try:
        mode = path.stat().st_mode
    except OSError:
        raise KinbridgeError("KB-H17", partner=partner, cause="the file of the secret key is missing") from None
    if mode & 0o077:
        raise KinbridgeError("KB-H17", partner=partner, cause="the file of the secret key is open to others")
    return path
