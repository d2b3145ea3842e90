"""One delivery that is too bad to be taken: a required column is empty in a large share of its rows."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from kinbridge.simulator.layout import LAYOUTS, Layout
from kinbridge.simulator.spoil import SPOILT_COLUMNS


def spoil_delivery(path: Path, share: float) -> int:
    """Blank a required column in `share` of the rows of a simulated file, and enter them in `truth/spoilt.csv`.

    `path` is `OUT/<partner>/<file>` as `simulate` wrote it; returns the number of rows spoilt. Rows that are spoilt
    already or have an exact repeat stay as they are, so that `spoilt.csv` stays exact; other bytes stay the same.
    Raises `ValueError` for a file that no layout names.
    """
    layout = _layout_of(path)
    rows = layout.read(path)
    lines = layout.line_numbers(rows)
    truth = path.parent.parent / "truth" / "spoilt.csv"
    account = pd.read_csv(truth, dtype={"line_no": "int64"})
    known = account.loc[(account["feed"] == layout.feed) & (account["file"] == path.name), "line_no"]
    clean = np.flatnonzero(~np.isin(lines, known) & ~rows.duplicated(keep=False).to_numpy())
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    chosen = np.sort(rng.permutation(clean)[: round(share * len(rows))])
    rows.loc[chosen, layout.held] = ""
    layout.write(rows, path)
    column = layout.held.lower()
    added = pd.DataFrame(
        {
            "feed": layout.feed,
            "file": path.name,
            "line_no": lines[chosen],
            "rule": f"{column}.presence",
            "severity": "critical",
            "how": f"{column} is empty in much of the file",
            "fate": "quarantined",
        }
    )
    whole = pd.concat([account, added])[SPOILT_COLUMNS]
    whole = whole.sort_values(["feed", "file", "line_no", "rule"], ignore_index=True)
    whole.to_csv(truth, index=False, lineterminator="\n")
    return len(chosen)


def _layout_of(path: Path) -> Layout:
    for layout in LAYOUTS.values():
        start, end = layout.file.split("{period}")
        if path.parent.name == layout.partner and path.name.startswith(start) and path.name.endswith(end):
            return layout
    raise ValueError(f"no layout names {path.parent.name}/{path.name}")
