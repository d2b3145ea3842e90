"""What a text could be: a date in which format, a number, a stand-in for "not known". Pure."""

from __future__ import annotations

import re
from datetime import date

# By how often they are met; the first one that fits as well as the others is taken.
DATE_FORMATS = (
    "yyyy-MM-dd",
    "MM/dd/yyyy",
    "dd/MM/yyyy",
    "MM-dd-yyyy",
    "dd-MM-yyyy",
    "yyyy/MM/dd",
    "dd.MM.yyyy",
    "yyyyMMdd",
    "MMddyyyy",
    "ddMMyyyy",
)
# Years beyond these are no days of people's lives: numbers of eight digits are not taken for dates.
FIRST_YEAR, LAST_YEAR = 1900, 2100
INTEGER = re.compile(r"^[+-]?[0-9]{1,18}$")
NUMBER = re.compile(r"^[+-]?[0-9]{1,20}([.][0-9]{1,10})?$")
_DATE = re.compile(r"^[0-9]{1,4}([/.-][0-9]{2}[/.-][0-9]{2,4})?[0-9]{0,4}$")

# Days that systems write for a day that is not known.
PLACEHOLDER_DAYS = frozenset({date(1900, 1, 1), date(1901, 1, 1), date(1899, 12, 31), date(2099, 12, 31)})
PLACEHOLDERS = frozenset(
    {
        "UNKNOWN",
        "UNK",
        "N/A",
        "NA",
        "NULL",
        "NONE",
        "NOT KNOWN",
        "NOT AVAILABLE",
        "TBD",
        "?",
        "-",
        ".",
        "XXX",
        "TEST",
        "99/99/9999",
        "9999-99-99",
        "99999999",
        "00000000",
        "00/00/0000",
        "0000-00-00",
        "9999-12-31",
        "12/31/9999",
        "12-31-9999",
        "99991231",
    }
)
NUMBER_PLACEHOLDERS = {
    "ssn": frozenset(
        {"999-99-9999", "000-00-0000", "123-45-6789", "111-11-1111", "999999999", "000000000", "123456789", "111111111"}
    ),
    "zip": frozenset({"00000", "99999"}),
    "phone": frozenset(
        {"999-999-9999", "000-000-0000", "9999999999", "0000000000", "(999) 999-9999", "(000) 000-0000"}
    ),
}


def dates_of(text: str) -> dict[str, date]:
    """The formats in which the text is a day of the calendar, each with that day."""
    if not 8 <= len(text) <= 10 or not _DATE.match(text):
        return {}
    found = {}
    for form in DATE_FORMATS:
        day = _read(text, form)
        if day is not None and FIRST_YEAR - 1 <= day.year <= LAST_YEAR:
            found[form] = day
    return found


def is_placeholder(text: str, words: tuple[str, ...], days: dict[str, date]) -> bool:
    """Whether the text is a known stand-in for "not known"; `words` are those of the column's name."""
    if text.upper() in PLACEHOLDERS:
        return True
    if days and not PLACEHOLDER_DAYS.isdisjoint(days.values()):
        return True
    return any(text in known for word, known in NUMBER_PLACEHOLDERS.items() if word in words)


def _read(text: str, form: str) -> date | None:
    if len(text) != len(form):
        return None
    for given, wanted in zip(text, form, strict=True):
        if given.isdigit() != wanted.isalpha() or (not wanted.isalpha() and given != wanted):
            return None
    year, month, day = (int(text[form.index(part) :][: len(part)]) for part in ("yyyy", "MM", "dd"))
    try:
        return date(year, month, day)
    except ValueError:
        return None
