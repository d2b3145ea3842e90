"""Linking what has changed, and leaving the rest alone.

New and changed records are compared with all that share a key with them; then every component that this touches is
judged again, from all its pairs. Both are what linking everything at once would do with the same trained model, so
the state is the same (docs/decisions/0016-incremental-linkage.md).
"""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from kinbridge.linkage.judging import cluster_judged, judge
from kinbridge.linkage.keys import key_records
from kinbridge.linkage.ledger.adopted import Adopted
from kinbridge.linkage.ledger.changed import prepare_changed
from kinbridge.linkage.ledger.changed_keys import find_candidates, key_more
from kinbridge.linkage.ledger.found import PAIR_COLUMNS, Found, found_pairs, found_people
from kinbridge.linkage.ledger.kin import add_kin_pairs, note_kin_pairs
from kinbridge.linkage.ledger.prepared import fetch_prepared
from kinbridge.linkage.ledger.touched import note_near, touch
from kinbridge.linkage.ledger.verdict import RECORDS_DECIDED, note_verdicts
from kinbridge.linkage.ledger.work import (
    by_index,
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
        key_more(cursor, connection, trained.blocks)
        take_crowded(cursor, connection)
        compared = _compare_changed(cursor, connection, model, adopted, allowed)
        component = touch(cursor, bits(model.thresholds["link"]))
        count = fetch_prepared(
            cursor,
            connection,
            "SELECT touched.record FROM touched INNER JOIN identity.prepared USING (record)",
            training_id=adopted.training_id,
            unseen=trained.unseen,
        )
        take_verdicts(cursor, connection)
        key_records(connection, trained.blocks)
        _within_components(connection, component)
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

    Makes `pair_before` and `pair_otherwise`: those pairs as they were, and which of them are otherwise now.
    """
    trained = adopted.trained
    find_candidates(cursor, decided=len(trained.blocks))
    note_kin_pairs(cursor, trained.blocks)
    note_near(cursor, bits(model.thresholds["link"]))
    with by_index(cursor):
        cursor.execute(_BEFORE)
    count = fetch_prepared(
        cursor,
        connection,
        _COMPARED,
        training_id=adopted.training_id,
        unseen=trained.unseen,
    )
    pairs = copy_out(
        cursor, "SELECT record_one AS number_l, record_other AS number_r, rule FROM candidate", _CANDIDATES
    )
    take_verdicts(cursor, connection)
    connection.register("found_candidate", pairs)
    connection.execute("CREATE OR REPLACE TABLE given_candidate AS SELECT * FROM found_candidate")
    connection.unregister("found_candidate")
    add_kin_pairs(cursor, connection, trained.blocks)
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
    leave_out_single_sources(connection, model)
    only, _ = take_purposes(connection, allowed)
    leave_out_barred(connection, only)
    [(compared,)] = connection.execute("SELECT count(*) FROM candidate").fetchall()
    score(connection, model, trained)
    judge(connection, model, trained, count)
    copy_in(cursor, "given_pair", PAIR_COLUMNS, found_pairs(connection, model, trained))
    for statement in _OTHERWISE:
        cursor.execute(statement)
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

# Grain: one row per record of a pair that may be compared. Sources: candidate, kin_pair.
_COMPARED = """
SELECT record_one FROM candidate
UNION
SELECT record_other FROM candidate
UNION
SELECT record_one FROM kin_pair
UNION
SELECT record_other FROM kin_pair
"""

# The pairs of rescored records as they were. Grain: as identity.pair. Sources: identity.pair, rescored.
_BEFORE = """
CREATE TEMP TABLE pair_before ON COMMIT DROP AS
SELECT pair.*
FROM identity.pair
INNER JOIN rescored ON rescored.record = pair.record_left
UNION ALL
SELECT pair.*
FROM identity.pair
INNER JOIN rescored ON rescored.record = pair.record_right
WHERE pair.record_left NOT IN (SELECT record FROM rescored)
"""

# Only what came out otherwise is written: after a change in a family most pairs weigh what they did.
# Grain: one row per pair that is new, gone or otherwise. Sources: pair_before, given_pair.
_COLUMNS = ("weight", "match_probability", "rule", "apart", "levels", "weights")
_OTHERWISE = (
    "ANALYZE pair_before",
    "ANALYZE given_pair",
    f"""
    CREATE TEMP TABLE pair_otherwise ON COMMIT DROP AS
    SELECT record_left, record_right
    FROM pair_before
    FULL JOIN given_pair USING (record_left, record_right)
    WHERE
        ({", ".join(f"pair_before.{name}" for name in _COLUMNS)})
        IS DISTINCT FROM ({", ".join(f"given_pair.{name}" for name in _COLUMNS)})
    """,
    "ANALYZE pair_otherwise",
    """
    DELETE FROM identity.pair
    USING pair_otherwise
    WHERE pair_otherwise.record_left = pair.record_left AND pair_otherwise.record_right = pair.record_right
    """,
    """
    INSERT INTO identity.pair
    SELECT given_pair.*
    FROM given_pair
    INNER JOIN pair_otherwise USING (record_left, record_right)
    """,
)


def _within_components(connection: duckdb.DuckDBPyConnection, component: pa.Table) -> None:
    """Leave in `keyed` what finds pairs of one component: pairs of two change nothing, and there would be many."""
    connection.register("component", component)
    connection.execute(
        """
        CREATE OR REPLACE TABLE keyed AS
        SELECT
            keyed.rule,
            (hash(keyed.key, component.component) >> 1)::BIGINT AS key,
            keyed.record
        FROM keyed
        INNER JOIN cleaned USING (record)
        INNER JOIN component USING (number)
        WHERE keyed.key NOT IN (SELECT key FROM crowded)
        """
    )
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
