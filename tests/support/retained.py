"""A fictional site with two partners' feeds whose rows are full of values that nobody else has, to be destroyed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from psycopg2.extras import Json, execute_values
from tests.support.declared import column, contract, site_of, write_agreement, write_feed

from kinbridge.agreement.reader import read_agreements
from kinbridge.backup.keys import KeyFolder
from kinbridge.destruction.carry_out import Site
from kinbridge.destruction.proposal import decide, propose_due
from kinbridge.ledger.deliveries import NewDelivery, register
from kinbridge.retention.due import Due, feed_rules, find_due
from kinbridge.retention.office import read_office_rules
from kinbridge.settings import home
from kinbridge.warehouse.connection import connect, transaction

ATLAS, BOREAS = "atlas/people_v1", "boreas/people_v1"
AFTER = date(2027, 2, 1)  # the agreements ended on 2026-12-31, and a month has passed
COLUMNS = (
    column("person_id", "string", "required: true", "primaryKey: true"),
    column("given"),
    column("family"),
    column("number", "string", "logicalTypeOptions: { pattern: '^[0-9]{9}$' }"),
)
NAMES = ["person_id", "given", "family", "number"]
TRANSFORM = """\
-- target: person
SELECT
    line_no,
    person_id AS source_person_id,
    given AS first_name,
    family AS last_name,
    number AS ssn
FROM source;
"""
HEADER = "person_id,given,family,number"
REAL = home() / "include"


@contextmanager
def retained_site(folder: Path) -> Iterator[Path]:
    """Both partners, with agreements until the end of 2026. Yields the include folder."""
    with site_of(folder) as include:
        for name in ("retention.yaml", "incidents", "sql", "laws"):
            if (REAL / name).exists() and not (include / name).exists():
                (include / name).symlink_to(REAL / name)
        for feed in (ATLAS, BOREAS):
            write_feed(include, feed, contract(feed, *COLUMNS, share="0.9"), TRANSFORM)
            write_agreement(include, feed.split("/", maxsplit=1)[0], {feed: NAMES})
        yield include


def person(partner: str, number: int, *, bad: bool = False) -> str:
    """One row that nobody else has; a bad one breaks a rule and is quarantined."""
    mark = f"{partner[:2]}qz{number:04d}"
    return f"{mark}id,Given{mark},Family{mark},{'x' if bad else f'9{number:04d}{ord(partner[0]):04d}'}"


@dataclass
class Retained:
    """A warehouse with people of both partners, and the site on which batches are carried out."""

    warehouse: Any
    folder: Path
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        self.site = Site(
            pipeline=self.warehouse.pipeline,
            linkage=self.warehouse.linkage,
            certificates=self.folder / "certificates",
            probes=self.folder / "probes",
            keys=KeyFolder(self.folder / "keys"),
            searched=[self.folder / "landing", self.folder / "certificates"],
            airflow=None,
        )
        (self.folder / "landing").mkdir(exist_ok=True)

    def fill(self, rows: int = 20, bad: int = 2) -> None:
        """Load people of both partners, with some refused rows and a file that was not loaded."""
        for feed in (ATLAS, BOREAS):
            partner = feed.split("/", maxsplit=1)[0]
            lines = [person(partner, n) for n in range(rows)]
            self.load(feed, *lines, *(person(partner, 900 + n, bad=True) for n in range(bad)))
            self.deliver(feed, person(partner, 950))
        self.link()

    def deliver(self, feed: str, *lines: str, as_of: date = date(2026, 6, 30)) -> int:
        """One collected file, not yet staged."""
        partner = feed.split("/", maxsplit=1)[0]
        body = ("\n".join([HEADER, *lines]) + "\n").encode()
        path = self.folder / "landing" / f"{partner}_{len(list((self.folder / 'landing').iterdir()))}.csv"
        path.write_bytes(body)
        new = NewDelivery(
            partner=partner,
            feed=feed,
            file_name=path.name,
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            remote_mtime=datetime.now(UTC),
            period=as_of.replace(day=1),
            as_of=as_of,
            landed_path=str(path),
            contract_version="1.0.0",
            agreement_id=f"dsa-{partner}",
            agreement_version="1.0.0",
        )
        with transaction(self.warehouse.pipeline) as connection:
            return register(connection, new, "test").delivery_id

    def load(self, feed: str, *lines: str, as_of: date = date(2026, 6, 30)) -> int:
        """One delivery that is in the record: rows with a number that is none are refused."""
        delivery = self.deliver(feed, *lines, as_of=as_of)
        rows = [(number, *line.split(",")) for number, line in enumerate(lines, 2)]
        connection = connect(self.warehouse.superuser)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT landed_path FROM ledger.delivery WHERE delivery_id = %s", (delivery,))
            Path(cursor.fetchone()[0]).unlink()
            cursor.execute(
                "UPDATE ledger.delivery SET landed_path = NULL, state = 'accepted' WHERE delivery_id = %s", (delivery,)
            )
            execute_values(
                cursor,
                """
                INSERT INTO record.person
                (line_no, source_person_id, first_name, last_name, ssn, partner, feed, delivery_id, contract_version,
                as_of, known_from)
                VALUES %s
                """,
                [
                    (*row, feed.split("/", maxsplit=1)[0], feed, delivery, "1.0.0", as_of, datetime.now(UTC))
                    for row in rows
                    if row[4] != "x"
                ],
            )
            execute_values(
                cursor,
                "INSERT INTO quarantine.source_row (delivery_id, line_no, rules, content) VALUES %s",
                [
                    (delivery, row[0], ["number.format"], Json(dict(zip(NAMES, row[1:], strict=True))))
                    for row in rows
                    if row[4] == "x"
                ],
            )
        connection.close()
        return delivery

    def link(self) -> None:
        """Every source person is a person of its own."""
        self.warehouse.query(
            """
            WITH run AS (
                INSERT INTO identity.run (model_version) VALUES ('test') RETURNING run_id
            ),
            source AS (
                SELECT DISTINCT partner, source_person_id, gen_random_uuid() AS person_id
                FROM record.person WHERE known_to IS NULL
            ),
            made AS (
                INSERT INTO identity.person (person_id, first_run_id)
                SELECT person_id, run_id FROM source CROSS JOIN run RETURNING person_id
            )
            INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
            SELECT partner, source_person_id, person_id, run_id FROM source CROSS JOIN run
            """
        )

    def due(self, day: date = AFTER) -> list[Due]:
        """What is due on that day."""
        with transaction(self.warehouse.pipeline) as connection:
            return find_due(connection, day, feed_rules(connection, day, read_agreements(), read_office_rules()))

    def propose(self, day: date = AFTER) -> list[int]:
        """The batches that are proposed on that day."""
        found = self.due(day)
        with transaction(self.warehouse.pipeline) as connection:
            return propose_due(connection, day, found, "govern")

    def approve(self, batch: int, by: str = "A Chair") -> int:
        """Approve a batch."""
        with transaction(self.warehouse.pipeline) as connection:
            decide(connection, batch, "approved", by, datetime.now(UTC), reason="It is due.")
        return batch

    def batch_over(self, feed: str, day: date = AFTER) -> int:
        """The approved batch over a feed."""
        self.propose(day)
        [(batch,)] = self.warehouse.query("SELECT max(destruction_id) FROM ledger.destruction WHERE feed = %s", (feed,))
        return self.approve(int(batch))

    def holding(self, text: str) -> list[str]:
        """The tables in which a text stands."""
        names = self.warehouse.query(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'record_feed')"
        )
        return [
            str(name)
            for (name,) in names
            if self.warehouse.query(f"SELECT 1 FROM {name} AS t WHERE t::text ILIKE %s LIMIT 1", (f"%{text}%",))
        ]
