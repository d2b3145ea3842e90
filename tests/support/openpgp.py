"""Keys of OpenPGP made for a test, and messages written with them as a partner's own program would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pysequoia import Cert, Tsk, encrypt, sign

OFFICE = Tsk.generate("Office <office@example.org>")
PARTNER = Tsk.generate("Partner <partner@example.org>")
STRANGER = Tsk.generate("Stranger <stranger@example.org>")


def fingerprint(key: Tsk) -> str:
    """The full fingerprint, in upper case."""
    return key.extract_certificate().fingerprint.upper()


def message(content: bytes, signer: Tsk | None = PARTNER, reader: Tsk = OFFICE, *, armor: bool = False) -> bytes:
    """The content encrypted to the reader's key, and signed if there is a signer."""
    recipients = [reader.extract_certificate()]
    return bytes(encrypt(signer=signer.signer() if signer else None, recipients=recipients, bytes=content, armor=armor))


def signed(content: bytes, signer: Tsk = PARTNER) -> bytes:
    """The content signed, and readable for everybody."""
    return bytes(sign(signer.signer(), content, armor=False))


def revoked(key: Tsk) -> Cert:
    """The public key with the statement that it was given up."""
    certificate = key.extract_certificate()
    return Cert.from_bytes(bytes(certificate) + bytes(certificate.revoke(key.certifier())))


def write_public(include: Path, partner: str, certificates: Sequence[Cert]) -> None:
    """Put the keys where partners' public keys are pinned."""
    (include / "keys").mkdir(parents=True, exist_ok=True)
    text = "".join(str(certificate) for certificate in certificates)
    (include / "keys" / f"{partner}.asc").write_text(text, encoding="ascii")


def write_ours(folder: Path) -> Path:
    """Our secret key in a file that is closed to others."""
    path = folder / "office.key"
    path.write_text(str(OFFICE), encoding="ascii")
    path.chmod(0o600)
    return path
