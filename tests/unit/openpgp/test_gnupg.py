"""Messages of GnuPG, which most partners have, as it writes them: opened, or refused for the same reasons as others."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pytest
from pysequoia import Cert
from tests.support.openpgp import OFFICE, fingerprint, write_ours, write_public

from kinbridge.agreement.model import OpenPgp
from kinbridge.errors import KinbridgeError
from kinbridge.openpgp import clear, keys
from kinbridge.openpgp.clear import clear_file
from kinbridge.openpgp.gnupg import MEMORY, said
from kinbridge.openpgp.keys import OUR_KEY

CONTENT = b"visit_id,person_id\n" + b"V1,P1\n" * 100
pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")
Gpg = Callable[..., bytes]


def homes() -> set[Path]:
    """What is left of homes of GnuPG."""
    return set((MEMORY if MEMORY.is_dir() else Path(gettempdir())).glob("kb-*"))


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

    def deliver(
        *options: str,
        encrypted: bool = True,
        content: bytes = CONTENT,
        spoil: Callable[[bytes], bytes] = bytes,
        message: bytes | None = None,
        take: bool = True,
    ) -> bytes:
        sent = message or spoil(gpg(*options, "--recipient", fingerprint(OFFICE), content=content))
        if not take:
            return sent
        path.write_bytes(sent)
        terms = OpenPgp((certificate.fingerprint.upper(),), encrypted)
        with clear_file(path, terms, "atlas", "visits.csv.gpg") as found:
            return found.read_bytes()

    return deliver


@pytest.mark.parametrize("options", [(), ("--compress-algo", "none"), ("--compress-algo", "bzip2", "--armor")])
def test_what_gnupg_encrypts_and_signs_is_opened(delivered: Callable[..., bytes], options: tuple[str, ...]) -> None:
    before = homes()
    assert delivered(*options, "--sign", "--encrypt") == CONTENT
    assert homes() == before


def test_what_gnupg_signs_only_is_opened(delivered: Callable[..., bytes]) -> None:
    assert delivered("--sign", encrypted=False) == CONTENT


@pytest.mark.parametrize("compression", ["none", "zip"])
def test_an_unsigned_message_of_gnupg_is_refused(delivered: Callable[..., bytes], compression: str) -> None:
    with pytest.raises(KinbridgeError, match="KB-H11"):
        delivered("--compress-algo", compression, "--encrypt")


@pytest.mark.parametrize("compression", ["none", "zip"])
def test_another_signer_is_refused(delivered: Callable[..., bytes], gpg: Gpg, compression: str) -> None:
    gpg("--quick-generate-key", f"{compression}@example.org", "ed25519", "sign", "never")
    with pytest.raises(KinbridgeError, match="KB-H12"):
        delivered("--compress-algo", compression, "--local-user", f"{compression}@example.org", "--sign", "--encrypt")


@pytest.mark.parametrize("compression", ["none", "zip"])
def test_of_two_signers_one_has_to_be_pinned(delivered: Callable[..., bytes], gpg: Gpg, compression: str) -> None:
    gpg("--quick-generate-key", f"second.{compression}@example.org", "ed25519", "sign", "never")
    signers = (f"--local-user={name}@example.org" for name in ("partner", f"second.{compression}"))
    assert delivered("--compress-algo", compression, *signers, "--sign", "--encrypt") == CONTENT


@pytest.mark.parametrize(
    ("spoilt", "code"),
    [
        (("DECRYPTION_OKAY", "GOODMDC", "PLAINTEXT 62", "VALIDSIG 0A F1"), 0),
        (("DECRYPTION_OKAY", "GOODMDC", "PLAINTEXT 62", "VALIDSIG 0A F1", "PLAINTEXT 62"), 0),
        (("DECRYPTION_OKAY", "PLAINTEXT 62", "VALIDSIG 0A F1"), 0),
        (("DECRYPTION_OKAY", "GOODMDC", "PLAINTEXT 62", "VALIDSIG 0A F1", "BADSIG 0B"), 0),
        (("DECRYPTION_OKAY", "GOODMDC", "PLAINTEXT 62", "VALIDSIG 0A F1"), 2),
        (("DECRYPTION_OKAY", "GOODMDC", "PLAINTEXT 62", "VALIDSIG 0A F1"), -25),
    ],
)
def test_only_what_is_whole_in_all_respects_counts(spoilt: tuple[str, ...], code: int) -> None:
    """The first is as it should be; in each of the others one thing is not."""
    found = said("".join(f"[GNUPG:] {line}\n" for line in spoilt), code)
    assert (found.valid == ("F1",)) == (code == 0 and len(spoilt) == 4 and "GOODMDC" in spoilt)


def test_a_cut_message_is_refused(delivered: Callable[..., bytes]) -> None:
    with pytest.raises(KinbridgeError, match="KB-H14"):
        delivered("--sign", "--encrypt", spoil=lambda message: message[:-30])


def test_a_bomb_within_is_stopped(delivered: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clear, "LITTLE_BYTES", 100_000)
    with pytest.raises(KinbridgeError, match="KB-H15"):
        delivered("--sign", "--encrypt", content=b"0" * 2_000_000)


def test_without_gnupg_the_reason_says_what_to_do(
    delivered: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = delivered("--sign", "--encrypt", take=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(KinbridgeError, match="KB-H18"):
        delivered(message=message)
