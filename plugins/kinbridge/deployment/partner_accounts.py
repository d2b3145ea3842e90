"""The SFTP server's folder for production: a host key, and for each partner a jail and the public keys that open it.

Our own key pairs lie in another folder, which the server never sees; it gets the public halves. An agency's public keys
are files that a person put beside the deployment: `<partner>.pub`, one key a line. Safe to repeat: what is there stays,
and the list of public keys is written anew, so that a key that was taken out no longer opens anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import asyncssh

from kinbridge.bundled.jail import INBOX, OUTBOX
from kinbridge.bundled.sftp import PARTNER_NAME, SERVICE
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.secret_file import write_private

HOST_KEY = "host_key"


def prepare_accounts(server: Path, ours: Path, theirs: Path, partners: Iterable[str]) -> list[str]:
    """Bring the server's folder `server` up to date; returns the partners without a key of their own.

    `ours` holds our key pairs, `theirs` the agencies' public keys. Raises `KinbridgeError` KB-S14 for a partner's name
    that cannot be an account and KB-S41 for a file of public keys that cannot be read.
    """
    for folder in (server, server / "keys", server / "jails", ours):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_pair(server / HOST_KEY)
    without = []
    for partner in partners:
        if not PARTNER_NAME.fullmatch(partner):
            raise KinbridgeError("KB-S14", service=SERVICE)
        jail = server / "jails" / partner
        for folder in (jail, jail / INBOX, jail / OUTBOX):
            folder.mkdir(exist_ok=True, mode=0o700)
        public = [key_pair(ours / partner), *_agency_keys(theirs / f"{partner}.pub")]
        write_private(server / "keys" / f"{partner}.pub", "".join(f"{line}\n" for line in public))
        if len(public) == 1:
            without.append(partner)
    return without


def key_pair(private: Path) -> str:
    """The public key beside `private`, as one OpenSSH line; an ed25519 pair is made when there is none."""
    public = private.with_name(private.name + ".pub")
    if not (private.exists() and public.exists()):
        key = asyncssh.generate_private_key("ssh-ed25519", comment=f"kinbridge-{private.name}")
        write_private(private, key.export_private_key("openssh").decode("ascii"))
        write_private(public, key.export_public_key("openssh").decode("ascii"))
    return public.read_text(encoding="ascii").strip()


def pinned(server: Path) -> str:
    """The server's host key as a connection pins it: type and key, without a comment."""
    return " ".join((server / f"{HOST_KEY}.pub").read_text(encoding="ascii").split()[:2])


def _agency_keys(file: Path) -> list[str]:
    if not file.is_file():
        return []
    try:
        keys = asyncssh.read_public_key_list(file)
    except (OSError, asyncssh.KeyImportError, UnicodeDecodeError):
        raise KinbridgeError("KB-S41", file=file.name) from None
    return [key.export_public_key("openssh").decode("ascii").strip() for key in keys]
