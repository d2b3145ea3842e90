"""Which persons are no longer as linkage prepared them.

Reads `record` and `identity.prepared`; what may not be linked is not here. Whether a person has changed is told by a
fingerprint of the rows that speak of it. Where the terms of reading are those of the last run, only persons are looked
at whom a delivery speaks of that is otherwise (`ledger/seen.py`); else everybody is. So whatever changed them, a
delivery, a consent, a destruction, is seen, and no moment in which a load was under way can be missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from kinbridge.linkage.ledger.persons import rows_of
from kinbridge.linkage.ledger.seen import note_spoken_of

# The fingerprint of what is said of each person, by the rows of the record that say it (a row is never changed), and of
# what these may be used for. Grain: one row per partner and source_person_id. Sources: as above; record_kind,
# which `consent.comparable` makes.
_STATED = """
CREATE TEMP TABLE stated_now ON COMMIT DROP AS
WITH RECURSIVE {known_as},
{asked}said AS (
    SELECT
        partner,
        source_person_id,
        feed,
        true AS person,
        hashtextextended(feed, hashint8extended(line_no, hashint8extended(delivery_id, 1))) AS part
    FROM {person} AS person
    WHERE known_to IS NULL
    UNION ALL
    SELECT
        partner,
        source_person_id,
        feed,
        false,
        hashtextextended(feed, hashint8extended(line_no, hashint8extended(delivery_id, 2)))
    FROM {person_address} AS person_address
    WHERE known_to IS NULL
    UNION ALL
    SELECT
        partner,
        source_person_id,
        feed,
        false,
        hashtextextended(feed, hashint8extended(line_no, hashint8extended(delivery_id, 3)))
    FROM {family_member} AS family_member
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
# Grain: one row per person that is new, gone, or stated otherwise. Sources: stated_now, identity.prepared, spoken_of.
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
FULL JOIN ({prepared}) AS prepared
    ON prepared.source = stated_now.partner AND prepared.source_person_id = stated_now.source_person_id
WHERE
    stated_now.stated IS DISTINCT FROM prepared.stated
    OR stated_now.kind IS DISTINCT FROM prepared.kind
    OR (prepared.birth_date IS NULL AND prepared.birth_digits > %(prepared_on)s)
"""
_EVERYBODY = "SELECT * FROM identity.prepared"
_SPOKEN_OF = """
    SELECT prepared.*
    FROM spoken_of
    INNER JOIN identity.prepared
        ON prepared.source = spoken_of.partner AND prepared.source_person_id = spoken_of.source_person_id
"""
_AHEAD = """
INSERT INTO spoken_of
SELECT source, source_person_id
FROM identity.prepared
WHERE birth_date IS NULL AND birth_digits > %(prepared_on)s
EXCEPT
SELECT partner, source_person_id
FROM spoken_of
"""
_RECORDS = """
SELECT
    (SELECT count(*) FROM identity.prepared) + count(*) FILTER (WHERE record IS NULL) - count(*) FILTER (WHERE gone),
    count(*),
    (SELECT count(*) FROM {looked_at})
FROM stale
"""
_SOURCES = "SELECT source FROM identity.prepared UNION SELECT partner FROM stale"


@dataclass(frozen=True)
class Stale:
    """How many persons are stale, of how many looked at; how many records there are now, and of which sources."""

    stale: int
    looked_at: int
    records: int
    sources: set[str]


def note_stated(cursor: Any) -> tuple[int, set[str]]:
    """Make the temporary table `stated_now` of everybody; how many they are, and of which sources.

    Its columns are partner, source_person_id, stated and kind.
    """
    cursor.execute("DROP TABLE IF EXISTS stated_now, stale")
    cursor.execute(_STATED.format(**rows_of(None)))
    cursor.execute("ANALYZE stated_now")
    cursor.execute("SELECT partner, count(*) FROM stated_now GROUP BY partner")
    counted = dict(cursor.fetchall())
    return sum(counted.values()), set(counted)


def note_stale(cursor: Any, prepared_on: date, *, same_terms: bool) -> Stale:
    """Make `stale` against what was prepared on a day, and `stated_now` of those looked at.

    `same_terms` says that the record is read under the terms of the last run.
    """
    facts = {"prepared_on": prepared_on.strftime("%Y%m%d")}
    narrow = same_terms and note_spoken_of(cursor)
    if narrow:
        cursor.execute(_AHEAD, facts)
    some = "SELECT partner, source_person_id FROM spoken_of" if narrow else None
    cursor.execute(_STATED.format(**rows_of(some)))
    cursor.execute("ANALYZE stated_now")
    cursor.execute(_STALE.format(prepared=_SPOKEN_OF if narrow else _EVERYBODY), facts)
    cursor.execute("ANALYZE stale")
    cursor.execute(_RECORDS.format(looked_at="spoken_of" if narrow else "stated_now"))
    records, stale, looked_at = cursor.fetchone()
    cursor.execute(_SOURCES)
    return Stale(int(stale), int(looked_at), int(records), {source for (source,) in cursor.fetchall()})
