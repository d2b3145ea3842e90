"""Preparing again what has changed: the records that are new, gone or stated otherwise, and those that this touches.

Reads the record through `persons` and writes `identity.prepared`, the keys and which of them are crowded. Makes the
temporary table `changed` (record): whose pairs have to be found anew, among them records of which nothing was said but
whose number turned out to be everybody's, or whose key came to be shared by too many or few enough. Those of whom only
the family is otherwise are noted apart (`ledger/kin.py`).
"""

from __future__ import annotations

from typing import Any

import duckdb

from kinbridge.linkage.clean import clean
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.ledger.changed_keys import change_keys
from kinbridge.linkage.ledger.kin import note_kin
from kinbridge.linkage.ledger.persons import current_persons
from kinbridge.linkage.ledger.prepared import CLEANED, FROM_OTHERS, IDS, PREPARED_COLUMNS, prepared_rows
from kinbridge.linkage.ledger.work import by_index
from kinbridge.linkage.model import Model
from kinbridge.linkage.trained import TrainedModel
from kinbridge.warehouse.arrow import copy_in


def prepare_changed(cursor: Any, connection: duckdb.DuckDBPyConnection, model: Model, trained: TrainedModel) -> None:
    """Bring `identity.prepared` and the keys to what `stale` says, and make `changed`, `gone` and `kin_changed`.

    `gone` (record, source, source_person_id) are the records that are not there any more; they are in `changed` too.
    `key_changed` (rule, key, record) are the keys that the others have; `crowded` in DuckDB, those that find nobody.
    """
    for statement in _BEGIN:
        cursor.execute(statement)
    if clean(DuckDBEngine(connection), current_persons(cursor, _STALE), model, trained.heaps):
        copy_in(cursor, "given_prepared", PREPARED_COLUMNS, prepared_rows(connection).to_arrow_table())
    else:
        cursor.execute(f"CREATE TEMP TABLE given_prepared ({PREPARED_COLUMNS}) ON COMMIT DROP")
    cursor.execute("ANALYZE given_prepared")
    for statement in _TAKE_OVER:
        cursor.execute(statement)
    cursor.execute(_NUMBERS_ASKED)
    with by_index(cursor):
        cursor.execute(_NUMBERS_OF_ALL, {"most": int(model.limits["ssn_birth_dates"])})
    cursor.execute(_SSN)
    note_kin(cursor)
    change_keys(cursor, connection, trained.blocks)


_STALE = "SELECT partner, source_person_id FROM stale WHERE NOT gone"

# `before` keeps each record as it was prepared by the last run, for the keys that it had.
_BEGIN = (
    "CREATE TEMP TABLE changed (record bigint PRIMARY KEY) ON COMMIT DROP",
    "CREATE TEMP TABLE before (LIKE identity.prepared) ON COMMIT DROP",
    "CREATE UNIQUE INDEX ix_before ON before (record)",
    """
    CREATE TEMP TABLE gone ON COMMIT DROP AS
    SELECT prepared.*
    FROM stale
    INNER JOIN identity.prepared USING (record)
    WHERE stale.gone
    """,
)

# What others say (kin, ssn, ssn_end) was cleaned here among the stale alone, and does not count yet.
_OWN = tuple(name for name in CLEANED if name not in FROM_OTHERS)
_ALL = ", ".join((*IDS, *CLEANED))


def _listed(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in _OWN)


_TAKE_OVER = (
    # Said in other rows, but in the same words: nothing has changed.
    f"""
    CREATE TEMP TABLE reworded ON COMMIT DROP AS
    SELECT
        prepared.record,
        stale.stated,
        stale.kind,
        stale.kind <> prepared.kind OR ({_listed("prepared")}) IS DISTINCT FROM ({_listed("given")}) AS other
    FROM stale
    INNER JOIN identity.prepared USING (record)
    INNER JOIN given_prepared AS given
        ON given.source = stale.partner AND given.source_person_id = stale.source_person_id
    """,
    """
    UPDATE identity.prepared
    SET stated = reworded.stated, kind = reworded.kind
    FROM reworded
    WHERE reworded.record = prepared.record
    """,
    """
    INSERT INTO before
    SELECT prepared.*
    FROM identity.prepared
    WHERE record IN (SELECT record FROM reworded WHERE other UNION ALL SELECT record FROM gone)
    """,
    "DELETE FROM identity.prepared WHERE record IN (SELECT record FROM gone)",
    f"""
    UPDATE identity.prepared
    SET {", ".join(f"{name} = given.{name}" for name in CLEANED)}
    FROM reworded, given_prepared AS given
    WHERE
        reworded.other
        AND reworded.record = prepared.record
        AND given.source = prepared.source
        AND given.source_person_id = prepared.source_person_id
    """,
    # Numbers run on from the highest there is or was; the lock of the run keeps two from giving the same.
    f"""
    INSERT INTO identity.prepared (record, {_ALL}, stated, kind)
    SELECT
        (
            SELECT coalesce(max(record), 0)
            FROM (SELECT record FROM identity.prepared UNION ALL SELECT record FROM before) AS known
        )
        + row_number() OVER (ORDER BY given.source, given.source_person_id),
        {", ".join(f"given.{name}" for name in (*IDS, *CLEANED))},
        stale.stated,
        stale.kind
    FROM stale
    INNER JOIN given_prepared AS given
        ON given.source = stale.partner AND given.source_person_id = stale.source_person_id
    WHERE stale.record IS NULL
    """,
    """
    INSERT INTO changed
    SELECT record FROM before
    UNION
    SELECT prepared.record
    FROM stale
    INNER JOIN identity.prepared
        ON prepared.source = stale.partner AND prepared.source_person_id = stale.source_person_id
    WHERE stale.record IS NULL
    """,
    "ANALYZE changed",
)

# A number given with many birth dates is nobody's: as in clean.sql, over all who have it.
# Grain of other_ssn: one row per record that has to be otherwise. Sources: identity.prepared, before, changed.
_NUMBERS_ASKED = """
CREATE TEMP TABLE asked_ssn ON COMMIT DROP AS
SELECT stated_ssn FROM before WHERE stated_ssn IS NOT NULL
UNION
SELECT stated_ssn FROM identity.prepared INNER JOIN changed USING (record) WHERE stated_ssn IS NOT NULL;

ANALYZE asked_ssn
"""
_NUMBERS_OF_ALL = """
CREATE TEMP TABLE other_ssn ON COMMIT DROP AS
WITH shared AS (
    SELECT prepared.stated_ssn, count(DISTINCT prepared.birth_date) > %(most)s AS nobodys
    FROM identity.prepared
    INNER JOIN asked_ssn USING (stated_ssn)
    GROUP BY prepared.stated_ssn
)
SELECT
    prepared.record,
    CASE WHEN NOT shared.nobodys THEN prepared.stated_ssn END AS ssn,
    coalesce(prepared.stated_ssn_end, CASE WHEN NOT shared.nobodys THEN right(prepared.stated_ssn, 4) END) AS ssn_end
FROM identity.prepared
INNER JOIN shared USING (stated_ssn)
WHERE prepared.ssn IS DISTINCT FROM CASE WHEN NOT shared.nobodys THEN prepared.stated_ssn END
"""
_SSN = """
INSERT INTO before
SELECT prepared.*
FROM identity.prepared
INNER JOIN other_ssn USING (record)
WHERE NOT EXISTS (SELECT FROM changed WHERE changed.record = other_ssn.record);

INSERT INTO changed SELECT record FROM other_ssn ON CONFLICT DO NOTHING;

UPDATE identity.prepared
SET ssn = other_ssn.ssn, ssn_end = other_ssn.ssn_end
FROM other_ssn
WHERE other_ssn.record = prepared.record
"""
