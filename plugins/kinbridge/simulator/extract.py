"""One month's file before anything is spoilt, with what the truth needs to know about its rows."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from kinbridge.simulator.arrays import Array


@dataclass(frozen=True)
class Extract:
    """`rows` as text in file order; `person` and `address` say of whom and where they speak (any order and length),
    or are None where the rows only refer to persons of another file.

    `dispensable` marks rows whose refusal makes no other file's row refer to an unknown child (None: all of them).
    """

    feed: str
    rows: pd.DataFrame
    person: Array | None = None
    address: Array | None = None
    dispensable: Array | None = None
