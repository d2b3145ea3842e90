"""What people said of pairs: some of it to learn from, some held out for testing.

Input: the tables `cleaned` and `compared`, and decisions by the sources' own ids; output: `KnownPairs` for training,
and the held-out pairs. Which pairs are held out depends on their ids alone and on the share that
`include/linkage/review.yaml` declares, so a pair that tested one model never trains the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kinbridge.linkage.comparing import RANDOM
from kinbridge.linkage.decision import SourcePerson, pair_chance, pair_of
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Comparison, Model
from kinbridge.linkage.purpose import Only, everybody
from kinbridge.linkage.training import KnownPairs, Patterns

# For which purpose a pair is drawn (`pair_chance`).
TEST = "test"
SCHEMA = pa.schema(
    [
        ("source_left", pa.string()),
        ("row_id_left", pa.string()),
        ("source_right", pa.string()),
        ("row_id_right", pa.string()),
        ("label", pa.string()),
    ]
)


def note_decided(engine: Engine, decided: pa.Table, test: float, only: Only = everybody) -> tuple[int, int]:
    """Make the table `decided` (l, r, same, held_out) of pairs on which everybody says same, or everybody different.

    `decided` has the columns of `SCHEMA`; a pair that somebody is unsure of, or on which two differ, is no label. The
    share `test` of the pairs is held out; `only` leaves out those that may not be compared. Returns how many train and
    how many are held out.
    """
    rows = decided.select(SCHEMA.names).cast(SCHEMA)
    engine.give("given_decided", rows.append_column("held_out", pa.array(_held_out(rows, test), pa.bool_())))
    pairs = """
        SELECT
            least(one.record, other.record) AS l,
            greatest(one.record, other.record) AS r,
            lower(trim(label)) AS label,
            held_out
        FROM given_decided
        INNER JOIN cleaned AS one ON one.source = source_left AND one.source_person_id = row_id_left
        INNER JOIN cleaned AS other ON other.source = source_right AND other.source_person_id = row_id_right
        WHERE trim(label) <> '' AND one.record <> other.record
    """
    engine.make(
        "decided",
        f"""
        SELECT
            l,
            r,
            any_value(label) = 'same' AS same,
            any_value(held_out) AS held_out
        FROM ({only(pairs, "l", "r")})
        GROUP BY l, r
        HAVING count(DISTINCT label) = 1 AND any_value(label) IN ('same', 'different')
        """,
    )
    engine.drop("given_decided")
    [(training, testing)] = engine.rows(
        "SELECT count(*) FILTER (WHERE NOT held_out), count(*) FILTER (WHERE held_out) FROM decided"
    )
    return int(training), int(testing)


def _held_out(decided: pa.Table, test: float) -> list[bool]:
    ends = (decided.column(name).to_pylist() for name in SCHEMA.names[:4])
    found = []
    for source, row_id, other_source, other_id in zip(*ends, strict=True):
        one, other = SourcePerson(source or "", row_id or ""), SourcePerson(other_source or "", other_id or "")
        # A record beside itself is no pair, and is left out by whoever reads this.
        found.append(one != other and pair_chance(pair_of(one, other), TEST) < test)
    return found


def decided_pairs(model: Model) -> str:
    """SQL for the decided pairs as candidates of `compare`, whether or not a blocking rule finds them."""
    return f"SELECT '{len(model.blocking)}' AS match_key, l AS join_key_l, r AS join_key_r FROM decided"


def known_pairs(engine: Engine, model: Model, compared: Sequence[Comparison]) -> KnownPairs | None:
    """The decided pairs that are not held out, as patterns of the table `compared`, by training pass; None where
    nothing could be compared."""
    comparisons = len(compared)
    if not comparisons:
        return None
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
