"""The persons that are current in `record` and may be linked, and which of them are no longer as linkage prepared them.

Reads `record` and `identity.prepared`; `consent.linkable.note_linkable` comes before it, in the same transaction, since
what may not be linked is not here. Whether a person has changed is told by a fingerprint of the rows that speak of it,
over the whole record each time: whatever changed them, a delivery, a consent, a destruction, is seen, and no moment in
which a load was under way can be missed.
"""

from __future__ import annotations

from datetime import date
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
        {asked_person}
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
        {asked_person_address}
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
        {asked_family_member}
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


_ASKED = """
        AND EXISTS (
            SELECT
            FROM stale
            WHERE
                NOT stale.gone
                AND stale.partner = {table}.partner
                AND stale.source_person_id = coalesce(known_as.became, {table}.source_person_id)
        )
"""

# The fingerprint of what is said of each person, by the rows of the record that say it (a row is never changed), and of
# what these may be used for. Grain: one row per partner and source_person_id. Sources: as above; record_kind,
# which `consent.comparable` makes.
_STATED = """
CREATE TEMP TABLE stated_now ON COMMIT DROP AS
WITH RECURSIVE {known_as},
said AS (
    SELECT
        partner,
        source_person_id,
        feed,
        true AS person,
        hashtextextended(feed, hashint8extended(line_no, hashint8extended(delivery_id, 1))) AS part
    FROM record.person
    WHERE known_to IS NULL
    UNION ALL
    SELECT
        partner,
        source_person_id,
        feed,
        false,
        hashtextextended(feed, hashint8extended(line_no, hashint8extended(delivery_id, 2)))
    FROM record.person_address
    WHERE known_to IS NULL
    UNION ALL
    SELECT
        partner,
        source_person_id,
        feed,
        false,
        hashtextextended(feed, hashint8extended(line_no, hashint8extended(delivery_id, 3)))
    FROM record.family_member
    WHERE known_to IS NULL
),
stated AS (
    SELECT
        said.partner,
        coalesce(known_as.became, said.source_person_id) AS source_person_id,
        bit_xor(said.part) # count(*) AS stated
    FROM said
    LEFT JOIN known_as USING (partner, source_person_id)
    WHERE
        said.feed IN (SELECT feed FROM linkable_feed)
        AND NOT EXISTS (
            SELECT
            FROM withheld_row AS withheld
            WHERE withheld.partner = said.partner
                AND withheld.source_person_id = said.source_person_id
                AND withheld.feed = said.feed
        )
    GROUP BY 1, 2
    HAVING bool_or(said.person)
)
SELECT
    stated.partner,
    stated.source_person_id,
    stated.stated,
    coalesce(hashtextextended(record_kind.uses::text || record_kind.others::text, 4), 0) AS kind
FROM stated
LEFT JOIN record_kind USING (partner, source_person_id)
"""

# A birth date too far ahead when it was prepared may be none any more: such a person is looked at again each time.
# Grain: one row per person that is new, gone, or stated otherwise. Sources: stated_now, identity.prepared.
_STALE = """
CREATE TEMP TABLE stale ON COMMIT DROP AS
SELECT
    coalesce(stated_now.partner, prepared.source) AS partner,
    coalesce(stated_now.source_person_id, prepared.source_person_id) AS source_person_id,
    stated_now.stated,
    stated_now.kind,
    prepared.record,
    stated_now.partner IS NULL AS gone
FROM stated_now
FULL JOIN identity.prepared
    ON prepared.source = stated_now.partner AND prepared.source_person_id = stated_now.source_person_id
WHERE
    stated_now.stated IS DISTINCT FROM prepared.stated
    OR stated_now.kind IS DISTINCT FROM prepared.kind
    OR (prepared.birth_date IS NULL AND prepared.birth_digits > %(prepared_on)s)
"""


def note_stated(cursor: Any) -> int:
    """Make the temporary table `stated_now` (partner, source_person_id, stated, kind); return its rows."""
    cursor.execute(_STATED.format(known_as=KNOWN_AS))
    cursor.execute("ANALYZE stated_now")
    cursor.execute("SELECT count(*) FROM stated_now")
    return int(cursor.fetchone()[0])


def note_stale(cursor: Any, prepared_on: date) -> int:
    """Make the temporary table `stale` of `stated_now` against what was prepared on a day; return its rows."""
    cursor.execute(_STALE, {"prepared_on": prepared_on.strftime("%Y%m%d")})
    cursor.execute("ANALYZE stale")
    cursor.execute("SELECT count(*) FROM stale")
    return int(cursor.fetchone()[0])


def current_persons(cursor: Any, *, stale_only: bool = False) -> pa.Table:
    """The persons with `columns.INPUT_COLUMNS`: one row per partner and source person; all, or those in `stale`."""
    latest = ",\n        ".join(_LATEST.format(name=name) for name in _PERSON_COLUMNS)
    types = [(name, pa.date32() if name == "birth_date" else pa.string()) for name in INPUT_COLUMNS]
    aliases = {"person": "person", "person_address": "said", "family_member": "said"}
    asked = {f"asked_{name}": _ASKED.format(table=alias) if stale_only else "" for name, alias in aliases.items()}
    return copy_out(cursor, _PERSONS.format(latest=latest, known_as=KNOWN_AS, **asked), pa.schema(types))
