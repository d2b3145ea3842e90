"""A subgroup's figures, what may be shown of them, and which of them are a cause for concern. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kinbridge.evaluation.interval import NOTHING, Share
from kinbridge.evaluation.subgroup import NOT_KNOWN, SHOWN_FROM

# A difference of less than this is no cause for concern, however sure it is.
CLEARLY = 0.01


@dataclass(frozen=True)
class Group:
    """One subgroup: `…_less` is its share less that of all others of the dimension."""

    dimension: str
    name: str
    records: int
    precision: Share
    recall: Share
    blocking: Share = NOTHING
    precision_less: Share = NOTHING
    recall_less: Share = NOTHING

    @property
    def flags(self) -> tuple[str, ...]:
        """What is clearly lower than for the others: the whole interval below zero, and by a point at least."""
        return tuple(
            name
            for name, less in (("recall", self.recall_less), ("precision", self.precision_less))
            if less.value is not None and less.high is not None and less.high < 0 and less.value <= -CLEARLY
        )

    def as_plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "dimension": self.dimension,
            "group": self.name,
            "records": self.records,
            "precision": self.precision.as_plain(),
            "recall": self.recall.as_plain(),
            "blocking_recall": self.blocking.as_plain(),
            "precision_less_others": self.precision_less.as_plain(),
            "recall_less_others": self.recall_less.as_plain(),
            "clearly_lower": list(self.flags),
        }


def shown(groups: Iterable[Group]) -> list[Group]:
    """The groups that may be shown: none of fewer than `SHOWN_FROM` records.

    Where those left out of a dimension have fewer than that together, they could be reckoned from the total; then the
    smallest of the others is left out as well. How many records say nothing is nobody's secret and hides nobody.
    """
    found: list[Group] = []
    every = list(groups)
    for dimension in dict.fromkeys(group.dimension for group in every):
        own = [group for group in every if group.dimension == dimension]
        kept = [group for group in own if group.records >= SHOWN_FROM]
        hidden = sum(group.records for group in own if group not in kept and group.name != NOT_KNOWN)
        if 0 < hidden < SHOWN_FROM and kept:
            kept.remove(min(kept, key=lambda group: group.records))
        found += kept
    return found


def flagged(groups: Sequence[Group]) -> list[Group]:
    """The groups that are clearly worse off."""
    return [group for group in groups if group.flags]
