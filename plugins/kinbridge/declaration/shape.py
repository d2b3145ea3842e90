"""Takes a declaration's values out of its document; what is missing or of the wrong kind becomes a problem (KB-C20, or
the code of its family).

A declaration whose shape has a problem is not used in part: its reader looks at `problems` and gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from kinbridge.declaration.document import Document, Key, Problem


@dataclass
class Shape:
    """One document, read by names: each method takes the place of a value, as keys from the top. `code` is that of its
    problems."""

    document: Document
    problems: list[Problem] = field(default_factory=list)
    code: str = "KB-C20"

    def value(self, *where: Key) -> Any:
        """What stands there, or None."""
        found: Any = self.document.data
        for key in where:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def has(self, *where: Key) -> bool:
        """Whether anything stands there, even if it is empty."""
        holder = self.value(*where[:-1])
        return isinstance(holder, dict) and where[-1] in holder

    def refuse(self, text: str, *where: Key) -> None:
        """Note a problem."""
        self.problems.append(self.document.problem(self.code, text, *where))

    def text(self, *where: Key) -> str:
        """A text that has to be there, without blanks around it."""
        found = self.value(*where)
        if isinstance(found, str) and found.strip():
            return found.strip()
        self.refuse(f"{_name(where)} is required, as text", *where)
        return ""

    def optional_text(self, *where: Key) -> str:
        """A text that may be missing or empty; then it is the empty text."""
        found = self.value(*where)
        if found is None or isinstance(found, str):
            return (found or "").strip()
        self.refuse(f"{_name(where)} is a text", *where)
        return ""

    def texts(self, *where: Key) -> tuple[str, ...]:
        """A list of names that has to be there; none stands twice."""
        found = self.value(*where)
        if isinstance(found, list) and found and all(isinstance(item, str) for item in found):
            seen: set[str] = set()
            for index, item in enumerate(found):
                if item in seen:
                    self.refuse(f"{_name(where)} names {item!r} twice", *where, index)
                seen.add(item)
            return tuple(found)
        self.refuse(f"{_name(where)} is required, as a list of names", *where)
        return ()

    def optional_texts(self, *where: Key) -> tuple[str, ...]:
        """A list of names; none where nothing stands there."""
        return self.texts(*where) if self.value(*where) not in (None, []) else ()

    def day(self, *where: Key) -> date:
        """A day that has to be there."""
        found = self.value(*where)
        if isinstance(found, date) and not isinstance(found, datetime):
            return found
        self.refuse(f"{_name(where)} is required, as a day such as 2026-01-31", *where)
        return date.min

    def whole(self, *where: Key, least: int) -> int:
        """A whole number that has to be there."""
        found = self.value(*where)
        if isinstance(found, int) and not isinstance(found, bool) and found >= least:
            return found
        self.refuse(f"{_name(where)} is required, as a whole number from {least}", *where)
        return 0

    def optional_whole(self, *where: Key, least: int) -> int | None:
        """A whole number, or None where nothing stands there."""
        return None if self.value(*where) is None else self.whole(*where, least=least)

    def flag(self, *where: Key, default: bool) -> bool:
        """True or false; `default` where nothing stands there."""
        found = self.value(*where)
        if found is None and not self.has(*where):
            return default
        if isinstance(found, bool):
            return found
        self.refuse(f"{_name(where)} is true or false", *where)
        return default

    def choice(self, options: tuple[str, ...], *where: Key) -> str:
        """One of these texts."""
        found = self.text(*where)
        if found and found not in options:
            self.refuse(f"{_name(where)} must be one of {', '.join(options)}", *where)
        return found

    def items(self, *where: Key) -> Iterator[int]:
        """The indexes of a list that has to be there."""
        found = self.value(*where)
        if isinstance(found, list) and found:
            yield from range(len(found))
        else:
            self.refuse(f"{_name(where)} is required, as a list", *where)

    def names(self, *where: Key) -> Iterator[str]:
        """The names of a mapping that has to be there."""
        found = self.value(*where)
        if isinstance(found, dict) and found:
            yield from (str(name) for name in found)
        else:
            self.refuse(f"{_name(where)} is required, as a mapping of names", *where)


def _name(where: tuple[Key, ...]) -> str:
    return ".".join(str(key) for key in where)
