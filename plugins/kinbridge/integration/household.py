"""Relations and households over time, as partners' statements have them: `identity.relation`, `household` and its
members.

Runs in the transaction that builds `integrated`, over the same usable records, as kb_linkage. Addresses, surnames and
telephone numbers are compared as linkage cleans them; the cleaned values stay in temporary tables and in memory. Feeds
that may not be compared with each other are not compared here either.
"""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa

from kinbridge.consent.gates import Gates
from kinbridge.integration.parameters import sql_files
from kinbridge.integration.session import run_files
from kinbridge.linkage.clean import clean
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.model import read_model
from kinbridge.warehouse.arrow import copy_in, copy_out


def make_households(cursor: Any, gates: Gates) -> None:
    """Make relations and households anew. The views of `integrated/00_usable.sql` have to be there."""
    cursor.execute("DELETE FROM permitted_feed WHERE NOT permitted_feed.feed = ANY(%s)", (sorted(together(gates)),))
    statements, *others = sql_files("identity")
    run_files(cursor, [statements])
    _note_cleaned(cursor)
    run_files(cursor, others)


def together(gates: Gates) -> frozenset[str]:
    """Feeds each two of which may be compared: without those whose agreement bars another one, and then without those
    that may be compared with fewest of the rest."""
    kept = set(gates.linkable)
    for feed, other in sorted(gates.apart):
        if {feed, other} <= kept:
            kept.remove(feed)
    while True:
        refused = dict.fromkeys(kept, 0)
        for one, other in itertools.combinations(sorted(kept), 2):
            if not gates.comparable(one, other):
                refused[one] += 1
                refused[other] += 1
        worst = max(sorted(refused), key=lambda feed: refused[feed], default=None)
        if worst is None or not refused[worst]:
            return frozenset(kept)
        kept.remove(worst)


def _note_cleaned(cursor: Any) -> None:
    """Make `address_key (address_line, postal_code, address_key)`, `surname (person_id, name)` and `phone (person_id,
    phone)`, as cleaned; placeholders are in none of them."""
    columns = ("address_line", "postal_code", "last_name", "phone")
    given = copy_out(
        cursor, _GIVEN, pa.schema([("source_person_id", pa.string()), *((c, pa.string()) for c in columns)])
    )
    records = given.append_column("source", pa.array(["said"] * given.num_rows, pa.string()))
    with DuckDBEngine() as engine:
        clean(engine, records, read_model())
        engine.give("given", records)
        for table, columns_sql, query in _CLEANED:
            copy_in(cursor, table, columns_sql, engine.arrow(query))
            cursor.execute(f"ANALYZE {table}")


# Grain: one row per home that is said of anybody, and per person and name or telephone number that is said of it.
_GIVEN = """
SELECT
    'address ' || row_number() OVER () AS source_person_id,
    home.address_line,
    home.postal_code,
    NULL AS last_name,
    NULL AS phone
FROM (SELECT DISTINCT address_line, postal_code FROM address_said) AS home
UNION ALL
SELECT
    'person ' || link.person_id || ' ' || row_number() OVER (PARTITION BY link.person_id),
    NULL,
    NULL,
    said.last_name,
    said.phone
FROM (
    SELECT DISTINCT partner, source_person_id, last_name, phone, feed
    FROM record.person
    WHERE known_to IS NULL AND (last_name IS NOT NULL OR phone IS NOT NULL)
) AS said
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE said.feed IN (SELECT feed FROM permitted_feed)
    AND NOT EXISTS (
        SELECT
        FROM withheld_feed
        WHERE withheld_feed.person_id = link.person_id AND withheld_feed.feed = said.feed
    )
"""
_CLEANED = (
    (
        "address_key",
        "address_line text, postal_code text, address_key text",
        """
        SELECT
            given.address_line,
            given.postal_code,
            concat_ws(' ', cleaned.address, cleaned.unit, cleaned.postal_code) AS address_key
        FROM given
        INNER JOIN cleaned USING (source_person_id)
        WHERE cleaned.address IS NOT NULL
        """,
    ),
    (
        "surname",
        "person_id uuid, name text",
        """
        SELECT DISTINCT
            split_part(source_person_id, ' ', 2) AS person_id,
            unnest(last_parts) AS name
        FROM cleaned
        WHERE last_name IS NOT NULL
        """,
    ),
    (
        "phone",
        "person_id uuid, phone text",
        """
        SELECT DISTINCT
            split_part(source_person_id, ' ', 2) AS person_id,
            phone
        FROM cleaned
        WHERE phone IS NOT NULL
        """,
    ),
)
