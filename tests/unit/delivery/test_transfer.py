"""Downloads and uploads against servers that lie, stall, hang up, and change files under the reader's hands."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import stat
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.delivery.rig import REGULAR, Hostile, Thing, cutting_proxy, leftovers

from kinbridge.delivery import session as session_module
from kinbridge.delivery import transfer
from kinbridge.delivery.sftp import Timeouts, download, open_sftp, upload
from kinbridge.errors import KinbridgeError

CONTENT = os.urandom(1_300_001)
HASTY = Timeouts(connect=5, handshake=5, silence=1)


def fetch(hostile: Hostile, folder: Path, name: bytes = b"a.txt") -> transfer.Landed:
    with open_sftp(hostile.endpoint(), HASTY) as session:
        return download(session, f"inbox/{name.decode()}", folder, hostile.entries[name].size)


def test_a_download_is_whole_hashed_private_and_named_by_us(hostile: Hostile, tmp_path: Path) -> None:
    hostile.entries = {b"-rf ..txt": Thing(CONTENT)}
    landed = fetch(hostile, tmp_path / "landing", b"-rf ..txt")
    assert landed.path.read_bytes() == CONTENT
    assert (landed.size, landed.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert "rf" not in landed.path.name
    assert stat.S_IMODE(landed.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(landed.path.parent.stat().st_mode) == 0o700
    assert leftovers(tmp_path) == [landed.path.name]


@pytest.mark.parametrize("size", [0, 1, 32_768, 32_769, 7 * 1024 * 1024])
def test_every_size_arrives_byte_for_byte(hostile: Hostile, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    hostile.entries = {b"a.txt": Thing(content, longest_read=None if size != 32_769 else 1000)}
    assert fetch(hostile, tmp_path).sha256 == hashlib.sha256(content).hexdigest()


def test_short_answers_do_not_fill_the_memory(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "READ_AHEAD", 256 * 1024)
    hostile.entries = {b"a.txt": Thing(os.urandom(4_000_000), longest_read=9_000)}
    with open_sftp(hostile.endpoint()) as session:
        tracemalloc.start()
        download(session, "inbox/a.txt", tmp_path, 4_000_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2_500_000  # far below the file; the server's half runs in this process too


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.99])
def test_a_cut_connection_leaves_no_file_and_a_retry_succeeds(hostile: Hostile, tmp_path: Path, share: float) -> None:
    hostile.entries = {b"a.txt": Thing(CONTENT)}
    with (
        cutting_proxy(hostile.port, int(len(CONTENT) * share) + 3_000) as port,
        pytest.raises(KinbridgeError, match=r"KB-D04.*receiving a.txt"),
        # Hanging up is noticed at once; patience keeps a busy machine's silence apart from it.
        open_sftp(hostile.endpoint(port=port)) as session,
    ):
        download(session, "inbox/a.txt", tmp_path, len(CONTENT))
    assert leftovers(tmp_path) == []
    assert fetch(hostile, tmp_path).sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_silent_server_is_given_up_in_bounded_time(hostile: Hostile, tmp_path: Path) -> None:
    hostile.entries = {b"a.txt": Thing(CONTENT, stalls_at=500_000)}
    started = time.monotonic()
    with pytest.raises(KinbridgeError, match=r"KB-D04.*no answer"):
        fetch(hostile, tmp_path)
    assert time.monotonic() - started < 10
    assert leftovers(tmp_path) == []


def test_a_server_that_drips_is_given_up_in_bounded_time(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(transfer, "SLOWEST_BYTES_PER_SECOND", 10_000_000)
    hostile.entries = {b"a.txt": Thing(CONTENT, longest_read=100, on_read=lambda _: time.sleep(0.05))}
    started = time.monotonic()
    with pytest.raises(KinbridgeError, match=r"KB-D04.*longer than"):
        fetch(hostile, tmp_path)
    assert time.monotonic() - started < 10
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(("claims", "received"), [(2_000_000, "1300001"), (1_000_000, "more than 1000000")])
def test_a_lying_size_is_refused(hostile: Hostile, tmp_path: Path, claims: int, received: str) -> None:
    hostile.entries = {b"a.txt": Thing(CONTENT, claims=claims)}
    with pytest.raises(KinbridgeError, match=f"KB-D06.*{received} were received"):
        fetch(hostile, tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "code"), [("replaced", "KB-D07"), ("grown", "KB-D06"), ("gone", "KB-D08"), ("linked", "KB-D13")]
)
def test_a_file_that_changes_during_the_download_is_not_taken(
    hostile: Hostile, tmp_path: Path, change: str, code: str
) -> None:
    def meddle(offset: int) -> None:
        if offset < 400_000:
            return
        match change:
            case "replaced":
                hostile.entries[b"a.txt"] = Thing(CONTENT[::-1], mtime=1_700_000_009)
            case "grown":
                thing.content += b"more"
            case "gone":
                hostile.entries.clear()
            case "linked":
                hostile.entries[b"a.txt"] = Thing(CONTENT, mode=stat.S_IFLNK | 0o777)

    thing = Thing(CONTENT, on_read=meddle)
    hostile.entries = {b"a.txt": thing}
    with pytest.raises(KinbridgeError, match=code):
        fetch(hostile, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_file_other_than_the_listed_one_is_not_begun(hostile: Hostile, tmp_path: Path) -> None:
    hostile.entries = {b"a.txt": Thing(CONTENT, mtime=1_700_000_001)}
    with open_sftp(hostile.endpoint()) as session:
        with pytest.raises(KinbridgeError, match="KB-D07"):
            download(session, "inbox/a.txt", tmp_path, len(CONTENT) - 1)
        with pytest.raises(KinbridgeError, match="KB-D07"):
            download(session, "inbox/a.txt", tmp_path, len(CONTENT), expected_mtime=1_700_000_000)
        hostile.entries[b"a.txt"].mode = stat.S_IFIFO
        with pytest.raises(KinbridgeError, match="KB-D13"):
            download(session, "inbox/a.txt", tmp_path, len(CONTENT))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small tmpfs is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_behind_and_the_remote_file_intact(
    hostile: Hostile, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile.entries = {b"a.txt": Thing(CONTENT)}
    for reserve in (0, -10_000_000):  # noticed before, and noticed on the way
        monkeypatch.setattr(transfer, "RESERVE_BYTES", reserve)
        with pytest.raises(KinbridgeError, match=r"KB-D09.*1300001 bytes"):
            fetch(hostile, small_disk)
        assert leftovers(small_disk) == []
    assert hostile.entries[b"a.txt"].content == CONTENT


def test_a_limit_on_file_size_counts_as_no_room(hostile: Hostile, tmp_path: Path) -> None:
    hostile.entries = {b"a.txt": Thing(CONTENT)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(KinbridgeError, match="KB-D09"):
            fetch(hostile, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert leftovers(tmp_path) == []


def test_a_landing_folder_that_is_a_file_is_an_error_of_ours(hostile: Hostile, tmp_path: Path) -> None:
    hostile.entries = {b"a.txt": Thing(CONTENT)}
    (tmp_path / "landing").write_text("")
    with pytest.raises(KinbridgeError, match="KB-D10"):
        fetch(hostile, tmp_path / "landing")


@pytest.mark.parametrize("posix_rename", [True, False])
def test_an_upload_replaces_the_file_in_one_step(hostile: Hostile, posix_rename: bool) -> None:
    hostile.posix_rename = posix_rename
    with open_sftp(hostile.endpoint()) as session:
        for content in (CONTENT, b"the second version"):
            upload(session, content, "outbox/receipt.html")
            assert {name: thing.content for name, thing in hostile.entries.items()} == {b"receipt.html": content}


def test_an_upload_that_the_server_cuts_short_leaves_the_old_file(hostile: Hostile) -> None:
    hostile.entries = {b"receipt.html": Thing(b"old", mode=REGULAR)}
    hostile.kept_bytes = 1000
    with open_sftp(hostile.endpoint()) as session, pytest.raises(KinbridgeError, match=r"KB-D16.*fewer bytes"):
        upload(session, CONTENT, "outbox/receipt.html")
    assert {name: thing.content for name, thing in hostile.entries.items()} == {b"receipt.html": b"old"}
