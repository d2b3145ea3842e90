"""A few persons whom partners know, what is said of their consent, and who is withheld: a warehouse for consent tests.

Persons are linked by hand; rules, forms and scopes are those of the gates that a test opens. Days are of 2026.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from kinbridge.consent.form import Form
from kinbridge.consent.gates import Gates
from kinbridge.consent.rules import write_rules
from kinbridge.warehouse.connection import connect, transaction

FEED_OF = {
    "medicaid": "medicaid/eligibility_v1",
    "snap": "snap/participation_v1",
    "home_visiting": "home_visiting/enrollments_v1",
    "early_intervention": "early_intervention/services_v1",
    "recovery": "recovery/admissions_v1",
}
# A partner whose program has another name: records of 42 CFR Part 2.
PROGRAM_OF = {"recovery": "mental_health"}
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
PROVENANCE = "partner, feed, delivery_id, line_no, contract_version, as_of, known_from"
EVERYTHING = (
    "identity.consent_statement, identity.consent_rule, identity.consent_form, identity.consent_scope,"
    " identity.integrated_feed, identity.integrated_withheld, identity.person_link, identity.person,"
    " identity.person_change, identity.edge, identity.family_child, identity.run, identity.relation,"
    " identity.household, identity.household_member, identity.household_evidence, record.consent,"
    " record.person, record.person_address,"
    " record.family_member, record.program_enrollment, record.early_intervention, record.referral,"
    " record.service_event, ledger.delivery, ledger.load, ledger.account, ledger.event, ledger.integration"
)


def form(name: str = "family_consent/1", **changes: Any) -> Form:
    """A form that covers everything and lasts, unless a test says otherwise."""
    number, version = name.split("/")
    facts: dict[str, Any] = {
        "title": "Family consent",
        "use_cases": None,
        "programs": None,
        "signed_by": ("parent",),
        "languages": ("eng",),
        "valid_months": None,
        "revocable": "In writing.",
        "reaches": ("every table",),
        "stands": (),
        "text": "I agree.",
        "path": Path("include/consent/forms/family.yaml"),
    }
    return Form(id=number, version=version, **{**facts, **changes})


def person_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@dataclass
class Scene:
    """One warehouse. A person is named by a word; a partner's id of it is `<word>@<partner>` unless one is given."""

    warehouse: Any
    lines: int = 0
    deliveries: dict[str, int] = field(default_factory=dict)
    connection: Any = None

    def empty(self) -> None:
        """Everything away, and one linkage run to refer to."""
        self.close()
        self.warehouse.query(f"TRUNCATE {EVERYTHING} RESTART IDENTITY CASCADE")
        self.warehouse.query("INSERT INTO identity.run (model_version) VALUES ('1')")
        self.lines, self.deliveries = 0, {}

    def query(self, statement: str, parameters: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """As the superuser, over one connection: to arrange takes many statements."""
        if self.connection is None:
            self.connection = connect(self.warehouse.superuser)
            self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Let go of the database."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def rules(self, gates: Gates) -> None:
        """What is declared of consent."""
        with transaction(self.warehouse.linkage) as connection, connection.cursor() as cursor:
            write_rules(cursor, gates)

    def knows(self, name: str, *partners: str, born: str = "2023-04-09", county: str | None = "99001") -> None:
        """These partners know the person, and linkage has found out."""
        self.query("INSERT INTO identity.person VALUES (%s, 1) ON CONFLICT DO NOTHING", (person_id(name),))
        for partner in partners:
            self.query(
                "INSERT INTO identity.person_link VALUES (%s, %s, %s, 1)",
                (partner, f"{name}@{partner}", person_id(name)),
            )
            self.enrolled(name, partner, born=born, county=county)

    def enrolled(self, name: str, partner: str, *, born: str = "2023-04-09", county: str | None = "99001") -> None:
        """The partner's own records of the person: itself, an address, and a spell since January."""
        person = {"source_person_id": f"{name}@{partner}"}
        self.insert("person", FEED_OF[partner], {**person, "first_name": name, "last_name": "L", "birth_date": born})
        if county:
            self.insert("person_address", FEED_OF[partner], {**person, "county_fips": county})
        if partner == "early_intervention":
            days = {"referral_date": "2025-12-01", "service_start_date": "2026-01-01"}
            self.insert("early_intervention", FEED_OF[partner], {**person, **days})
        else:
            spell = {
                "source_enrollment_id": f"{name}@{partner}",
                "program": PROGRAM_OF.get(partner, partner),
                "entry_date": "2026-01-01",
            }
            self.insert("program_enrollment", FEED_OF[partner], {**person, **spell})

    def insert(self, table: str, feed: str, values: dict[str, Any], *, known_from: datetime = LONG_AGO) -> None:
        """One row of a partner, as a load would write it."""
        if feed not in self.deliveries:
            [(self.deliveries[feed],)] = self.query(
                "INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, period, as_of,"
                " contract_version, agreement_id, agreement_version, state) VALUES (%s, %s, 'f', 1, %s, '2026-01-01',"
                " '2026-01-31', '1', 'a', '1', 'accepted') RETURNING delivery_id",
                (feed.split("/", maxsplit=1)[0], feed, feed),
            )
            self.query("INSERT INTO ledger.load (delivery_id, targets) VALUES (%s, '{}')", (self.deliveries[feed],))
        self.lines += 1
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.query(
            f"INSERT INTO record.{table} ({columns}, {PROVENANCE})"
            f" VALUES ({marks}, %s, %s, %s, %s, '1', '2026-01-31', %s)",
            (*values.values(), feed.split("/", maxsplit=1)[0], feed, self.deliveries[feed], self.lines, known_from),
        )

    def says(
        self,
        partner: str,
        name: str,
        decision: str,
        since: str,
        *,
        until: str | None = None,
        use_case: str | None = None,
        program: str | None = None,
        form: str | None = "family_consent/1",
        signed: str | None = None,
        known_from: datetime = LONG_AGO,
        key: str | None = None,
    ) -> str:
        """The partner's own statement on its person."""
        key = key or f"c{self.lines + 1}"
        values = {
            "source_consent_id": key,
            "source_person_id": f"{name}@{partner}",
            "decision": decision,
            "use_case": use_case,
            "program": program,
            "form": form,
            "effective_from": since,
            "effective_to": until,
            "signed_on": signed,
        }
        self.insert("consent", FEED_OF[partner], values, known_from=known_from)
        return key

    def refers(self, name: str, to: str, on: str = "2026-01-10") -> None:
        """Home visiting refers the person to a program."""
        values = {"source_person_id": f"{name}@home_visiting", "referring_program": "home_visiting"}
        values |= {"source_referral_id": f"{name} to {to}", "referred_to_program": to, "referral_date": on}
        self.insert("referral", "home_visiting/referrals_v1", values)

    def takes_back(self, key: str, at: datetime) -> None:
        """The partner no longer says it: the next delivery has the row no more."""
        self.query("UPDATE record.consent SET known_to = %s WHERE source_consent_id = %s", (at, key))

    def withheld(
        self, use_case: str, day: date | str = "2026-06-15", known: datetime = LATER
    ) -> set[tuple[str, str | None]]:
        """Who is withheld: persons by name and programs, None for all."""
        names = {person_id(name): name for name in self._names()}
        rows = self.ask(
            "SELECT person_id::text, program FROM identity.withheld_person(%s, %s, %s)", (use_case, day, known)
        )
        assert len(rows) == len(set(rows))
        return {(names[person], program) for person, program in rows}

    def clauses(self, use_case: str, day: str = "2026-06-15") -> set[str]:
        """The clauses for which anybody is withheld."""
        rows = self.ask("SELECT clause FROM identity.withheld_person(%s, %s, now())", (use_case, day))
        return {clause for (clause,) in rows}

    def figures(self, table: str, columns: str, where: str = "TRUE") -> dict[Any, Any]:
        """What analysts read: the columns but the last, and the last."""
        with transaction(self.warehouse.analyst) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM mart.{table} WHERE {where}")
            return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in cursor.fetchall()}

    def events(self, what: str) -> list[dict[str, Any]]:
        """The facts of the events of this kind, oldest first."""
        return [
            facts
            for (facts,) in self.query("SELECT facts FROM ledger.event WHERE what = %s ORDER BY event_id", (what,))
        ]

    def ask(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """As the role of linkage."""
        with transaction(self.warehouse.linkage) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def _names(self) -> Iterable[str]:
        rows = self.query("SELECT source_person_id FROM identity.person_link")
        return {str(number).split("@")[0] for (number,) in rows}
