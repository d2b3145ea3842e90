"""The tables that an evaluation counts in, made beside those of a linkage run, in its own memory.

Input: the tables `cleaned`, `scored` and `clustered` of `linkage.link`; output: `pair` (the pairs that are linked or
come near it), `member` (the subgroups of each record), and with a truth `true_mate`. No value of a record leaves them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from kinbridge.linkage.model import Model

# Below so many bits a pair is searched for by way of a sample of records: there are too many such pairs, and too few
# true ones among them, for a sample of pairs to find any.
FLOOR = -8.0
UNSCORED = "linked through others"


@dataclass(frozen=True)
class Span:
    """A band of scores, in bits above an even chance: from `low` to below `high`."""

    linked: bool
    low: float | None
    high: float | None

    @property
    def name(self) -> str:
        """What people read: `linked, 4 to 8 bits`."""
        state = "linked" if self.linked else "not linked"
        if self.low is None and self.high is None:
            return f"{UNSCORED}, never compared"
        if self.low is None or math.isinf(self.low):
            return f"{state}, below {self.high:g} bits"
        if self.high is None or math.isinf(self.high):
            return f"{state}, {self.low:g} bits and more"
        return f"{state}, {self.low:g} to {self.high:g} bits"


def spans(model: Model) -> tuple[Span, ...]:
    """The bands of a model: its thresholds are edges, so that each band is linked, reviewed or neither."""
    link_at, review_at = (round(bits(model.thresholds[name]), 2) for name in ("link", "review"))
    low = sorted({FLOOR, -4.0, review_at, link_at} if review_at > -4 else {FLOOR, review_at, link_at})
    high = [at for at in (4.0, 8.0, 12.0) if at > link_at]
    edges = [*low, *high, math.inf]
    apart = [Span(False, one, other) for one, other in itertools.pairwise(edges)]
    inner = [-math.inf, *[at for at in edges if at >= link_at]]
    joined = [Span(True, one, other) for one, other in itertools.pairwise(inner)]
    return (*apart, *joined, Span(True, None, None))


def bits(probability: float) -> float:
    """The log2 of the odds of a probability."""
    return math.log2(probability / (1 - probability))


def make_pairs(connection: duckdb.DuckDBPyConnection, model: Model) -> tuple[Span, ...]:
    """Make the table `pair` (l, r, weight, linked, band) and return its bands; `band` is the position of one in them.

    Every linked pair is there, and every other one that weighs at least `FLOOR`. Pairs that were linked through others
    and never compared have no weight.
    """
    bands = spans(model)
    cases = " ".join(
        f"WHEN {'' if band.linked else 'NOT '}linked"
        f" AND weight >= {_number(band.low)} AND weight < {_number(band.high)} THEN {number}"
        for number, band in enumerate(bands)
        if band.high is not None
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE pair AS
        WITH near AS (
            SELECT
                scored.l,
                scored.r,
                scored.weight,
                one.cluster = other.cluster AS linked
            FROM scored
            INNER JOIN clustered AS one ON one.record = scored.l
            INNER JOIN clustered AS other ON other.record = scored.r
            WHERE scored.weight >= {FLOOR} OR one.cluster = other.cluster
            UNION ALL
            SELECT
                one.record,
                other.record,
                NULL,
                true
            FROM clustered AS one
            INNER JOIN clustered AS other ON one.cluster = other.cluster AND one.record < other.record
            WHERE NOT EXISTS (SELECT 1 FROM scored WHERE scored.l = one.record AND scored.r = other.record)
        )
        SELECT
            l,
            r,
            weight,
            linked,
            CASE WHEN weight IS NULL THEN {len(bands) - 1} {cases} END::TINYINT AS band
        FROM near
        """
    )
    return bands


def _number(at: float | None) -> str:
    if at is None or not math.isinf(at):
        return repr(at)
    return "'Infinity'::DOUBLE" if at > 0 else "'-Infinity'::DOUBLE"


def make_truth(connection: duckdb.DuckDBPyConnection, truth: pa.Table) -> tuple[int, int]:
    """Make the tables `true_person` (record, person) and `true_mate` (l, r, of which `compared`).

    `truth` has source, row_id and person. Returns how many records have a true person, and how many have none: these
    are left out of every figure.
    """
    connection.register("given_truth", truth)
    connection.execute(
        """
        CREATE OR REPLACE TABLE true_person AS
        SELECT
            cleaned.record,
            any_value(given_truth.person) AS person
        FROM cleaned
        INNER JOIN given_truth
            ON given_truth.source = cleaned.source AND given_truth.row_id = cleaned.source_person_id
        WHERE given_truth.person IS NOT NULL
        GROUP BY cleaned.record;
        CREATE OR REPLACE TABLE true_mate AS
        SELECT
            one.record AS l,
            other.record AS r,
            scored.weight,
            scored.l IS NOT NULL AS compared
        FROM true_person AS one
        INNER JOIN true_person AS other ON one.person = other.person AND one.record < other.record
        LEFT JOIN scored ON scored.l = one.record AND scored.r = other.record
        """
    )
    connection.unregister("given_truth")
    [(known, records)] = connection.execute(
        "SELECT (SELECT count(*) FROM true_person), (SELECT count(*) FROM cleaned)"
    ).fetchall()
    return int(known), int(records - known)


def replace_people(connection: duckdb.DuckDBPyConnection, people: pa.Table) -> None:
    """Take the people of `people` (source, row_id, person_id) for those that the run found, in the table `clustered`.

    A record that `people` does not have is a person of its own.
    """
    connection.register("given_people", people)
    connection.execute(
        """
        CREATE OR REPLACE TABLE clustered AS
        SELECT
            cleaned.record,
            min(cleaned.record) OVER (PARTITION BY coalesce(given.person_id, 'record ' || cleaned.record)) AS cluster
        FROM cleaned
        LEFT JOIN given_people AS given ON given.source = cleaned.source AND given.row_id = cleaned.source_person_id
        """
    )
    connection.unregister("given_people")


def rows(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows of a query by column name; for counts only."""
    found = connection.execute(query, list(parameters))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
