"""Pairs of records of which nothing has changed but who else is in the family.

Who else is in the family counts where two records have a relative in common, and finds no pair. Of such a record only
these pairs may weigh otherwise: those that were worth a look so far, and those that have a relative in common by now. A
name that was added stands in the families of its namesakes too, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from kinbridge.linkage.keys import Block, key_records
from kinbridge.linkage.ledger.prepared import fetch_prepared
from kinbridge.linkage.ledger.work import take_crowded
from kinbridge.warehouse.arrow import copy_in, copy_out

# In steps, each of them counted: guessed all at once, Postgres takes the families for far larger than they are.
# Grain of kin_pair: one row per such pair. Sources: kin_changed, identity.pair, identity.prepared.
_KIN_PAIR = (
    """
    CREATE TEMP TABLE kin_added ON COMMIT DROP AS
    SELECT DISTINCT record, unnest(added) AS self
    FROM kin_changed
    """,
    "ANALYZE kin_added",
    """
    CREATE TEMP TABLE kin_family ON COMMIT DROP AS
    SELECT DISTINCT
        kin_added.record,
        namesake.source,
        namesake.family
    FROM kin_added
    INNER JOIN identity.prepared AS namesake USING (self)
    WHERE namesake.family IS NOT NULL
    """,
    "ANALYZE kin_family",
    """
    CREATE TEMP TABLE kin_pair ON COMMIT DROP AS
    SELECT
        record_left AS record_one,
        record_right AS record_other
    FROM identity.pair
    WHERE record_left IN (SELECT record FROM kin_changed)
    UNION
    SELECT record_left, record_right
    FROM identity.pair
    WHERE record_right IN (SELECT record FROM kin_changed)
    UNION
    SELECT own.record, mate.record
    FROM kin_family
    INNER JOIN identity.prepared AS own ON own.record = kin_family.record
    INNER JOIN identity.prepared AS mate ON mate.source = kin_family.source AND mate.family = kin_family.family
    WHERE mate.record <> own.record AND mate.kin && own.kin
    """,
    "ANALYZE kin_pair",
)
_PAIRS = pa.schema([("number_l", pa.int64()), ("number_r", pa.int64())])


def pair_by_kin(cursor: Any, connection: duckdb.DuckDBPyConnection, blocks: Sequence[Block]) -> None:
    """Add to `candidate` the pairs of `kin_changed` records that may weigh otherwise and share a key."""
    for statement in _KIN_PAIR:
        cursor.execute(statement)
    pairs = copy_out(cursor, "SELECT record_one AS number_l, record_other AS number_r FROM kin_pair", _PAIRS)
    if not pairs.num_rows:
        return
    fetch_prepared(cursor, connection, "SELECT record_one FROM kin_pair UNION SELECT record_other FROM kin_pair")
    key_records(connection, blocks)
    take_crowded(cursor, connection)
    connection.register("given_pair", pairs)
    sharing = connection.sql(
        """
        SELECT
            given_pair.number_l AS record_one,
            given_pair.number_r AS record_other,
            min(key_l.rule) AS rule
        FROM given_pair
        INNER JOIN cleaned AS one ON one.number = given_pair.number_l
        INNER JOIN cleaned AS other ON other.number = given_pair.number_r
        INNER JOIN keyed AS key_l ON key_l.record = one.record
        INNER JOIN keyed AS key_r ON key_r.record = other.record AND key_r.key = key_l.key
        WHERE key_l.key NOT IN (SELECT key FROM crowded)
        GROUP BY given_pair.number_l, given_pair.number_r
        """
    ).to_arrow_table()
    connection.unregister("given_pair")
    copy_in(cursor, "candidate_by_kin", "record_one bigint, record_other bigint, rule smallint", sharing)
    cursor.execute("INSERT INTO candidate SELECT record_one, record_other, rule FROM candidate_by_kin")
