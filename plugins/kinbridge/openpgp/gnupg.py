"""Opens with GnuPG what Sequoia's bindings cannot, above all a signature within compression within encryption.

That is how GnuPG itself writes by default, so most partners' messages are such ones. It runs in a home of its own, made
for one message and gone with it, that knows our secret key and the partner's usable keys and nothing else. Its exit
code is not believed alone (it is 0 for a message that nobody signed): its status lines have to name a pinned key.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

# In memory where the system has that: our secret key is among what is written.
MEMORY = Path("/dev/shm")
# Nothing is fetched, nothing remembered, and no hash that Sequoia would not take either.
OPTIONS = ("--batch", "--no-tty", "--quiet", "--no-options", "--disable-dirmngr", "--no-auto-key-retrieve")
OPENING = ("--trust-model", "always", "--weak-digest", "SHA1", "--status-fd", "2", "--decrypt")
STATUS = "[GNUPG:] "
COMPLAINTS = frozenset(
    {"BADSIG", "BADMDC", "DECRYPTION_FAILED", "ERROR", "EXPKEYSIG", "NODATA", "REVKEYSIG", "UNEXPECTED"}
)


@dataclass(frozen=True)
class Said:
    """What GnuPG said of one message, by its status lines (doc/DETAILS in its source).

    `decrypted`: whole, its integrity checked, with one text in it. `valid` are the fingerprints of the primary keys, in
    upper case, by which valid signatures were made; none where anything was wrong. `named` are the ids of the keys of
    all signatures.
    """

    decrypted: bool
    valid: tuple[str, ...]
    named: tuple[str, ...]


class NotAble(Exception):
    """GnuPG is not here, or cannot use our key."""


def open_by_gnupg(message: str, clear: str, key: str, certificates: Sequence[bytes]) -> Said:
    """Write the clear text of the message to the file at `clear` and say what was found.

    `certificates` are the partner's public keys that may have signed. Raises `NotAble`. Nothing of the clear text may
    be used unless it is `decrypted` and a pinned key is among the `valid` ones.
    """
    if shutil.which("gpg") is None:
        raise NotAble
    with _home() as home, Path(clear).open("wb") as text:
        _import(home, Path(key).read_bytes())
        _import(home, b"".join(certificates))
        command = _command(home, *OPENING, message)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=text, stderr=subprocess.PIPE, check=False)
    return said(done.stderr.decode("utf-8", "replace"), done.returncode)


def said(status: str, code: int) -> Said:
    """What the status lines and the exit code mean."""
    lines = [line.removeprefix(STATUS).split() for line in status.splitlines() if line.startswith(STATUS)]
    words = [line[0] for line in lines if line]
    once = all(words.count(word) == 1 for word in ("DECRYPTION_OKAY", "GOODMDC", "PLAINTEXT"))
    # It also ends with 2 where one of several signatures is by a key that it does not know.
    well = (code == 0 or (code == 2 and "NO_PUBKEY" in words)) and COMPLAINTS.isdisjoint(words)
    # The last field of VALIDSIG is the primary key's fingerprint; the first is what the signing key is called.
    valid = tuple(line[-1].upper() for line in lines if line and line[0] == "VALIDSIG")
    named = tuple(line[1].upper() for line in lines if line and line[0] in {"VALIDSIG", "ERRSIG", "BADSIG"})
    return Said(once, valid if once and well else (), named)


@contextmanager
def _home() -> Iterator[Path]:
    """A folder for GnuPG's keys that nobody else can read; its agent ends with it."""
    with TemporaryDirectory(prefix="kb-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        home = Path(name)
        try:
            yield home
        finally:
            subprocess.run(["gpgconf", "--homedir", name, "--kill", "all"], capture_output=True, check=False)


def _import(home: Path, keys: bytes) -> None:
    done = subprocess.run(_command(home, "--import"), input=keys, capture_output=True, check=False)
    if done.returncode:
        raise NotAble


def _command(home: Path, *arguments: str) -> list[str]:
    return ["gpg", "--homedir", str(home), *OPTIONS, *arguments]
