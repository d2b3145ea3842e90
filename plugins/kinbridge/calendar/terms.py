"""What a contract promises about time: how often a file comes, and how long after its period ends.

Read from `slaProperties` of the contract (ODCS 3.1): `frequency` with a unit of d, w, m, q or y, and `latency` in d or
w. A contract without them promises nothing, and its feed owes nothing. Nothing is guessed from a schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NoReturn

from kinbridge.calendar.period import Period, Unit, period_of, periods
from kinbridge.contract.model import Feed
from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError

# ODCS writes units as a letter, a word or its plural.
_UNITS: dict[str, tuple[Unit, int]] = {
    **dict.fromkeys(("d", "day", "days"), ("d", 1)),
    **dict.fromkeys(("w", "wk", "week", "weeks"), ("w", 1)),
    **dict.fromkeys(("m", "mo", "month", "months"), ("m", 1)),
    **dict.fromkeys(("q", "quarter", "quarters"), ("m", 3)),
    **dict.fromkeys(("y", "yr", "year", "years"), ("y", 1)),
}


@dataclass(frozen=True)
class Terms:
    """One file for each period of `every` units, due `latency_days` days after the period's last day."""

    every: int
    unit: Unit
    latency_days: int

    def period_of(self, day: date) -> Period:
        """The period that holds the day."""
        return period_of(day, self.every, self.unit)

    def periods(self, start: date, end: date) -> Iterator[Period]:
        """The periods from the one that holds `start` to the one that holds `end`."""
        return periods(start, end, self.every, self.unit)

    def due(self, period: Period) -> date:
        """The last day on which the period's file is on time."""
        return period.last + timedelta(days=self.latency_days)


class _Unusable(Exception):
    """Terms with a mistake; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def terms_of(feed: Feed) -> Terms | None:
    """The terms in the feed's contract; None when it has none. Raises `KinbridgeError` KB-E01 with file and line."""
    try:
        return _read(read_document(feed.path))
    except (_Unusable, DocumentError) as error:
        problem = error.problem
        raise KinbridgeError("KB-E01", path=problem.path, line=problem.line, problem=problem.text) from None


def term_problems(document: Document) -> Iterator[Problem]:
    """What is wrong with the terms in a contract, for `kinbridge check`: the first mistake, if there is one."""
    try:
        _read(document)
    except _Unusable as error:
        yield error.problem


def _read(document: Document) -> Terms | None:
    frequency, latency = (_entry(document, name) for name in ("frequency", "latency"))
    if frequency is None and latency is None:
        return None
    if frequency is None or latency is None:
        _refuse(document, "frequency and latency go together", "slaProperties")
    every, (unit, factor) = _amount(document, frequency, least=1)
    days, (latency_unit, _) = _amount(document, latency, least=0)
    if latency_unit not in {"d", "w"}:
        _refuse(document, "latency is in days (d) or weeks (w)", "slaProperties", latency, "unit")
    return Terms(every * factor, unit, days * (7 if latency_unit == "w" else 1))


def _entry(document: Document, name: str) -> int | None:
    """Where the property stands in the list, or None."""
    entries = document.data.get("slaProperties") or []
    found = [index for index, item in enumerate(entries) if isinstance(item, dict) and item.get("property") == name]
    if len(found) > 1:
        _refuse(document, f"{name} stands twice", "slaProperties", found[1])
    return found[0] if found else None


def _amount(document: Document, index: int, *, least: int) -> tuple[int, tuple[Unit, int]]:
    item: dict[str, Any] = document.data["slaProperties"][index]
    value, unit = str(item.get("value")), str(item.get("unit")).lower()
    # More than four digits is a slip of the key, and would leave the calendar.
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and int(value) >= least):
        _refuse(document, f"{item['property']} needs a whole number from {least}", "slaProperties", index, "value")
    if unit not in _UNITS:
        _refuse(document, f"{item['property']} needs a unit: d, w, m, q or y", "slaProperties", index, "unit")
    return int(value), _UNITS[unit]


def _refuse(document: Document, text: str, *where: str | int) -> NoReturn:
    raise _Unusable(document.problem("KB-E01", text, *where))
