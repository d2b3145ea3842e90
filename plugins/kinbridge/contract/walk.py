"""A contract on its way to a `Feed`: its values looked up, its mistakes collected with their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from kinbridge.declaration.document import Document, Key, Problem, Where


@dataclass
class Properties:
    """Custom properties by name, and where each stands."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Where] = field(default_factory=dict)

    def place(self, name: str) -> Where:
        """Where the property stands; the place of all of them when it is not there."""
        return self.places.get(name, ("customProperties",))


class Walk:
    """One contract being read; it collects problems instead of stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def problem(self, text: str, *where: Key) -> None:
        """Note a mistake at a place of the contract."""
        self.problems.append(self.document.problem("KB-C02", text, *where))

    def custom(self, holder: Mapping[str, Any], known: tuple[str, ...], *where: Key) -> Properties:
        """The custom properties of a holder. Other tools' are left alone; one that is nearly `known` is a slip."""
        found = Properties()
        for index, item in enumerate(holder.get("customProperties") or []):
            name, place = str(item.get("property")), (*where, "customProperties", index)
            near = get_close_matches(name.lower(), [k.lower() for k in known], 1, 0.8)
            if name in known:
                found.values[name], found.places[name] = item.get("value"), place
            elif near:
                meant = next(k for k in known if k.lower() == near[0])
                self.problem(f"the property {name!r} is not known; {meant!r} is", *place)
        return found

    def mapping(self, value: Any, text: str, *where: Key) -> dict[str, Any]:
        """The value as a mapping; anything else is a problem."""
        if value is None or isinstance(value, dict):
            return value or {}
        self.problem(f"{text} is a mapping of names to values", *where)
        return {}

    def items(self, found: Properties, name: str) -> Iterator[tuple[dict[str, Any], Where]]:
        """The mappings of a property that is a list of them."""
        value, place = found.values.get(name), found.place(name)
        if value is not None and not isinstance(value, list):
            self.problem(f"{name} is a list", *place)
            return
        for index, item in enumerate(value or []):
            where = (*place, "value", index)
            yield self.mapping(item, f"an entry of {name}", *where), where
