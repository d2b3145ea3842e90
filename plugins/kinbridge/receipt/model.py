"""What a receipt says, as plain values.

Counts, line numbers, names of columns and rules, and wording of the catalogue. Never a value from anybody's data, and
nothing that a person typed freely.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kinbridge.ledger.accounts import Account
from kinbridge.ledger.states import State

SCHEMA_VERSION = "1.2"
# The findings file names so many lines at most; a spreadsheet opens as many in a moment.
MOST_LISTED = 100_000


@dataclass(frozen=True)
class RuleText:
    """A rule in the partner's terms: its finding code, its columns as the partner heads them, and what it expects.

    `expected` is a few words from the contract ("a date written MM/dd/yyyy"), empty when the rule says it all.
    """

    rule: str
    code: str
    columns: tuple[str, ...] = ()
    expected: str = ""


@dataclass(frozen=True)
class LineRange:
    """Lines `first` to `last` of the file, both included; the header is line 1."""

    first: int
    last: int

    @property
    def lines(self) -> int:
        """How many lines it spans."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}\u2013{self.last}"


@dataclass(frozen=True)
class Cause:
    """One rule that the file broke: how often, in which lines, what it means and what to do.

    `ranges` name the first lines only when there are very many; `unlisted` counts the lines that are not named. `seen`
    says of a rule about the whole file what was met this time, where the ledger knows more than that it was broken.
    """

    rule: str
    code: str
    title: str
    severity: str
    scope: str
    columns: tuple[str, ...]
    expected: str
    count: int
    meaning: str
    remedy: str
    ranges: tuple[LineRange, ...] = ()
    unlisted: int = 0
    seen: str = ""


@dataclass(frozen=True)
class Decision:
    """What a person decided on a held delivery, and when. Who and why stay inside."""

    outcome: str
    decided_at: datetime


@dataclass(frozen=True)
class Earlier:
    """The delivery that brought the same bytes before."""

    delivery_id: int
    file_name: str
    collected_at: datetime


@dataclass(frozen=True)
class Receipt:
    """Everything that a receipt says about one delivery. `causes` come in order of weight.

    `corrected` counts the quarantined rows of the account that a later delivery has brought corrected.
    """

    delivery_id: int
    partner: str
    partner_name: str
    feed: str
    feed_title: str
    file_name: str
    size_bytes: int
    sha256: str
    period: date | None
    as_of: date
    collected_at: datetime
    settled_at: datetime | None
    contract_version: str
    agreement_id: str
    agreement_version: str
    state: State
    account: Account | None
    causes: tuple[Cause, ...]
    decision: Decision | None
    earlier: Earlier | None
    contact: str
    corrected: int = 0

    @property
    def stem(self) -> str:
        """The receipt's own file name without its ending: `<file name>.d<delivery id>.receipt`."""
        return f"{self.file_name}.d{self.delivery_id}.receipt"

    @property
    def found(self) -> int:
        """How many findings the delivery has: one for each row and rule, and one for each rule of the whole file."""
        return sum(cause.count if cause.scope == "row" else 1 for cause in self.causes)

    @property
    def listed(self) -> int:
        """How many of them the findings file names."""
        return min(self.found, MOST_LISTED)
