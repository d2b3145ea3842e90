"""What an agreement and a use case say, as plain values. Nothing here reads files or decides anything but
plain facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class Party:
    """One side of an agreement: a short code and the name under which it signs."""

    code: str
    name: str


@dataclass(frozen=True)
class Signature:
    """Who signed for a party, by which authority, and when; `signed` is None while the signature is
    wanted."""

    party: str
    name: str
    title: str
    authority: str
    signed: date | None


@dataclass(frozen=True)
class OpenPgp:
    """How files are protected on the way: full fingerprints of the keys that may sign (upper case), and whether files
    are encrypted to us."""

    signed_by: tuple[str, ...]
    encrypted: bool


@dataclass(frozen=True)
class Agreement:
    """A data sharing agreement in one version. Both days, `effective` and `expires`, are within it.

    `feeds` maps each feed to the contract columns that may be read. `small_cell_minimum` is the smallest
    count of people that may be published. `openpgp` is None where files come as they are.
    """

    id: str
    version: str
    title: str
    contributor: Party
    recipient: Party
    use_cases: tuple[str, ...]
    feeds: dict[str, frozenset[str]]
    effective: date
    expires: date
    signatures: tuple[Signature, ...]
    small_cell_minimum: int
    path: Path
    openpgp: OpenPgp | None = None

    def unsigned(self, day: date) -> tuple[Party, ...]:
        """The parties that had not signed by that day, the contributor first."""
        signed = {s.party for s in self.signatures if s.signed is not None and s.signed <= day}
        return tuple(p for p in (self.contributor, self.recipient) if p.code not in signed)


@dataclass(frozen=True)
class UseCase:
    """A purpose: the question, the common-schema elements that it needs, and the tables that it may
    publish."""

    id: str
    question: str
    status: str
    elements: tuple[str, ...]
    outputs: tuple[str, ...]
    path: Path
