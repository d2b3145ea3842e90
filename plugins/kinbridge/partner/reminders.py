"""A partner's clock, and how long before a due day it wants to be reminded, from its profile.

`timezone` is a name of the IANA database (UTC when the profile has none); `reminders.days_before` a whole number of
days from 0 (no reminder) to 60, 3 when the profile says nothing. What is wrong is refused with its line, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.partner.profile import profile_path

DAYS_BEFORE = 3
MOST_DAYS_BEFORE = 60


@dataclass(frozen=True)
class Reminders:
    """The partner's time zone, and the days before a due day on which it is reminded."""

    timezone: ZoneInfo
    days_before: int


def reminders_of(partner: str) -> Reminders:
    """What the partner's profile says. Raises `KinbridgeError` KB-E02 with file and line, KB-C40 without a profile."""
    try:
        document = read_document(profile_path(partner))
    except FileNotFoundError:
        raise KinbridgeError("KB-C40", partner=partner) from None
    except DocumentError as error:
        raise _unusable(error.problem) from None
    for problem in reminder_problems(document):
        raise _unusable(problem)
    reminders = document.data.get("reminders") or {}
    return Reminders(ZoneInfo(document.data.get("timezone", "UTC")), reminders.get("days_before", DAYS_BEFORE))


def reminder_problems(document: Document) -> Iterator[Problem]:
    """What is wrong with `timezone` and `reminders` in a profile."""
    if not _is_zone(document.data.get("timezone", "UTC")):
        yield document.problem("KB-E02", "timezone is a name such as America/Denver", "timezone")
    reminders = document.data.get("reminders", {})
    if not isinstance(reminders, dict) or set(reminders) - {"days_before"}:
        yield document.problem("KB-E02", "reminders has days_before and nothing else", "reminders")
        return
    days = reminders.get("days_before", DAYS_BEFORE)
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= MOST_DAYS_BEFORE:
        text = f"days_before is a whole number from 0 to {MOST_DAYS_BEFORE}"
        yield document.problem("KB-E02", text, "reminders", "days_before")


def _is_zone(name: object) -> bool:
    # A path would be opened as a file; a folder of zones is no zone.
    if not isinstance(name, str) or not name or name.startswith("/") or ".." in name:
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _unusable(problem: Problem) -> KinbridgeError:
    return KinbridgeError("KB-E02", path=problem.path, line=problem.line, problem=problem.text)
