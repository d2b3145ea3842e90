"""Linking what has changed, and leaving the rest alone.

New and changed records are compared with all that share a key with them; then every component that this touches is
judged again, from all its pairs. Both are what linking everything at once would do with the same trained model, so
the state is the same (docs/decisions/0016-incremental-linkage.md).
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from kinbridge.linkage.clustering import components
from kinbridge.linkage.judging import cluster_judged, judge, numbers
from kinbridge.linkage.keys import key_records
from kinbridge.linkage.ledger.adopted import Adopted
from kinbridge.linkage.ledger.changed import prepare_changed
from kinbridge.linkage.ledger.found import PAIR_COLUMNS, Found, found_pairs, found_people
from kinbridge.linkage.ledger.kin import pair_by_kin
from kinbridge.linkage.ledger.prepared import fetch_prepared
from kinbridge.linkage.ledger.verdict import RECORDS_DECIDED, note_verdicts
from kinbridge.linkage.ledger.work import (
    kept_apart,
    leave_out_barred,
    leave_out_single_sources,
    take_crowded,
    take_purposes,
    take_verdicts,
    workshop,
)
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Allowed
from kinbridge.linkage.scoring import bits, score
from kinbridge.warehouse.arrow import copy_in, copy_out

_CANDIDATES = pa.schema([("number_l", pa.int64()), ("number_r", pa.int64()), ("rule", pa.int64())])


def link_changed(
    cursor: Any, model: Model, adopted: Adopted, *, allowed: Allowed | None = None
) -> tuple[Found, dict[str, Any]]:
    """Link what is in `stale` and what people decided since the last run; what was found, and counts.

    Makes the temporary table `touched` (record, source, source_person_id): the records judged again, and those gone.
    """
    trained = adopted.trained
    with workshop() as connection:
        prepare_changed(cursor, connection, model, trained)
        decided = note_verdicts(cursor)
        cursor.execute(f"INSERT INTO changed {RECORDS_DECIDED} ON CONFLICT DO NOTHING")
        for statement in _RESCORED:
            cursor.execute(statement)
        compared = _compare_changed(cursor, connection, model, adopted, allowed)
        _touch(cursor, bits(model.thresholds["link"]))
        count = fetch_prepared(
            cursor,
            connection,
            "SELECT touched.record FROM touched INNER JOIN identity.prepared USING (record)",
            training_id=adopted.training_id,
            unseen=trained.unseen,
        )
        take_crowded(cursor, connection)
        take_verdicts(cursor, connection)
        key_records(connection, trained.blocks)
        _within_components(cursor, connection, bits(model.thresholds["link"]))
        connection.execute(_PAIR_WITHIN.format(decided=len(trained.blocks)))
        leave_out_single_sources(connection, model)
        only, barred = take_purposes(connection, allowed)
        leave_out_barred(connection, only)
        score(connection, model, trained)
        judge(connection, model, trained, count)
        cluster_judged(connection, model, count, barred)
        found = found_people(connection, model, trained)
        kept = kept_apart(connection)
    cursor.execute("SELECT count(*) FROM rescored")
    (changed,) = cursor.fetchone()
    facts = {"changed": changed, "judged_again": count, "pairs_compared": compared, "kept_apart": kept}
    return found, {**facts, "decided": decided}


def _compare_changed(
    cursor: Any, connection: duckdb.DuckDBPyConnection, model: Model, adopted: Adopted, allowed: Allowed | None
) -> int:
    """Replace in `identity.pair` the pairs of `rescored` records; how many pairs were compared.

    Makes the temporary table `near` (record): whom such a record was linked with so far.
    """
    trained = adopted.trained
    fetch_prepared(cursor, connection, "SELECT record FROM changed")
    key_records(connection, trained.blocks)
    keyed = connection.sql("SELECT rule, key, number AS record FROM keyed INNER JOIN cleaned USING (record)")
    copy_in(cursor, "key_changed", "rule smallint, key bigint, record bigint", keyed.to_arrow_table())
    cursor.execute("ANALYZE key_changed")
    cursor.execute(_CANDIDATE.format(decided=len(trained.blocks)))
    pair_by_kin(cursor, connection, trained.blocks)
    cursor.execute("ANALYZE candidate")
    cursor.execute(_NEAR, {"link": bits(model.thresholds["link"])})
    cursor.execute("DELETE FROM identity.pair WHERE record_left IN (SELECT record FROM rescored)")
    cursor.execute("DELETE FROM identity.pair WHERE record_right IN (SELECT record FROM rescored)")
    count = fetch_prepared(
        cursor,
        connection,
        "SELECT record_one FROM candidate UNION SELECT record_other FROM candidate",
        training_id=adopted.training_id,
        unseen=trained.unseen,
    )
    pairs = copy_out(
        cursor, "SELECT record_one AS number_l, record_other AS number_r, rule FROM candidate", _CANDIDATES
    )
    take_verdicts(cursor, connection)
    connection.register("given_candidate", pairs)
    # The left one is the smaller by source and id, whichever of the two has changed.
    connection.execute(
        """
        CREATE OR REPLACE TABLE candidate AS
        SELECT
            least(one.record, other.record) AS l,
            greatest(one.record, other.record) AS r,
            min(given_candidate.rule)::UTINYINT AS rule
        FROM given_candidate
        INNER JOIN cleaned AS one ON one.number = given_candidate.number_l
        INNER JOIN cleaned AS other ON other.number = given_candidate.number_r
        GROUP BY l, r
        """
    )
    connection.unregister("given_candidate")
    leave_out_single_sources(connection, model)
    only, _ = take_purposes(connection, allowed)
    leave_out_barred(connection, only)
    [(compared,)] = connection.execute("SELECT count(*) FROM candidate").fetchall()
    score(connection, model, trained)
    judge(connection, model, trained, count)
    copy_in(cursor, "given_pair", PAIR_COLUMNS, found_pairs(connection, model, trained))
    cursor.execute("INSERT INTO identity.pair SELECT * FROM given_pair")
    cursor.execute("ANALYZE identity.pair")
    return int(compared)


# Which records' pairs are scored again: those that have changed, and those of which only the family has.
# Grain: one row per record. Sources: changed, kin_changed.
_RESCORED = (
    "DELETE FROM kin_changed USING changed WHERE changed.record = kin_changed.record",
    """
    CREATE TEMP TABLE rescored ON COMMIT DROP AS
    SELECT record FROM changed
    UNION ALL
    SELECT record FROM kin_changed
    """,
    "ANALYZE changed",
    "ANALYZE kin_changed",
    "ANALYZE rescored",
)

# Grain: one row per changed record and other record that shares a key with it which is not crowded, or that people
# decided on. Sources: key_changed, identity.blocking_key, identity.crowded_key, verdict_now, rescored.
_CANDIDATE = """
CREATE TEMP TABLE candidate ON COMMIT DROP AS
SELECT
    record_one,
    record_other,
    min(rule) AS rule
FROM (
    SELECT
        key_changed.record AS record_one,
        blocking_key.record AS record_other,
        key_changed.rule
    FROM key_changed
    INNER JOIN identity.blocking_key USING (key)
    LEFT JOIN identity.crowded_key USING (key)
    WHERE crowded_key.key IS NULL AND blocking_key.record <> key_changed.record
    UNION ALL
    SELECT record_left, record_right, {decided}
    FROM verdict_now
    WHERE
        record_left IN (SELECT record FROM rescored)
        OR record_right IN (SELECT record FROM rescored)
) AS found
GROUP BY record_one, record_other
"""

# Whom a rescored record was linked with, or was together with by decision: their component may fall apart.
_NEAR = """
CREATE TEMP TABLE near ON COMMIT DROP AS
SELECT record_right AS record
FROM identity.pair
WHERE weight > %(link)s AND record_left IN (SELECT record FROM rescored)
UNION
SELECT record_left
FROM identity.pair
WHERE weight > %(link)s AND record_right IN (SELECT record FROM rescored)
UNION
SELECT side.record
FROM identity.verdict_applied AS applied
LEFT JOIN identity.prepared AS l
    ON l.source = applied.partner_left AND l.source_person_id = applied.source_person_id_left
LEFT JOIN identity.prepared AS r
    ON r.source = applied.partner_right AND r.source_person_id = applied.source_person_id_right
CROSS JOIN LATERAL (VALUES (l.record), (r.record)) AS side (record)
WHERE
    applied.verdict = 'same'
    AND side.record IS NOT NULL
    AND (l.record IS NULL OR r.record IS NULL OR side.record IN (SELECT record FROM rescored))
"""


def _touch(cursor: Any, link: float) -> None:
    """Make `touched`: all records of the components that hold a rescored record or one near it."""
    cursor.execute("CREATE TEMP TABLE reached (record bigint PRIMARY KEY, step integer NOT NULL) ON COMMIT DROP")
    cursor.execute("INSERT INTO reached SELECT record, 0 FROM rescored UNION SELECT record, 0 FROM near")
    step = 0
    while cursor.rowcount:
        cursor.execute("ANALYZE reached")
        step += 1
        cursor.execute(_REACH, {"link": link, "last": step - 1, "step": step})
    cursor.execute(
        """
        CREATE TEMP TABLE touched ON COMMIT DROP AS
        SELECT record, source, source_person_id
        FROM reached
        INNER JOIN identity.prepared USING (record)
        UNION ALL
        SELECT record, source, source_person_id
        FROM gone
        """
    )
    cursor.execute("ANALYZE touched")


_REACH = """
INSERT INTO reached
SELECT
    record_right,
    %(step)s
FROM identity.pair
INNER JOIN reached ON reached.record = pair.record_left AND reached.step = %(last)s
WHERE pair.weight > %(link)s
UNION
SELECT
    record_left,
    %(step)s
FROM identity.pair
INNER JOIN reached ON reached.record = pair.record_right AND reached.step = %(last)s
WHERE pair.weight > %(link)s
UNION
SELECT
    CASE reached.record WHEN record_left THEN record_right ELSE record_left END,
    %(step)s
FROM verdict_now
INNER JOIN reached ON reached.record IN (record_left, record_right) AND reached.step = %(last)s
WHERE verdict_now.verdict = 'same' AND NOT verdict_now.refused
ON CONFLICT DO NOTHING
"""


def _within_components(cursor: Any, connection: duckdb.DuckDBPyConnection, link: float) -> None:
    """Leave in `keyed` what finds pairs of one component: pairs of two change nothing, and there would be many."""
    schema = pa.schema([("number_l", pa.int64()), ("number_r", pa.int64())])
    rows = copy_out(
        cursor,
        f"""
        SELECT
            record_left AS number_l,
            record_right AS number_r
        FROM identity.pair
        INNER JOIN touched ON touched.record = pair.record_left
        WHERE pair.weight > {link!r}
        UNION ALL
        SELECT record_left, record_right
        FROM verdict_now
        INNER JOIN touched ON touched.record = verdict_now.record_left
        WHERE verdict_now.verdict = 'same' AND NOT verdict_now.refused
        """,
        schema,
    )
    connection.register("given_link", rows)
    linked = connection.sql(
        """
        SELECT left_record.record - 1 AS l, right_record.record - 1 AS r
        FROM given_link
        INNER JOIN cleaned AS left_record ON left_record.number = given_link.number_l
        INNER JOIN cleaned AS right_record ON right_record.number = given_link.number_r
        """
    ).to_arrow_table()
    [(count,)] = connection.execute("SELECT count(*) FROM cleaned").fetchall()
    label = components(count, numbers(linked, "l"), numbers(linked, "r"))
    numbered: np.ndarray = np.arange(1, count + 1, dtype=np.int64)
    connection.register("component", pa.table({"record": numbered, "component": label}))
    connection.execute(
        """
        CREATE OR REPLACE TABLE keyed AS
        SELECT
            keyed.rule,
            (hash(keyed.key, component.component) >> 1)::BIGINT AS key,
            keyed.record
        FROM keyed
        INNER JOIN component USING (record)
        WHERE keyed.key NOT IN (SELECT key FROM crowded)
        """
    )
    connection.unregister("given_link")
    connection.unregister("component")


# Pairs of one component that share a key, each under the first rule that found it, and those that people decided on.
# The rule is part of the key, and few records share one, so this needs no lists as `keys.pair_by_keys` does.
_PAIR_WITHIN = """
CREATE OR REPLACE TABLE candidate AS
SELECT
    l,
    r,
    min(rule)::UTINYINT AS rule
FROM (
    SELECT
        one.record AS l,
        other.record AS r,
        one.rule
    FROM keyed AS one
    INNER JOIN keyed AS other ON other.key = one.key AND other.record > one.record
    UNION ALL
    SELECT l, r, {decided} FROM verdict
)
GROUP BY l, r
"""
