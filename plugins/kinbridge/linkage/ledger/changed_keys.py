"""The blocking keys of records that have changed, and whom these keys lead to.

Input: the records in `changed`, and as they were in `before`; brings `identity.blocking_key` and
`identity.crowded_key` up to date. Each key that is new is looked up once, before it is written: who has it already says
whether it becomes crowded, and whom to compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from kinbridge.linkage.keys import Block, key_records
from kinbridge.linkage.ledger.prepared import fetch_prepared
from kinbridge.warehouse.arrow import copy_to

_TABLES = (
    "CREATE TEMP TABLE key_before (rule smallint, key bigint, record bigint) ON COMMIT DROP",
    "CREATE TEMP TABLE key_changed (LIKE key_before) ON COMMIT DROP",
)

# Grain of key_gone and key_new: one row per key and record. Of key_asked: one row per new key that is not crowded, with
# how many may share it. Of key_met: one row per such key and record that has had it. Of key_flipped: one row per key
# that became crowded, or is so no more. Sources: key_before, key_changed, identity.blocking_key, identity.crowded_key.
_CHANGE = (
    """
    CREATE TEMP TABLE key_gone ON COMMIT DROP AS
    SELECT rule, key, record FROM key_before EXCEPT SELECT rule, key, record FROM key_changed
    """,
    """
    CREATE TEMP TABLE key_new ON COMMIT DROP AS
    SELECT rule, key, record FROM key_changed EXCEPT SELECT rule, key, record FROM key_before
    """,
    "ANALYZE key_gone",
    "ANALYZE key_new",
    """
    DELETE FROM identity.blocking_key
    USING key_gone
    WHERE key_gone.key = blocking_key.key AND key_gone.record = blocking_key.record
    """,
    """
    CREATE TEMP TABLE key_asked ON COMMIT DROP AS
    SELECT
        key,
        CASE min(rule) {sizes} END AS size,
        count(*) AS records
    FROM key_new
    WHERE NOT EXISTS (SELECT FROM identity.crowded_key WHERE crowded_key.key = key_new.key)
    GROUP BY key
    -- Looked up in the index's order, its pages are read one after the other.
    ORDER BY key
    """,
    "ANALYZE key_asked",
    # A key that is not crowded leads to no more than its rule allows.
    """
    CREATE TEMP TABLE key_met ON COMMIT DROP AS
    SELECT key_asked.key, met.record
    FROM key_asked
    CROSS JOIN LATERAL (
        SELECT blocking_key.record
        FROM identity.blocking_key
        WHERE blocking_key.key = key_asked.key
        OFFSET 0
    ) AS met
    """,
    "ANALYZE key_met",
    "INSERT INTO identity.blocking_key (key, record) SELECT key, record FROM key_new ORDER BY key, record",
    """
    CREATE TEMP TABLE key_flipped ON COMMIT DROP AS
    SELECT key_asked.key, true AS crowded
    FROM key_asked
    LEFT JOIN (SELECT key, count(*) AS records FROM key_met GROUP BY key) AS met USING (key)
    WHERE key_asked.records + coalesce(met.records, 0) > key_asked.size
    UNION ALL
    SELECT left_by.key, false
    FROM (SELECT key, CASE min(rule) {sizes} END AS size FROM key_gone GROUP BY key) AS left_by
    INNER JOIN identity.crowded_key USING (key)
    CROSS JOIN LATERAL (
        SELECT count(*) AS records
        FROM (SELECT FROM identity.blocking_key WHERE blocking_key.key = left_by.key LIMIT left_by.size + 1) AS met
    ) AS counted
    WHERE counted.records <= left_by.size
    """,
    "DELETE FROM identity.crowded_key WHERE key IN (SELECT key FROM key_flipped WHERE NOT crowded)",
    "INSERT INTO identity.crowded_key SELECT key FROM key_flipped WHERE crowded",
    """
    INSERT INTO changed
    SELECT DISTINCT blocking_key.record
    FROM key_flipped
    INNER JOIN identity.blocking_key USING (key)
    ON CONFLICT DO NOTHING
    """,
    "ANALYZE changed",
)

# Grain: one row per changed record and other record that shares a key with it which is not crowded, or that people
# decided on. Sources: key_changed, key_asked, key_met, key_new, identity.blocking_key, identity.crowded_key,
# verdict_now, rescored.
_CANDIDATE = """
CREATE TEMP TABLE candidate ON COMMIT DROP AS
SELECT
    record_one,
    record_other,
    min(rule) AS rule
FROM (
    SELECT
        own.record AS record_one,
        other.record AS record_other,
        own.rule
    FROM key_changed AS own
    INNER JOIN (
        SELECT key, record FROM key_met
        UNION ALL
        SELECT key, record FROM key_new INNER JOIN key_asked USING (key)
    ) AS other USING (key)
    LEFT JOIN identity.crowded_key USING (key)
    WHERE crowded_key.key IS NULL AND other.record <> own.record
    UNION ALL
    SELECT
        own.record,
        other.record,
        own.rule
    FROM key_changed AS own
    LEFT JOIN key_asked USING (key)
    LEFT JOIN identity.crowded_key USING (key)
    INNER JOIN identity.blocking_key AS other USING (key)
    WHERE key_asked.key IS NULL AND crowded_key.key IS NULL AND other.record <> own.record
    UNION ALL
    SELECT record_left, record_right, {decided}
    FROM verdict_now
    WHERE
        record_left IN (SELECT record FROM rescored)
        OR record_right IN (SELECT record FROM rescored)
) AS found
GROUP BY record_one, record_other
"""


def change_keys(cursor: Any, connection: duckdb.DuckDBPyConnection, blocks: Sequence[Block]) -> None:
    """Take the keys of `before` away, give those of `changed`, and see which keys became crowded or are no more.

    Makes `key_changed` (rule, key, record), the keys of the records in `changed`, to which those come whose keys did.
    """
    for statement in _TABLES:
        cursor.execute(statement)
    _key(cursor, connection, blocks, "key_before", "SELECT record FROM before", source="before")
    _key(cursor, connection, blocks, "key_changed", "SELECT record FROM changed")
    sizes = " ".join(f"WHEN {number} THEN {block.size}" for number, block in enumerate(blocks)) or "WHEN 0 THEN 0"
    for statement in _CHANGE:
        cursor.execute(statement.format(sizes=sizes))


def key_more(cursor: Any, connection: duckdb.DuckDBPyConnection, blocks: Sequence[Block]) -> None:
    """Add to `key_changed` the keys of records that have come to be in `changed` since."""
    wanted = "SELECT record FROM changed WHERE record NOT IN (SELECT record FROM key_changed)"
    _key(cursor, connection, blocks, "key_changed", wanted)


def find_candidates(cursor: Any, *, decided: int) -> None:
    """Make `candidate` (record_one, record_other, rule), whom the records in `changed` are to be compared with.

    `decided` is the number that stands for no rule: a pair that people decided on.
    """
    cursor.execute(_CANDIDATE.format(decided=decided))
    cursor.execute("ANALYZE candidate")


def _key(
    cursor: Any,
    connection: duckdb.DuckDBPyConnection,
    blocks: Sequence[Block],
    table: str,
    wanted: str,
    *,
    source: str = "identity.prepared",
) -> None:
    if fetch_prepared(cursor, connection, wanted, source=source):
        key_records(connection, blocks)
        keyed = "SELECT rule, key, number AS record FROM keyed INNER JOIN cleaned USING (record) ORDER BY key"
        copy_to(cursor, table, connection.sql(keyed).to_arrow_table())
    cursor.execute(f"ANALYZE {table}")
