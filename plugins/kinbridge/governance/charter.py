"""What a charter says, as plain values: bodies, members and their terms, and what each kind of proposal needs.

Nothing here reads files or counts votes; see `governance/reader.py` and `decision/standing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

KINDS = ("agreement", "standard", "use_case", "element", "release", "override", "destruction")
SIMPLE_MAJORITY, TWO_THIRDS, UNANIMOUS, APPROVALS = "simple_majority", "two_thirds", "unanimous", "approvals"
RULES = (SIMPLE_MAJORITY, TWO_THIRDS, UNANIMOUS, APPROVALS)
PEOPLE, PARTNERS = "people", "partners"
FAMILIES = "families"


@dataclass(frozen=True)
class Member:
    """One seat: a person who speaks for a partner, or for families, from the first day of the term to its last.

    `login` is the name under which the person answers in Airflow, None when they meet in person only; `login_id` the
    number that Airflow knows them by, where its auth manager goes by numbers.
    """

    id: str
    name: str
    partner: str | None
    email: str
    login: str | None
    first: date
    last: date | None
    represents: str | None = None
    login_id: str | None = None

    def logs_in_as(self, user: Mapping[str, Any]) -> bool:
        """Whether this is the user of Airflow, given by `id` and `name`."""
        name, number = str(user.get("name") or user.get("id") or ""), str(user.get("id") or "")
        if self.login_id is not None and number == self.login_id:
            return True
        return self.login is not None and name.strip().casefold() == self.login.casefold()

    def in_office(self, day: date) -> bool:
        """Whether the term covers the day; both ends are within it."""
        return self.first <= day and (self.last is None or day <= self.last)

    @property
    def speaks_for(self) -> str:
        """The partner, or whom else the member represents."""
        return self.partner or self.represents or self.id


@dataclass(frozen=True)
class Body:
    """Some members who decide together. `quorum` is how many people must take part; `advisers` are asked, without a
    vote."""

    id: str
    name: str
    quorum: int
    members: tuple[str, ...]
    advisers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Need:
    """What a kind of proposal needs.

    `rule` is one of `RULES`, over the votes cast for and against; with `approvals`, so many approvals by different
    `people` or by people of different `partners`. `families`: their representatives are asked, and a decision waits
    for one of them until the `days` to answer are over. `own_partner`: a representative of each partner concerned
    must be among those who approve.
    """

    kind: str
    body: str
    rule: str
    days: int
    approvals: int = 1
    different: str = PEOPLE
    families: bool = False
    own_partner: bool = False

    @property
    def in_words(self) -> str:
        """The rule as minutes say it."""
        words = {
            SIMPLE_MAJORITY: "more votes for than against",
            TWO_THIRDS: "two thirds of the votes cast",
            UNANIMOUS: "no vote against",
            APPROVALS: f"{self.approvals} approval(s) by different {self.different}",
        }[self.rule]
        words += ", the partner's own representative among them" if self.own_partner else ""
        return words + (", families asked" if self.families else "")


@dataclass(frozen=True)
class Charter:
    """One version of the charter, in force from `effective` on, with everybody who has or had a seat."""

    version: str
    effective: date
    bodies: dict[str, Body]
    members: dict[str, Member]
    needs: dict[str, Need]
    digest: str
    path: Path

    def voters(self, body: Body, day: date) -> list[Member]:
        """The members of the body with a vote, in office on that day."""
        return self._in_office(body.members, day)

    def asked_for(self, need: Need, day: date) -> list[Member]:
        """Everybody who is asked for a decision of this kind: voters, advisers and, where needed, families."""
        body = self.bodies[need.body]
        names = [*body.members, *body.advisers]
        if need.families:
            names += [m.id for m in self.members.values() if m.represents == FAMILIES]
        return self._in_office(dict.fromkeys(names), day)

    def person(self, name: str) -> str:
        """Who is meant by a member's id, name, log-in or e-mail address; seats of one person give the same answer.

        A name that the charter does not know is a person of its own.
        """
        wanted = name.strip().casefold()
        return self._people.get(wanted, wanted)

    def seats_of(self, name: str) -> list[Member]:
        """Every seat of the person so named."""
        person = self.person(name)
        return [member for member in self.members.values() if self.person(member.id) == person]

    def _in_office(self, names: Iterable[str], day: date) -> list[Member]:
        return [self.members[name] for name in names if name in self.members and self.members[name].in_office(day)]

    @cached_property
    def _people(self) -> dict[str, str]:
        """Each name of each member to the person: one log-in, or one address, is one person in all their seats.

        Ids are looked up before log-ins, addresses and names, so that no one can be taken for another by a log-in that
        is spelt like somebody's id.
        """
        people: list[tuple[set[str], list[str]]] = []
        for member in self.members.values():
            marks, seats = self._marks(member), [member.id]
            for same in [one for one in people if one[0] & marks]:
                people.remove(same)
                marks, seats = marks | same[0], [*same[1], *seats]
            people.append((marks, seats))
        of_id = {seat: seats[0] for _, seats in people for seat in seats}
        found: dict[str, str] = {}
        for member in self.members.values():
            for name in (*sorted(self._marks(member)), member.name.casefold()):
                found.setdefault(name, of_id[member.id])
        return found | {name.casefold(): person for name, person in of_id.items()}

    @staticmethod
    def _marks(member: Member) -> set[str]:
        return {text.casefold() for text in (member.login, member.email) if text}


@dataclass(frozen=True)
class Charters:
    """Every version of the charter that there is."""

    versions: tuple[Charter, ...]

    def on(self, day: date) -> Charter | None:
        """The version in force on that day: the one that took effect last. None before the first one."""
        begun = [charter for charter in self.versions if charter.effective <= day]
        return max(begun, key=lambda charter: charter.effective, default=None)
