"""A linkage run against the warehouse: current persons in, people out, in one transaction.

Reads `record` and writes `identity`, as the role of linkage. Records travel by COPY straight into memory: no temporary
file, no value in a log or an error. A run under way holds a lock, so two cannot interleave; a run that fails leaves
nothing; a second run over the same records changes no person id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kinbridge.consent.comparable import note_comparable
from kinbridge.consent.gates import Gates, read_gates
from kinbridge.consent.linkable import note_linkable
from kinbridge.consent.rules import write_rules
from kinbridge.linkage.columns import INPUT_COLUMNS
from kinbridge.linkage.habits import with_partner_habits
from kinbridge.linkage.known_as import KNOWN_AS, LINK_FORMER, LINKS
from kinbridge.linkage.link import Linkage, link
from kinbridge.linkage.model import Model
from kinbridge.linkage.people import ID_SCHEMA, People, assign_people
from kinbridge.warehouse.arrow import copy_in, copy_out
from kinbridge.warehouse.connection import Dsn, transaction

LOCK = "kinbridge linkage"
SEED = 1

# Who is who by now, as one row per partner's person: the newest known value of each column over the partner's feeds.
# Grain: one row per partner and source_person_id, the one that it became where it has changed. Sources: record.person,
# record.person_address, record.family_member, record.person_key_change; linkable_feed and withheld_row, which
# `consent.linkable` and `consent.comparable` make: what may not be linked is not here.
_PERSONS = """
WITH RECURSIVE {known_as},
person AS (
    SELECT
        partner,
        coalesce(known_as.became, source_person_id) AS source_person_id,
        {latest}
    FROM record.person
    LEFT JOIN known_as USING (partner, source_person_id)
    WHERE
        known_to IS NULL
        AND feed IN (SELECT feed FROM linkable_feed)
        AND NOT EXISTS (
            SELECT
            FROM withheld_row AS withheld
            WHERE withheld.partner = person.partner
                AND withheld.source_person_id = person.source_person_id
                AND withheld.feed = person.feed
        )
    GROUP BY 1, 2
),
address AS (
    SELECT DISTINCT ON (1, 2)
        partner,
        coalesce(known_as.became, source_person_id) AS source_person_id,
        address_line,
        city,
        postal_code
    FROM record.person_address AS said
    LEFT JOIN known_as USING (partner, source_person_id)
    WHERE known_to IS NULL
        AND feed IN (SELECT feed FROM linkable_feed)
        AND NOT EXISTS (
            SELECT
            FROM withheld_row AS withheld
            WHERE withheld.partner = said.partner
                AND withheld.source_person_id = said.source_person_id
                AND withheld.feed = said.feed
        )
    ORDER BY 1, 2, (address_line IS NULL), as_of DESC, feed
),
family AS (
    SELECT DISTINCT ON (1, 2)
        partner,
        coalesce(known_as.became, source_person_id) AS source_person_id,
        source_family_id
    FROM record.family_member AS said
    LEFT JOIN known_as USING (partner, source_person_id)
    WHERE known_to IS NULL
        AND feed IN (SELECT feed FROM linkable_feed)
        AND NOT EXISTS (
            SELECT
            FROM withheld_row AS withheld
            WHERE withheld.partner = said.partner
                AND withheld.source_person_id = said.source_person_id
                AND withheld.feed = said.feed
        )
    ORDER BY 1, 2, as_of DESC, feed, source_family_id
)
SELECT
    person.partner AS source,
    person.source_person_id,
    person.first_name,
    person.middle_name,
    person.last_name,
    person.name_suffix,
    person.birth_date,
    person.sex,
    person.ssn,
    person.email,
    person.phone,
    address.address_line,
    address.city,
    address.postal_code,
    family.source_family_id AS family_key
FROM person
LEFT JOIN address ON address.partner = person.partner AND address.source_person_id = person.source_person_id
LEFT JOIN family ON family.partner = person.partner AND family.source_person_id = person.source_person_id
"""
_LATEST = "(array_agg({name} ORDER BY as_of DESC, feed) FILTER (WHERE {name} IS NOT NULL))[1] AS {name}"
_PERSON_COLUMNS = (
    "first_name",
    "middle_name",
    "last_name",
    "name_suffix",
    "birth_date",
    "sex",
    "ssn",
    "email",
    "phone",
)


@dataclass(frozen=True)
class RunSummary:
    """What a run did, in counts; nothing in it tells of a person."""

    run_id: int
    model: str
    records: int
    people: int
    new_people: int
    edges: int
    review: int
    merged: int
    split: int
    moved: int


def link_people(linkage_dsn: Dsn, model: Model, gates: Gates | None = None) -> RunSummary:
    """Link all current persons that may be linked and store people, edges and changes; returns counts.

    `gates` are those that the declarations and decisions of today give, unless others are given. Raises
    `KinbridgeError` KB-S20 to KB-S26 when the warehouse fails, and what `read_gates` raises; nothing is changed then.
    """
    with transaction(linkage_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
        gates = gates or read_gates(connection)
        write_rules(cursor, gates)
        note_linkable(cursor, gates)
        allowed = note_comparable(cursor, gates)
        cursor.execute("INSERT INTO identity.run (model_version) VALUES (%s) RETURNING run_id", [model.title])
        run_id = int(cursor.fetchone()[0])
        linkage = link(current_persons(cursor), with_partner_habits(model), seed=SEED, allowed=allowed)
        people = assign_people(linkage.clusters, copy_out(cursor, LINKS, ID_SCHEMA))
        _store(cursor, run_id, linkage, people)
        summary = RunSummary(
            run_id=run_id,
            model=model.title,
            records=linkage.clusters.num_rows,
            people=int(linkage.facts["clusters"]),
            new_people=len(people.new_ids),
            edges=linkage.edges.num_rows,
            review=linkage.review.num_rows,
            **people.counts(),
        )
        facts = {**linkage.facts, **people.counts(), "new_people": summary.new_people}
        cursor.execute(
            "UPDATE identity.run SET finished_at = clock_timestamp(), facts = %s WHERE run_id = %s",
            [json.dumps(facts), run_id],
        )
    return summary


def current_persons(cursor: Any) -> pa.Table:
    """The persons that are current in `record` and may be linked, with `columns.INPUT_COLUMNS`: one row per partner and
    source person. `consent.linkable.note_linkable` comes before it, in the same transaction."""
    latest = ",\n        ".join(_LATEST.format(name=name) for name in _PERSON_COLUMNS)
    types = [(name, pa.date32() if name == "birth_date" else pa.string()) for name in INPUT_COLUMNS]
    return copy_out(cursor, _PERSONS.format(latest=latest, known_as=KNOWN_AS), pa.schema(types))


def _store(cursor: Any, run_id: int, linkage: Linkage, people: People) -> None:
    fresh = pa.table({"person_id": pa.array(people.new_ids, pa.string())})
    copy_in(cursor, "given_person", "person_id uuid", fresh)
    copy_in(cursor, "given_link", "partner text, source_person_id text, person_id uuid", people.assignments)
    copy_in(
        cursor,
        "given_change",
        "kind text, from_person_id uuid, to_person_id uuid, source_persons bigint",
        people.changes,
    )
    copy_in(
        cursor,
        "given_edge",
        "partner_left text, source_person_id_left text, partner_right text, source_person_id_right text,"
        " match_probability double precision, rule text",
        linkage.edges,
    )
    cursor.execute("ANALYZE given_link")
    for statement in _STORE:
        cursor.execute(statement, {"run_id": run_id})


# A source person that is not current any more keeps its link: should it come back, it is the same person.
_STORE = (
    """
    INSERT INTO identity.person (person_id, first_run_id)
    SELECT person_id, %(run_id)s
    FROM given_person
    """,
    """
    INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
    SELECT partner, source_person_id, person_id, %(run_id)s
    FROM given_link
    ON CONFLICT (partner, source_person_id) DO UPDATE
    SET person_id = excluded.person_id, run_id = excluded.run_id
    WHERE person_link.person_id <> excluded.person_id
    """,
    """
    INSERT INTO identity.person_change (run_id, kind, from_person_id, to_person_id, source_persons)
    SELECT %(run_id)s, kind, from_person_id, to_person_id, source_persons
    FROM given_change
    """,
    # Whatever still points to a merged person points to the one that it became, however long ago it was merged.
    """
    UPDATE identity.person
    SET merged_into = given_change.to_person_id
    FROM given_change
    WHERE given_change.kind = 'merged' AND given_change.from_person_id IN (person.person_id, person.merged_into)
    """,
    """
    UPDATE identity.person_link
    SET person_id = given_change.to_person_id, run_id = %(run_id)s
    FROM given_change
    WHERE given_change.kind = 'merged' AND person_link.person_id = given_change.from_person_id
    """,
    LINK_FORMER,
    """
    INSERT INTO identity.edge (
        run_id, partner_left, source_person_id_left, partner_right, source_person_id_right, match_probability, rule
    )
    SELECT
        %(run_id)s, partner_left, source_person_id_left, partner_right, source_person_id_right, match_probability, rule
    FROM given_edge
    """,
)
