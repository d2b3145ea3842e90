"""Deliveries of a fictional feed, put into the ledger as collected, and what has become of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.support.declared import column, contract, write_agreement, write_feed

from kinbridge.ledger.accounts import Account, read
from kinbridge.ledger.deliveries import NewDelivery, get, register
from kinbridge.ledger.states import State
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import judge
from kinbridge.receive.work import work_on
from kinbridge.validation.findings import find
from kinbridge.warehouse.connection import transaction

VISITS, NOTES = "atlas/visits_v1", "atlas/notes_v1"
HEADER = "visit_id,person_id,made,minutes,zip,mode,secret"
COLUMNS = (
    column("visit_id", "string", "required: true", "primaryKey: true"),
    column("person_id", "string", "required: true"),
    column("made", "date", "required: true", "logicalTypeOptions: { format: MM/dd/yyyy, maximum: asOf }"),
    column(
        "minutes",
        "integer",
        "logicalTypeOptions: { minimum: 1, maximum: 480 }",
        "customProperties: [{ property: severity, value: { range: warning, type: warning } }]",
    ),
    column(
        "zip",
        "string",
        "logicalTypeOptions: { pattern: '^[0-9]{5}$' }",
        "customProperties: [{ property: placeholders, value: ['99999'] }]",
    ),
    column("mode", "string", "customProperties: [{ property: codeSet, value: codes/mode.csv }]"),
    column("secret"),
)
TABLE = "    quality: [{ id: rows, type: library, metric: rowCount, mustBeBetween: [1, 1000] }]\n"
# Notes refer to the visits of a person on a day.
NOTES_TABLE = """\
    customProperties:
      - property: references
        value: [{ feed: atlas/visits_v1, columns: { person_id: person_id, day: made } }]
"""
TRANSFORM = """\
-- target: service_event
SELECT
    source.line_no,
    source.visit_id AS source_service_event_id,
    source.person_id AS source_person_id,
    'atlas' AS program,
    source.made AS service_date,
    codes_mode.delivery_method,
    source.minutes AS duration_minutes
FROM source
LEFT JOIN codes_mode
    ON source.mode = codes_mode.code
WHERE source.visit_id <> 'NOWHERE';

-- target: person_address
SELECT DISTINCT ON (person_id)
    line_no,
    person_id AS source_person_id,
    zip AS postal_code
FROM source
WHERE visit_id <> 'NOWHERE'
ORDER BY
    person_id,
    made DESC,
    line_no;
"""
MODES = "code,delivery_method,note\nH,InPerson,\nV,Virtual,\n"
NOTES_TRANSFORM = """\
-- target: person
SELECT
    line_no,
    person_id AS source_person_id
FROM source;
"""
ALLOWED = ["visit_id", "person_id", "made", "minutes", "zip", "mode"]
TODAY = date(2026, 7, 10)
JUNE = date(2026, 6, 30)


def write_site(include: Path) -> Path:
    """Declare both feeds; returns the folder of the visits."""
    note = (
        column("note_id", "string", "required: true", "primaryKey: true"),
        column("person_id", "string", "required: true"),
        column("day", "string", "required: true"),
    )
    delivery = "{ filePattern: '^notes_(?P<period>\\d{6})\\.csv$' }"
    write_feed(include, NOTES, contract(NOTES, *note, table=NOTES_TABLE, delivery=delivery), NOTES_TRANSFORM)
    write_agreement(include, "atlas", {VISITS: ALLOWED, NOTES: ["note_id", "person_id", "day"]})
    return write_feed(
        include, VISITS, contract(VISITS, *COLUMNS, table=TABLE, share="0.4"), TRANSFORM, {"mode.csv": MODES}
    )


@dataclass
class Intake:
    """A warehouse into which deliveries of a feed are put, step by step."""

    warehouse: Any
    folder: Path
    feed: str = VISITS
    header: str = HEADER

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1)

    def deliver(self, *rows: str, as_of: date = JUNE, content: bytes | None = None) -> int:
        """A collected file with these rows; returns the delivery."""
        body = ("\n".join([self.header, *rows]) + "\n").encode() if content is None else content
        path = self.folder / f"rows_{next(self.numbers)}.csv"
        path.write_bytes(body)
        with transaction(self.warehouse.pipeline) as connection:
            new = NewDelivery(
                partner="atlas",
                feed=self.feed,
                file_name=path.name,
                size_bytes=len(body),
                # The same rows may come twice here: what tells deliveries apart is not what is tested.
                sha256=hashlib.sha256(body + path.name.encode()).hexdigest(),
                remote_mtime=datetime.now(UTC),
                period=as_of.replace(day=1),
                as_of=as_of,
                landed_path=str(path),
                contract_version="1.0.0",
                agreement_id="dsa-atlas",
                agreement_version="1.0.0",
            )
            return register(connection, new, "test").delivery_id

    def judge(self, delivery_id: int) -> int:
        """Stage and find, without the second opinion of Great Expectations, which takes a second."""
        stage_delivery(self.warehouse.pipeline, delivery_id, TODAY)
        with transaction(self.warehouse.pipeline) as connection, connection.cursor() as cursor:
            work = work_on(connection, delivery_id)
            found = find(cursor, work.landing, work.rules, work.delivery.as_of)
            judge(connection, cursor, work, found, {})
        return delivery_id

    def load(self, *rows: str, as_of: date = JUNE) -> Account:
        """Everything at once; returns the account."""
        account = load_delivery(self.warehouse.pipeline, self.judge(self.deliver(*rows, as_of=as_of)), TODAY)
        assert account is not None
        return account

    def account(self, delivery_id: int) -> Account | None:
        """The account of a delivery."""
        with transaction(self.warehouse.pipeline) as connection:
            return read(connection, delivery_id)

    def state(self, delivery_id: int) -> State:
        """The state of a delivery."""
        with transaction(self.warehouse.pipeline) as connection:
            return get(connection, delivery_id).state

    def current(self, columns: str = "source_service_event_id, duration_minutes", table: str = "service_event") -> Any:
        """What the record says now."""
        return self.warehouse.query(f"SELECT {columns} FROM record.{table} WHERE known_to IS NULL ORDER BY 1")

    def quarantined(self, delivery_id: int) -> dict[int, list[str]]:
        """The broken rules by line."""
        rows = self.warehouse.query(
            "SELECT line_no, rules FROM quarantine.source_row WHERE delivery_id = %s ORDER BY 1", (delivery_id,)
        )
        return dict(rows)

    def holding(self, text: str) -> list[str]:
        """The tables of the warehouse in which this text stands anywhere."""
        tables = self.warehouse.query(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        statement = "SELECT 1 FROM {} AS t WHERE t::text LIKE %s LIMIT 1"
        return [name for (name,) in tables if self.warehouse.query(statement.format(name), (f"%{text}%",))]

    def empty(self) -> None:
        """Back to an empty warehouse."""
        record = self.warehouse.query(
            "SELECT format('record.%I', table_name) FROM information_schema.tables WHERE table_schema = 'record'"
        )
        names = ", ".join(["ledger.delivery", "ledger.finding", *(name for (name,) in record)])
        self.warehouse.query(f"TRUNCATE {names} CASCADE")
        for (name,) in self.warehouse.query(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'record_feed' AND tablename NOT LIKE '%\\_\\_rest'"
        ):
            self.warehouse.query(f'DROP TABLE record_feed."{name}"')
        for (name,) in self.warehouse.query("SELECT tablename FROM pg_tables WHERE schemaname = 'landing'"):
            self.warehouse.query(f'DROP TABLE landing."{name}" CASCADE')


def visit(number: object, person: str = "P1", made: str = "01/01/2026", minutes: object = 60, *rest: str) -> str:
    """One row: zip, mode and secret follow if they are not the usual."""
    return ",".join([f"V{number}", person, made, str(minutes), *(rest or ("00501", "H", "canary-secret"))])


def fates(account: Account | None) -> tuple[int, int, int, int, int]:
    """Source rows, loaded, unchanged, quarantined, duplicate."""
    assert account is not None
    assert account.undecided == 0
    return (account.source_rows, account.loaded, account.unchanged, account.quarantined, account.duplicate)


def lines(found: Iterable[Any]) -> list[Any]:
    """Sorted, for comparison."""
    return sorted(found)
