"""Failure cases 1 to 14: what can go wrong between a partner's server and us, on two real servers.

Every case ends with what the partner meant to send in the record, in the state of a clean run (`Casework.passes`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.agency import agency_site
from tests.support.cases import JUNE, MAY, SOUND, Casework, before_bytes, before_download, between_looks
from tests.support.deliveries import VISITS, Intake
from tests.support.proxy import proxied
from tests.support.state import state_of
from tests.unit.delivery.rig import Hostile, Thing, serving

from kinbridge.delivery import inbox as inbox_module
from kinbridge.delivery import transfer
from kinbridge.delivery.inbox import list_inbox
from kinbridge.delivery.sftp import Timeouts, open_sftp
from kinbridge.settings import landing_folder

ACCOUNT = "home_visiting"
HASTY = Timeouts(connect=5, handshake=10, silence=1)


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with agency_site(tmp_path_factory.mktemp("site")) as folder:
        yield folder


@pytest.fixture(scope="module")
def clean(include: Path, new_warehouse: Any, sftp_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The state after a clean run."""
    warehouse = new_warehouse()
    agency = Casework(warehouse, sftp_server, ACCOUNT, Intake(warehouse, tmp_path_factory.mktemp("clean")))
    agency.put()
    agency.receive()
    state = state_of(warehouse.superuser)
    agency.passes(state)
    accounts = warehouse.query("SELECT loaded, unchanged, quarantined, duplicate FROM ledger.account ORDER BY 1")
    assert accounts == [(200, 0, 1, 1), (200, 0, 1, 1)]
    agency.leave()
    return state


@pytest.fixture(params=["bundled", "openssh"])
def agency(
    request: pytest.FixtureRequest, include: Path, clean: Any, warehouse: Any, tmp_path: Path
) -> Iterator[Casework]:
    server = request.getfixturevalue({"bundled": "sftp_server", "openssh": "openssh_server"}[request.param])
    yield (agency := Casework(warehouse, server, ACCOUNT, Intake(warehouse, tmp_path)))
    agency.leave()


def server_log(agency: Casework) -> str:
    """What the SFTP server wrote since the test began."""
    path, before = next(iter(agency.logs.items()))
    return path.read_bytes()[before:].decode()


@pytest.mark.case(1)
def test_an_upload_that_grows_is_not_taken(agency: Casework, clean: dict[str, str]) -> None:
    agency.put(MAY)
    path = agency.inbox / JUNE
    agency.drop(JUNE, SOUND[JUNE][:1000])
    with between_looks(lambda: path.write_bytes(SOUND[JUNE][:5000])):
        found = agency.receive()
    assert agency.told(found, JUNE) == "KB-D07"
    assert len(found.new) == 1  # the other one
    # Meanwhile it rested, and goes on when it is being fetched.
    agency.drop(JUNE, SOUND[JUNE][:5000], age=50)
    with before_bytes(lambda: path.write_bytes(SOUND[JUNE][:9000])):
        found = agency.receive()
    assert (found.new, agency.told(found, JUNE)) == ([], "KB-D07")
    agency.drop(JUNE, SOUND[JUNE], age=40)
    assert len(agency.receive().new) == 1
    agency.passes(clean)


@pytest.mark.case(2)
def test_a_connection_that_is_cut_leaves_nothing_and_is_made_up_for(agency: Casework, clean: dict[str, str]) -> None:
    agency.put(MAY)
    agency.receive()
    agency.put(JUNE)
    with proxied(agency.server.port) as proxy:
        through = agency.endpoint(port=proxy.port)
        for share in (0.01, 0.25, 0.5, 0.99):
            cut = partial(proxy.cut_after, int(share * len(SOUND[JUNE])))
            with before_bytes(cut), agency.error("KB-D04", JUNE):
                agency.receive(endpoint=through)
            assert agency.landed() == [], share
            proxy.mend()
        assert len(agency.receive(endpoint=through).new) == 1
    agency.passes(clean)


@pytest.mark.case(3)
def test_a_silent_connection_is_given_up_in_bounded_time(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()
    with proxied(agency.server.port) as proxy, before_bytes(lambda: proxy.cut_after(90_000, stall=True)):
        began = time.monotonic()
        with agency.error("KB-D04", JUNE, "no answer for 1 seconds"):
            agency.receive(endpoint=agency.endpoint(port=proxy.port), timeouts=HASTY)
        assert time.monotonic() - began < 20
    agency.retry()
    agency.passes(clean)


@pytest.mark.case(4)
def test_a_file_that_ends_elsewhere_than_announced_is_not_taken(agency: Casework, clean: dict[str, str]) -> None:
    """The server's word about the size, and the bytes that come: the file is cut, or goes on, after it was opened."""
    agency.put(MAY)
    agency.receive()
    for size in (0, 100_000, len(SOUND[JUNE]) + 1):
        agency.put(JUNE)
        with before_bytes(partial(os.truncate, agency.inbox / JUNE, size)):
            found = agency.receive()
        assert (found.new, agency.told(found, JUNE)) == ([], "KB-D07"), size
        assert agency.landed() == []
    agency.put(JUNE)
    agency.receive()
    agency.passes(clean)


@pytest.mark.case(5)
def test_a_file_that_is_replaced_under_our_hands_is_fetched_again(agency: Casework, clean: dict[str, str]) -> None:
    """As large as before, so that only its time tells; what was fetched may be half old and half new."""
    agency.put(MAY)
    agency.drop(JUNE, SOUND[JUNE].replace(b",45,", b",46,"))

    def replaced() -> None:
        other = agency.drop("new", SOUND[JUNE], age=20) and agency.inbox / "new"
        other.replace(agency.inbox / JUNE)

    with before_bytes(replaced):
        found = agency.receive()
    assert agency.told(found, JUNE) == "KB-D07"
    assert agency.landed() == []
    assert len(agency.receive().new) == 1
    agency.passes(clean)


@pytest.mark.case(6)
def test_a_file_that_vanishes_is_told_and_keeps_no_other(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()
    with between_looks((agency.inbox / JUNE).unlink):
        found = agency.collect()
    assert (len(found.new), agency.told(found, JUNE)) == (1, "KB-D08")
    # Now when it is described for the second time, before it is opened; with no time to fetch it while it rests.
    agency.put(JUNE)
    with before_download((agency.inbox / JUNE).unlink):
        found = agency.collect(settle_seconds=0)
    assert (found.new, agency.told(found, JUNE)) == ([], "KB-D08")
    agency.put(JUNE)
    agency.retry()
    agency.passes(clean)


@pytest.mark.case(7, 8)
def test_a_host_key_that_is_not_pinned_is_sent_no_credential(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()
    other = Hostile().endpoint(port=1).host_key
    for _ in range(2):  # and is not learned by being met
        with agency.error("KB-D02"):
            agency.receive(endpoint=agency.endpoint(host_key=other))
    with agency.error("KB-D11"):
        agency.receive(endpoint=agency.endpoint(host_key=""))
    log = server_log(agency)
    assert "userauth-request" not in log
    assert "log in" not in log
    agency.receive()
    # The right key is met with a log-in that the same log tells of, so the words above are the right ones.
    assert "userauth-request" in server_log(agency) or "begins to log in" in server_log(agency)
    agency.passes(clean)


@pytest.mark.case(9)
def test_a_refused_log_in_is_tried_once_and_tells_no_secret(agency: Casework, clean: dict[str, str]) -> None:
    """There is no password to be wrong: a key is what a log-in can be refused for. Retries are the task's."""
    agency.put()
    stranger = agency.endpoint(key_file=agency.server.keys["snap"], user="nobody_of_this_name")
    with agency.error("KB-D03"):
        agency.receive(endpoint=stranger)
    log = server_log(agency)
    met = log.count("method publickey") or log.count("begins to log in")
    assert met == 1
    secret = agency.server.keys["snap"].read_text(encoding="ascii").splitlines()[1]
    assert not any(secret in text for text in (*agency.said, log))
    agency.receive()
    agency.passes(clean)


@pytest.mark.case(10)
def test_a_name_that_is_no_utf8_hides_none_of_a_hundred_others(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()
    for number in range(97):
        agency.drop(f".other_{number}", b"x")
    bad = os.fsencode(agency.inbox) + b"/visits_202604\xff.csv"
    Path(os.fsdecode(bad)).write_bytes(b"x")
    found = agency.receive()
    assert len(found.new) == 2
    assert agency.told(found, r"visits_202604\xff.csv") == "KB-D12"
    agency.passes(clean)


@pytest.mark.case(11)
def test_names_that_are_traps_are_escaped_and_never_a_path_of_ours(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()
    traps = {
        "visits_202604.csv\n2026-01-01 INFO all is well": "KB-D12",
        "visits_\x1b[2J.csv": "KB-D12",
        "-rf": "KB-D15",
        "=cmd|calc.csv": "KB-D15",
        "C:\\..\\visits_202604.csv": "KB-D15",
        "$(reboot);.csv": "KB-D15",
    }
    for name in traps:
        agency.drop(name, b"x")
    found = agency.receive()
    assert len(found.new) == 2
    assert sorted(one.code for one in found.refused) == sorted(traps.values())
    recorded = agency.warehouse.query("SELECT facts ->> 'file' FROM ledger.event WHERE what = 'not taken'")
    assert len(recorded) == len(traps)
    assert all(str(name).isprintable() for (name,) in recorded)
    agency.passes(clean)


@pytest.mark.case(11)
def test_a_name_that_is_a_path_is_refused() -> None:
    """No file system has such names: this server makes them up."""
    with serving(
        Hostile(entries={b"../../visits_202604.csv": Thing(b"x"), b"/etc/visits_202605.csv": Thing(b"x")})
    ) as h:
        with open_sftp(h.endpoint()) as session:
            found = list_inbox(session, "inbox")
        assert found.files == []
        assert [one.code for one in found.oddities] == ["KB-D12"] * 2


@pytest.mark.case(12)
def test_links_pipes_and_folders_are_refused_and_nothing_hangs(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()
    link, pipe, folder = (f"visits_20260{n}.csv" for n in range(1, 4))
    (agency.inbox / link).symlink_to(agency.inbox / MAY)
    os.mkfifo(agency.inbox / pipe)
    (agency.inbox / folder).mkdir()
    (agency.inbox / "archive").mkdir()
    found = agency.receive()
    assert len(found.new) == 2
    assert {agency.told(found, name) for name in (link, pipe, folder)} == {"KB-D13"}
    assert len(found.refused) == 3
    agency.passes(clean)


@pytest.mark.case(12)
def test_a_pipe_in_the_place_of_a_listed_file_is_not_opened(agency: Casework, clean: dict[str, str]) -> None:
    agency.put()

    def piped() -> None:
        (agency.inbox / JUNE).unlink()
        os.mkfifo(agency.inbox / JUNE)

    with before_bytes(piped, MAY):
        found = agency.receive(timeouts=HASTY)
    assert agency.told(found, JUNE) == "KB-D13"
    (agency.inbox / JUNE).unlink()
    agency.put(JUNE)
    agency.receive()
    agency.passes(clean)


@pytest.mark.case(13)
def test_ten_thousand_files_are_all_seen_in_two_listings(
    agency: Casework, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but two were here before; the ledger knows them by name, size and time, so that none is fetched again."""
    when = int(time.time()) - 3600
    names = [
        f"visits_{1000 + n // 12 // 26:04}{n % 12 + 1:02}_{'abcdefghijklmnopqrstuvwxyz'[n // 12 % 26]}.csv"
        for n in range(10_000)
    ]
    assert len(set(names)) == 10_000
    for name in names:
        descriptor = os.open(agency.inbox / name, os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(descriptor, b"x")
        os.utime(descriptor, (when, when))
        os.close(descriptor)
    agency.put()
    agency.warehouse.query(
        """
        INSERT INTO ledger.delivery (
            partner, feed, file_name, size_bytes, sha256, remote_mtime, as_of, contract_version, agreement_id,
            agreement_version, state
        )
        SELECT 'atlas', %s, name, 1, name, to_timestamp(%s), '2026-01-01', '1', 'a', '1', 'collected'
        FROM unnest(%s) AS name
        """,
        (VISITS, when, names),
    )
    agency.warehouse.query("UPDATE ledger.delivery SET state = 'refused', state_reason = 'KB-H10'")
    seen: list[int] = []
    entries = inbox_module.Session.entries

    def counted(session: Any, folder: str) -> Iterator[list[Any]]:
        seen.append(0)
        for batch in entries(session, folder):
            seen[-1] += len([entry for entry in batch if entry.raw_name not in {b".", b".."}])
            yield batch

    monkeypatch.setattr(inbox_module.Session, "entries", counted)
    found = agency.receive()
    assert len(found.new) == 2
    assert seen == [10_002, 10_002]
    # Nothing refers to them, and to look for it in every table takes long.
    agency.warehouse.query(
        "SET session_replication_role = replica; DELETE FROM ledger.delivery WHERE sha256 = file_name"
    )
    agency.passes(clean)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """The landing folder on a disk of two megabytes."""
    folder = landing_folder()
    folder.mkdir(parents=True, exist_ok=True)
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("needs the right to mount a small disk; test_transfer.py shows the same by a limit on file sizes")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.case(14)
@pytest.mark.parametrize("reserve", [transfer.RESERVE_BYTES, 0], ids=["told beforehand", "met while writing"])
def test_a_full_landing_disk_leaves_nothing_and_is_resumed(
    agency: Casework, clean: dict[str, str], small_disk: Path, monkeypatch: pytest.MonkeyPatch, reserve: int
) -> None:
    agency.put()
    monkeypatch.setattr(transfer, "RESERVE_BYTES", reserve)
    filler = small_disk / "filler"

    def fill() -> None:
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 100_000))

    with before_bytes(fill), agency.error("KB-D09", MAY if reserve else JUNE, str(small_disk)):
        agency.receive()
    filler.unlink(missing_ok=True)
    assert [path.suffix for path in agency.landed()] == ([] if reserve else [".delivery"])  # of May, whole
    assert (agency.inbox / JUNE).read_bytes() == SOUND[JUNE]
    monkeypatch.setattr(transfer, "RESERVE_BYTES", 0)
    agency.retry()
    agency.passes(clean)
