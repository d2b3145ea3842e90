"""`kinbridge bench intake`: one feed of 12 columns and 20 rules, from SFTP to the record, beside a bare COPY.

Everything is real and made for the run: a durable bundled Postgres, a bundled SFTP server, a generated file, a worker
process that takes the steps of the receive DAG. All of it is removed at the end. Seconds say something about the
machine; the ratio to the bare COPY of the same file in the same run says something about Kinbridge.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from kinbridge.bench.generate import BAD_SHARE, generate
from kinbridge.bundled import postgres as bundled_postgres
from kinbridge.bundled import sftp as bundled_sftp
from kinbridge.bundled.process import bare_environment
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import read_feed
from kinbridge.contract.sql import ident
from kinbridge.errors import KinbridgeError
from kinbridge.settings import great_expectations_folder
from kinbridge.validation.suite import suite_text
from kinbridge.warehouse import migrate, roles
from kinbridge.warehouse.connection import Dsn, connect

PARTNER = "bench"
FEED = "bench/intake_v1"
FILE, CHANGES_FILE = "members_202512.csv", "members_202601.csv"
SEED = 1
STAGES = ("collect", "stage", "validate", "load", "receipt")
# A file is taken when it has rested; this one has.
RESTED_SECONDS = 600


@dataclass(frozen=True)
class Intake:
    """What a run measured; times in seconds.

    `copy_s` is the median of three bare COPYs, two before and one after. `stages_s` and `total_s` are the worker's.
    `imports_s` is no part of them: tasks of Airflow are forks of a process that has imported before. `account` is what
    became of the rows. `changes_s` is what a second file took that changes `changed_rows` of them, if it was asked for.
    """

    rows: int
    copy_s: float
    stages_s: dict[str, float]
    total_s: float
    ratio_to_copy: float
    worker_peak_mib: float
    imports_s: float
    account: dict[str, int]
    bad_share: float = BAD_SHARE
    changed_rows: int | None = None
    changes_s: float | None = None

    def to_json(self) -> str:
        """The figures, without the account, and without what was not asked for."""
        figures = {name: value for name, value in asdict(self).items() if name != "account" and value is not None}
        return json.dumps(figures, indent=2)

    def to_table(self) -> str:
        """The figures for a person."""
        lines = [f"{self.rows:,} rows, 12 columns, 20 rules", "", f"{'step':<12}{'seconds':>9}{'x COPY':>9}"]
        times = [("bare COPY", self.copy_s), *self.stages_s.items(), ("total", self.total_s)]
        lines += [f"{name:<12}{seconds:>9.2f}{seconds / self.copy_s:>9.1f}" for name, seconds in times]
        lines += ["", f"imports before: {self.imports_s:.1f} s"]
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
    say: Callable[[str], None] = lambda _: None,
) -> Intake:
    """Measure once: a first file, and when `change_share` is given a second one that changes so many of its rows.

    `bad_share` of the rows break a rule. `say` hears what is under way.

    Raises `KinbridgeError` KB-B01 when the worker fails and KB-B02 when the account does not show every row of the
    file; and the errors of the bundled services.
    """
    with _services(say) as (folder, warehouse, sftp):
        feed = _declare(folder)
        inbox = sftp.jail(PARTNER) / "inbox"
        say(f"generating {rows:,} rows")
        file = _drop(inbox / FILE, rows, seed, bad_share)
        pipeline = warehouse[roles.PIPELINE]
        say("bare COPY")
        copies = [_bare_copy(pipeline, feed, file) for _ in range(2)]
        say("the worker: " + ", ".join(STAGES))
        answer = _run_worker(folder, pipeline, sftp)
        copies.append(_bare_copy(pipeline, feed, file))
        changed = round(rows * change_share)
        if changed:
            say(f"the worker again: {changed:,} rows change")
            _drop(inbox / CHANGES_FILE, changed, seed + 1, 0.0)
            changes = _run_worker(folder, pipeline, sftp)
            if changes["account"].get("loaded", 0) < changed * (1 - bad_share) - 1:
                raise KinbridgeError("KB-B02", rows=changed, found=changes["account"].get("loaded", 0))
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
        bad_share=bad_share,
        changed_rows=changed or None,
        changes_s=round(changes["total_s"], 3) if changed else None,
    )


def _drop(file: Path, rows: int, seed: int, bad_share: float) -> Path:
    """A generated file that has rested in the inbox."""
    generate(file, rows, seed, bad_share)
    rested = time.time() - RESTED_SECONDS
    os.utime(file, (rested, rested))
    return file


@contextmanager
def _services(say: Callable[[str], None]) -> Iterator[tuple[Path, dict[str, Dsn], bundled_sftp.SftpService]]:
    """A folder with a migrated warehouse and an SFTP server, for the time of the run."""
    folder = Path(tempfile.mkdtemp(prefix="kinbridge-bench-"))
    try:
        say("starting Postgres and SFTP")
        postgres = bundled_postgres.start(folder / "postgres")
        sftp = bundled_sftp.start(folder / "sftp", [PARTNER])
        dsns = roles.provision(postgres.dsn(), folder / "roles")
        migrate.migrate(dsns[roles.OWNER])
        yield folder, dsns, sftp
    finally:
        bundled_sftp.stop(folder / "sftp")
        bundled_postgres.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


def _declare(folder: Path) -> Feed:
    """The benchmark's include folder and Great Expectations project below `folder`; the feed that they declare."""
    with resources.as_file(resources.files(__package__).joinpath("site")) as site:
        shutil.copytree(site, folder / "include")
    feed = read_feed(folder / "include" / "partners" / FEED.replace("/", "/feeds/") / "contract.odcs.yaml")
    suites = folder / "gx" / "expectations"
    suites.mkdir(parents=True)
    shutil.copy(great_expectations_folder() / "great_expectations.yml", folder / "gx")
    (suites / f"{feed.slug}.json").write_text(suite_text(feed, feed.columns), encoding="utf-8")
    return feed


def _bare_copy(dsn: Dsn, feed: Feed, file: Path) -> float:
    """Seconds for COPY of the file, as it is, into an unlogged table of text columns."""
    columns = ", ".join(f"{ident(column.name)} text" for column in feed.columns)
    connection = connect(dsn)
    try:
        with connection.cursor() as cursor, file.open("rb") as source:
            cursor.execute(f"CREATE UNLOGGED TABLE landing.bare ({columns})")
            connection.commit()
            start = time.perf_counter()
            cursor.copy_expert("COPY landing.bare FROM STDIN WITH (FORMAT csv, HEADER true)", source, size=1 << 20)
            connection.commit()
            seconds = time.perf_counter() - start
            cursor.execute("DROP TABLE landing.bare")
            connection.commit()
    finally:
        connection.close()
    return seconds


def _run_worker(folder: Path, pipeline: Dsn, sftp: bundled_sftp.SftpService) -> dict[str, Any]:
    given = {
        "feed": FEED,
        "warehouse": pipeline.to_url(),
        "sftp": {
            "user": PARTNER,
            "host": sftp.host,
            "port": sftp.port,
            "host_key": sftp.host_key,
            "key_file": str(sftp.keys[PARTNER]),
        },
    }
    environment = bare_environment() | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "KINBRIDGE_INCLUDE": str(folder / "include"),
        "KINBRIDGE_GX": str(folder / "gx"),
        "KINBRIDGE_STATE": str(folder / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "kinbridge.bench.worker"],
        input=json.dumps(given),
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise KinbridgeError("KB-B01", status=done.returncode)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
