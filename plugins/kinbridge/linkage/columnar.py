"""Arrow columns from and to plain values, by their buffers.

Arrow's own ways (`pa.array`, `pa.scalar`, `to_numpy`) import pandas where it is installed, to know its types when they
meet one. Linkage never hands one over, and that import takes longer than linking a thousand records.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

_KINDS = {np.dtype(np.int64): pa.int64(), np.dtype(np.float64): pa.float64()}


def numbers(values: np.ndarray) -> pa.Array:
    """A column of whole numbers (int64) or floating-point numbers (float64), none of them missing."""
    held: np.ndarray = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_KINDS[held.dtype], len(held), [None, pa.py_buffer(held)])


def numbers_of(column: pa.ChunkedArray) -> np.ndarray:
    """The values of a column of int64 or float64 in which nothing is missing."""
    kind = next(kind for kind, arrow in _KINDS.items() if arrow == column.type)
    pieces = [
        np.frombuffer(piece.buffers()[1], dtype=kind, count=len(piece), offset=piece.offset * kind.itemsize)
        for piece in column.chunks
        if len(piece)
    ]
    joined: np.ndarray = np.concatenate(pieces) if pieces else np.zeros(0, dtype=kind)
    return joined


def texts(values: Sequence[str]) -> pa.Array:
    """A column of texts, none of them missing."""
    held = [value.encode() for value in values]
    ends: np.ndarray = np.zeros(len(held) + 1, dtype=np.int64)
    np.cumsum([len(value) for value in held], out=ends[1:])
    return pa.Array.from_buffers(
        pa.large_string(), len(held), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(held))]
    ).cast(pa.string())
