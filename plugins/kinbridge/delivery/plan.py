"""What to collect for one feed, and what came of it. Plain values; nothing here connects to anything."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from datetime import date

from kinbridge.contract.model import ManifestTerms
from kinbridge.delivery.inbox import Oddity

INBOX = "inbox"
OUTBOX = "outbox"


@dataclass(frozen=True)
class CollectPlan:
    """One feed's files, and the permit under which they are collected.

    `file_pattern` is a regular expression over the whole name; its group `period`, if any, is the month as yyyyMM.
    `waits_for` names feeds whose delivery of the same period has to be worked off first. `partner_patterns` are the
    patterns of all feeds of the partner, of manifests and attestations too: when given, a name that fits none of them
    is reported. `manifest` says that the files are taken only with their manifest, `nothing` is the pattern of the
    names of attestations.
    """

    partner: str
    feed: str
    file_pattern: str
    contract_version: str
    agreement_id: str
    agreement_version: str
    waits_for: tuple[str, ...] = ()
    partner_patterns: tuple[str, ...] = ()
    inbox: str = INBOX
    manifest: ManifestTerms | None = None
    nothing: str | None = None

    @property
    def slug(self) -> str:
        """The feed in names of folders: `medicaid__eligibility_v1`."""
        return self.feed.replace("/", "__")


@dataclass(frozen=True)
class Waiting:
    """A file that stays in the inbox until a later run, and why (code and words of the catalogue)."""

    file: str
    code: str
    reason: str


@dataclass
class Collected:
    """What one run came to.

    `new` are deliveries to work on, by period, then name. `duplicates` are deliveries whose bytes were here before.
    `unfinished` are older deliveries that are to be worked on as well: collected and then never staged, because a run
    died, or fetched again because their landed file was lost. `attested` are deliveries that say that there is nothing
    to report; `turned_away` are deliveries that are not what their manifest says: both are settled and want a receipt.
    `waiting` files are for a later run; `refused` entries are never taken as they are. `left` is how many files could
    have been taken, but were more than one run takes.
    """

    new: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    unfinished: list[int] = field(default_factory=list)
    attested: list[int] = field(default_factory=list)
    turned_away: list[int] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    refused: list[Oddity] = field(default_factory=list)
    left: int = 0

    @property
    def taken(self) -> int:
        """How many files of the inbox were fetched and registered, as whatever they turned out to be."""
        return sum(map(len, (self.new, self.duplicates, self.attested, self.turned_away)))

    def summary(self) -> str:
        """One line for a log."""
        parts = (
            (self.new, "new"),
            (self.duplicates, "had before"),
            (self.unfinished, "left over from a run that died"),
            (self.attested, "with nothing to report"),
            (self.turned_away, "not as their manifest says"),
            (self.waiting, "waiting"),
            (self.refused, "not taken"),
        )
        found = [f"{len(things)} {what}" for things, what in parts if things]
        if self.left:
            found.append(f"{self.left} left for the next run")
        return ", ".join(found) or "nothing new"


class NotAMonth(ValueError):
    """The period in a file's name is no month; its text is the part of the name."""


@dataclass(frozen=True)
class NamePattern:
    """A feed's file pattern, ready to be held against names."""

    regex: re.Pattern[str]

    @classmethod
    def of(cls, pattern: str) -> NamePattern:
        """Compile a contract's file pattern."""
        return cls(re.compile(pattern))

    def fits(self, name: str) -> bool:
        """Whether the whole name fits."""
        return self.regex.fullmatch(name) is not None

    def period(self, name: str) -> date | None:
        """The first day of the month that the name tells, None when it tells none. Raises `NotAMonth`."""
        match = self.regex.fullmatch(name)
        text = match.groupdict().get("period") if match else None
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{6}", text) or not 1 <= int(text[4:]) <= 12 or int(text[:4]) < 1:
            raise NotAMonth(text)
        return date(int(text[:4]), int(text[4:]), 1)


def last_day(period: date) -> date:
    """The last day of the month that begins with `period`."""
    return period.replace(day=calendar.monthrange(period.year, period.month)[1])
