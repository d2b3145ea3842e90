"""Messages of GnuPG, which most partners have: opened when they are not compressed, else refused with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pysequoia import Cert
from tests.support.openpgp import OFFICE, fingerprint, write_ours, write_public

from kinbridge.agreement.model import OpenPgp
from kinbridge.errors import KinbridgeError
from kinbridge.openpgp import keys
from kinbridge.openpgp.clear import clear_file
from kinbridge.openpgp.keys import OUR_KEY

CONTENT = b"visit_id,person_id\n" + b"V1,P1\n" * 100
pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")
Gpg = Callable[..., bytes]


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    """Runs GnuPG as the partner, with a key of its own and ours known to it."""
    with TemporaryDirectory(prefix="kb") as home:  # a short path: the agent's socket lies in it
        environment = {**os.environ, "GNUPGHOME": home}

        def run(*arguments: str, content: bytes = b"") -> bytes:
            command = ["gpg", "--batch", "--quiet", "--trust-model", "always", "--passphrase", "", *arguments]
            return subprocess.run(command, input=content, capture_output=True, check=True, env=environment).stdout

        run("--quick-generate-key", "partner@example.org", "ed25519", "sign", "never")
        run("--import", content=str(OFFICE.extract_certificate()).encode())
        yield run
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)


@pytest.fixture
def delivered(gpg: Gpg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """What staging reads of a file that the partner wrote with these options of GnuPG."""
    certificate = Cert.from_bytes(gpg("--export", "partner@example.org"))
    write_public(tmp_path, "atlas", [certificate])
    monkeypatch.setattr(keys, "include_folders", lambda: [tmp_path])
    monkeypatch.setenv(OUR_KEY, str(write_ours(tmp_path)))
    path = tmp_path / "visits.delivery"

    def deliver(*options: str, encrypted: bool = True) -> bytes:
        path.write_bytes(gpg(*options, "--recipient", fingerprint(OFFICE), content=CONTENT))
        terms = OpenPgp((certificate.fingerprint.upper(),), encrypted)
        with clear_file(path, terms, "atlas", "visits.csv.gpg") as found:
            return found.read_bytes()

    return deliver


def test_what_gnupg_encrypts_and_signs_is_opened(delivered: Callable[..., bytes]) -> None:
    assert delivered("--compress-algo", "none", "--sign", "--encrypt") == CONTENT
    assert delivered("--compress-algo", "none", "--armor", "--sign", "--encrypt") == CONTENT
    assert delivered("--sign", encrypted=False) == CONTENT


def test_compression_within_encryption_is_refused_with_its_own_reason(delivered: Callable[..., bytes]) -> None:
    with pytest.raises(KinbridgeError, match="KB-H18"):
        delivered("--sign", "--encrypt")


def test_an_unsigned_message_of_gnupg_is_refused(delivered: Callable[..., bytes]) -> None:
    with pytest.raises(KinbridgeError, match="KB-H11"):
        delivered("--compress-algo", "none", "--encrypt")
