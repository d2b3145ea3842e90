"""Collecting against the bundled SFTP server and a real warehouse: each file once, none lost, none half."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.delivery.rig import Hostile, Thing, cutting_proxy, leftovers, serving

from kinbridge.delivery import collect as collect_module
from kinbridge.delivery.collect import collect
from kinbridge.delivery.plan import Collected, CollectPlan
from kinbridge.delivery.sftp import SftpEndpoint
from kinbridge.errors import KinbridgeError
from kinbridge.ledger import deliveries
from kinbridge.ledger.deliveries import Delivery
from kinbridge.ledger.states import State
from kinbridge.warehouse.connection import transaction

_numbers = itertools.count(1)


@dataclass
class Site:
    """One feed of one partner, with an inbox, a landing folder and a warehouse."""

    plan: CollectPlan
    endpoint: SftpEndpoint
    inbox: Path
    landing: Path
    warehouse: Any

    def drop(self, name: str, content: bytes, age: float = 60) -> Path:
        path = self.inbox / name
        path.write_bytes(content)
        when = int(time.time() - age)
        os.utime(path, (when, when))
        return path

    def collect(self, **options: Any) -> Collected:
        options = {"settle_seconds": 0.05, **options}
        return collect(self.endpoint, self.plan, self.warehouse.pipeline, self.landing, **options)

    def delivery(self, delivery_id: int) -> Delivery:
        with transaction(self.warehouse.pipeline) as connection:
            return deliveries.get(connection, delivery_id)

    def names(self, ids: list[int]) -> list[str]:
        return [self.delivery(delivery_id).file_name for delivery_id in ids]

    def move(self, delivery_id: int, *states: str) -> None:
        with transaction(self.warehouse.pipeline) as connection:
            for state in states:
                deliveries.set_state(connection, delivery_id, state, None, "test")


@pytest.fixture
def site(sftp_server: Any, warehouse: Any, tmp_path: Path) -> Site:
    """A feed of its own for each test, on the bundled server, in the inbox of one partner."""
    feed = f"t{next(_numbers)}"
    return Site(
        plan=CollectPlan(
            partner="medicaid",
            feed=f"medicaid/{feed}_v1",
            file_pattern=rf"{feed}_(?P<period>[0-9]{{6}})(_[a-z]+)?\.txt",
            contract_version="1.0.0",
            agreement_id="medicaid_2026",
            agreement_version="1",
        ),
        endpoint=SftpEndpoint(
            partner="medicaid",
            host=sftp_server.host,
            port=sftp_server.port,
            user="medicaid",
            host_key=sftp_server.host_key,
            key_file=sftp_server.keys["medicaid"],
        ),
        inbox=sftp_server.jail("medicaid") / "inbox",
        landing=tmp_path / "landing",
        warehouse=warehouse,
    )


def named(site: Site, period: str, suffix: str = "") -> str:
    return f"{site.plan.feed.split('/')[1].removesuffix('_v1')}_{period}{suffix}.txt"


def test_new_files_are_registered_by_period_then_name_and_stay_in_the_inbox(site: Site) -> None:
    march = site.drop(named(site, "202603"), b"march")
    site.drop(named(site, "202602", "_b"), b"february b")
    site.drop(named(site, "202602", "_a"), b"february a")
    site.drop("x" + named(site, "202604"), b"of another feed")
    result = site.collect()
    assert site.names(result.new) == [
        named(site, "202602", "_a"),
        named(site, "202602", "_b"),
        named(site, "202603"),
    ]
    delivery = site.delivery(result.new[2])
    assert (delivery.period, delivery.as_of) == (date(2026, 3, 1), date(2026, 3, 31))
    assert delivery.sha256 == hashlib.sha256(b"march").hexdigest()
    assert (delivery.agreement_id, delivery.contract_version) == ("medicaid_2026", "1.0.0")
    assert Path(delivery.landed_path or "").read_bytes() == b"march"
    assert march.read_bytes() == b"march"
    assert site.collect() == Collected()


def test_a_file_without_a_period_speaks_as_of_the_day_it_was_collected(site: Site) -> None:
    site.plan = replace(site.plan, file_pattern=r"roster_t[0-9]+\.txt")
    site.drop(f"roster_t{next(_numbers)}.txt", b"roster")
    result = site.collect(now=datetime(2026, 5, 17, 23, 0, tzinfo=UTC))
    delivery = site.delivery(result.new[0])
    assert (delivery.period, delivery.as_of) == (None, date(2026, 5, 17))


def test_the_same_bytes_are_never_worked_on_twice(site: Site) -> None:
    site.drop(named(site, "202601"), b"the same bytes")
    first = site.collect().new
    site.drop(named(site, "202602"), b"the same bytes")  # another name
    site.drop(named(site, "202601"), b"the same bytes", age=30)  # the same name, dropped again
    again = site.collect()
    assert (again.new, len(again.duplicates)) == ([], 2)
    for duplicate in map(site.delivery, again.duplicates):
        assert (duplicate.state, duplicate.duplicate_of) == (State.DUPLICATE, first[0])
    assert len(leftovers(site.landing)) == 1
    assert site.collect() == Collected()


def test_the_same_name_with_new_bytes_is_a_new_delivery(site: Site) -> None:
    site.drop(named(site, "202601"), b"first version")
    first = site.collect().new
    site.drop(named(site, "202601"), b"mended", age=30)
    second = site.collect().new
    assert len(first) == len(second) == 1
    assert site.delivery(first[0]).sha256 != site.delivery(second[0]).sha256


def test_a_growing_file_is_left_alone_until_it_rests(site: Site) -> None:
    path = site.drop(named(site, "202601"), b"x")
    over = threading.Event()

    def grow() -> None:
        while not over.wait(0.02):
            with path.open("ab") as file:
                file.write(b"more")
            os.utime(path, (1_700_000_000, 1_700_000_000))

    writer = threading.Thread(target=grow)
    writer.start()
    result = site.collect(settle_seconds=0.5)
    over.set()
    writer.join()
    assert (result.new, [waiting.code for waiting in result.waiting]) == ([], ["KB-D07"])
    assert leftovers(site.landing) == []
    assert len(site.collect().new) == 1


def test_of_a_file_that_changed_between_two_looks_nothing_stays(site: Site) -> None:
    """What was fetched meanwhile was whole when it was fetched, and is not what lies there now."""
    with serving(Hostile()) as hostile:
        name, reads = named(site, "202601").encode(), []
        hostile.entries = {name: Thing(b"half", on_read=reads.append)}
        site.endpoint = hostile.endpoint()
        whole = Thing(b"whole")
        timer = threading.Timer(0.6, lambda: hostile.entries.update({name: whole}))
        timer.start()
        result = site.collect(settle_seconds=1.5)
        timer.join()
        assert (result.new, [waiting.code for waiting in result.waiting]) == ([], ["KB-D07"])
        assert reads, "it was fetched while it should have rested"
        assert leftovers(site.landing) == []


def test_a_resting_file_is_fetched_once(site: Site) -> None:
    with serving(Hostile()) as hostile:
        reads: list[object] = []
        hostile.entries = {named(site, "202601").encode(): Thing(b"january", on_read=reads.append)}
        site.endpoint = hostile.endpoint()
        began = time.monotonic()
        [delivery] = site.collect(settle_seconds=0.5).new
        assert time.monotonic() - began >= 0.5
        assert site.delivery(delivery).size_bytes == len(b"january")
        once = len(reads)
        hostile.entries = {named(site, "202602").encode(): Thing(b"january2", on_read=reads.append)}
        site.collect(settle_seconds=0)  # no time to fetch ahead
        assert len(reads) == 2 * once


def test_a_file_written_a_moment_ago_is_left_for_the_next_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.drop(named(site, "202601"), b"january", age=0)
    # Without the pause, as when the server's clock is behind ours: both looks see the same young file.
    monkeypatch.setattr(
        collect_module, "time", SimpleNamespace(sleep=lambda _: None, time=time.time, monotonic=time.monotonic)
    )
    assert [waiting.code for waiting in site.collect(settle_seconds=5).waiting] == ["KB-D07"]
    assert len(site.collect(settle_seconds=0).new) == 1


def test_a_feed_waits_for_its_sibling_of_the_same_period(site: Site, warehouse: Any) -> None:
    sibling = f"{site.plan.feed}_sibling"
    site.plan = replace(site.plan, waits_for=(sibling,))
    site.drop(named(site, "202601"), b"january")
    site.drop(named(site, "202602"), b"february")
    with transaction(warehouse.pipeline) as connection:
        new = deliveries.NewDelivery(
            "medicaid", sibling, "s", 1, "s", None, date(2026, 2, 1), date(2026, 2, 28), None, "1", "a", "1"
        )
        known = deliveries.register(connection, new, "test").delivery_id
    waiting = site.collect()
    assert (waiting.new, [w.code for w in waiting.waiting]) == ([], ["KB-D22", "KB-D22"])
    assert f"waits for {sibling} of 2026-01" in waiting.waiting[0].reason
    site.move(known, "staged", "validated", "partly_accepted")
    assert site.names(site.collect().new) == [named(site, "202602")]


def test_odd_entries_are_told_and_recorded_once(site: Site) -> None:
    good = named(site, "202601")
    site.plan = replace(site.plan, partner_patterns=(site.plan.file_pattern,))
    site.drop(good, b"good")
    site.drop(named(site, "202613"), b"no such month")
    bad = os.fsencode(site.inbox) + b"/" + named(site, "202602").encode() + b"\xff\n"
    Path(os.fsdecode(bad)).write_bytes(b"x")
    link, pipe = site.inbox / named(site, "202603"), site.inbox / named(site, "202604")
    link.symlink_to(site.inbox / good)
    os.mkfifo(pipe)
    stranger = site.inbox / f"stranger_{next(_numbers)}.csv"
    stranger.write_bytes(b"x")
    (site.inbox / "upload.csv.part").write_bytes(b"x")
    try:
        result = site.collect()
        assert site.names(result.new) == [good]
        found = {oddity.file: oddity.code for oddity in result.refused}
        assert found[named(site, "202613")] == "KB-D19"
        assert found[named(site, "202602") + r"\xff\n"] == "KB-D12"
        assert found[link.name] == found[pipe.name] == "KB-D13"
        assert found[stranger.name] == "KB-D15"
        assert "upload.csv.part" not in found
        site.collect()
        told = site.warehouse.query(
            "SELECT facts ->> 'file' FROM ledger.event WHERE feed = %s AND what = 'not taken'", (site.plan.feed,)
        )
        assert sorted(row[0] for row in told) == sorted(found)
    finally:
        for path in (Path(os.fsdecode(bad)), link, pipe, stranger, site.inbox / "upload.csv.part"):
            path.unlink()


def test_two_runs_at_once_register_each_file_once(site: Site) -> None:
    for month in range(1, 6):
        site.drop(named(site, f"2026{month:02}"), b"month %d" % month)
    results: list[Collected] = []
    runs = [threading.Thread(target=lambda: results.append(site.collect())) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(len(result.new) for result in results) == [0, 0, 5]
    assert not any(result.duplicates for result in results)
    with (
        pytest.raises(KinbridgeError, match="KB-D20"),
        collect_module.feed_lock(site.warehouse.pipeline, site.plan.feed),
    ):
        site.collect(lock_seconds=0.2)


class _Crash(BaseException):
    """What a killed worker looks like from inside."""


@pytest.mark.parametrize("place", ["before the ledger", "after the ledger"])
def test_a_crash_around_registering_loses_and_doubles_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    register: Callable[..., Delivery] = deliveries.register

    def crash(*arguments: Any) -> Delivery:
        if place == "after the ledger":
            register(*arguments)
            arguments[0].commit()
        raise _Crash

    site.drop(named(site, "202601"), b"january")
    monkeypatch.setattr(deliveries, "register", crash)
    with pytest.raises(_Crash):
        site.collect()
    monkeypatch.undo()
    assert len(leftovers(site.landing)) == 1  # as after a kill: nobody has tidied up

    later = site.collect(stray_after_seconds=0, now=datetime.now(UTC) + timedelta(hours=1))
    ids = later.new + later.unfinished
    assert (len(later.new), len(later.unfinished)) == ((1, 0) if place == "before the ledger" else (0, 1))
    assert Path(site.delivery(ids[0]).landed_path or "").read_bytes() == b"january"
    assert len(leftovers(site.landing)) == 1
    swept = site.warehouse.query(
        "SELECT facts ->> 'files' FROM ledger.event WHERE feed = %s AND what = 'stray files destroyed'",
        (site.plan.feed,),
    )
    assert swept == ([("1",)] if place == "before the ledger" else [])


def test_a_lost_landed_file_is_fetched_again_for_the_same_delivery(site: Site) -> None:
    site.drop(named(site, "202601"), b"january")
    delivery_id = site.collect().new[0]
    Path(site.delivery(delivery_id).landed_path or "").unlink()
    again = site.collect()
    assert (again.new, again.duplicates, again.unfinished) == ([], [], [delivery_id])
    assert Path(site.delivery(delivery_id).landed_path or "").read_bytes() == b"january"
    assert site.collect() == Collected()


def test_a_settled_delivery_is_not_fetched_again(site: Site) -> None:
    site.drop(named(site, "202601"), b"january")
    delivery_id = site.collect().new[0]
    Path(site.delivery(delivery_id).landed_path or "").unlink()
    site.move(delivery_id, "staged", "validated", "accepted")
    assert site.collect() == Collected()


def test_nothing_is_registered_from_another_server(site: Site) -> None:
    site.drop(named(site, "202601"), b"january")
    other = replace(site.endpoint, host_key=Hostile().endpoint(port=1).host_key)
    with pytest.raises(KinbridgeError, match=r"KB-D02.*medicaid"):
        collect(other, site.plan, site.warehouse.pipeline, site.landing)
    assert site.warehouse.query("SELECT 1 FROM ledger.delivery WHERE feed = %s", (site.plan.feed,)) == []


def test_one_bad_file_does_not_stop_the_others(site: Site) -> None:
    with serving(Hostile()) as hostile:
        lies, vanishes, changes, good = (named(site, f"2026{month:02}").encode() for month in (1, 2, 3, 4))
        hostile.entries = {
            lies: Thing(b"short", claims=500_000),
            vanishes: Thing(b"v" * 10),
            changes: Thing(b"c" * 10),
            good: Thing(b"good"),
        }
        hostile.entries[changes].on_read = lambda _: hostile.entries.update({changes: Thing(b"d" * 10, mtime=7)})
        hostile.entries[lies].on_read = lambda _: hostile.entries.pop(vanishes, None) and None
        site.endpoint = hostile.endpoint()
        result = site.collect()
        assert site.names(result.new) == [good.decode()]
        assert {o.file: o.code for o in result.refused} == {lies.decode(): "KB-D06", vanishes.decode(): "KB-D08"}
        assert [(w.file, w.code) for w in result.waiting] == [(changes.decode(), "KB-D07")]
        assert len(leftovers(site.landing)) == 1
        hostile.entries[changes].on_read = None
        assert site.names(site.collect().new) == [changes.decode()]


def test_a_server_that_gives_no_times_is_not_registered_again_and_again(site: Site) -> None:
    with serving(Hostile()) as hostile:
        hostile.entries = {named(site, "202601").encode(): Thing(b"one", mtime=None)}
        site.endpoint = hostile.endpoint()
        assert len(site.collect().new) == 1
        assert site.collect() == Collected()
        hostile.entries = {named(site, "202601").encode(): Thing(b"two", mtime=None)}
        assert len(site.collect().new) == 1


def test_what_was_registered_before_the_connection_broke_stays_registered(site: Site) -> None:
    with serving(Hostile()) as hostile:
        hostile.entries = {
            named(site, "202601").encode(): Thing(b"a" * 10_000),
            named(site, "202602").encode(): Thing(os.urandom(3_000_000)),
        }
        with cutting_proxy(hostile.port, 1_000_000) as port, pytest.raises(KinbridgeError, match="KB-D04"):
            collect(hostile.endpoint(port=port), site.plan, site.warehouse.pipeline, site.landing, settle_seconds=0)
        site.endpoint = hostile.endpoint()
        result = site.collect(now=datetime.now(UTC) + timedelta(hours=1))
        assert site.names(result.unfinished) == [named(site, "202601")]
        assert site.names(result.new) == [named(site, "202602")]
