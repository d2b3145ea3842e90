"""Pairs that wait for a person, in a real warehouse: records as a load writes them, pairs as linkage leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kinbridge.linkage.model import read_model
from kinbridge.review.desk import Desk, desk_of
from kinbridge.review.fill import fill_queue
from kinbridge.review.look import look_at
from kinbridge.review.queue import Waiting, waiting
from kinbridge.review.reviewer import reviewer_named
from kinbridge.review.terms import read_terms
from kinbridge.review.verdict import decide
from kinbridge.warehouse.connection import connect, transaction

FEEDS = {
    "medicaid": "medicaid/eligibility_v1",
    "snap": "snap/participation_v1",
    "home_visiting": "home_visiting/enrollments_v1",
    "early_intervention": "early_intervention/referrals_v1",
}
MONTH = "2026-07-01"
Id = tuple[str, str]
TABLES = (
    "identity.pair_decision, identity.review_pair, identity.pair_look, identity.pair, identity.prepared, "
    "identity.person_link, identity.person, identity.run, record.person, record.person_address, ledger.event, "
    "integrated.participation, ledger.load, ledger.delivery, identity.consent_statement"
)


class Pairs:
    """Writes source persons, each a person of its own, and scored pairs of them."""

    def __init__(self, warehouse: Any) -> None:
        self.warehouse = warehouse
        self.line = 0
        self.connection = connect(warehouse.superuser)
        self.connection.autocommit = True
        self.query("INSERT INTO identity.run (model_version, finished_at) VALUES ('test', clock_timestamp())")

    def query(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of one statement, for arranging and looking; over one connection, since there are many."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    def person(self, partner: str, number: str, *, with_: Id | None = None, **values: Any) -> Id:
        """A source person; `with_` another one that is held for the same person."""
        address = {name: values.pop(name) for name in ("address_line", "city", "postal_code") if name in values}
        self._record("person", partner, {"source_person_id": number, **values})
        if address:
            self._record("person_address", partner, {"source_person_id": number, **address})
        if with_ is None:
            self.query(
                """
                WITH person AS (
                    INSERT INTO identity.person (person_id, first_run_id) VALUES (gen_random_uuid(), 1)
                    RETURNING person_id
                )
                INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
                SELECT %s, %s, person_id, 1 FROM person
                """,
                (partner, number),
            )
        else:
            self.query(
                """
                INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
                SELECT %s, %s, person_id, 1
                FROM identity.person_link
                WHERE (partner, source_person_id) = (%s, %s)
                """,
                (partner, number, *with_),
            )
        self.query(
            "INSERT INTO identity.prepared (record, source, source_person_id, stated, kind) VALUES (%s, %s, %s, 1, 0)",
            (self.line, partner, number),
        )
        return partner, number

    def pair(
        self, one: Id, two: Id, weight: float, *, levels: Sequence[int] = (1, 1, 1), apart: str | None = None
    ) -> None:
        """A scored pair of two source persons."""
        left, right = sorted((one, two))
        self.query(
            """
            INSERT INTO identity.pair (
                record_left, record_right, weight, match_probability, rule, apart, levels, weights
            )
            SELECT l.record, r.record, %s, 1 / (1 + power(2, -%s::double precision)), 'test', %s, %s, %s
            FROM identity.prepared AS l
            CROSS JOIN identity.prepared AS r
            WHERE (l.source, l.source_person_id) = (%s, %s) AND (r.source, r.source_person_id) = (%s, %s)
            """,
            (weight, weight, apart, list(levels), [weight / len(levels)] * len(levels), *left, *right),
        )

    def served(self, who: Id, program: str, first: str = MONTH, last: str | None = None) -> None:
        """A spell of the person in a program, as `integrated` has it."""
        self.query(
            """
            INSERT INTO integrated.participation (person_id, program, entry_date, exit_date)
            SELECT person_id, %s, %s, %s
            FROM identity.person_link
            WHERE (partner, source_person_id) = (%s, %s)
            """,
            (program, first, last, *who),
        )

    def loaded(self, partner: str, period: str = MONTH) -> None:
        """Note that the partner's feed has loaded the month."""
        delivery = self._delivery(partner)
        self.query("UPDATE ledger.delivery SET period = %s WHERE delivery_id = %s", (period, delivery))
        self.query(
            "INSERT INTO ledger.load (delivery_id, targets) VALUES (%s, '{}') ON CONFLICT DO NOTHING", (delivery,)
        )

    def join(self, one: Id, two: Id) -> None:
        """Put the second into the first's person, as a run of linkage does."""
        self.query(
            """
            UPDATE identity.person_link AS link
            SET person_id = other.person_id
            FROM identity.person_link AS other
            WHERE
                (link.partner, link.source_person_id) = (%s, %s)
                AND (other.partner, other.source_person_id) = (%s, %s)
            """,
            (*two, *one),
        )

    def fill(self) -> int:
        """Fill the queue, as linkage does."""
        with transaction(self.warehouse.linkage) as connection, connection.cursor() as cursor:
            return fill_queue(cursor, read_model())

    def number(self, one: Id, two: Id) -> int:
        """The number of a pair in the queue."""
        [(pair_id,)] = self.query(
            """
            SELECT pair_id
            FROM identity.review_pair
            WHERE (partner_left, source_person_id_left, partner_right, source_person_id_right) = (%s, %s, %s, %s)
            """,
            (*min(one, two), *max(one, two)),
        )
        return int(pair_id)

    def empty(self) -> None:
        """Take everything away again."""
        self.query(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
        self.connection.close()

    def desk(self, name: str = "steward") -> Desk:
        """The desk of a reviewer, by a name of the charter."""
        terms = read_terms()
        return desk_of(self.warehouse.steward, reviewer_named(name, terms, datetime.now(UTC).date()), terms)

    def events(self, what: str) -> list[tuple[Any, ...]]:
        """Actor and facts of the events of a kind, oldest first."""
        return self.query("SELECT actor, facts FROM ledger.event WHERE what = %s ORDER BY event_id", (what,))

    def _record(self, table: str, partner: str, values: dict[str, Any]) -> None:
        self.line += 1
        columns = [*values, "partner", "feed", "delivery_id", "line_no", "contract_version", "as_of"]
        given = [*values.values(), partner, FEEDS[partner], self._delivery(partner), self.line, "1", "2026-07-31"]
        self.query(
            f"INSERT INTO record.{table} ({', '.join(columns)}, known_from)"
            f" VALUES ({', '.join(['%s'] * len(given))}, clock_timestamp())",
            tuple(given),
        )

    def _delivery(self, partner: str) -> int:
        found = self.query("SELECT delivery_id FROM ledger.delivery WHERE feed = %s", (FEEDS[partner],))
        if not found:
            found = self.query(
                """
                INSERT INTO ledger.delivery (
                    partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id,
                    agreement_version
                )
                VALUES (%s, %s, 'file.csv', 1, %s, '2026-07-31', '1', 'a', '1')
                RETURNING delivery_id
                """,
                (partner, FEEDS[partner], partner),
            )
        return int(found[0][0])


def two(pairs: Pairs, number: int, weight: float, partners: Id = ("medicaid", "snap"), **more: Any) -> tuple[Id, Id]:
    """Two source persons, and their pair."""
    one = pairs.person(
        partners[0], f"A{number}", first_name="Wilhelmina", last_name="Ostrander", birth_date="2022-03-04"
    )
    other = pairs.person(partners[1], f"B{number}", first_name="Willa", last_name="Ostrander", birth_date="2022-04-03")
    pairs.pair(one, other, weight, **more)
    return one, other


def decided(desk: Desk, pair_id: int, verdict: str, reason: str | None = None) -> int:
    """Look at the pair and decide."""
    look = look_at(desk, pair_id)
    return decide(desk, pair_id, look.look_id, verdict, reason or desk.terms.reasons[verdict][0])


def queue(desk: Desk) -> list[Waiting]:
    """The reviewer's queue."""
    with transaction(desk.dsn) as connection:
        return waiting(connection, desk)
