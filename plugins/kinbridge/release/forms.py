"""The forms in which a column may be given: how coarse it is, and the SQL that makes it so. Pure.

The SELECT of a release gives raw values; the form is applied by us, so that what an agreement says of dates or places
is not left to whoever writes the SELECT. Every form yields text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from psycopg2 import sql

from kinbridge.release.elements import ElementKind

WITHHELD = "withheld"
FORMS: dict[ElementKind, tuple[str, ...]] = {
    ElementKind.BIRTH: ("year", "quarter", "month", "age"),
    ElementKind.DATE: ("year", "quarter", "month", "exact"),
    ElementKind.GEOGRAPHY: ("state", "county"),
    ElementKind.CODE: ("code",),
    ElementKind.NUMBER: ("number", "ranges"),
    ElementKind.IDENTIFIER: (),
}
GROUPED = ("age", "ranges")
_DATE_FORMATS = {"year": "YYYY", "quarter": 'YYYY"-Q"Q', "month": "YYYY-MM", "exact": "YYYY-MM-DD"}


@dataclass(frozen=True)
class Form:
    """How a column is given: `name` is one of `FORMS`; for `age` and `ranges` `groups` are the first values of each
    group, rising, the last one open to above; `on` is the month on whose last day the age counts."""

    name: str
    groups: tuple[int, ...] = ()
    on: date | None = None

    def __str__(self) -> str:
        if not self.groups:
            return self.name
        labels = ", ".join(self.labels())
        return f"{self.name} on the last day of {self.on:%Y-%m}: {labels}" if self.on else f"{self.name}: {labels}"

    def labels(self) -> tuple[str, ...]:
        """The groups in words: `0`, `1-2`, `3+`."""
        following = (*self.groups[1:], None)
        return tuple(_label(first, after) for first, after in zip(self.groups, following, strict=True))


def _label(first: int, after: int | None) -> str:
    if after is None:
        return f"{first}+"
    return str(first) if after == first + 1 else f"{first}-{after - 1}"


def finer(ladder: Sequence[str], form: str, allowed: str) -> bool:
    """Whether `form` tells more than `allowed` does, on a ladder that begins with the coarsest.

    What is not on the ladder counts as finer: it is not understood.
    """
    if form not in ladder or allowed not in ladder:
        return True
    return ladder.index(form) > ladder.index(allowed)


def expression(column: sql.Composable, kind: ElementKind, form: Form, oldest: date | None) -> sql.Composed:
    """The SQL that turns the raw column into text of the form; NULL stays NULL.

    `oldest` is the first month of birth that may be told: an earlier one becomes `withheld` (ages above the top code).
    """
    if form.name == "age":
        return sql.SQL("CASE WHEN {} IS NOT NULL THEN {} END").format(column, _grouped(_years(column, form.on), form))
    if form.name == "ranges":
        return sql.SQL("CASE WHEN {} IS NOT NULL THEN {} END").format(column, _grouped(column, form))
    if form.name in _DATE_FORMATS:
        shown = sql.SQL("to_char({}, {})").format(column, sql.Literal(_DATE_FORMATS[form.name]))
        if kind is ElementKind.BIRTH and oldest is not None:
            return sql.SQL("CASE WHEN {} < {} THEN {} ELSE {} END").format(
                column, sql.Literal(oldest), sql.Literal(WITHHELD), shown
            )
        return sql.Composed([shown])
    if form.name == "state":
        return sql.SQL("left({}::text, 2)").format(column)
    if form.name == "number":
        return sql.SQL("{}::text").format(column)
    # A spreadsheet must not take a text for a formula (OWASP ASVS 5, 1.2.10).
    return sql.SQL("CASE WHEN {0}::text ~ {1} THEN '''' || {0}::text ELSE {0}::text END").format(
        column, sql.Literal("^[-=+@\t\r]")
    )


def _years(birth_month: sql.Composable, on: date | None) -> sql.Composed:
    """Completed years on the last day of the month `on`, when the birthday of that month has been."""
    if on is None:
        raise ValueError("an age is told on a day")
    return sql.SQL("floor((12 * ({1} - EXTRACT(YEAR FROM {0})) + {2} - EXTRACT(MONTH FROM {0})) / 12)::integer").format(
        birth_month, sql.Literal(on.year), sql.Literal(on.month)
    )


def _grouped(value: sql.Composable, form: Form) -> sql.Composed:
    """The label of the group that the value is in; what lies below the first one is withheld."""
    return sql.SQL("(ARRAY[{}])[1 + width_bucket({}, ARRAY[{}]::integer[])]").format(
        sql.SQL(", ").join(sql.Literal(label) for label in (WITHHELD, *form.labels())),
        sql.SQL("({})::integer").format(value),
        sql.SQL(", ").join(sql.Literal(first) for first in form.groups),
    )
