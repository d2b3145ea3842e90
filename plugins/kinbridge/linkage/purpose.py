"""Which records may be compared: pairs that may not be are never made, and never stand in one person.

Input: what `consent.comparable` found, a purpose (a number) for each record and the pairs of purposes that go together.
Must never be loosened here: without a purpose, a record is compared with nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kinbridge.linkage.engine.engine import Engine

SCHEMA = pa.schema([("source", pa.string()), ("source_person_id", pa.string()), ("purpose", pa.int64())])


@dataclass(frozen=True)
class Allowed:
    """The `usual` purpose by source, the purposes of `others` (columns of `SCHEMA`), and the pairs of purposes that
    may be compared, in both orders."""

    usual: Mapping[str, int]
    others: pa.Table
    pairs: frozenset[tuple[int, int]]


# Turns SQL of pairs into SQL of those that may be compared; it is told the columns that hold the two records.
Only = Callable[[str, str, str], str]


def everybody(pairs: str, left: str, right: str) -> str:
    """All pairs."""
    del left, right
    return pairs


def note_purposes(engine: Engine, allowed: Allowed | None) -> Only:
    """Make the tables `purpose` (record, purpose) and `purpose_pair` (l, r); returns what keeps SQL to them."""
    if allowed is None:
        return everybody
    usual = pa.table(
        {
            "source": pa.array(allowed.usual.keys(), pa.string()),
            "purpose": pa.array(allowed.usual.values(), pa.int64()),
        }
    )
    left, right = zip(*sorted(allowed.pairs), strict=True) if allowed.pairs else ((), ())
    for name, rows in (
        ("usual_purpose", usual),
        ("other_purpose", allowed.others.cast(SCHEMA)),
        (
            "allowed_pair",
            pa.table({"l": pa.array(left, pa.int64()), "r": pa.array(right, pa.int64())}),
        ),
    ):
        engine.give(name, rows)
    engine.make(
        "purpose",
        """
        SELECT
            cleaned.record,
            coalesce(other_purpose.purpose, usual_purpose.purpose, -1) AS purpose
        FROM cleaned
        LEFT JOIN usual_purpose USING (source)
        LEFT JOIN other_purpose USING (source, source_person_id)
        """,
    )
    engine.make("purpose_pair", "SELECT l, r FROM allowed_pair")
    return _allowed_only


def _allowed_only(pairs: str, left: str, right: str) -> str:
    return f"""
        SELECT pair.*
        FROM ({pairs}) AS pair
        INNER JOIN purpose AS purpose_l ON purpose_l.record = pair.{left}
        INNER JOIN purpose AS purpose_r ON purpose_r.record = pair.{right}
        INNER JOIN purpose_pair ON purpose_pair.l = purpose_l.purpose AND purpose_pair.r = purpose_r.purpose
    """


@dataclass(frozen=True)
class Barred:
    """For clustering: the purpose of each record, and the pairs that may be in one person."""

    purpose: np.ndarray
    pairs: frozenset[tuple[int, int]]

    def together(self, one: frozenset[int], other: frozenset[int]) -> bool:
        """Whether records of these purposes may be one person."""
        return all((left, right) in self.pairs for left in one for right in other)


def read_barred(engine: Engine, allowed: Allowed | None) -> Barred | None:
    """What clustering has to obey, in the order of the records; None where everybody may be with everybody."""
    if allowed is None:
        return None
    purposes = engine.arrow("SELECT purpose FROM purpose ORDER BY record")
    return Barred(purposes.column("purpose").to_numpy(), allowed.pairs)
