"""Names: a pool with realistic skew, and the ways in which a name is folded or mistyped.

The pool is `name_pool.csv` (kind, culture, sex, name, rank within its group) and `nicknames.csv`. Names are common
ones put together at random; nobody in particular is meant.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kinbridge.simulator.arrays import Array

FOLDER = Path(__file__).resolve().parent
CULTURES = ("english", "black", "hispanic", "somali", "vietnamese", "arabic", "asian", "native", "pacific")
# How much of a culture's names comes from the English pool: (first names, last names).
_ENGLISH_SHARE = {"black": (0.35, 0.5), "native": (0.0, 0.45), "pacific": (0.4, 0.2), "asian": (0.25, 0.0)}
# Frequency of a name falls with its rank to this power; Vietnamese surnames are few and very uneven.
_SKEW = {"first": 0.55, "last": 0.6, "middle": 0.7}
_SKEW_VIETNAMESE_LAST = 1.15
_WIDTH = 48


@lru_cache(maxsize=1)
def _pool() -> dict[tuple[str, str, str], tuple[Array, Array]]:
    rows = pd.read_csv(FOLDER / "name_pool.csv", dtype={"rank": "int64"}, keep_default_na=False)
    pool = {}
    for (kind, culture, sex), group in rows.groupby(["kind", "culture", "sex"]):
        skew = _SKEW_VIETNAMESE_LAST if (kind, culture) == ("last", "vietnamese") else _SKEW[str(kind)]
        weight = group["rank"].to_numpy().astype(float) ** -skew
        pool[str(kind), str(culture), str(sex)] = (group["name"].to_numpy(dtype=object), weight / weight.sum())
    # Somali names are a chain of given names: a father's and a grandfather's name follow the child's own.
    pool["last", "somali", ""] = pool["first", "somali", "M"]
    return pool


def _pick(rng: np.random.Generator, key: tuple[str, str, str], size: int) -> Array:
    names, weights = _pool()[key]
    return names[rng.choice(len(names), size=size, p=weights)]


def draw(rng: np.random.Generator, kind: str, culture: Array, sex: Array | None = None) -> Array:
    """One `first` or `last` name per element; `culture` indexes `CULTURES`, `sex` is `F` or `M` (first names)."""
    names: Array = np.full(len(culture), "", dtype=object)
    sexes = ("F", "M") if sex is not None else ("",)
    for number, name in enumerate(CULTURES):
        share = _ENGLISH_SHARE.get(name, (0.0, 0.0))[kind == "last"]
        for one in sexes:
            chosen = np.flatnonzero((culture == number) & (True if sex is None else sex == one))
            names[chosen] = _pick(rng, (kind, name, one), len(chosen))
            english = chosen[rng.random(len(chosen)) < share]
            names[english] = _pick(rng, (kind, "english", one), len(english))
    return names


def draw_vietnamese_middle(rng: np.random.Generator, sex: Array) -> Array:
    """A Vietnamese middle name per element."""
    names: Array = np.full(len(sex), "", dtype=object)
    for one in ("F", "M"):
        chosen = np.flatnonzero(sex == one)
        names[chosen] = _pick(rng, ("middle", "vietnamese", one), len(chosen))
    return names


@lru_cache(maxsize=1)
def _nicknames() -> pd.Series:
    rows = pd.read_csv(FOLDER / "nicknames.csv").drop_duplicates("name")
    return rows.set_index("name")["nickname"]


def nickname(first: Array) -> Array:
    """A usual nickname for each first name; the name itself where it has none."""
    found = pd.Series(first, dtype=object).map(_nicknames())
    return np.where(found.isna(), first, found).astype(object)


def without_accents(values: Array) -> Array:
    """The names in plain letters: `Nguyễn` becomes `Nguyen`."""
    text = pc.utf8_normalize(pa.array(values, type=pa.string()), form="NFKD")
    text = pc.replace_substring_regex(text, pattern=r"\p{M}", replacement="")
    text = pc.replace_substring(pc.replace_substring(text, "đ", "d"), "Đ", "D")
    return np.asarray(text.to_numpy(zero_copy_only=False), dtype=object)


def slug(values: Array) -> Array:
    """The names as an e-mail address spells them: lower-case letters a to z only."""
    text = pc.utf8_lower(pa.array(without_accents(values), type=pa.string()))
    text = pc.replace_substring_regex(text, pattern="[^a-z]", replacement="")
    return np.asarray(text.to_numpy(zero_copy_only=False), dtype=object)


def typo(rng: np.random.Generator, values: Array) -> Array:
    """Each name with one slip of the keyboard: letters swapped, dropped, doubled or replaced. The first letter stays.

    Works on a matrix of code points, so that the time does not depend on a Python loop. A slip may leave a name as it
    is (two equal letters swapped); the caller compares.
    """
    if not len(values):
        return values
    matrix = values.astype(f"U{_WIDTH}").view(np.uint32).reshape(len(values), _WIDTH).copy()
    length = (matrix != 0).sum(axis=1)
    position = 1 + np.floor(rng.random(len(values)) * np.maximum(length - 2, 1)).astype(int)
    kind = np.where(length < 4, 3, rng.integers(0, 4, len(values)))
    column = np.arange(_WIDTH)[None, :]
    at = position[:, None]
    source = np.broadcast_to(column, matrix.shape).copy()
    swapped = (kind == 0)[:, None]
    source = np.where(swapped & (column == at), at + 1, np.where(swapped & (column == at + 1), at, source))
    source = np.where((kind == 1)[:, None] & (column >= at), np.minimum(column + 1, _WIDTH - 1), source)
    source = np.where((kind == 2)[:, None] & (column > at), column - 1, source)
    result = np.take_along_axis(matrix, source, axis=1)
    replaced = np.flatnonzero(kind == 3)
    result[replaced, np.minimum(position, length - 1)[replaced]] = rng.integers(97, 123, len(replaced))
    return np.char.strip(np.ascontiguousarray(result).view(f"U{_WIDTH}").ravel()).astype(object)
