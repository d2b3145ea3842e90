"""Spoils the rows of one month's file and keeps account of each row that breaks a rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinbridge.simulator.arrays import Array
from kinbridge.simulator.extract import Extract
from kinbridge.simulator.layout import LAYOUTS, Layout
from kinbridge.simulator.months import Months
from kinbridge.simulator.spoiling import Circumstances, Spoiling
from kinbridge.simulator.spoilings import DUPLICATE, SPOILINGS

CRITICAL_SHARE = 0.001
WARNING_SHARE = 0.007
DUPLICATE_SHARE = 0.002
# Small files get each kind once over the months, as long as few rows of a file are hit; the smallest stay clean.
_FORCED_SHARE = 0.02
_SMALLEST = 40
SPOILT_COLUMNS = ["feed", "file", "line_no", "rule", "severity", "how", "fate"]


@dataclass(frozen=True)
class Spoilt:
    """The file's rows after spoiling, in file order, and its lines of `truth/spoilt.csv`.

    `accepted` marks the rows that break no critical rule and repeat nothing.
    """

    rows: pd.DataFrame
    account: pd.DataFrame
    accepted: Array


def spoil(rng: np.random.Generator, extract: Extract, month: int, months: Months, file: str) -> Spoilt:
    """Spoil a small share of the rows: every kind of the feed's catalogue, each row by one kind at most."""
    layout, kinds = LAYOUTS[extract.feed], [*SPOILINGS[extract.feed], DUPLICATE]
    rows = extract.rows
    at = Circumstances(rng, layout, months.last_day(month))
    wanted = _counts(rng, kinds, len(rows), months.count, month)
    order = _candidates(rng, rows, layout, extract.dispensable, int(wanted.sum()))
    columns: dict[str, Array] = {}
    free: Array = np.ones(len(order), dtype=bool)
    marks: list[pd.DataFrame] = []
    copies: list[pd.DataFrame] = []
    added = len(rows)
    pool: pd.DataFrame = rows.take(order)
    optional = np.ones(len(order), dtype=bool) if extract.dispensable is None else extract.dispensable[order]
    for kind, count in zip(kinds, wanted, strict=True):
        fits = free & optional if kind.critical else free.copy()
        if kind.where is not None and count:
            fits &= kind.where(pool, at)
        chosen = np.flatnonzero(fits)[:count]
        free[chosen] = False
        line = order[chosen]
        if not len(line):
            continue
        before: pd.DataFrame = rows.take(line)
        changes = kind.change(before.reset_index(drop=True), at)
        if kind.copies:
            copies.append(before.assign(**changes))
            if kind is not DUPLICATE:
                marks.append(_marks(kind, line))
            line = np.arange(added, added + len(line))
            added += len(line)
        else:
            for name, values in changes.items():
                if name not in columns:
                    columns[name] = rows[name].to_numpy(dtype=object).copy()
                columns[name][line] = values
        marks.append(_marks(kind, line))
    return _assemble(rng, layout, rows.assign(**columns), copies, marks, file=file)


def _counts(rng: np.random.Generator, kinds: list[Spoiling], rows: int, months: int, month: int) -> Array:
    """How many rows each kind hits: its share of the rows, and at least one in its month where rows allow."""
    critical = np.array([kind.critical for kind in kinds])
    repeat = np.array([kind is DUPLICATE for kind in kinds])
    share = np.where(critical, CRITICAL_SHARE / critical.sum(), WARNING_SHARE / max(1, (~critical & ~repeat).sum()))
    share = np.where(repeat, DUPLICATE_SHARE, share)
    wanted = np.floor(share * rows + rng.random(len(kinds))).astype(int)
    forced = (np.arange(len(kinds)) % months == month).astype(int)
    wanted = np.maximum(wanted, forced)
    # The kinds take turns when the file is too small for all of them.
    turn = np.argsort(rng.permutation(len(kinds)) - len(kinds) * forced)
    room = max(int(_FORCED_SHARE * rows), int(rows >= _SMALLEST))
    allowed = np.maximum(np.minimum(np.cumsum(wanted[turn]), room), 0)
    wanted[turn] = np.diff(allowed, prepend=0)
    return wanted


def _candidates(
    rng: np.random.Generator, rows: pd.DataFrame, layout: Layout, dispensable: Array | None, wanted: int
) -> Array:
    """Rows in random order, one of each family or the like, enough of them for every condition to find some."""
    order = rng.permutation(len(rows))
    first = ~pd.Series(rows[layout.group].to_numpy(dtype=object)[order]).duplicated().to_numpy()
    order = order[first]
    enough = 40 * wanted + 400
    if dispensable is None:
        return order[:enough]
    ready = dispensable[order]
    return np.concatenate([order[ready][:enough], order[~ready][:enough]])


def _marks(kind: Spoiling, row: Array) -> pd.DataFrame:
    fate = "duplicate" if kind is DUPLICATE else ("quarantined" if kind.critical else "kept")
    return pd.concat(
        [
            pd.DataFrame({"row": row, "rule": rule, "severity": severity, "how": kind.how, "fate": fate})
            for rule, severity in kind.rules
        ]
    )


def _assemble(
    rng: np.random.Generator,
    layout: Layout,
    rows: pd.DataFrame,
    copies: list[pd.DataFrame],
    marks: list[pd.DataFrame],
    *,
    file: str,
) -> Spoilt:
    rows = pd.concat([rows, *copies])
    origins = rows.index.to_numpy()
    original = len(rows) - sum(len(copy) for copy in copies)
    # A copy stands somewhere below the row that it copies.
    place: Array = origins.astype(float)
    extra = np.arange(len(rows)) >= original
    place[extra] += 0.5 + np.floor(rng.random(extra.sum()) * (original - origins[extra]))
    order = np.argsort(place, kind="stable")
    rows = rows.iloc[order].reset_index(drop=True)
    where: Array = np.empty(len(order), dtype=int)
    where[order] = np.arange(len(order))
    account = pd.concat(marks) if marks else pd.DataFrame(columns=["row", "rule", "severity", "how", "fate"])
    row = where[account["row"].to_numpy().astype(int)]
    account = account.assign(feed=layout.feed, file=file, line_no=layout.line_numbers(rows)[row])
    accepted: Array = np.ones(len(rows), dtype=bool)
    accepted[row[account["fate"].to_numpy() != "kept"]] = False
    return Spoilt(rows, account[SPOILT_COLUMNS].sort_values(["line_no", "rule"], ignore_index=True), accepted)
