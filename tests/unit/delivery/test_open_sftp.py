"""The connection: the host key is proven before any credential leaves, and nothing waits for ever."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from dataclasses import replace

import paramiko
import pytest
from tests.unit.delivery.rig import Hostile, cutting_proxy

from kinbridge.delivery.sftp import SftpEndpoint, Timeouts, fingerprint, list_inbox, open_sftp
from kinbridge.errors import KinbridgeError

HASTY = Timeouts(connect=2, handshake=1.5, silence=1)


def test_another_host_key_is_refused_before_any_credential_is_sent(hostile: Hostile) -> None:
    other = paramiko.ECDSAKey.generate(bits=256)
    with pytest.raises(KinbridgeError) as caught, open_sftp(hostile.endpoint(host_key=other)):
        pytest.fail("connected to a server with another key")
    assert caught.value.code == "KB-D02"
    message = str(caught.value)
    assert "acme" in message
    assert "127.0.0.1" in message
    assert fingerprint(other.asbytes()) in message
    assert fingerprint(hostile.host_key.asbytes()) in message
    time.sleep(0.2)
    assert hostile.log_ins == 0


def test_a_host_key_of_another_type_is_refused_with_its_fingerprint(hostile: Hostile) -> None:
    other = paramiko.RSAKey.generate(2048)
    with pytest.raises(KinbridgeError, match="KB-D02") as caught, open_sftp(hostile.endpoint(host_key=other)):
        pytest.fail("connected to a server with another key")
    assert fingerprint(hostile.host_key.asbytes()) in str(caught.value)
    assert hostile.log_ins == 0


def test_the_right_host_key_lets_us_in(hostile: Hostile) -> None:
    with open_sftp(hostile.endpoint()) as session:
        assert list_inbox(session, "inbox").files == []
    assert hostile.log_ins == 1


def test_fingerprints_are_those_of_openssh() -> None:
    key = paramiko.ECDSAKey.generate(bits=256)
    assert fingerprint(key.asbytes()) == key.fingerprint


def test_a_refused_key_is_named_without_secrets(hostile: Hostile) -> None:
    hostile.refuses_log_in = True
    endpoint = hostile.endpoint()
    with pytest.raises(KinbridgeError, match="KB-D03") as caught, open_sftp(endpoint):
        pytest.fail("logged in")
    assert "kinbridge" in str(caught.value)
    assert "PRIVATE KEY" not in str(caught.value) + repr(endpoint) + repr(caught.value.facts)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"host_key": ""}, "host key"),
        ({"host_key": "ssh-ed25519 not+base64!"}, "host key"),
        ({"host_key": "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGbP"}, "host key"),
        ({"private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n"}, "private key"),
        ({"private_key": None}, "private key"),
    ],
)
def test_an_incomplete_endpoint_connects_to_nothing(hostile: Hostile, change: dict[str, str], part: str) -> None:
    endpoint: SftpEndpoint = replace(hostile.endpoint(), **change)  # type: ignore[arg-type]
    with pytest.raises(KinbridgeError, match="KB-D11") as caught, open_sftp(endpoint):
        pytest.fail("connected")
    assert part in str(caught.value)
    assert hostile.log_ins == 0


def test_a_closed_port_and_an_unknown_name_say_so(hostile: Hostile) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    for endpoint, cause in (
        (hostile.endpoint(port=closed), "refused"),
        (replace(hostile.endpoint(), host="no-such-host.invalid"), "name is not known"),
    ):
        with pytest.raises(KinbridgeError, match=f"KB-D01.*{cause}"), open_sftp(endpoint, HASTY):
            pytest.fail("connected")


def test_a_server_that_never_greets_is_given_up_in_time(hostile: Hostile) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with (
            pytest.raises(KinbridgeError, match="KB-D01"),
            open_sftp(hostile.endpoint(port=silent.getsockname()[1]), HASTY),
        ):
            pytest.fail("connected")
        assert time.monotonic() - started < 6


def test_a_server_that_greets_for_ever_is_given_up_in_time(hostile: Hostile) -> None:
    over = threading.Event()

    def babble(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not over.wait(0.1):
                try:
                    connection.sendall(b"hello\r\n")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=babble, args=(listener,), daemon=True).start()
        started = time.monotonic()
        with (
            pytest.raises(KinbridgeError, match="KB-D01"),
            open_sftp(hostile.endpoint(port=listener.getsockname()[1]), HASTY),
        ):
            pytest.fail("connected")
        over.set()
        assert time.monotonic() - started < 6


@pytest.mark.parametrize("cut_at", [60, 800, 1_900, 2_400])
@pytest.mark.parametrize("stall", [False, True])
def test_a_connection_that_ends_while_it_is_made_is_one_of_our_errors(
    hostile: Hostile, cut_at: int, stall: bool
) -> None:
    started = time.monotonic()
    with (
        cutting_proxy(hostile.port, cut_at, stall=stall) as port,
        pytest.raises(KinbridgeError, match=r"KB-D0[14]"),
        open_sftp(hostile.endpoint(port=port), HASTY) as session,
    ):
        list_inbox(session, "inbox")
    assert time.monotonic() - started < 10


def test_errors_survive_the_way_between_processes(hostile: Hostile) -> None:
    with (
        pytest.raises(KinbridgeError) as caught,
        open_sftp(hostile.endpoint(host_key=paramiko.ECDSAKey.generate(bits=256))),
    ):
        pytest.fail("connected")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_connection_that_is_gone_at_the_end_does_not_hide_what_went_wrong(hostile: Hostile) -> None:
    def goes_wrong() -> None:
        with open_sftp(hostile.endpoint()) as session:
            session.get_channel().get_transport().sock.close()
            raise ValueError("what went wrong")

    with pytest.raises(ValueError, match="what went wrong"):
        goes_wrong()
