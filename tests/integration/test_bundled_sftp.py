"""The bundled SFTP server: each partner in its own jail, by its own key, for files only."""

import os
import secrets
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from kinbridge.bundled import process, sftp
from kinbridge.bundled.sftp import SftpService
from kinbridge.errors import KinbridgeError

Transport = paramiko.Transport


def transport(service: SftpService, partner: str = "snap", key: str | None = None) -> Transport:
    """A connection whose host key was compared with the pinned one, logged in with a partner's key."""
    host_key = paramiko.PKey.from_type_string("ssh-ed25519", _blob(service.host_key))
    connection = Transport((service.host, service.port))
    private = paramiko.Ed25519Key.from_private_key_file(str(service.keys[key or partner]))
    connection.connect(hostkey=host_key, username=partner, pkey=private)
    return connection


def _blob(line: str) -> bytes:
    import base64

    return base64.b64decode(line.split()[1])


@pytest.fixture
def client(sftp_server: SftpService) -> Iterator[Any]:
    connection = transport(sftp_server)
    yield paramiko.SFTPClient.from_transport(connection)
    connection.close()


@pytest.fixture
def jail(sftp_server: SftpService) -> Path:
    return sftp_server.jail("snap")


def test_files_go_both_ways_and_are_private(client: Any, jail: Path, tmp_path: Path) -> None:
    content = secrets.token_bytes(3_000_000)
    (tmp_path / "a.csv").write_bytes(content)
    client.put(str(tmp_path / "a.csv"), "inbox/a.csv.part")
    client.posix_rename("inbox/a.csv.part", "inbox/a.csv")
    assert (jail / "inbox" / "a.csv").read_bytes() == content
    assert stat.S_IMODE((jail / "inbox" / "a.csv").stat().st_mode) & 0o077 == 0
    client.get("inbox/a.csv", str(tmp_path / "b.csv"))
    assert (tmp_path / "b.csv").read_bytes() == content
    assert client.listdir("inbox") == ["a.csv"]
    client.truncate("inbox/a.csv", 5)
    with client.open("inbox/a.csv", "ab") as file:
        file.write(b"tail")
    assert (jail / "inbox" / "a.csv").read_bytes() == content[:5] + b"tail"
    client.open("inbox/b.csv", "w").close()
    with pytest.raises(OSError, match="exists"):
        client.rename("inbox/a.csv", "inbox/b.csv")
    client.remove("inbox/b.csv")
    client.remove("inbox/a.csv")
    assert sorted(client.listdir(".")) == ["inbox", "outbox"]


ESCAPES = [
    "../snap2",
    "../../host_key",
    "../../keys/medicaid",
    "inbox/../../medicaid/inbox/secret",
    "../medicaid/inbox/secret",
]


@pytest.mark.parametrize("path", [*ESCAPES, "/etc/passwd", "//etc/passwd", "inbox/../../../../../../etc/passwd"])
def test_paths_do_not_lead_out(client: Any, sftp_server: SftpService, path: str) -> None:
    (sftp_server.jail("medicaid") / "inbox" / "secret").write_text("secret")
    for action in (
        lambda: client.open(path, "r").read(),
        lambda: client.stat(path),
        lambda: client.lstat(path),
        lambda: client.remove(path),
    ):
        # Dots end at the jail's own root, as in a real chroot.
        with pytest.raises(OSError, match=r"No such file|denied"):
            action()
    assert client.normalize("../../..") == "/"
    assert (sftp_server.jail("medicaid") / "inbox" / "secret").read_text() == "secret"


def test_links_that_lead_out_are_refused(client: Any, jail: Path, sftp_server: SftpService, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    other = sftp_server.jail("medicaid")
    links = {
        "file": tmp_path / "secret",
        "folder": tmp_path,
        "relative": Path("../../medicaid/inbox"),
        "jail": other,
        # A name that begins like the jail's is not in it.
        "sibling": Path(f"{jail}2"),
    }
    Path(f"{jail}2").mkdir(exist_ok=True)
    for name, target in links.items():
        (jail / "outbox" / name).symlink_to(target)
    (jail / "outbox" / "loop").symlink_to(jail / "outbox" / "loop")
    actions: dict[str, list[Callable[[], Any]]] = {
        "file": [
            lambda: client.open("outbox/file", "r"),
            lambda: client.open("outbox/file", "w"),
            lambda: client.stat("outbox/file"),
            lambda: client.chmod("outbox/file", 0o777),
            lambda: client.truncate("outbox/file", 0),
            lambda: client.readlink("outbox/file"),
            lambda: client.normalize("outbox/file"),
        ],
        "folder": [
            lambda: client.listdir("outbox/folder"),
            lambda: client.open("outbox/folder/secret", "r"),
            lambda: client.open("outbox/folder/new", "w"),
            lambda: client.mkdir("outbox/folder/new"),
            lambda: client.lstat("outbox/folder/secret"),
            lambda: client.remove("outbox/folder/secret"),
            lambda: client.rename("outbox/folder/secret", "inbox/mine"),
            lambda: client.posix_rename("outbox/folder/secret", "inbox/mine"),
        ],
        "relative": [lambda: client.listdir("outbox/relative")],
        "jail": [lambda: client.listdir("outbox/jail")],
        "sibling": [lambda: client.listdir("outbox/sibling")],
        "loop": [lambda: client.open("outbox/loop", "r")],
    }
    for refused in actions.values():
        for action in refused:
            with pytest.raises(OSError, match=r"denied|loop|symbolic|Failure"):
                action()
    assert (tmp_path / "secret").read_text() == "secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]
    # The link itself can be seen for what it is, and removed; what it led to stays.
    assert stat.S_ISLNK(client.lstat("outbox/file").st_mode)
    for name in (*links, "loop"):
        client.remove(f"outbox/{name}")
    assert (tmp_path / "secret").exists()
    assert client.listdir("outbox") == []


def test_clients_make_no_links(client: Any, jail: Path) -> None:
    for target in ("/etc/passwd", "../../medicaid", "inbox"):
        with pytest.raises(OSError, match=r"denied|not allowed"):
            client.symlink(target, "outbox/link")
    assert not os.path.lexists(jail / "outbox" / "link")


def test_links_inside_the_jail_are_followed(client: Any, jail: Path) -> None:
    (jail / "inbox" / "real").write_text("here")
    (jail / "inbox" / "link").symlink_to("real")
    assert client.open("inbox/link", "r").read() == b"here"
    assert client.readlink("inbox/link") == "/inbox/real"
    for name in ("real", "link"):
        (jail / "inbox" / name).unlink()


def test_pipes_do_not_halt_the_server(client: Any, jail: Path) -> None:
    os.mkfifo(jail / "inbox" / "pipe")
    client.get_channel().settimeout(10)
    with pytest.raises(OSError, match="Not a file"):
        client.open("inbox/pipe", "r")
    with pytest.raises(OSError, match=r"."):
        client.open("inbox/pipe", "w")
    assert "pipe" in client.listdir("inbox")
    (jail / "inbox" / "pipe").unlink()


def test_the_partners_folders_stay(client: Any, jail: Path) -> None:
    for action in (
        lambda: client.rmdir("inbox"),
        lambda: client.rename("inbox", "mine"),
        lambda: client.posix_rename("outbox", "mine"),
        lambda: client.rmdir("/"),
        lambda: client.rename("/", "mine"),
        lambda: client.chown("inbox", 12345, 12345) or client.rmdir("inbox/"),
    ):
        with pytest.raises(OSError, match="denied"):
            action()
    assert (jail / "inbox").stat().st_uid == os.geteuid()


def test_one_partner_cannot_log_in_as_another(sftp_server: SftpService) -> None:
    for partner, key in (
        ("medicaid", "snap"),
        ("root", "snap"),
        ("../keys/snap", "snap"),
        ("", "snap"),
        ("snap\0", "snap"),
    ):
        with pytest.raises(paramiko.SSHException):
            transport(sftp_server, partner, key)


def test_unknown_keys_and_passwords_are_refused(sftp_server: SftpService) -> None:
    connection = Transport((sftp_server.host, sftp_server.port))
    connection.start_client(timeout=10)
    with pytest.raises(paramiko.BadAuthenticationType) as caught:
        connection.auth_none("snap")
    assert caught.value.allowed_types == ["publickey"]
    with pytest.raises(paramiko.SSHException):
        connection.auth_publickey("snap", paramiko.RSAKey.generate(2048))
    for attempt in (
        lambda: connection.auth_password("snap", "snap", fallback=False),
        lambda: connection.auth_interactive("snap", lambda *_: ["snap"]),
    ):
        with pytest.raises((paramiko.SSHException, EOFError)):
            attempt()
    assert not connection.is_authenticated()
    connection.close()


def test_there_is_no_shell_no_command_and_no_forwarding(sftp_server: SftpService) -> None:
    connection = transport(sftp_server)
    for ask in (
        lambda channel: channel.exec_command("id"),
        lambda channel: channel.exec_command("scp -f inbox/a"),
        lambda channel: channel.invoke_shell(),
        lambda channel: channel.invoke_subsystem("shell"),
        lambda channel: channel.get_pty(),
        lambda channel: channel.request_x11(),
    ):
        channel = connection.open_session(timeout=10)
        with pytest.raises((paramiko.SSHException, EOFError)):
            ask(channel)
        channel.close()
    with socket.socket() as target:
        target.bind((process.HOST, 0))
        target.listen()
        with pytest.raises(paramiko.ChannelException):
            connection.open_channel("direct-tcpip", target.getsockname(), (process.HOST, 1), timeout=10)
    with pytest.raises(paramiko.SSHException):
        connection.request_port_forward(process.HOST, 0)
    connection.close()


def test_a_wrong_host_key_is_noticed_before_a_key_is_shown(sftp_server: SftpService) -> None:
    connection = Transport((sftp_server.host, sftp_server.port))
    stranger = paramiko.RSAKey.generate(2048)
    with pytest.raises(paramiko.SSHException, match="host key"):
        connection.connect(hostkey=stranger, username="snap", pkey=stranger)
    connection.close()


def test_keys_host_key_and_port_are_kept_over_restarts(tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "sftp"
    first = sftp.start(folder, ["snap"])
    private = first.keys["snap"].read_bytes()
    assert stat.S_IMODE(first.keys["snap"].stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "host_key").stat().st_mode) == 0o600
    assert sftp.start(folder, ["snap"]) == first
    # A new partner comes in without a restart.
    more = sftp.start(folder, ["medicaid"])
    assert sorted(more.keys) == ["medicaid", "snap"]
    transport(more, "medicaid").close()
    assert sftp.stop(folder)
    assert sftp.running(folder) is None
    assert not sftp.stop(folder)
    assert sftp.start(folder, ["snap"]) == more
    assert first.keys["snap"].read_bytes() == private
    sftp.stop(folder)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((process.HOST, first.port))
        stranger.listen()
        moved = sftp.start(folder, ["snap"])
        assert moved.port != first.port
        assert moved.host_key == first.host_key
    os.kill(process.read_pid_file(folder / "sftp.pid").pid, 9)  # type: ignore[union-attr]
    transport(sftp.start(folder, ["snap"])).close()
    assert sftp.stop(folder)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "Snap", "a b", "a" * 64, "-rf", "a\n"])
def test_partner_names_are_plain_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(KinbridgeError, match="KB-S14"):
        sftp.start(tmp_path / "sftp", [name])


def test_the_log_names_files_and_never_content(client: Any, sftp_server: SftpService) -> None:
    with client.open("inbox/new\nINFO snap: 'forged' size 1", "w") as file:
        file.write("canary-100009868")
    client.remove("inbox/new\nINFO snap: 'forged' size 1")
    log = (sftp_server.folder / "sftp.log").read_text()
    assert "size 16 read 0 written 16" in log
    assert "canary" not in log
    assert not [line for line in log.splitlines() if line.startswith("INFO")]


def test_a_file_of_a_real_size_is_carried_in_seconds(client: Any, jail: Path, tmp_path: Path) -> None:
    size = 86_000_000
    with (jail / "inbox" / "large").open("wb") as file:
        for _ in range(86):
            file.write(secrets.token_bytes(1_000_000))
    began = time.monotonic()
    client.get("inbox/large", str(tmp_path / "large"))
    seconds = time.monotonic() - began
    assert (tmp_path / "large").read_bytes() == (jail / "inbox" / "large").read_bytes()
    print(f"get: {size / seconds / 1e6:.0f} MB/s")
    # Generous, for machines that do other work: it is minutes when requests are not pipelined.
    assert seconds < 30
    (jail / "inbox" / "large").unlink()
