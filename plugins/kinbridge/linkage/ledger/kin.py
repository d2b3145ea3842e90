"""What a change in the family does to the records of which nothing else has changed.

Who else is in the family counts where two records have a relative in common, and where one is a relative of the other;
it finds no pair. Of such a record only these pairs may weigh otherwise: those that were worth a look so far, and those
that have a relative in common by now. A name that was added stands in the families of its namesakes too, and nowhere
else. What comes out as it was is left alone, and so is its component.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from kinbridge.linkage.keys import Block, key_records
from kinbridge.linkage.ledger.work import by_index
from kinbridge.warehouse.arrow import copy_out

FAMILY_AT_MOST = 20

# Who else is in the partner's own family: as in clean.sql, over the whole family.
# Grain of other_kin: one row per record that has to be otherwise. Sources: identity.prepared, before, changed.
_FAMILIES_ASKED = """
CREATE TEMP TABLE asked_family ON COMMIT DROP AS
SELECT source, family FROM before WHERE family IS NOT NULL
UNION
SELECT source, family FROM identity.prepared INNER JOIN changed USING (record) WHERE family IS NOT NULL;

ANALYZE asked_family
"""
_FAMILIES = """
CREATE TEMP TABLE other_kin ON COMMIT DROP AS
WITH household AS (
    SELECT
        prepared.source,
        prepared.family,
        count(*) AS size,
        array_agg(prepared.self ORDER BY prepared.self) FILTER (WHERE prepared.self IS NOT NULL) AS members
    FROM identity.prepared
    INNER JOIN asked_family USING (source, family)
    GROUP BY prepared.source, prepared.family
),
others AS (
    SELECT
        prepared.record,
        coalesce(prepared.kin, '{}') AS before,
        coalesce(CASE
            WHEN household.size BETWEEN 2 AND %(most)s
                THEN array_remove(household.members, coalesce(prepared.self, ''))
        END, '{}') AS kin
    FROM identity.prepared
    INNER JOIN household USING (source, family)
)
SELECT
    record,
    nullif(kin, '{}') AS kin,
    ARRAY(SELECT unnest(kin) EXCEPT SELECT unnest(before)) AS added,
    NOT before <@ kin AS lost
FROM others
WHERE before <> kin
"""
_KIN = """
ANALYZE other_kin;

CREATE TEMP TABLE kin_changed ON COMMIT DROP AS
SELECT record, added, lost
FROM other_kin
WHERE NOT EXISTS (SELECT FROM changed WHERE changed.record = other_kin.record);

UPDATE identity.prepared
SET kin = other_kin.kin
FROM other_kin
WHERE other_kin.record = prepared.record
"""

# In steps, each of them counted: guessed all at once, Postgres takes the families for far larger than they are.
# Grain of kin_met: one row per such record and other record that is a namesake of a name that was added, or has it in
# the family, and agrees on the columns of a blocking rule. Of kin_pair: one row per pair that may weigh otherwise.
# Sources: kin_changed, identity.pair, identity.prepared.
_MET = (
    """
    CREATE TEMP TABLE kin_added ON COMMIT DROP AS
    SELECT DISTINCT record, unnest(added) AS self
    FROM kin_changed
    """,
    "ANALYZE kin_added",
    """
    CREATE TEMP TABLE kin_namesake ON COMMIT DROP AS
    SELECT
        kin_added.record,
        namesake.record AS namesake,
        namesake.source,
        namesake.family
    FROM kin_added
    INNER JOIN identity.prepared AS namesake USING (self)
    """,
    "ANALYZE kin_namesake",
    """
    CREATE TEMP TABLE kin_met ON COMMIT DROP AS
    SELECT
        met.record,
        mate.record AS mate,
        mate.kin && own.kin AS common
    FROM (SELECT DISTINCT record, source, family FROM kin_namesake WHERE family IS NOT NULL) AS met
    INNER JOIN identity.prepared AS own ON own.record = met.record
    INNER JOIN identity.prepared AS mate ON mate.source = met.source AND mate.family = met.family
    WHERE mate.record <> own.record AND mate.kin && own.kin AND ({share})
    UNION
    SELECT
        own.record,
        mate.record,
        false
    FROM kin_namesake
    INNER JOIN identity.prepared AS own ON own.record = kin_namesake.record
    INNER JOIN identity.prepared AS mate ON mate.record = kin_namesake.namesake
    WHERE mate.record <> own.record AND ({share})
    """,
    "ANALYZE kin_met",
)
_PAIRS = (
    """
    CREATE TEMP TABLE kin_pair ON COMMIT DROP AS
    SELECT record_left AS record_one, record_right AS record_other
    FROM identity.pair
    WHERE record_left IN (SELECT record FROM kin_changed)
    UNION
    SELECT record_left, record_right
    FROM identity.pair
    WHERE record_right IN (SELECT record FROM kin_changed)
    UNION
    SELECT record, mate
    FROM kin_met
    WHERE common
    """,
    "ANALYZE kin_pair",
)
_SCHEMA = pa.schema([("number_l", pa.int64()), ("number_r", pa.int64())])


def note_kin(cursor: Any) -> None:
    """Bring the families of `changed` records up to date, and make `kin_changed` (record, added, lost).

    `added` are the names that came to be in the family; `lost` says whether any is no longer in it.
    """
    cursor.execute(_FAMILIES_ASKED)
    with by_index(cursor):
        cursor.execute(_FAMILIES, {"most": FAMILY_AT_MOST})
    cursor.execute(_KIN)


def note_kin_pairs(cursor: Any, blocks: Sequence[Block]) -> None:
    """Make `kin_pair` (record_one, record_other), what may weigh otherwise, and `kin_met` (record, mate).

    `kin_met` are all of whom a name that was added says something, and that may share a key.
    """
    rules = (" AND ".join(f"own.{column} = mate.{column}" for column in block.columns) for block in blocks)
    share = " OR ".join(f"({rule})" for rule in rules) or "false"
    with by_index(cursor):
        for statement in _MET:
            cursor.execute(statement.format(share=share))
    for statement in _PAIRS:
        cursor.execute(statement)


def add_kin_pairs(cursor: Any, connection: duckdb.DuckDBPyConnection, blocks: Sequence[Block]) -> None:
    """Add to `given_candidate` (number_l, number_r, rule) those of `kin_pair` that share a key.

    `cleaned` has the records of both, `crowded` the keys that find nobody.
    """
    pairs = copy_out(cursor, "SELECT record_one AS number_l, record_other AS number_r FROM kin_pair", _SCHEMA)
    connection.register("given_kin", pairs)
    connection.execute(
        """
        CREATE OR REPLACE TABLE kin AS
        SELECT
            given_kin.number_l,
            given_kin.number_r,
            one.record AS one,
            other.record AS other
        FROM given_kin
        INNER JOIN cleaned AS one ON one.number = given_kin.number_l
        INNER JOIN cleaned AS other ON other.number = given_kin.number_r
        """
    )
    connection.unregister("given_kin")
    connection.execute(
        "CREATE OR REPLACE TABLE kin_record AS SELECT one AS record FROM kin UNION SELECT other FROM kin"
    )
    key_records(connection, blocks, among="SELECT record FROM kin_record")
    connection.execute(
        """
        INSERT INTO given_candidate
        SELECT
            kin.number_l,
            kin.number_r,
            min(key_l.rule) AS rule
        FROM kin
        INNER JOIN keyed AS key_l ON key_l.record = kin.one
        INNER JOIN keyed AS key_r ON key_r.record = kin.other AND key_r.key = key_l.key
        WHERE key_l.key NOT IN (SELECT key FROM crowded)
        GROUP BY kin.number_l, kin.number_r
        """
    )
