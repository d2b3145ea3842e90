"""Persons written into `record` as loads would, and the state that linkage leaves, for comparing two warehouses."""

from __future__ import annotations

from typing import Any

HISTORY = "delivery_id, line_no, contract_version, as_of, known_from"


class Record:
    """Writes persons, addresses and families of partners' feeds into `record`; a delivery for each feed."""

    def __init__(self, warehouse: Any) -> None:
        self.warehouse = warehouse
        self.line = 0
        self.arrived = 0

    def arrive(self) -> None:
        """What is written from now on comes with other deliveries."""
        self.arrived += 1

    def person(self, partner: str, number: str, first: str | None, last: str | None, born: Any, **more: Any) -> None:
        feed = more.pop("feed", f"{partner}/people_v1")
        as_of = more.pop("as_of", "2026-07-31")
        values = {"first_name": first, "last_name": last, "birth_date": born, **more}
        self._insert("person", feed, as_of, {"source_person_id": number, **values})

    def address(self, partner: str, number: str, line: str) -> None:
        feed = f"{partner}/people_v1"
        values = {"source_person_id": number, "address_line": line, "city": "Thornwick", "postal_code": "99001"}
        self._insert("person_address", feed, "2026-07-31", values)

    def family(self, partner: str, number: str, family: str) -> None:
        values = {"source_person_id": number, "source_family_id": family, "family_role": "child"}
        self._insert("family_member", f"{partner}/people_v1", "2026-07-31", values)

    def close(self, partner: str, number: str) -> None:
        for table in ("person", "person_address", "family_member"):
            self.warehouse.query(
                f"UPDATE record.{table} SET known_to = clock_timestamp()"
                " WHERE partner = %s AND source_person_id = %s AND known_to IS NULL",
                (partner, number),
            )

    def _delivery(self, partner: str, feed: str) -> int:
        sha256 = f"{feed} {self.arrived}"
        rows = self.warehouse.query("SELECT delivery_id FROM ledger.delivery WHERE sha256 = %s", (sha256,))
        if rows:
            return int(rows[0][0])
        [(delivery,)] = self.warehouse.query(
            """
            INSERT INTO ledger.delivery (
                partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id, agreement_version
            )
            VALUES (%s, %s, 'people.csv', 1, %s, '2026-07-31', '1.0.0', 'a', '1')
            RETURNING delivery_id
            """,
            (partner, feed, sha256),
        )
        return int(delivery)

    def _insert(self, table: str, feed: str, as_of: str, values: dict[str, Any]) -> None:
        partner = feed.partition("/")[0]
        self.line += 1
        columns = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        self.warehouse.query(
            f"INSERT INTO record.{table} ({columns}, partner, feed, {HISTORY})"
            f" VALUES ({marks}, %s, %s, %s, %s, '1.0.0', %s, clock_timestamp())",
            (*values.values(), partner, feed, self._delivery(partner, feed), self.line, as_of),
        )


# What the state after a run is, whatever numbers records and persons have.
STATE = {
    "prepared": """
        SELECT to_jsonb(prepared) - 'record' - 'stated'
        FROM identity.prepared
        ORDER BY source, source_person_id
    """,
    "keys": """
        SELECT prepared.source, prepared.source_person_id, blocking_key.key
        FROM identity.blocking_key
        INNER JOIN identity.prepared USING (record)
        ORDER BY 1, 2, 3
    """,
    "crowded": "SELECT key FROM identity.crowded_key ORDER BY key",
    "pairs": """
        SELECT
            l.source, l.source_person_id, r.source, r.source_person_id,
            weight, match_probability, rule, apart, levels, weights::text
        FROM identity.pair
        INNER JOIN identity.prepared AS l ON l.record = record_left
        INNER JOIN identity.prepared AS r ON r.record = record_right
        ORDER BY 1, 2, 3, 4
    """,
    "edges": """
        SELECT
            partner_left, source_person_id_left, partner_right, source_person_id_right,
            match_probability, rule, levels, weights::text
        FROM identity.edge
        WHERE until_run_id IS NULL
        ORDER BY 1, 2, 3, 4
    """,
    "verdicts": """
        SELECT partner_left, source_person_id_left, partner_right, source_person_id_right, verdict, decision_id, refused
        FROM identity.verdict_applied
        ORDER BY 1, 2, 3, 4
    """,
    "queue": """
        SELECT
            partner_left, source_person_id_left, partner_right, source_person_id_right,
            waiting, weight, apart, levels, weights::text, training_id, records, figures, partners
        FROM identity.review_pair
        ORDER BY 1, 2, 3, 4
    """,
}


def state(warehouse: Any) -> dict[str, Any]:
    """What linkage knows of the current records, without its own numbers and ids."""
    found: dict[str, Any] = {name: warehouse.query(query) for name, query in STATE.items()}
    found["people"] = people(warehouse)
    return found


def people(warehouse: Any) -> list[list[str]]:
    """The people, as the current source persons that each of them consists of."""
    rows = warehouse.query(
        """
        SELECT array_agg(link.partner || '/' || link.source_person_id)
        FROM identity.prepared
        INNER JOIN identity.person_link AS link
            ON link.partner = prepared.source AND link.source_person_id = prepared.source_person_id
        GROUP BY link.person_id
        """
    )
    return sorted(sorted(members) for (members,) in rows)
