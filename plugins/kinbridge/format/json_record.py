"""Values of one JSON record by the paths of the contract's columns. Pure.

A path names a single text, number or truth value. Where the record has something else there, the row is ragged: a list
is never flattened, and a value never taken from a place that the contract does not name.
"""

from __future__ import annotations

from typing import Any

from kinbridge.contract.paths import JsonPick, JsonStep
from kinbridge.format.table import Spoilt


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises `ValueError` when it has one name twice: readers differ in which of the two counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def value_at(record: Any, path: tuple[JsonStep, ...]) -> str | None:
    """The value as text (`true` and `false` as JSON writes them), or None where the record has none, or null.

    Where entries are picked by a key's value, the first that has it is meant. Raises `Spoilt` (ragged) where the record
    is built in another way than the path says.
    """
    found: Any = record
    for step in path:
        if not isinstance(found, dict):
            raise Spoilt("ragged")
        found = found.get(step.name)
        for pick in step.picks:
            if found is None:
                return None
            found = _entry(found, pick)
        if found is None:
            return None
    if isinstance(found, dict | list):
        raise Spoilt("ragged")
    return str(found).lower() if isinstance(found, bool) else str(found)


def _entry(found: Any, pick: JsonPick) -> Any:
    if not isinstance(found, list):
        raise Spoilt("ragged")
    if isinstance(pick, int):
        return found[pick] if pick < len(found) else None
    key, value = pick
    return next((entry for entry in found if _has(entry, key, value)), None)


def _has(entry: Any, key: str, value: str) -> bool:
    for name in key.split("."):
        if not isinstance(entry, dict):
            return False
        entry = entry.get(name)
    return (str(entry).lower() if isinstance(entry, bool) else entry) == value
