"""YAML read with line numbers, so that every mistake can be named as file and line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

Key = str | int
Where = tuple[Key, ...]

# The loader in C, where PyYAML was built with it: every task reads every contract.
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Problem:
    """One mistake in a declaration: a catalogue code, the place, and what is wrong in words."""

    code: str
    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.code} {self.text}"


@dataclass(frozen=True)
class Document:
    """A YAML file as plain data plus the line on which each of its values stands."""

    path: Path
    data: dict[str, Any]
    lines: dict[Where, int] = field(repr=False)

    def line(self, *where: Key) -> int:
        """The line of the value at `where`, or of the nearest enclosing value that exists."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def problem(self, code: str, text: str, *where: Key) -> Problem:
        """A problem with the value at `where`."""
        return Problem(code, self.path, self.line(*where), text)


class DocumentError(Exception):
    """A file that is not YAML, or not a mapping; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def read_document(path: Path) -> Document:
    """Read one YAML mapping.

    A text that was read before gives the same document again: nobody changes what is in it. Raises `DocumentError`
    (code KB-C01) with the line when it cannot be read.
    """
    return document_of(path, text_of(path))


def text_of(path: Path) -> str:
    """The text of a declaration. Raises `DocumentError` (KB-C01) when it is not in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DocumentError(Problem("KB-C01", path, 1, "not readable as YAML in UTF-8")) from None


# By the text and not by the file's time: a file may change twice within a clock's tick.
@lru_cache(maxsize=4096)
def document_of(path: Path, text: str) -> Document:
    """The document of a text that was read from `path`. Raises `DocumentError` like `read_document`."""
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(Problem("KB-C01", path, line, f"not readable as YAML: {error.problem}")) from None
    except yaml.YAMLError:
        raise DocumentError(Problem("KB-C01", path, 1, "not readable as YAML in UTF-8")) from None
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError(Problem("KB-C01", path, 1, "expected a mapping of names to values"))
    for line, problem in _unusable(node, yaml.SafeLoader("")):
        raise DocumentError(Problem("KB-C01", path, line, problem))
    try:
        built: dict[str, Any] = yaml.SafeLoader("").construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(Problem("KB-C01", path, line, f"not readable as YAML: {error.problem}")) from None
    return Document(path, built, dict(_lines(node, ())))


def _compose(text: str) -> yaml.Node | None:
    """The tree of the text. What the loader in C refuses, PyYAML's own may take, and it words its refusals better."""
    try:
        tree: yaml.Node | None = yaml.compose(text, Loader=_FAST)
    except yaml.YAMLError:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    return tree


def _lines(node: yaml.Node, where: Where) -> Iterator[tuple[Where, int]]:
    yield where, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*where, key.value), key.start_mark.line + 1
            for place, line in _lines(value, (*where, key.value)):
                if place != (*where, key.value):
                    yield place, line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*where, index))


def _unusable(node: yaml.Node, loader: yaml.SafeLoader) -> Iterator[tuple[int, str]]:
    """Names that stand twice or are no text, and values that YAML cannot build, such as the day 2026-02-30."""
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                yield key.start_mark.line + 1, "a name in a mapping is a word; quote it when it begins with { or ["
                continue
            if key.value in seen:
                yield key.start_mark.line + 1, f"the name {key.value!r} stands twice in one mapping"
            seen.add(key.value)
            yield from _unusable(value, loader)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _unusable(value, loader)
    elif node.tag != _TEXT:
        try:
            loader.construct_document(node)
        except ValueError as error:
            yield line, f"not readable as YAML: {error}"
        except yaml.YAMLError:
            yield line, f"not readable as YAML: a value of the kind {node.tag}"
