"""Daemons: known again by more than their pid, stopped whole, and nobody else's touched."""

import dataclasses
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kinbridge.bundled import process
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.secret_file import write_private

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def spawn(folder: Path, code: str) -> process.Daemon:
    return process.spawn(
        [sys.executable, "-c", code],
        service="Test",
        pid_file=folder / "pid",
        log=folder / "log",
        folder=folder,
    )


def test_stop_ends_what_was_started(tmp_path: Path) -> None:
    daemon = spawn(tmp_path, "import time; time.sleep(60)")
    assert process.read_pid_file(tmp_path / "pid") == daemon
    assert process.stop(tmp_path / "pid", service="Test")
    assert not process.alive(daemon)
    assert not (tmp_path / "pid").exists()
    assert not process.stop(tmp_path / "pid", service="Test")


def test_stop_leaves_a_stranger_with_a_recycled_pid(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        now = process.describe(stranger.pid)
        assert now is not None
        for recorded in (
            dataclasses.replace(now, started=now.started - 1),
            dataclasses.replace(now, boot="another boot"),
        ):
            process.write_pid_file(tmp_path / "pid", recorded)
            assert process.read_pid_file(tmp_path / "pid") is None
            assert not process.stop(tmp_path / "pid", service="Test")
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_stop_kills_the_whole_session_when_it_ignores_sigterm(tmp_path: Path) -> None:
    daemon = spawn(tmp_path, STUBBORN)
    assert process.wait_while(lambda: not (tmp_path / "log").read_text().strip(), timeout=10)
    child = process.describe(int((tmp_path / "log").read_text()))
    assert child is not None
    assert process.stop(tmp_path / "pid", service="Test", grace=0.5)
    assert not process.alive(daemon)
    assert not process.alive(child)


def test_children_of_a_leader_that_died_are_stopped_too(tmp_path: Path) -> None:
    daemon = spawn(tmp_path, STUBBORN)
    assert process.wait_while(lambda: not (tmp_path / "log").read_text().strip(), timeout=10)
    child = process.describe(int((tmp_path / "log").read_text()))
    assert child is not None
    os.kill(daemon.pid, 9)
    assert process.wait_while(lambda: process.alive(daemon), timeout=5)
    assert process.alive(child)
    assert process.stop(tmp_path / "pid", service="Test")
    assert not process.alive(child)


@pytest.mark.parametrize("text", ["", "12", '{"pid": 1}', "[]"])
def test_a_torn_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert process.read_pid_file(tmp_path / "pid") is None
    assert not process.stop(tmp_path / "pid", service="Test")


def test_a_taken_port_is_not_given_out() -> None:
    with socket.socket() as listener:
        listener.bind((process.HOST, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        assert process.free_port(taken) != taken
    assert process.free_port(taken) == taken


def test_waiting_ends_with_the_process_or_the_time(tmp_path: Path) -> None:
    daemon = spawn(tmp_path, "raise SystemExit(1)")
    with pytest.raises(KinbridgeError, match="KB-S02"):
        process.wait_until_ready(lambda: False, daemon=daemon, service="Test", log=tmp_path / "log")
    daemon = spawn(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(KinbridgeError, match="KB-S03"):
        process.wait_until_ready(lambda: False, daemon=daemon, service="Test", log=tmp_path / "log", timeout=0.2)
    process.stop(tmp_path / "pid", service="Test")


def test_daemons_inherit_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINBRIDGE_CANARY", "canary")
    spawn(tmp_path, "import os; print(sorted(os.environ)); print(oct(os.umask(0)))")
    assert process.wait_while(lambda: "0o77" not in (tmp_path / "log").read_text(), timeout=10)
    assert "KINBRIDGE_CANARY" not in (tmp_path / "log").read_text()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    process.stop(tmp_path / "pid", service="Test")


def test_the_lock_keeps_a_second_starter_waiting(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with process.locked(tmp_path, "Test"):
            order.append("second")

    with process.locked(tmp_path, "Test"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(timeout=5)
    assert order == ["first", "second"]


def test_private_files_are_private_and_links_are_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    (tmp_path / "secret").symlink_to(target)
    write_private(tmp_path / "secret", "word")
    assert target.read_text() == "untouched"
    assert (tmp_path / "secret").read_text() == "word"
    assert stat.S_IMODE((tmp_path / "secret").lstat().st_mode) == 0o600
