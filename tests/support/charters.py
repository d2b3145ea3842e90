"""A small charter as a value, for tests of who decides and how ballots are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from kinbridge.decision.entitlement import refuse
from kinbridge.decision.model import Ballot, Choice, Question, Standing
from kinbridge.decision.tally import tally
from kinbridge.governance.charter import APPROVALS, FAMILIES, TWO_THIRDS, Body, Charter, Member, Need

DAY = date(2026, 3, 2)
CLOSES = date(2026, 3, 16)
LATER = date(2026, 3, 17)
START = date(2026, 1, 1)


def member(name: str, partner: str | None, login: str | None = None, **changes: object) -> Member:
    """A member who has been in office since the year began."""
    one = Member(name, name.title(), partner, f"{name}@example.org", login or name, START, None)
    return replace(one, **changes)  # type: ignore[arg-type]


MEMBERS = {
    one.id: one
    for one in (
        member("ada", "snap"),
        member("ben", "medicaid"),
        member("cleo", "home_visiting"),
        member("dan", "data_office"),
        member("eve", None, represents=FAMILIES),
    )
}
COUNCIL = Body("council", "Council", 3, ("ada", "ben", "cleo", "dan"))


def need(rule: str = TWO_THIRDS, **changes: object) -> Need:
    """What the kind of the tests needs."""
    return replace(Need("element", "council", rule, 14), **changes)  # type: ignore[arg-type]


def charter(*more: Member, quorum: int = 3, **needs: Need) -> Charter:
    """The charter with further members, who all have a seat in the council."""
    members = {**MEMBERS, **{one.id: one for one in more}}
    seats = (*COUNCIL.members, *(one.id for one in more if one.represents is None))
    body = replace(COUNCIL, quorum=quorum, members=seats)
    return Charter("1", START, {"council": body}, members, needs, "sha256:0", Path("charter.yaml"))


def asked(*names: str, by: str = "Zoe Outsider", partners: tuple[str, ...] = ()) -> Question:
    """A question to these members, open until CLOSES."""
    return Question(by, partners, names, CLOSES)


def ballots(**choices: str) -> tuple[Ballot, ...]:
    """Ballots cast on DAY, each with a reason."""
    return tuple(Ballot(name, Choice(choice), DAY, "Because.") for name, choice in choices.items())


def counted(
    question: Question,
    cast: tuple[Ballot, ...],
    *,
    wants: Need | None = None,
    by: Charter | None = None,
    day: date = DAY,
    met: bool = False,
) -> Standing:
    """Where the question stands, every ballot being held against the charter first, as it is when it is cast."""
    the_charter, the_need = by or charter(), wants or need()
    for index, ballot in enumerate(cast):
        refuse(the_charter, question, cast[:index], ballot, "an element")
    return tally(the_charter, the_need, question, cast, day, met=met)


TWO_PEOPLE = need(APPROVALS, approvals=2)
