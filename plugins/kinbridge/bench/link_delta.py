"""What it costs to link new records, beside linking everything: on a real Postgres, with made-up families.

Everything is made below one temporary folder and removed at the end. Each run of linkage is a process of its own, so
that its memory can be told; the CPU is its own and that of the Postgres sessions that worked for it.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kinbridge.bench.families import PARTNERS, make_people, make_records
from kinbridge.bench.stand import processor_seconds
from kinbridge.bundled import postgres as bundled_postgres
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse import migrate, roles
from kinbridge.warehouse.arrow import copy_to
from kinbridge.warehouse.connection import Dsn, connect, transaction

if TYPE_CHECKING:
    from kinbridge.consent.gates import Gates

PER_PERSON = 1.6
SEED = 11
TABLES = {
    "person": ("source_person_id", "first_name", "last_name", "birth_date", "ssn"),
    "person_address": ("source_person_id", "address_line", "city", "postal_code"),
    "family_member": ("source_person_id", "source_family_id", "family_role"),
}
# What linkage fills and the next run reads.
FILLED = (
    "prepared",
    "blocking_key",
    "crowded_key",
    "pair",
    "edge",
    "person",
    "person_link",
    "membership",
    "review_pair",
    "term_frequency",
)


@dataclass(frozen=True)
class Measured:
    """One run of linkage: seconds, CPU seconds of the process and of Postgres, its peak memory, and its counts."""

    seconds: float
    cpu: float
    postgres_cpu: float
    peak_mib: float
    summary: dict[str, Any]


@dataclass(frozen=True)
class LinkDelta:
    """Linking everything, and then only what was new."""

    whole: Measured
    delta: Measured

    @property
    def ratio(self) -> float:
        """CPU of the second beside that of the first, Postgres included."""
        return (self.delta.cpu + self.delta.postgres_cpu) / (self.whole.cpu + self.whole.postgres_cpu)

    def to_text(self) -> str:
        """A table for people."""
        lines = ["run     records  compared  seconds  CPU, s  of it Postgres, s  peak, MiB"]
        for name, one in (("whole", self.whole), ("delta", self.delta)):
            records, changed = one.summary["records"], one.summary["changed"]
            lines.append(
                f"{name:6} {records:8} {changed:9} {one.seconds:8.1f} {one.cpu + one.postgres_cpu:7.1f}"
                f" {one.postgres_cpu:18.1f} {one.peak_mib:10.0f}"
            )
        seconds = self.delta.seconds / self.whole.seconds
        return "\n".join([*lines, f"The delta took {self.ratio:.3f} of the CPU and {seconds:.3f} of the time."])

    def to_json(self) -> str:
        """The same for programs."""
        return json.dumps({"whole": asdict(self.whole), "delta": asdict(self.delta), "ratio": self.ratio}, indent=1)


def run_link_delta(records: int, new: int, *, say: Callable[[str], None]) -> LinkDelta:
    """Link `records` made-up records, add `new` ones, and link again. Raises KB-B01 when a run fails."""
    everybody = make_records(make_people(int((records + new) / PER_PERSON * 1.02), SEED), SEED)
    with _warehouse(say) as (folder, dsns):
        say(f"loading {records} records")
        _load(dsns[roles.OWNER], dsns[roles.PIPELINE], everybody.slice(0, records), 1)
        say("linking everything")
        whole = _measured(dsns[roles.LINKAGE], folder)
        _tidy(dsns[roles.OWNER], "VACUUM (ANALYZE)", (f"identity.{table}" for table in FILLED))
        _load(dsns[roles.OWNER], dsns[roles.PIPELINE], everybody.slice(records, new), 2)
        say(f"linking {new} new records")
        return LinkDelta(whole, _measured(dsns[roles.LINKAGE], folder))


@contextmanager
def _warehouse(say: Callable[[str], None]) -> Iterator[tuple[Path, dict[str, Dsn]]]:
    folder = Path(tempfile.mkdtemp(prefix="kinbridge-bench-"))
    try:
        say("starting Postgres")
        postgres = bundled_postgres.start(folder / "postgres")
        dsns = roles.provision(postgres.dsn(), folder / "roles")
        migrate.migrate(dsns[roles.OWNER])
        yield folder, dsns
    finally:
        bundled_postgres.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


def _load(owner: Dsn, pipeline: Dsn, records: pa.Table, round_: int) -> None:
    """Write the records as a load would: one delivery for each partner."""
    now = datetime.now(UTC)
    with transaction(pipeline) as connection, connection.cursor() as cursor:
        for partner in PARTNERS:
            feed = f"{partner}/people_v1"
            cursor.execute(
                """
                INSERT INTO ledger.delivery (
                    partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id,
                    agreement_version
                )
                VALUES (%s, %s, %s, 1, %s, '2026-07-31', '1.0.0', 'bench', '1')
                RETURNING delivery_id
                """,
                (partner, feed, f"people-{round_}.csv", f"{feed} {round_}"),
            )
            (delivery,) = cursor.fetchone()
            own = records.filter(pa.compute.equal(records.column("partner"), partner))
            count = own.num_rows
            said = {
                "family_role": ["member"] * count,
                "feed": [feed] * count,
                "delivery_id": [delivery] * count,
                "line_no": range(1, count + 1),
                "contract_version": ["1.0.0"] * count,
                "as_of": ["2026-07-31"] * count,
                "known_from": [now.isoformat()] * count,
            }
            for name, values in said.items():
                own = own.append_column(name, pa.array(values))
            for table, columns in TABLES.items():
                given = (*columns, "partner", *(name for name in said if name != "family_role"))
                copy_to(cursor, f"record.{table} ({', '.join(given)})", own.select(given))
    _tidy(owner, "ANALYZE", (f"record.{table}" for table in TABLES))


def _tidy(owner: Dsn, statement: str, tables: Iterable[str]) -> None:
    """Run the statement on each table, as Postgres does by itself within minutes, and at the latest by the next day."""
    connection = connect(owner)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"{statement} {table}")
    finally:
        connection.close()


def _measured(linkage: Dsn, folder: Path) -> Measured:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    before = processor_seconds(folder / "postgres")
    process = context.Process(target=_link, args=(theirs, linkage))
    start = time.perf_counter()
    process.start()
    theirs.close()
    try:
        summary, cpu, peak = ours.recv()
    except EOFError:
        process.join()
        raise KinbridgeError("KB-B01", status=process.exitcode) from None
    seconds = time.perf_counter() - start
    process.join()
    return Measured(seconds, cpu, processor_seconds(folder / "postgres") - before, peak, summary)


def _link(answer: Connection, linkage: Dsn) -> None:
    from kinbridge.linkage.model import read_model
    from kinbridge.linkage.run import link_people

    summary = link_people(linkage, read_model(), _open_gates())
    used = resource.getrusage(resource.RUSAGE_SELF)
    answer.send((asdict(summary), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))


def _open_gates() -> Gates:
    """Every feed may be linked with every other, for one use case that all of them serve."""
    from kinbridge.consent.gates import Gates, Served

    feeds = [f"{partner}/people_v1" for partner in PARTNERS]
    served = Served("bench", (), dict.fromkeys(feeds, "bench"))
    return Gates(datetime.now(UTC).date(), frozenset(feeds), {served.use_case: served})
