"""What an agreement says, as plain values, each clause with its place. Nothing here reads files or decides anything but
plain facts.

A memorandum states purposes and commitments and lets nothing in. A data use agreement lets feeds in. A release
agreement lets an extract out to a recipient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from kinbridge.declaration.clause import Clause
from kinbridge.declaration.document import Key, Where


class AgreementKind(StrEnum):
    """What an agreement is for."""

    MEMORANDUM = "memorandum"
    DATA_USE = "data_use_agreement"
    RELEASE = "release_agreement"


class Role(StrEnum):
    """What a party does: gives data, receives them, carries them between the two, or studies them."""

    CONTRIBUTOR = "contributor"
    RECIPIENT = "recipient"
    INTERMEDIARY = "intermediary"
    RESEARCH_PARTNER = "research_partner"


# The ladder of consent, from the least to the most that is asked for. `attested`: the partner asks, and sends only
# those who consented. With `opt_in` and `written` a grant has to be on record.
CONSENT_RULES = ("not_required", "opt_out", "attested", "opt_in", "written")


@dataclass(frozen=True)
class Party:
    """One side of an agreement: a short code, the name under which it signs, and its role. `signs` is False for one
    that is named but binds itself elsewhere."""

    code: str
    name: str
    role: str = ""
    signs: bool = True


@dataclass(frozen=True)
class Signature:
    """Who signed for a party, by which authority, and when; `signed` is None while the signature is
    wanted. Without an authority it binds nobody and does not count."""

    party: str
    name: str
    title: str
    authority: str
    signed: date | None

    def counts(self, day: date) -> bool:
        """Whether it binds its party on that day."""
        return self.signed is not None and self.signed <= day and bool(self.authority.strip())


@dataclass(frozen=True)
class OpenPgp:
    """How files are protected on the way: full fingerprints of the keys that may sign (upper case), and whether files
    are encrypted to us."""

    signed_by: tuple[str, ...]
    encrypted: bool


@dataclass(frozen=True)
class Basis:
    """A law on which the agreement stands, as it cites it, and what it allows in plain words."""

    citation: str
    what: str


@dataclass(frozen=True)
class Consent:
    """What people are asked: `rule` is one of `CONSENT_RULES`, `form` the form that covers it where one is named."""

    rule: str = "not_required"
    form: str = ""
    what: str = ""


@dataclass(frozen=True)
class Redisclosure:
    """Who may be given rows about people: codes of recipients, none by default; `what` says it in words."""

    recipients: tuple[str, ...] = ()
    what: str = ""


@dataclass(frozen=True)
class Retention:
    """How long data are kept: files and quarantined rows in days, records in months, releases in days. None where the
    agreement is silent."""

    files_days: int | None = None
    records_months: int | None = None
    quarantine_days: int | None = None
    releases_days: int | None = None


@dataclass(frozen=True)
class Destruction:
    """How soon data go when retention or the agreement ends, in days; how, and whether a certificate is owed."""

    within_days: int = 0
    method: str = ""
    certificate: bool = False


@dataclass(frozen=True)
class Breach:
    """Whom to tell of a breach, and within how many hours of learning of it."""

    contact: str = ""
    email: str = ""
    within_hours: int | None = None


@dataclass(frozen=True)
class Linkage:
    """Whether rows may be linked with others' at all, the feeds with which they must not be, and the use cases for
    which they may be; without `use_cases`, for all that the agreement names."""

    allowed: bool = True
    not_with: tuple[str, ...] = ()
    use_cases: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Transmission:
    """How data travel: the channel; for a release the keys it is encrypted to (full fingerprints) and the outbox."""

    channel: str = ""
    encrypted_to: tuple[str, ...] = ()
    outbox: str = ""


@dataclass(frozen=True)
class Agreement:
    """An agreement in one version. Both days, `effective` and `expires`, are within it.

    `feeds` maps each feed to the contract columns that may be read; `releases` each use case to the elements that may
    go out. `small_cell_minimum` is the smallest count of people that may be published. `openpgp` is None where files
    come as they are. `amends` is the version that this one replaces from its first day on; `under` the memorandum that
    has to be in force too. `others` are the parties besides the contributor and the recipient. `digest` is the SHA-256
    of what was declared, without signatures. `lines` tells where each value stands, `listed` the elements of each feed
    in the order of the file.
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
    kind: AgreementKind = AgreementKind.DATA_USE
    others: tuple[Party, ...] = ()
    amends: str | None = None
    under: str | None = None
    legal_basis: tuple[Basis, ...] = ()
    laws: tuple[str, ...] = ()
    consent: Consent = Consent()
    redisclosure: Redisclosure = Redisclosure()
    retention: Retention = Retention()
    destruction: Destruction = Destruction()
    breach: Breach = Breach()
    linkage: Linkage = Linkage()
    transmission: Transmission = Transmission()
    deidentification: str = ""
    releases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    purposes: tuple[str, ...] = ()
    commitments: tuple[str, ...] = ()
    digest: str = ""
    lines: Mapping[Where, int] = field(default_factory=dict, repr=False, compare=False)
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its id and version, as messages name it."""
        return f"{self.id} {self.version}"

    @property
    def parties(self) -> tuple[Party, ...]:
        """Everybody, the contributor first."""
        return (self.contributor, self.recipient, *self.others)

    @property
    def contributors(self) -> tuple[str, ...]:
        """The codes of those who give data under it; a memorandum has several. Each approves it itself."""
        return (self.contributor.code, *(p.code for p in self.others if p.role == Role.CONTRIBUTOR.value))

    def unsigned(self, day: date) -> tuple[Party, ...]:
        """The parties that must sign and had not by that day, the contributor first."""
        signed = {s.party for s in self.signatures if s.counts(day)}
        return tuple(p for p in self.parties if p.signs and p.code not in signed)

    def element_clause(self, feed: str, element: str) -> Clause:
        """Where the agreement lists this element of the feed; where it lists the feed's elements, if it does not."""
        names = self.listed.get(feed, ())
        where = (names.index(element),) if element in names else ()
        return self.clause("feeds", feed, "elements", *where)

    def clause(self, *where: Key) -> Clause:
        """The clause that stands at `where`: `clause("consent")`, `clause("feeds", "snap/participation_v1")`.

        One text with dots names the same as its parts. Of a clause that is not there, the line is the one of what
        would hold it.
        """
        if len(where) == 1 and isinstance(where[0], str):
            where = tuple(where[0].split("."))
        at = where
        while at and at not in self.lines:
            at = at[:-1]
        name = ".".join(str(key) for key in where)
        return Clause(self.id, self.version, name, self.path, self.lines.get(at, 1))
