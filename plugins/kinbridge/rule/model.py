"""A demand with its source, and the effective rule: of each kind the strictest value, the clauses that won, and others.

Pure: `effective` is the meet and nothing else. Who is bound by what is decided in `rule/sources.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinbridge.declaration.clause import near
from kinbridge.law.demand import FEWER_IS_STRICTER, LADDERS, Kind, Value
from kinbridge.rule.meet import at_least_as_strict, meet


@dataclass(frozen=True, order=True)
class Source:
    """Where a demand comes from. `force` is law, guidance, agreement, use case or office; `about` is what it binds."""

    force: str
    name: str
    clause: str
    citation: str
    path: Path
    line: int
    about: str = ""

    @property
    def place(self) -> str:
        """File and line, the file as seen from the project's folder."""
        return f"{near(self.path)}:{self.line}"

    def __str__(self) -> str:
        cited = f", {self.citation}" if self.citation else ""
        return f"{self.name}/{self.clause}{cited} ({self.place})"


@dataclass(frozen=True)
class Demand:
    """One clause's demand of one kind."""

    kind: Kind
    value: Value
    source: Source


@dataclass(frozen=True)
class Lifted:
    """A clause that does not bind here, and why: the citation on which the agreement stands, and where it says so."""

    source: Source
    citation: str
    by: Source


@dataclass(frozen=True)
class Outcome:
    """The strictest value of one kind. `won`: demands that none other is stricter than; `lost`: the others."""

    kind: Kind
    value: Value
    won: tuple[Demand, ...]
    lost: tuple[Demand, ...]


@dataclass(frozen=True)
class Effective:
    """The strictest rule: an outcome for each kind of which something is demanded; and what was lifted.

    The properties give a kind's value, and what holds where nothing is demanded: the loosest.
    """

    outcomes: Mapping[Kind, Outcome]
    lifted: tuple[Lifted, ...] = ()

    def value(self, kind: Kind) -> Value | None:
        """The strictest value; the loosest of a ladder, or None, where nothing is demanded."""
        if kind in self.outcomes:
            return self.outcomes[kind].value
        return LADDERS[kind][-1] if kind in LADDERS else None

    def won(self, kind: Kind) -> tuple[Source, ...]:
        """The clauses that won, each once, by name; none where nothing is demanded."""
        demands = self.outcomes[kind].won if kind in self.outcomes else ()
        return tuple({str(demand.source): demand.source for demand in demands}.values())

    def _number(self, kind: Kind) -> int | None:
        value = self.value(kind)
        return value if isinstance(value, int) else None

    def _set(self, kind: Kind) -> frozenset[str] | None:
        value = self.value(kind)
        return value if isinstance(value, frozenset) else None

    @property
    def minimum_cell(self) -> int:
        """The smallest count that is shown besides zero; 1 where nothing is demanded."""
        return self._number(Kind.MINIMUM_CELL) or 1

    @property
    def geography(self) -> str:
        """The finest place."""
        return str(self.value(Kind.GEOGRAPHY))

    @property
    def dates(self) -> str:
        """The finest date."""
        return str(self.value(Kind.DATES))

    @property
    def age_top_code(self) -> int | None:
        """The highest age in years that is told; None: every age."""
        return self._number(Kind.AGE_TOP_CODE)

    @property
    def direct_identifiers(self) -> str:
        """`removed` or `allowed`."""
        return str(self.value(Kind.DIRECT_IDENTIFIERS))

    @property
    def consent(self) -> str:
        """The rung of the ladder of consent."""
        return str(self.value(Kind.CONSENT))

    @property
    def redisclosure(self) -> str:
        """Whether rows about people may be passed on."""
        return str(self.value(Kind.REDISCLOSURE))

    @property
    def retention_months(self) -> int | None:
        """Months after which rows about people go; None: no clause says."""
        return self._number(Kind.RETENTION_MONTHS)

    @property
    def recipients(self) -> frozenset[str] | None:
        """Roles that may be given rows; None: no clause says."""
        return self._set(Kind.RECIPIENTS)

    @property
    def named_recipients(self) -> frozenset[str] | None:
        """Codes of recipients that may be given rows; None: no clause says."""
        return self._set(Kind.NAMED_RECIPIENTS)

    @property
    def linkage(self) -> str:
        """Whether records may be linked."""
        return str(self.value(Kind.LINKAGE))

    @property
    def notice(self) -> frozenset[str]:
        """Notices that must go with the data."""
        return self._set(Kind.NOTICE) or frozenset()

    def facts(self, *kinds: Kind) -> dict[str, Any]:
        """Values and winning clauses for an event of the ledger: names, counts and places only."""
        chosen = kinds or tuple(self.outcomes)
        return {
            kind.value: {"value": plain(self.outcomes[kind].value), "won": [str(source) for source in self.won(kind)]}
            for kind in chosen
            if kind in self.outcomes
        }


def effective(demands: Iterable[Demand], lifted: Iterable[Lifted] = ()) -> Effective:
    """The meet of all demands, kind by kind. The same demand of one clause counts once."""
    by_kind: dict[Kind, dict[Demand, None]] = {}
    for demand in demands:
        by_kind.setdefault(demand.kind, {})[demand] = None
    outcomes = {kind: _outcome(kind, tuple(by_kind[kind])) for kind in Kind if kind in by_kind}
    return Effective(outcomes, tuple(dict.fromkeys(lifted)))


def _outcome(kind: Kind, demands: tuple[Demand, ...]) -> Outcome:
    def beaten(demand: Demand) -> bool:
        return any(
            other.value != demand.value and at_least_as_strict(kind, other.value, demand.value) for other in demands
        )

    ordered = sorted(demands, key=lambda d: (d.source, str(plain(d.value))))
    return Outcome(
        kind,
        meet(kind, (d.value for d in demands)),
        tuple(d for d in ordered if not beaten(d)),
        tuple(d for d in ordered if beaten(d)),
    )


def plain(value: Value) -> int | str | list[str]:
    """The value as JSON has it: sets sorted."""
    return sorted(value) if isinstance(value, frozenset) else value


def worded(kind: Kind, value: Value) -> str:
    """The value in words."""
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or ("nobody" if kind in FEWER_IS_STRICTER else "none")
    return str(value).replace("_", " ")
