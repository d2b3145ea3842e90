"""Accounts of the production SFTP server: made once, kept, opened by our key and by the agency's."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import asyncssh
import pytest

from kinbridge.bundled.sftp import _public_keys
from kinbridge.deployment.connections import SftpServer, connections, write_connections
from kinbridge.deployment.partner_accounts import pinned, prepare_accounts
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    return tmp_path / "server", tmp_path / "ours", theirs


def agency_key(theirs: Path, partner: str) -> str:
    line = asyncssh.generate_private_key("ssh-ed25519", comment="agency").export_public_key("openssh").decode().strip()
    with (theirs / f"{partner}.pub").open("a", encoding="ascii") as file:
        file.write(f"{line}\n")
    return line


def opens(server: Path, partner: str) -> set[str]:
    """The keys that the server lets in, as OpenSSH lines without comment."""
    return {" ".join(k.export_public_key("openssh").decode().split()[:2]) for k in _public_keys(server, partner)}


def test_an_account_is_opened_by_our_key_and_the_agencys(folders: tuple[Path, Path, Path]) -> None:
    server, ours, theirs = folders
    first, second = agency_key(theirs, "snap"), agency_key(theirs, "snap")
    assert prepare_accounts(server, ours, theirs, ["medicaid", "snap"]) == ["medicaid"]
    own = (ours / "snap.pub").read_text()
    assert opens(server, "snap") == {" ".join(line.split()[:2]) for line in (own, first, second)}
    assert len(opens(server, "medicaid")) == 1
    assert opens(server, "nobody") == opens(server, "../ours/snap") == set()


def test_doing_it_again_keeps_keys_and_takes_away_what_was_withdrawn(folders: tuple[Path, Path, Path]) -> None:
    server, ours, theirs = folders
    agency_key(theirs, "snap")
    prepare_accounts(server, ours, theirs, ["snap"])
    (server / "jails" / "snap" / "inbox" / "file.csv").write_text("kept")
    before = pinned(server), (ours / "snap").read_bytes()
    (theirs / "snap.pub").unlink()
    assert prepare_accounts(server, ours, theirs, ["snap"]) == ["snap"]
    assert (pinned(server), (ours / "snap").read_bytes()) == before
    assert len(opens(server, "snap")) == 1
    assert (server / "jails" / "snap" / "inbox" / "file.csv").read_text() == "kept"


def test_the_server_never_holds_our_private_keys(folders: tuple[Path, Path, Path]) -> None:
    server, ours, theirs = folders
    prepare_accounts(server, ours, theirs, ["snap"])
    private = [path.name for path in server.rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()]
    assert private == ["host_key"]
    for path in [*server.rglob("*"), *ours.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_unreadable_public_keys_are_refused_and_the_account_stays(folders: tuple[Path, Path, Path]) -> None:
    server, ours, theirs = folders
    agency_key(theirs, "snap")
    prepare_accounts(server, ours, theirs, ["snap"])
    before = opens(server, "snap")
    (theirs / "snap.pub").write_text("ssh-ed25519 this is no key\n")
    with pytest.raises(KinbridgeError, match="KB-S41"):
        prepare_accounts(server, ours, theirs, ["snap"])
    assert opens(server, "snap") == before
    with pytest.raises(KinbridgeError, match="KB-S14"):
        prepare_accounts(server, ours, theirs, ["../snap"])


def test_connections_hold_what_the_tasks_read(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    server, ours, theirs = folders
    prepare_accounts(server, ours, theirs, ["snap"])
    dsns = {
        role: Dsn("db", 5432, "kinbridge", role, "secret", "require")
        for role in ("kb_pipeline", "kb_linkage", "kb_steward")
    }
    found = connections(dsns, SftpServer("sftp", 2222, pinned(server)), ours, ["snap"])
    file = tmp_path / "connections.json"
    write_connections(file, found)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read = json.loads(file.read_text())
    assert set(read) == {"kinbridge_pipeline", "kinbridge_linkage", "kinbridge_steward", "sftp_snap"}
    assert read["kinbridge_linkage"]["login"] == "kb_linkage"
    assert json.loads(read["kinbridge_linkage"]["extra"]) == {"sslmode": "require"}
    extra = json.loads(read["sftp_snap"]["extra"])
    assert extra["host_key"] == pinned(server)
    assert extra["private_key"] == (ours / "snap").read_text()
