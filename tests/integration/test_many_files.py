"""Ten thousand files in one inbox: all are seen, two listings a run whatever it takes, and memory does not follow."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from paramiko.sftp import CMD_LSTAT, CMD_OPEN, CMD_OPENDIR, CMD_STAT

from kinbridge.delivery import collect as collect_module
from kinbridge.delivery import inbox
from kinbridge.delivery.collect import collect
from kinbridge.delivery.plan import Collected, CollectPlan
from kinbridge.delivery.session import Session
from kinbridge.demo.services import endpoint_of
from kinbridge.ledger import deliveries
from kinbridge.warehouse.connection import transaction

WANTED, OTHERS, UNCLAIMED = 6_000, 3_000, 1_000
A_RUN = 25
MOST_MEBIBYTES = 32


@pytest.fixture
def crowded(sftp_server: Any) -> Any:
    """An inbox with files of one feed, of another, and of none; emptied again afterwards."""
    folder: Path = sftp_server.jail("medicaid") / "inbox"
    rested = time.time() - 600
    made = []
    for number in range(WANTED + OTHERS + UNCLAIMED):
        kind = "many" if number < WANTED else "other" if number < WANTED + OTHERS else "unknown"
        # Names in another order than the periods, and than the folder gives them.
        path = folder / f"{kind}_{number * 7919 % 10_007:05d}_2025{number % 12 + 1:02d}.txt"
        path.write_text(f"{number}\n", encoding="ascii")
        os.utime(path, (rested, rested))
        made.append(path)
    yield folder
    for path in made:
        path.unlink()


def plan() -> CollectPlan:
    own, other = (rf"{kind}_[0-9]{{5}}_(?P<period>[0-9]{{6}})\.txt" for kind in ("many", "other"))
    return CollectPlan(
        partner="medicaid",
        feed="medicaid/many_v1",
        file_pattern=own,
        contract_version="1.0.0",
        agreement_id="medicaid_2026",
        agreement_version="1",
        partner_patterns=(own, other),
    )


def test_ten_thousand_files_are_all_seen_and_worked_off_a_part_at_a_time(
    crowded: Path, sftp_server: Any, warehouse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = endpoint_of(sftp_server, "medicaid")
    asked: Counter[int] = Counter()
    seen: list[int] = []
    listing, ask = inbox.list_inbox, Session._async_request

    def counting(session: Session, fileobj: Any, kind: int, *arguments: Any) -> Any:
        asked[kind] += 1
        return ask(session, fileobj, kind, *arguments)

    def noting(*arguments: Any, **options: Any) -> inbox.Listing:
        found = listing(*arguments, **options)
        seen.append(found.seen)
        return found

    monkeypatch.setattr(Session, "_async_request", counting)
    monkeypatch.setattr(collect_module, "list_inbox", noting)

    def run() -> Collected:
        return collect(
            endpoint, plan(), warehouse.pipeline, tmp_path / "landing", settle_seconds=0.05, most_files=A_RUN
        )

    tracemalloc.start()
    first, second = run(), run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    here = len(list(crowded.iterdir()))
    assert here >= WANTED + OTHERS + UNCLAIMED
    # `.` and `..` are entries too.
    assert [count - 2 for count in seen] == [here] * 4
    assert asked[CMD_OPENDIR] == 4
    assert asked[CMD_OPEN] == 2 * A_RUN
    assert asked[CMD_LSTAT] + asked[CMD_STAT] <= 2 * 2 * A_RUN
    assert (len(first.new), first.left) == (A_RUN, WANTED - A_RUN)
    assert (len(second.new), second.left) == (A_RUN, WANTED - 2 * A_RUN)
    assert {oddity.code for oddity in first.refused} == {"KB-D15"}
    assert peak < MOST_MEBIBYTES * 2**20

    # The oldest period first, and nothing twice, and nothing left out in between.
    with transaction(warehouse.pipeline) as connection:
        taken = [deliveries.get(connection, number).file_name for number in [*first.new, *second.new]]
    wanted = [path.name for path in crowded.iterdir() if path.name.startswith("many_")]
    assert taken == sorted(wanted, key=lambda name: (name[-10:-4], name))[: 2 * A_RUN]
