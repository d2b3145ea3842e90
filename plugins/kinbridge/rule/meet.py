"""The orders of demands: which of two values is stricter, and the meet, which is as strict as both.

Pure. Each kind of demand is a lattice of its own: a chain (numbers, ladders) or sets. The meet is commutative,
associative and idempotent, so the order in which clauses are read does not matter, and one clause more can only
tighten.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from kinbridge.law.demand import FEWER_IS_STRICTER, LADDERS, LARGER_IS_STRICTER, MORE_IS_STRICTER, Kind, Value


def at_least_as_strict(kind: Kind, one: Value, other: Value) -> bool:
    """Whether whatever `one` allows, `other` allows too."""
    return meet(kind, [one, other]) == one


def meet(kind: Kind, values: Iterable[Value]) -> Value:
    """The loosest value that is at least as strict as all of the values, of which there is at least one."""
    return reduce(lambda one, other: _stricter(kind, one, other), values)


def _stricter(kind: Kind, one: Value, other: Value) -> Value:
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        if kind in FEWER_IS_STRICTER:
            return one & other
        if kind in MORE_IS_STRICTER:
            return one | other
    elif isinstance(one, int) and isinstance(other, int):
        return max(one, other) if kind in LARGER_IS_STRICTER else min(one, other)
    elif isinstance(one, str) and isinstance(other, str) and kind in LADDERS:
        return min(one, other, key=LADDERS[kind].index)
    raise TypeError(f"{kind} has no order for such values")
