"""What is opened, what is refused and why, and that no clear text is left; with real keys and the real process."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pysequoia import Tsk
from tests.support.openpgp import (
    OFFICE,
    PARTNER,
    STRANGER,
    fingerprint,
    message,
    revoked,
    signed,
    write_ours,
    write_public,
)

from kinbridge.agreement.model import OpenPgp
from kinbridge.delivery.landing import sweep
from kinbridge.errors import KinbridgeError
from kinbridge.openpgp import clear, keys
from kinbridge.openpgp.clear import clear_file
from kinbridge.openpgp.keys import OUR_KEY, pinned

CONTENT = b"visit_id,person_id\nV1,canary-secret\n"
BOTH = OpenPgp((fingerprint(PARTNER),), encrypted=True)
SIGNED = OpenPgp((fingerprint(PARTNER),), encrypted=False)


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A landing folder, the keys in place; at the end nothing but the message may be there."""
    include = tmp_path / "include"
    write_public(include, "atlas", [PARTNER.extract_certificate()])
    monkeypatch.setattr(keys, "include_folders", lambda: [include])
    monkeypatch.setenv(OUR_KEY, str(write_ours(tmp_path)))
    folder = tmp_path / "landing"
    folder.mkdir(mode=0o700)
    yield folder
    assert [path.name for path in folder.iterdir()] == ["visits.delivery"]


def open_in(landing: Path, content: bytes, terms: OpenPgp = BOTH) -> bytes:
    """What staging would read."""
    path = landing / "visits.delivery"
    path.write_bytes(content)
    with clear_file(path, terms, "atlas", "visits_202607.csv.pgp") as found:
        assert found.parent == landing  # where what is unpacked goes, and is swept
        return found.read_bytes()


def refusal(landing: Path, content: bytes, terms: OpenPgp = BOTH) -> str:
    """The code of the refusal; its words hold nothing of the content."""
    with pytest.raises(KinbridgeError) as caught:
        open_in(landing, content, terms)
    assert "canary" not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("armor", [False, True])
def test_what_the_pinned_key_signed_and_only_we_can_read_is_opened(landing: Path, armor: bool) -> None:
    assert open_in(landing, message(CONTENT, armor=armor)) == CONTENT


def test_a_message_that_is_signed_only_is_opened_where_that_is_agreed(landing: Path) -> None:
    assert open_in(landing, signed(CONTENT), SIGNED) == CONTENT


@pytest.mark.parametrize(
    ("content", "terms", "code"),
    [
        (message(CONTENT, signer=None), BOTH, "KB-H11"),
        (message(CONTENT, signer=STRANGER), BOTH, "KB-H12"),
        (message(CONTENT, reader=STRANGER), BOTH, "KB-H10"),
        (signed(CONTENT), BOTH, "KB-H10"),
        (CONTENT, BOTH, "KB-H10"),
        (b"", BOTH, "KB-H10"),
        (CONTENT, SIGNED, "KB-H14"),
        (signed(CONTENT, STRANGER), SIGNED, "KB-H12"),
        (signed(CONTENT).replace(b"V1", b"V2"), SIGNED, "KB-H14"),
        (message(CONTENT)[:-1], BOTH, "KB-H14"),
        (message(CONTENT)[:-60], BOTH, "KB-H14"),
        (message(CONTENT, armor=True)[:-120], BOTH, "KB-H14"),
        (message(CONTENT)[:-30] + b"x" + message(CONTENT)[-29:], BOTH, "KB-H14"),
    ],
)
def test_what_is_not_as_agreed_is_refused(landing: Path, content: bytes, terms: OpenPgp, code: str) -> None:
    assert refusal(landing, content, terms) == code


def test_a_long_message_that_is_cut_off_gives_nothing_although_most_of_it_was_decrypted(landing: Path) -> None:
    """Beyond 25 MB Sequoia hands out clear text before it has seen the end."""
    content = os.urandom(30_000_000)
    whole = message(content)
    assert refusal(landing, whole[:-1000]) == "KB-H14"
    assert open_in(landing, whole) == content


@pytest.mark.parametrize("given_up", ["revoked", "expired"])
def test_a_key_that_was_given_up_vouches_for_nothing(landing: Path, given_up: str) -> None:
    certificate = revoked(PARTNER)
    if given_up == "expired":
        past = datetime(2020, 1, 1, tzinfo=UTC)
        old = Tsk.generate("Old <old@example.org>")
        certificate = old.extract_certificate()
        certificate = certificate.set_expiration(max(past, datetime.now(UTC)), old.certifier())
    write_public(landing.parent / "include", "atlas", [certificate])
    terms = OpenPgp((certificate.fingerprint.upper(),), encrypted=True)
    assert refusal(landing, message(CONTENT), terms) == "KB-H13"


def test_beside_a_valid_key_the_one_that_was_given_up_is_named(landing: Path) -> None:
    write_public(landing.parent / "include", "atlas", [revoked(PARTNER), STRANGER.extract_certificate()])
    terms = OpenPgp((fingerprint(PARTNER), fingerprint(STRANGER)), encrypted=True)
    assert refusal(landing, message(CONTENT)) == "KB-H13"
    assert refusal(landing, message(CONTENT), terms) == "KB-H13"
    assert open_in(landing, message(CONTENT, signer=STRANGER), terms) == CONTENT


def test_clear_text_without_end_is_stopped(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clear, "INFLATED_BYTES", 1_000_000)
    assert refusal(landing, message(bytes(2_000_000))) == "KB-H15"


def test_without_our_keys_the_delivery_is_not_refused_but_waits_for_us(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = message(CONTENT)
    key = Path(os.environ[OUR_KEY])
    key.chmod(0o644)
    assert refusal(landing, sound) == "KB-H17"
    key.chmod(0o600)
    for text in ("no key", str(OFFICE.extract_certificate())):
        key.write_text(text, encoding="ascii")
        assert refusal(landing, sound) == "KB-H17"
    monkeypatch.delenv(OUR_KEY)
    assert refusal(landing, sound) == "KB-H17"
    unknown = OpenPgp((fingerprint(OFFICE),), encrypted=True)
    assert refusal(landing, sound, unknown) == "KB-H16"


def test_a_secret_key_is_not_taken_for_a_pinned_one(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "atlas.asc").write_text(str(PARTNER), encoding="ascii")
    with pytest.raises(KinbridgeError, match="KB-H16"):
        pinned("atlas", [fingerprint(PARTNER)], [tmp_path])


def test_where_nothing_is_agreed_the_landed_file_itself_is_read(landing: Path) -> None:
    path = landing / "visits.delivery"
    path.write_bytes(CONTENT)
    with clear_file(path, None, "atlas", "visits.csv") as found:
        assert found == path


def test_no_name_leads_to_the_clear_text_from_another_process(landing: Path) -> None:
    """So a kill at any moment leaves no clear text: the link leads to a handle that only this process has."""
    path = landing / "visits.delivery"
    path.write_bytes(message(CONTENT))
    with clear_file(path, BOTH, "atlas", "visits.csv.pgp") as found:
        handle = int(found.readlink().name)
        assert (os.fstat(handle).st_nlink, os.fstat(handle).st_mode & 0o777) == (0, 0o600)
        with io.FileIO(handle, closefd=False) as file:
            assert file.readall() == CONTENT


def test_a_kill_while_the_clear_text_is_read_leaves_none_and_the_rest_is_swept(landing: Path) -> None:
    path = landing / "visits.delivery"
    path.write_bytes(message(CONTENT))
    program = (
        "import os, signal, sys; from pathlib import Path; from kinbridge.agreement.model import OpenPgp; "
        "from kinbridge.openpgp import clear, keys; keys.include_folders = lambda: [Path(sys.argv[2])]\n"
        "with clear.clear_file(Path(sys.argv[1]), OpenPgp((sys.argv[3],), True), 'atlas', 'visits') as found:\n"
        "    assert found.read_bytes().startswith(b'visit_id')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    arguments = [str(path), str(landing.parent / "include"), fingerprint(PARTNER)]
    killed = subprocess.run([sys.executable, "-c", program, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    [link] = [entry for entry in landing.iterdir() if entry != path]
    assert link.is_symlink()
    assert all(b"canary" not in entry.read_bytes() for entry in landing.iterdir() if not entry.is_symlink())
    assert sweep(landing, {str(path)}, time.time(), older_than=0).files == 1
