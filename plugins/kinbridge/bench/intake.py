"""`kinbridge bench intake`: one feed of 12 columns and 20 rules, from SFTP to the record, beside a bare COPY.

A worker process takes the steps of the receive DAG; where asked for, dlt merges the same file on the same server.
Seconds say something about the machine; the ratio to the bare COPY of the same file in the same run says something
about Kinbridge.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kinbridge.bench import peer
from kinbridge.bench.generate import BAD_SHARE
from kinbridge.bench.stand import Stand, stand
from kinbridge.delivery.collect import SETTLE_SECONDS
from kinbridge.errors import KinbridgeError

FILE, CHANGES_FILE = "members_202512.csv", "members_202601.csv"
SEED = 1
STAGES = ("collect", "stage", "validate", "load", "receipt")
# dlt gets a database of its own, beside the warehouse.
PEER_DATABASE = "postgres"


@dataclass(frozen=True)
class Intake:
    """What a run measured; times in seconds.

    `copy_s` is the median of three bare COPYs, two before and one after. `stages_s` and `total_s` are the worker's;
    `waiting_s` of them it sleeps, to see that the file rests. `cpu_s` is what the worker and Postgres computed for it,
    `copy_cpu_s` what Postgres did for a bare COPY. `imports_s` is no part of them: tasks of Airflow are forks of a
    process that has imported before. `account` is what became of the rows. `changes_s` is what a second file took that
    changes `changed_rows` of them, if it was asked for. `beside` has dlt's seconds by the way that it was run.
    """

    rows: int
    copy_s: float
    stages_s: dict[str, float]
    total_s: float
    ratio_to_copy: float
    worker_peak_mib: float
    imports_s: float
    account: dict[str, int]
    waiting_s: float
    cpu_s: float
    copy_cpu_s: float
    bad_share: float = BAD_SHARE
    changed_rows: int | None = None
    changes_s: float | None = None
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """The figures, without the account, and without what was not asked for."""
        return {name: value for name, value in asdict(self).items() if name != "account" and value not in (None, {})}

    def to_json(self) -> str:
        """The figures as JSON."""
        return json.dumps(self.figures(), indent=2)

    def to_table(self) -> str:
        """The figures for a person."""
        lines = [f"{self.rows:,} rows, 12 columns, 20 rules", "", f"{'step':<12}{'seconds':>9}{'x COPY':>9}"]
        times = [("bare COPY", self.copy_s), *self.stages_s.items(), ("total", self.total_s)]
        times += [(f"dlt {way}", found["seconds"]) for way, found in self.beside.items()]
        lines += [f"{name:<12}{seconds:>9.2f}{seconds / self.copy_s:>9.1f}" for name, seconds in times]
        lines += ["", f"of the total, {self.waiting_s:.1f} s are waiting for the file to rest"]
        lines += [
            f"computed: {self.cpu_s:.1f} s, COPY {self.copy_cpu_s:.1f} s",
            f"imports before: {self.imports_s:.1f} s",
        ]
        if self.changes_s is not None:
            share = self.changes_s / self.total_s
            lines += [
                f"a file that changes {self.changed_rows:,} rows: {self.changes_s:.2f} s, {share:.0%} of the whole"
            ]
        fates = ", ".join(f"{self.account[name]:,} {name}" for name in ("loaded", "quarantined", "duplicate"))
        return "\n".join([*lines, f"worker's peak memory: {self.worker_peak_mib:.0f} MiB", f"rows: {fates}"])


def run_intake(
    rows: int,
    *,
    seed: int = SEED,
    bad_share: float = BAD_SHARE,
    change_share: float = 0.0,
    beside: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Intake:
    """Measure once: a first file, and when `change_share` is given a second one that changes so many of its rows.

    `bad_share` of the rows break a rule. `beside` are ways of dlt (`peer.WAYS`) to run on the same files. `say` hears
    what is under way.

    Raises `KinbridgeError` KB-B01 when the worker fails, KB-B02 when the account does not show every row of the
    file, KB-B03 when dlt fails; and the errors of the bundled services.
    """
    with stand(say) as ground:
        say(f"generating {rows:,} rows")
        file = ground.drop(FILE, rows, seed, bad_share)
        say("bare COPY")
        began = ground.postgres_cpu()
        copies = [ground.bare_copy(file) for _ in range(2)]
        copied = ground.postgres_cpu()
        say("the worker: " + ", ".join(STAGES))
        answer = ground.work()
        worked = ground.postgres_cpu()
        copies.append(ground.bare_copy(file))
        peers = _Peers(ground, beside, say)
        peers.first(file)
        changed = round(rows * change_share)
        if changed:
            ground.analyze()
            changes_file = ground.drop(CHANGES_FILE, changed, seed + 1, 0.0)
            say(f"the worker again: {changed:,} rows change")
            changes = ground.work()
            if changes["account"].get("loaded") != changed:
                raise KinbridgeError("KB-B02", rows=changed, found=changes["account"].get("loaded", 0))
            peers.again(changes_file)
    account = answer["account"]
    if account.get("source_rows") != rows:
        raise KinbridgeError("KB-B02", rows=rows, found=account.get("source_rows", 0))
    copy_s = statistics.median(copies)
    return Intake(
        rows=rows,
        copy_s=round(copy_s, 3),
        stages_s={name: round(answer["stages_s"][name], 3) for name in STAGES},
        total_s=round(answer["total_s"], 3),
        ratio_to_copy=round(answer["total_s"] / copy_s, 2),
        worker_peak_mib=round(answer["worker_peak_mib"], 1),
        imports_s=round(answer["imports_s"], 3),
        account=account,
        waiting_s=SETTLE_SECONDS,
        cpu_s=round(answer["cpu_s"] + worked - copied, 2),
        copy_cpu_s=round((copied - began) / 2, 2),
        bad_share=bad_share,
        changed_rows=changed or None,
        changes_s=round(changes["total_s"], 3) if changed else None,
        beside=peers.found,
    )


class _Peers:
    """dlt in each of the asked ways, on the same server, after the worker; `found` is what it took."""

    def __init__(self, ground: Stand, ways: tuple[str, ...], say: Callable[[str], None]) -> None:
        self.found: dict[str, dict[str, Any]] = {way: {} for way in ways}
        self._ground, self._say = ground, say
        self._python = peer.install(ground.folder / "dlt") if ways else Path()

    def first(self, file: Path) -> None:
        """The first file, into nothing."""
        for way, answer in self._merge(file):
            self.found[way] = {"version": answer["version"], "seconds": round(answer["seconds"], 3)}

    def again(self, file: Path) -> None:
        """A file that changes some of the rows."""
        for way, answer in self._merge(file):
            self.found[way]["changes_s"] = round(answer["seconds"], 3)

    def _merge(self, file: Path) -> list[tuple[str, dict[str, Any]]]:
        answers = []
        for way in self.found:
            self._say(f"dlt, {way}")
            dsn = self._ground.superuser.with_database(PEER_DATABASE)
            [key] = self._ground.feed.key
            answers.append((way, peer.merge(self._python, way, file, key, dsn)))
        return answers
