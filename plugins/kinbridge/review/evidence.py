"""What a pair's levels mean: each comparison of the trained model, how it came out, and what that weighs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from typing import Any

MISSING = "nothing to compare"
# Letters are compared one by one where two values have at least so much in common.
ALIKE = 0.5

# Which columns of the two records a comparison looks at, in the order in which they are shown.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "first_name": ("first_name",),
    "middle_name": ("middle_name",),
    "last_name": ("last_name",),
    "": ("name_suffix",),
    "birth_date": ("birth_date",),
    "sex": ("sex",),
    "ssn": ("ssn",),
    "email": ("email",),
    "household": ("phone", "address_line", "city", "postal_code"),
}


@dataclass(frozen=True)
class Comparison:
    """How one comparison of a pair came out; `level` 0 is missing. `bits` above 0 speak for one person."""

    name: str
    level: int
    label: str
    bits: float

    def as_plain(self) -> dict[str, Any]:
        """As it is kept beside a decision."""
        return asdict(self)


@dataclass(frozen=True)
class Row:
    """One column of the two records."""

    column: str
    left: str = field(repr=False)
    right: str = field(repr=False)

    @property
    def agreement(self) -> str:
        """`same`, `different`, or `one side` where one says nothing; letter by letter."""
        if not (self.left and self.right):
            return "one side"
        return "same" if self.left.casefold() == self.right.casefold() else "different"

    @property
    def marked(self) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
        """Both values in parts, each part with whether it differs from the other side."""
        matcher = SequenceMatcher(None, self.left.casefold(), self.right.casefold(), autojunk=False)
        # Some letters have no single small one, and places would shift.
        shifted = len(self.left.casefold()) != len(self.left) or len(self.right.casefold()) != len(self.right)
        if self.agreement != "different" or shifted or matcher.ratio() < ALIKE:
            return [(self.left, False)], [(self.right, False)]
        left, right = [], []
        for kind, one, one_end, two, two_end in matcher.get_opcodes():
            if one_end > one:
                left.append((self.left[one:one_end], kind != "equal"))
            if two_end > two:
                right.append((self.right[two:two_end], kind != "equal"))
        return left, right


@dataclass(frozen=True)
class Group:
    """A comparison with the columns that it looks at; None for columns that no comparison weighs."""

    comparison: Comparison | None
    rows: tuple[Row, ...] = field(repr=False)


def comparisons_of(
    words: Sequence[tuple[str, Sequence[str]]], levels: Sequence[int], weights: Sequence[float]
) -> tuple[Comparison, ...]:
    """The comparisons of a pair; `words` names each with its levels, in the order of `levels` and `weights`."""
    return tuple(
        Comparison(
            name=name,
            level=int(level),
            label=labels[level - 1] if 0 < level <= len(labels) else MISSING,
            bits=round(float(weight), 2),
        )
        for (name, labels), level, weight in zip(words, levels, weights, strict=False)
    )


def grouped(comparisons: Sequence[Comparison], left: Mapping[str, Any], right: Mapping[str, Any]) -> tuple[Group, ...]:
    """Columns of two records beside the comparisons that weigh them, those that either side has; then the others."""
    by_name = {one.name: one for one in comparisons}
    groups = []
    for name, columns in COLUMNS.items():
        rows = tuple(
            Row(column, str(left.get(column) or ""), str(right.get(column) or ""))
            for column in columns
            if left.get(column) or right.get(column)
        )
        if rows or name in by_name:
            groups.append(Group(by_name.get(name), rows))
    groups += [Group(one, ()) for one in comparisons if one.name not in COLUMNS]
    return tuple(groups)


def probability_of(weight: float) -> float:
    """The probability of which `weight` is the log2 of the odds."""
    return float(1 / (1 + 2.0 ** -min(max(weight, -60.0), 60.0)))
