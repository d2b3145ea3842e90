"""The HMIS CSV standard as facts: files, columns, code lists and the extra checks of each version.

Reads `include/standards/hmis/` (columns.csv, checks.csv); the code lists themselves are code sets of the project,
`include/standards/code_sets/hmis_fy2024/<list>.csv`. It must never hold a fact itself: a new version is new rows there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from kinbridge.settings import include_folders
from kinbridge.standards import code_set

Version = Literal["FY2024", "FY2026"]
VERSIONS: tuple[Version, ...] = get_args(Version)


@dataclass(frozen=True)
class SpecColumn:
    """One column of one file, as the standard has it.

    `type` is string, integer, number, date or datetime; `length` the most characters of a string, `minimum` the least
    number, `pattern` a regular expression, each None where the standard sets none. `code_list` is the standard's number
    of the list whose codes it holds.
    """

    version: Version
    file: str
    name: str
    type: str
    length: int | None
    required: bool
    code_list: str | None
    pattern: str | None
    minimum: str | None

    @property
    def place(self) -> str:
        """How people name it: `Exit.Destination`."""
        return f"{self.file}.{self.name}"

    @property
    def code_set(self) -> str | None:
        """What a contract's `codeSet` refers to: the column's own list where a check narrows it or tells which list."""
        chosen = self.place if self.place in narrowed(self.version) else self.code_list
        return f"standard/hmis_{self.version.lower()}/{chosen}" if chosen else None


@dataclass(frozen=True)
class SpecCheck:
    """One extra check of a column: `not_in` (codes of its list that it may not hold), or `list_when` (the list, or the
    codes, that it holds when another column has one of some codes)."""

    version: Version
    file: str
    column: str
    kind: Literal["not_in", "list_when"]
    code_list: str | None
    when_column: str
    when_codes: tuple[str, ...]
    codes: tuple[str, ...]

    @property
    def place(self) -> str:
        """How people name the column: `Exit.Destination`."""
        return f"{self.file}.{self.column}"


@lru_cache(maxsize=2)
def files(version: Version) -> dict[str, tuple[SpecColumn, ...]]:
    """The columns of each file, both in the standard's order. Files have no `.csv` behind their names."""
    found: dict[str, list[SpecColumn]] = {}
    for row in _rows("columns.csv", version):
        found.setdefault(row["file"], []).append(
            SpecColumn(
                version=version,
                file=row["file"],
                name=row["column"],
                type=row["type"],
                length=int(row["length"]) if row["length"] else None,
                required=row["required"] == "yes",
                code_list=row["list"] or None,
                pattern=row["pattern"] or None,
                minimum=row["minimum"] or None,
            )
        )
    return {file: tuple(columns) for file, columns in found.items()}


@lru_cache(maxsize=2)
def checks(version: Version) -> tuple[SpecCheck, ...]:
    """The extra checks of the version."""
    return tuple(
        SpecCheck(
            version=version,
            file=row["file"],
            column=row["column"],
            kind="not_in" if row["kind"] == "not_in" else "list_when",
            code_list=row["list"] or None,
            when_column=row["when_column"],
            when_codes=tuple(row["when_codes"].split()),
            codes=tuple(row["codes"].split()),
        )
        for row in _rows("checks.csv", version)
    )


def narrowed(version: Version) -> frozenset[str]:
    """The columns (`Exit.Destination`) that have a code set of their own: less than their list, or several lists."""
    return frozenset(check.place for check in checks(version) if check.code_list)


def codes_when(column: SpecColumn) -> dict[str, dict[str, tuple[str, ...]]]:
    """By other column, and by that column's code: the codes that this column may hold beside it.

    A code of the other column of which the checks say nothing goes with every code of this one.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for check in checks(column.version):
        if check.kind == "list_when" and check.place == column.place:
            if check.when_column not in found:
                other = next(c for c in files(column.version)[column.file] if c.name == check.when_column)
                found[check.when_column] = dict.fromkeys(_codes_of(other.code_set), _codes_of(column.code_set))
            listed = check.codes or _codes_of(f"standard/hmis_{column.version.lower()}/{check.code_list}")
            found[check.when_column] |= dict.fromkeys(check.when_codes, listed)
    return found


def _codes_of(reference: str | None) -> tuple[str, ...]:
    return code_set((reference or "").removeprefix("standard/")).codes


def _rows(name: str, version: Version) -> Iterator[dict[str, str]]:
    path = include_folders()[0] / "standards" / "hmis" / name
    with path.open(encoding="utf-8", newline="") as text:
        yield from (row for row in csv.DictReader(text) if row["version"] == version)
