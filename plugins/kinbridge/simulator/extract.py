"""One month's file before anything is spoilt, with what the truth needs to know about its rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array


@dataclass(frozen=True)
class Extract:
    """`rows` as text in file order; `person` and `address` say of whom and where they speak (any order and length).

    `dispensable` marks rows whose refusal makes no other file's row refer to an unknown child (None: all of them).
    """

    feed: str
    rows: pd.DataFrame
    person: Array = field(default_factory=lambda: np.empty(0, dtype=int))
    address: Array = field(default_factory=lambda: np.empty(0, dtype=int))
    dispensable: Array | None = None
