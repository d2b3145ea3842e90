"""What changed in a feed since its last good delivery: columns that suddenly cannot be read, and files that shrank.

A mistake in single rows is for row rules. When half of a column becomes unreadable from one month to the next, the
partner's export has changed, and nothing of the file should be loaded until a person has looked. Works on counts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kinbridge.contract.model import Feed, Kind, Rule

# Rules that tell whether a value can be read, with what their sudden breach means.
TELLING = {Kind.TYPE: "unreadable", Kind.FORMAT: "unlike the format", Kind.CODE_SET: "unknown codes"}
EMPTY = "empty"
# Below so many rows, or values, shares jump by chance.
FEWEST_ROWS = 50


@dataclass(frozen=True)
class Counts:
    """A delivery in counts: its rows without repeats, how many have a value by column, how many break each rule."""

    rows: int
    filled: Mapping[str, int] = field(default_factory=dict)
    found: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One column that drifted: what its values suddenly are, and their share before and now."""

    column: str
    what: str
    before: float
    now: float

    def __str__(self) -> str:
        return f"{self.column}: {self.what} {self.now:.0%}, before {self.before:.0%}"


def shrunk(feed: Feed, now: Counts, before: Counts | None) -> bool:
    """Whether the delivery has suspiciously fewer rows than the last good one."""
    return before is not None and before.rows >= FEWEST_ROWS and now.rows < feed.shrink_below * before.rows


def changes(feed: Feed, rules: Iterable[Rule], now: Counts, before: Counts | None) -> tuple[Change, ...]:
    """The columns that drifted, in the order of the rules; of each the first thing that is wrong with it.

    A share of values at or above the contract's `driftShare` that was below half of that before is a drift; so is a
    column that mostly had values and now hardly has any.
    """
    if before is None or min(now.rows, before.rows) < FEWEST_ROWS:
        return ()
    found: dict[str, Change] = {}
    for rule in rules:
        if rule.kind not in TELLING or len(rule.columns) != 1:
            continue
        [column] = rule.columns
        if column in before.filled and min(now.filled.get(column, 0), before.filled[column]) >= FEWEST_ROWS:
            shares = [counts.found.get(rule.id, 0) / counts.filled[column] for counts in (before, now)]
            if shares[1] >= feed.drift_share > 2 * shares[0]:
                found.setdefault(column, Change(column, TELLING[rule.kind], *shares))
    for column, filled in before.filled.items():
        shares = [1 - filled / before.rows, 1 - now.filled.get(column, 0) / now.rows]
        if column in now.filled and shares[0] <= feed.drift_share and shares[1] > 1 - (1 - shares[0]) / 10:
            found.setdefault(column, Change(column, EMPTY, *shares))
    return tuple(found.values())
