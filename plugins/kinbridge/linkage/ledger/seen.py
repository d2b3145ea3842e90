"""What runs have seen of the record, delivery by delivery, so that one looks only where it is otherwise.

A row of the record is written once and at most closed. So where a delivery has as many rows as the last run saw, of
which as many are current, with the same fingerprint, nothing that it says has changed; counting that is little work
beside a fingerprint of every person. The counts are taken over the whole record each time, before anything is read from
it: whatever came, went or was closed meanwhile is otherwise then, or at the next run.
"""

from __future__ import annotations

from typing import Any

from kinbridge.linkage.known_as import KNOWN_AS

# The tables of record that tell of persons.
SPEAKING = ("person", "person_address", "family_member")

# Grain: one row per table and delivery. Sources: record.person, record.person_address, record.family_member.
_SEEN_NOW = "CREATE TEMP TABLE seen_now ON COMMIT DROP AS" + " UNION ALL ".join(
    f"""
    SELECT
        '{table}' AS table_name,
        delivery_id,
        count(*) AS rows,
        count(*) FILTER (WHERE known_to IS NULL) AS current_rows,
        coalesce(bit_xor(hashint8extended(line_no, 1)) FILTER (WHERE known_to IS NULL), 0) AS fingerprint
    FROM record.{table}
    GROUP BY delivery_id
    """
    for table in SPEAKING
)

# Which feeds and rows may be linked, for what, and whose id is another one now.
# Sources: linkable_feed, withheld_row, record_kind; record.person_key_change, record.person.
_TERMS = f"""
WITH RECURSIVE {KNOWN_AS}
SELECT hashtextextended(concat_ws(
    '|',
    (SELECT string_agg(feed, ',' ORDER BY feed) FROM linkable_feed),
    (
        SELECT count(*) || ':' || coalesce(bit_xor(hashtextextended((partner, source_person_id, feed)::text, 1)), 0)
        FROM withheld_row
    ),
    (
        SELECT
            count(*) || ':'
            || coalesce(bit_xor(hashtextextended((partner, source_person_id, uses, others)::text, 1)), 0)
        FROM record_kind
    ),
    (
        SELECT count(*) || ':' || coalesce(bit_xor(hashtextextended((partner, source_person_id, became)::text, 1)), 0)
        FROM known_as
    )
), 0)
"""

# Grain: one row per table and delivery that is otherwise; `grown` where rows were added to it or are gone, which is no
# closing. Sources: seen_now, identity.record_seen.
_OTHERWISE = """
SELECT
    table_name,
    coalesce(now.delivery_id, before.delivery_id),
    before.delivery_id IS NULL AS new,
    now.rows IS DISTINCT FROM before.rows AND before.delivery_id IS NOT NULL AS rewritten
FROM seen_now AS now
FULL JOIN identity.record_seen AS before USING (table_name, delivery_id)
WHERE
    (now.rows, now.current_rows, now.fingerprint)
    IS DISTINCT FROM (before.rows, before.current_rows, before.fingerprint)
"""

# Of whom a new delivery speaks, or one of which rows were closed since; the present id of each.
# Grain: one row per partner and source_person_id. Sources: record.person, record.person_address,
# record.family_member, record.person_key_change.
_SPOKEN_OF = f"""
CREATE TEMP TABLE spoken_of ON COMMIT DROP AS
WITH RECURSIVE {KNOWN_AS}
SELECT DISTINCT
    said.partner,
    coalesce(known_as.became, said.source_person_id) AS source_person_id
FROM (
    {{said}}
) AS said
LEFT JOIN known_as USING (partner, source_person_id)
"""
_SAID = """
SELECT partner, source_person_id
FROM record.{table}
WHERE delivery_id = ANY(%(new_{table})s) OR (delivery_id = ANY(%(closed_{table})s) AND known_to IS NOT NULL)
"""


def note_seen(cursor: Any) -> int:
    """Make the temporary table `seen_now`; return the fingerprint of the terms under which the record is read."""
    cursor.execute(_SEEN_NOW)
    cursor.execute(_TERMS)
    return int(cursor.fetchone()[0])


def note_spoken_of(cursor: Any) -> bool:
    """Make `spoken_of` (partner, source_person_id): of whom anything was said or taken back since the last run.

    False, and no table, where that cannot be told: rows were added to a delivery that was seen before, or deleted.
    """
    cursor.execute(_OTHERWISE)
    found = cursor.fetchall()
    if any(rewritten for *_, rewritten in found):
        return False
    facts: dict[str, list[int]] = {f"{kind}_{table}": [] for kind in ("new", "closed") for table in SPEAKING}
    for table, delivery, new, _ in found:
        facts[f"{'new' if new else 'closed'}_{table}"].append(delivery)
    said = "    UNION ALL\n".join(_SAID.format(table=table) for table in SPEAKING)
    cursor.execute(_SPOKEN_OF.format(said=said), facts)
    cursor.execute("ANALYZE spoken_of")
    return True


def store_seen(cursor: Any, run_id: int, terms: int) -> None:
    """Keep `seen_now` and the terms for the next run."""
    cursor.execute("DELETE FROM identity.record_seen")
    cursor.execute("INSERT INTO identity.record_seen SELECT * FROM seen_now")
    cursor.execute("UPDATE identity.run SET terms = %s WHERE run_id = %s", (terms, run_id))
