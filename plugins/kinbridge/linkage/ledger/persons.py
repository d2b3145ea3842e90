"""The persons that are current in `record` and may be linked.

Reads `record`; `consent.linkable.note_linkable` comes before it, in the same transaction, since what may not be linked
is not here.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from kinbridge.linkage.columns import INPUT_COLUMNS
from kinbridge.linkage.known_as import KNOWN_AS
from kinbridge.warehouse.arrow import copy_out

# Who is who by now, as one row per partner's person: the newest known value of each column over the partner's feeds.
# Grain: one row per partner and source_person_id, the one that it became where it has changed. Sources: record.person,
# record.person_address, record.family_member, record.person_key_change; linkable_feed and withheld_row, which
# `consent.linkable` and `consent.comparable` make: what may not be linked is not here.
_PERSONS = """
WITH RECURSIVE {known_as},
{asked}person AS (
    SELECT
        partner,
        coalesce(known_as.became, source_person_id) AS source_person_id,
        {latest}
    FROM {person} AS person
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
    FROM {person_address} AS said
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
    FROM {family_member} AS said
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


# Where only some are wanted: their ids, the former ones too, and the rows that are looked up by them. A family is found
# by its own id, so its members are filtered instead.
_ASKED = """asked AS MATERIALIZED (
    SELECT partner, source_person_id
    FROM ({of}) AS present
    UNION
    SELECT known_as.partner, known_as.source_person_id
    FROM known_as
    INNER JOIN ({of}) AS present
        ON present.partner = known_as.partner AND present.source_person_id = known_as.became
),
"""
_LOOKED_UP = """(
        SELECT own.*
        FROM asked
        CROSS JOIN LATERAL (
            SELECT *
            FROM record.{table} AS said
            WHERE said.source_person_id = asked.source_person_id
                AND said.partner = asked.partner
                AND said.known_to IS NULL
            OFFSET 0
        ) AS own
    )"""
_FILTERED = """(
        SELECT *
        FROM record.{table}
        WHERE (partner, source_person_id) IN (SELECT partner, source_person_id FROM asked)
    )"""
_TABLES = {"person": _LOOKED_UP, "person_address": _LOOKED_UP, "family_member": _FILTERED}


def rows_of(some: str | None) -> dict[str, str]:
    """What to fill into a query over the record: `asked`, to stand behind WITH, and where to read each table's rows.

    `some` is a query for the partner and source_person_id of those that are wanted; without it, all are.
    """
    if some is None:
        return {"known_as": KNOWN_AS, "asked": ""} | {name: f"record.{name}" for name in _TABLES}
    rows = {name: form.format(table=name) for name, form in _TABLES.items()}
    return {"known_as": KNOWN_AS, "asked": _ASKED.format(of=some)} | rows


def current_persons(cursor: Any, some: str | None = None) -> pa.Table:
    """The persons with `columns.INPUT_COLUMNS`: one row per partner and source person; all, or `some` of `rows_of`."""
    latest = ",\n        ".join(_LATEST.format(name=name) for name in _PERSON_COLUMNS)
    types = [(name, pa.date32() if name == "birth_date" else pa.string()) for name in INPUT_COLUMNS]
    return copy_out(cursor, _PERSONS.format(latest=latest, **rows_of(some)), pa.schema(types))
