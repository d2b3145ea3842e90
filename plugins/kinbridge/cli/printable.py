"""Values of partners' data on a terminal, for commands that show them to a steward."""

from __future__ import annotations

from typing import Any


def printable(value: Any) -> str:
    """A value as one line: what could steer the terminal is written as its number."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in str(value))
