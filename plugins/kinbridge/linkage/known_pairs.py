"""What people said of pairs: some of it to learn from, some held out for testing.

Input: the tables `cleaned` and `compared`, and decisions by the sources' own ids; output: `KnownPairs` for training,
and the held-out pairs. Which pairs are held out depends on their ids alone, so a pair that tested one model never
trains the next.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from kinbridge.linkage.comparing import RANDOM
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Only, everybody
from kinbridge.linkage.training import KnownPairs, Patterns

# One pair in four tests and does not train.
HELD_OUT = 0.25
SCHEMA = pa.schema(
    [
        ("source_left", pa.string()),
        ("row_id_left", pa.string()),
        ("source_right", pa.string()),
        ("row_id_right", pa.string()),
        ("label", pa.string()),
    ]
)


def note_decided(engine: Engine, decided: pa.Table, only: Only = everybody) -> tuple[int, int]:
    """Make the table `decided` (l, r, same, held_out) of pairs that are labelled same or different, and of no others.

    `decided` has the columns of `SCHEMA`; `only` leaves out the pairs that may not be compared. Returns how many train
    and how many are held out.
    """
    engine.give("given_decided", decided.select(SCHEMA.names).cast(SCHEMA))
    pairs = """
        SELECT
            least(one.record, other.record) AS l,
            greatest(one.record, other.record) AS r,
            lower(trim(label)) = 'same' AS same,
            least(source_left || ' ' || row_id_left, source_right || ' ' || row_id_right) AS first_id,
            greatest(source_left || ' ' || row_id_left, source_right || ' ' || row_id_right) AS second_id
        FROM given_decided
        INNER JOIN cleaned AS one ON one.source = source_left AND one.source_person_id = row_id_left
        INNER JOIN cleaned AS other ON other.source = source_right AND other.source_person_id = row_id_right
        WHERE lower(trim(label)) IN ('same', 'different') AND one.record <> other.record
    """
    engine.make(
        "decided",
        f"""
        SELECT
            l,
            r,
            any_value(same) AS same,
            -- 32 bits of a hash, as a share of what they can be.
            any_value(
                ('0x' || left(md5(first_id || '|' || second_id), 8))::BIGINT / 4294967296.0 < {HELD_OUT}
            ) AS held_out
        FROM ({only(pairs, "l", "r")})
        GROUP BY l, r
        HAVING count(DISTINCT same) = 1
        """,
    )
    engine.drop("given_decided")
    [(training, testing)] = engine.rows(
        "SELECT count(*) FILTER (WHERE NOT held_out), count(*) FILTER (WHERE held_out) FROM decided"
    )
    return int(training), int(testing)


def add_decided(engine: Engine, model: Model) -> None:
    """Let the decided pairs be compared as well, whether or not a blocking rule finds them."""
    engine.append(
        "candidate",
        f"""
        SELECT '{len(model.blocking)}', l, r
        FROM decided
        WHERE NOT EXISTS (
            SELECT 1
            FROM candidate
            WHERE join_key_l = l AND join_key_r = r
        )
        """,
    )


def known_pairs(engine: Engine, model: Model, comparisons: int) -> KnownPairs:
    """The decided pairs that are not held out, as patterns of the table `compared`, by training pass."""
    passes = range(len(model.training_passes))
    by_pass = {
        number: (
            _patterns(engine, f"rule = {RANDOM - 1 - number} AND same", comparisons),
            _patterns(engine, f"rule = {RANDOM - 1 - number} AND NOT same", comparisons),
        )
        for number in passes
    }
    reached = ", ".join(str(RANDOM - 1 - number) for number in passes)
    alone = f"""
        rule >= 0 AND same AND NOT EXISTS (
            SELECT 1
            FROM compared AS other
            WHERE other.l = compared.l AND other.r = compared.r AND other.rule IN ({reached})
        )
    """
    return KnownPairs(by_pass, _patterns(engine, alone if passes else "rule >= 0 AND same", comparisons))


def _patterns(engine: Engine, condition: str, comparisons: int) -> Patterns:
    columns = ", ".join(f"c{index}" for index in range(comparisons))
    rows = engine.rows(
        f"""
        SELECT {columns}, count(*)
        FROM compared
        INNER JOIN decided USING (l, r)
        WHERE NOT held_out AND {condition}
        GROUP BY ALL
        ORDER BY ALL
        """
    )
    table = np.array(rows, dtype=np.int64).reshape(-1, comparisons + 1)
    return Patterns(table[:, :-1], table[:, -1].astype(np.float64))
