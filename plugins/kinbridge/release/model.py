"""A named extract, as it is declared. Plain values; nothing here reads or decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from kinbridge.declaration.document import Key, Problem, Where
from kinbridge.release.forms import Form


class Grain(StrEnum):
    """What a row of the file is about: one person, or one spell, referral or service of a person."""

    PERSON = "person"
    SPELL = "spell"


class Codes(StrEnum):
    """Whether a person's code is new in every release, or stays the same for one recipient and use case."""

    RANDOM = "random"
    STABLE = "stable_for_recipient"


@dataclass(frozen=True)
class ExtractColumn:
    """One column of the file: the columns of `integrated` that it is made of, and the form in which it is given.

    `quasi_identifier`: with others it may tell who somebody is; persons whose values are rare are withheld. `label` and
    `text` are for the codebook; `code_set` names the standard code set whose codes it holds, `values` words others.
    """

    name: str
    elements: tuple[str, ...]
    form: Form
    quasi_identifier: bool
    label: str
    text: str = ""
    code_set: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Extract:
    """A named extract in one version.

    `feeds` are those whose data may be in it, and no others'. `sql` is the SELECT over `integrated` at `sql_path`; it
    gives `person_id` and the declared columns, raw. `until` is the last day on which it may be issued. `digest` is the
    SHA-256 of the declaration and the SELECT together.
    """

    name: str
    version: str
    title: str
    recipient: str
    use_case: str
    agreement: str
    purpose: str
    grain: Grain
    codes: Codes
    feeds: tuple[str, ...]
    columns: tuple[ExtractColumn, ...]
    until: date
    sql: str
    sql_path: Path
    path: Path
    digest: str
    lines: Mapping[Where, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def elements(self) -> frozenset[str]:
        """Every column of `integrated` that a column of the file is made of."""
        return frozenset(element for column in self.columns for element in column.elements)

    @property
    def quasi_identifiers(self) -> tuple[str, ...]:
        """The names of the columns that count for small groups."""
        return tuple(column.name for column in self.columns if column.quasi_identifier)

    def problem(self, code: str, text: str, *where: Key) -> Problem:
        """A problem with the value at `where` of the declaration."""
        while where and where not in self.lines:
            where = where[:-1]
        return Problem(code, self.path, self.lines.get(where, 1), text)


@dataclass(frozen=True)
class RecipientContact:
    """One person or desk at a recipient."""

    role: str
    name: str
    email: str


@dataclass(frozen=True)
class Recipient:
    """Who receives releases: code, name and postal address (an accounting of disclosures names both), contacts."""

    code: str
    name: str
    address: str
    contacts: tuple[RecipientContact, ...]
    path: Path
