"""Backups: whole or not at all, encrypted throughout, restored to the same state, and gone with their keys."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support import workers
from tests.support.failpoints import kill_before
from tests.support.retained import ATLAS, Retained, retained_site
from tests.support.state import state_of

from kinbridge.backup.expire import destroy_partner_keys, expire_backups
from kinbridge.backup.keys import KeyFolder
from kinbridge.backup.make import make_backup
from kinbridge.backup.manifest import Manifest, backups_in
from kinbridge.backup.restore import restore_backup
from kinbridge.backup.stream import FRAME, SealedReader, SealedWriter
from kinbridge.destruction.file_search import hits_in_file
from kinbridge.errors import KinbridgeError
from kinbridge.retention.term import Term
from kinbridge.warehouse.connection import transaction

CANARIES = ["atqz", "boqz"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with retained_site(tmp_path_factory.mktemp("retained")) as include:
        yield include


@pytest.fixture(scope="module")
def retained(site: Path, new_warehouse: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory) -> Retained:
    store = Retained(new_warehouse(), tmp_path_factory.mktemp("store"))
    store.fill()
    return store


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def made(retained: Retained, keys: KeyFolder, tmp_path: Path) -> tuple[Manifest, Path]:
    manifest = make_backup(retained.warehouse.owner, tmp_path / "backups", keys, "the test")
    return manifest, tmp_path / "backups" / manifest.backup_id


def test_a_backup_comes_back_as_it_was(
    retained: Retained, keys: KeyFolder, made: tuple[Manifest, Path], new_warehouse: Callable[[], Any]
) -> None:
    _, folder = made
    again = new_warehouse()
    restored = restore_backup(again.owner, folder, keys)
    assert (restored.destroyed, restored.lost) == ({}, ())
    assert state_of(again.superuser) == state_of(retained.warehouse.superuser)
    links = "SELECT partner, source_person_id, person_id FROM identity.person_link ORDER BY 1, 2"
    assert again.query(links) == retained.warehouse.query(links)
    # Numbers go on behind those that came back.
    [(last,)] = again.query("SELECT max(delivery_id) FROM ledger.delivery")
    [(following,)] = again.query("SELECT nextval('ledger.delivery_delivery_id_seq')")
    assert following == int(str(last)) + 1
    with pytest.raises(KinbridgeError, match="KB-U24"):
        restore_backup(again.owner, folder, keys)


def test_nothing_of_a_backup_is_in_clear(made: tuple[Manifest, Path]) -> None:
    manifest, folder = made
    assert manifest.rows > 100
    assert [path.name for path in folder.iterdir() if hits_in_file(path, CANARIES)] == []
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    assert {"feed:atlas/people_v1", "feed:boreas/people_v1", "partners:atlas", "ledger"} <= set(manifest.parts)


def test_a_destroyed_partner_stays_away_and_others_come_back(
    retained: Retained, keys: KeyFolder, made: tuple[Manifest, Path], new_warehouse: Callable[[], Any]
) -> None:
    manifest, folder = made
    retained.warehouse.query(
        "INSERT INTO ledger.destruction (cause, partner, feed, due_since, deadline, proposed_by) "
        "VALUES ('agreement ended', 'atlas', 'atlas/people_v1', now(), now(), 'x')"
    )
    [(number,)] = retained.warehouse.query("SELECT max(destruction_id) FROM ledger.destruction")
    with transaction(retained.warehouse.pipeline) as connection:
        for _ in range(2):
            count = destroy_partner_keys(connection, keys, "atlas", ATLAS, destruction_id=int(str(number)), by="x")
            assert count == 2
    again = new_warehouse()
    restored = restore_backup(again.owner, folder, keys)
    assert set(restored.destroyed) == {"feed:atlas/people_v1", "partners:atlas"}
    assert again.query("SELECT partner, count(*) FROM record.person GROUP BY partner") == [("boreas", 20)]
    assert again.query("SELECT DISTINCT partner FROM identity.person_link") == [("boreas",)]
    assert again.query("SELECT count(*) FROM quarantine.source_row") == [(2,)]
    for sealed in manifest.files:
        if sealed.part in restored.destroyed:
            with pytest.raises(KinbridgeError, match="KB-U23"), (folder / sealed.file).open("rb") as file:
                SealedReader(file, bytes(32), f"{manifest.backup_id}/{sealed.file}").read()


def test_a_key_that_was_lost_is_told_from_one_that_was_destroyed(
    keys: KeyFolder, made: tuple[Manifest, Path], new_warehouse: Callable[[], Any]
) -> None:
    manifest, folder = made
    [lost] = (keys.folder / manifest.backup_id).glob("feed*boreas*")
    lost.unlink()
    again = new_warehouse()
    with pytest.raises(KinbridgeError, match=r"KB-U22.*feed:boreas/people_v1"):
        restore_backup(again.owner, folder, keys)
    assert again.query("SELECT count(*) FROM ledger.delivery") == [(0,)]
    assert restore_backup(again.owner, folder, keys, without_lost=True).lost == ("feed:boreas/people_v1",)


@pytest.mark.parametrize("damage", ["cut", "exchanged", "changed"])
def test_a_damaged_file_restores_nothing(
    keys: KeyFolder, made: tuple[Manifest, Path], new_warehouse: Callable[[], Any], damage: str
) -> None:
    manifest, folder = made
    first, second = [folder / one.file for one in manifest.files if one.part == "feed:atlas/people_v1"][:2]
    if damage == "cut":
        first.write_bytes(first.read_bytes()[:-9])
    elif damage == "exchanged":
        first.write_bytes(second.read_bytes())
    else:
        content = bytearray(first.read_bytes())
        content[-1] ^= 1
        first.write_bytes(content)
    again = new_warehouse()
    with pytest.raises(KinbridgeError, match="KB-U23"):
        restore_backup(again.owner, folder, keys)
    assert again.query("SELECT count(*) FROM ledger.delivery") == [(0,)]


def test_a_backup_that_was_broken_off_counts_for_nothing(retained: Retained, keys: KeyFolder, tmp_path: Path) -> None:
    to = tmp_path / "backups"
    for number in (8, 30):
        kill_before(lambda: make_backup(retained.warehouse.owner, to, keys, "the test"), number)
        workers.wait_until_alone(retained.warehouse.superuser)
    whole, broken = backups_in(to)
    assert (whole, len(broken)) == ([], 2)
    with pytest.raises(KinbridgeError, match="KB-U21"):
        restore_backup(retained.warehouse.owner, to / broken[0], keys)
    # Their keys are destroyed with those of the others.
    assert any(keys.parts(group) for group in broken)
    with transaction(retained.warehouse.pipeline) as connection:
        day = datetime.now(UTC).date() + timedelta(days=36)
        expire_backups(connection, keys, Term("office rule backup", days=35), day, "govern")
    assert [keys.parts(group) for group in broken] == [[], []]


def test_old_backups_lose_all_their_keys(retained: Retained, keys: KeyFolder, made: tuple[Manifest, Path]) -> None:
    manifest, _ = made
    term = Term("office rule backup", days=35)
    today = datetime.now(UTC).date()
    with transaction(retained.warehouse.pipeline) as connection:
        assert expire_backups(connection, keys, term, today + timedelta(days=35), "govern") == []
        assert manifest.backup_id in expire_backups(connection, keys, term, today + timedelta(days=36), "govern")
        assert expire_backups(connection, keys, term, today + timedelta(days=36), "govern") == []
    assert keys.parts(manifest.backup_id) == []
    assert set(keys.marked(manifest.backup_id)) == set(manifest.parts)


def test_keys_never_lie_with_what_they_open(retained: Retained, tmp_path: Path) -> None:
    for to, folder in ((tmp_path, tmp_path / "keys"), (tmp_path / "keys" / "b", tmp_path / "keys")):
        with pytest.raises(KinbridgeError, match="KB-U20"):
            make_backup(retained.warehouse.owner, to, KeyFolder(folder), "the test")


def test_a_stream_of_many_frames_comes_back_and_holds_one_frame_in_memory() -> None:
    import random
    import tracemalloc

    chance, file = random.Random(7), io.BytesIO()
    piece = chance.randbytes(FRAME // 4)
    writer = SealedWriter(file, bytes(32), "x")
    for number in range(40):
        writer.write(piece[number:] + piece[:number])
    writer.close()
    file.seek(0)
    reader, read = SealedReader(file, bytes(32), "x"), 0
    tracemalloc.start()
    while chunk := reader.read(8192):
        read += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == 40 * len(piece)
    assert peak < 8 * FRAME
    with pytest.raises(KinbridgeError, match="KB-U23"):
        SealedReader(io.BytesIO(file.getvalue()), bytes(32), "y").read()
