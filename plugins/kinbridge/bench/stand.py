"""What a run of the benchmark stands on: a durable Postgres, an SFTP server, a declared feed, files, a worker process.

Everything is real, made for the run below one temporary folder, and removed at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from kinbridge.bench.generate import generate
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
TARGET = "record.person"
# A file is taken when it has rested; this one has.
RESTED_SECONDS = 600
# Jiffies of a process's CPU time in /proc: user and system, its own and those of children that ended.
_CPU_FIELDS = slice(11, 15)


@dataclass(frozen=True)
class Stand:
    """The services of one run; `dsns` by role, `superuser` for what is set beside the intake."""

    folder: Path
    dsns: dict[str, Dsn]
    superuser: Dsn
    sftp: bundled_sftp.SftpService
    feed: Feed

    @property
    def pipeline(self) -> Dsn:
        """The warehouse as the pipeline's role."""
        return self.dsns[roles.PIPELINE]

    def drop(self, name: str, rows: int, seed: int, bad_share: float) -> Path:
        """A generated file that has rested in the partner's inbox."""
        file = self.sftp.jail(PARTNER) / "inbox" / name
        generate(file, rows, seed, bad_share)
        rested = time.time() - RESTED_SECONDS
        os.utime(file, (rested, rested))
        return file

    def bare_copy(self, file: Path) -> float:
        """Seconds for COPY of the file, as it is, into an unlogged table of text columns."""
        columns = ", ".join(f"{ident(column.name)} text" for column in self.feed.columns)
        connection = connect(self.pipeline)
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

    def analyze(self) -> None:
        """Let Postgres look at the record's new rows, as it does by itself within minutes (autovacuum)."""
        connection = connect(self.dsns[roles.OWNER])
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"ANALYZE {TARGET}")
        finally:
            connection.close()

    def work(self) -> dict[str, Any]:
        """What the worker process says of one delivery. Raises KB-B01 when it fails."""
        given = {
            "feed": FEED,
            "warehouse": self.pipeline.to_url(),
            "sftp": {
                "user": PARTNER,
                "host": self.sftp.host,
                "port": self.sftp.port,
                "host_key": self.sftp.host_key,
                "key_file": str(self.sftp.keys[PARTNER]),
            },
        }
        environment = bare_environment() | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "KINBRIDGE_INCLUDE": str(self.folder / "include"),
            "KINBRIDGE_GX": str(self.folder / "gx"),
            "KINBRIDGE_STATE": str(self.folder / "state"),
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

    def postgres_cpu(self) -> float:
        """CPU seconds of the server and its sessions since they began; 0 where the system does not tell."""
        return processor_seconds(self.folder / "postgres")


@contextmanager
def stand(say: Callable[[str], None]) -> Iterator[Stand]:
    """A migrated warehouse, an SFTP server and the declared feed, for the time of the run."""
    folder = Path(tempfile.mkdtemp(prefix="kinbridge-bench-"))
    try:
        say("starting Postgres and SFTP")
        postgres = bundled_postgres.start(folder / "postgres")
        sftp = bundled_sftp.start(folder / "sftp", [PARTNER])
        dsns = roles.provision(postgres.dsn(), folder / "roles")
        migrate.migrate(dsns[roles.OWNER])
        yield Stand(folder, dsns, postgres.dsn(), sftp, _declare(folder))
    finally:
        bundled_sftp.stop(folder / "sftp")
        bundled_postgres.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


def processor_seconds(data: Path) -> float:
    """CPU seconds of the Postgres whose data is below `data`, and of its sessions, since they began.

    A session that is just ending has no folder any more, but still its parent, to whose children it is counted when it
    is gone.
    """
    every = {place.name: place for place in Path("/proc").glob("[0-9]*")}
    facts = {name: found for name, place in every.items() if (found := _parent_and_cpu(place))}
    own = {name for name in facts if _works_below(every[name], str(data))}
    return sum(seconds for name, (parent, seconds) in facts.items() if name in own or parent in own)


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


def _works_below(process: Path, folder: str) -> bool:
    try:
        return str((process / "cwd").readlink()).startswith(folder)
    except OSError:
        return False


def _parent_and_cpu(process: Path) -> tuple[str, float] | None:
    """The number of the parent, and the CPU seconds of the process and of its children that are gone."""
    try:
        text = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[1], sum(map(int, fields[_CPU_FIELDS])) / os.sysconf("SC_CLK_TCK")
