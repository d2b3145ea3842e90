"""Decisions that a draft left to a person: each is marked where it stands, and no declaration holds while a mark does.

`kinbridge feed draft` writes the marks, in comments and in the notes of crosswalks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kinbridge.declaration.document import Problem

CODE = "KB-P10"
MARK = "DECIDE:"
_FOUND = re.compile(rf"{MARK}\s*(?P<text>.*?)[\s\",]*$")
# What people write besides, such as a README, may speak of marks.
SUFFIXES = frozenset({".yaml", ".sql", ".csv"})
PLACES = ("partners", "agreements", "use_cases", "governance")
# Texts from which new agreements begin: their marks are for whoever fills them in.
TEMPLATES = "templates"


def decision_problems(include: Path) -> Iterator[Problem]:
    """The marks in the declarations of one include folder, by path and line."""
    for place in PLACES:
        for path in sorted((include / place).rglob("*")):
            if path.is_file() and path.parent.name != TEMPLATES:
                yield from open_decisions(path)


def open_decisions(path: Path) -> Iterator[Problem]:
    """The marks in one declaration, by line."""
    if path.suffix in SUFFIXES:
        # What is not UTF-8 is another check's to say.
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found = _FOUND.search(line)
            if found:
                yield Problem(CODE, path, number, f"not decided yet: {found['text']}")
