"""Holds the charter against itself and against the partners there are. Collects every mistake with file and line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path

from kinbridge.declaration.document import Document, Problem
from kinbridge.governance.charter import APPROVALS, FAMILIES, KINDS, PARTNERS, Body, Charter, Member, Need
from kinbridge.governance.reader import DeclaredCharters, read_declared_charters

CODE = "KB-G02"


def charter_problems(known: Collection[str], day: date, folders: Sequence[Path] | None = None) -> list[Problem]:
    """Every mistake in the charters of the folders; `known` are the codes of partners and of other parties.

    KB-G01 a file cannot be read whole; KB-G02 an unknown partner, body or member, a person seated twice for one
    partner, terms the wrong way round, a quorum or a rule that nobody could meet, a kind on which nobody decides.
    Quorums and rules are asked of the version in force on `day`: that members' terms run out is then seen.
    """
    declared = read_declared_charters(folders)
    problems = list(declared.problems)
    current = declared.charters.on(day)
    for charter in declared.charters.versions:
        document = declared.documents[charter.version]
        problems.extend(_members(charter, document, known))
        problems.extend(_bodies(charter, document))
        problems.extend(_needs(charter, document))
        if charter is current:
            problems.extend(_quorums(charter, document, day))
            problems.extend(_reach(charter, document, day))
    problems.extend(_added(declared, known))
    return problems


def _members(charter: Charter, document: Document, known: Collection[str]) -> Iterator[Problem]:
    for member in charter.members.values():
        if member.id in document.data["members"]:
            yield from _member(member, document, known)


def _member(member: Member, document: Document, known: Collection[str]) -> Iterator[Problem]:
    if member.partner is not None and member.partner not in known:
        text = f"{member.partner} is no partner, and no party of an agreement"
        yield document.problem(CODE, text, "members", member.id, "partner")
    if member.last is not None and member.last < member.first:
        yield document.problem(CODE, "until lies before from", "members", member.id, "until")


def _bodies(charter: Charter, document: Document) -> Iterator[Problem]:
    for body in charter.bodies.values():
        declared = document.data["bodies"][body.id]
        for part in ("members", "advisers"):
            for index, name in enumerate(declared.get(part) or ()):
                if name not in charter.members:
                    yield document.problem(CODE, f"there is no member {name}", "bodies", body.id, part, index)
        for name in body.advisers:
            if name in body.members:
                yield document.problem(CODE, f"{name} is member and adviser", "bodies", body.id, "advisers")
        yield from _twice(charter, body, document)


def _twice(charter: Charter, body: Body, document: Document) -> Iterator[Problem]:
    """One person may sit for two partners, and then still has one voice; for one partner, one seat is enough."""
    seen: dict[tuple[str, str], str] = {}
    for name in body.members:
        member = charter.members.get(name)
        if member is None:
            continue
        key = (charter.person(name), member.speaks_for)
        other = seen.setdefault(key, name)
        if other != name and _overlap(charter.members[other], member):
            text = f"{name} and {other} are one person, seated twice for {member.speaks_for}"
            yield document.problem(CODE, text, "bodies", body.id, "members")


def _overlap(one: Member, other: Member) -> bool:
    return (one.last is None or other.first <= one.last) and (other.last is None or one.first <= other.last)


def _needs(charter: Charter, document: Document) -> Iterator[Problem]:
    for kind in KINDS:
        if kind not in charter.needs:
            yield document.problem(CODE, f"nobody decides on the kind {kind}", "needs")
    for need in charter.needs.values():
        if need.body not in charter.bodies:
            yield document.problem(CODE, f"there is no body {need.body}", "needs", need.kind, "body")


def _quorums(charter: Charter, document: Document, day: date) -> Iterator[Problem]:
    for body in charter.bodies.values():
        people = {charter.person(member.id) for member in charter.voters(body, day)}
        if len(people) < body.quorum:
            text = f"{body.name} needs {body.quorum} people and has {len(people)} in office on {day}"
            yield document.problem(CODE, text, "bodies", body.id, "quorum")


def _reach(charter: Charter, document: Document, day: date) -> Iterator[Problem]:
    """Rules that could not be met even if everybody approved. Whoever proposes has no vote, so one more is wanted."""
    for need in charter.needs.values():
        body = charter.bodies.get(need.body)
        if body is None:
            continue
        voters = charter.voters(body, day)
        there = _different(charter, need, voters)
        if need.rule == APPROVALS and there < need.approvals:
            text = f"{need.kind} needs approvals by {need.approvals} {need.different}, and {body.name} has {there}"
            yield document.problem(CODE, text, "needs", need.kind, "approvals")
        if need.families and not any(m.represents == FAMILIES and m.in_office(day) for m in charter.members.values()):
            text = f"{need.kind} asks families, and nobody in office represents them"
            yield document.problem(CODE, text, "needs", need.kind, "families")


def _different(charter: Charter, need: Need, voters: Sequence[Member]) -> int:
    if need.different == PARTNERS:
        return len({member.speaks_for for member in voters})
    return len({charter.person(member.id) for member in voters})


def _added(declared: DeclaredCharters, known: Collection[str]) -> Iterator[Problem]:
    bodies = {body for charter in declared.charters.versions for body in charter.bodies}
    own = {name for document in declared.documents.values() for name in document.data["members"]}
    seen: set[str] = set()
    for member, seats, document in declared.members:
        yield from _member(member, document, known)
        if member.id in own or member.id in seen:
            yield document.problem(CODE, f"there is a member {member.id} already", "members", member.id)
        seen.add(member.id)
        for index, seat in enumerate(seats):
            if seat not in bodies:
                yield document.problem(CODE, f"there is no body {seat}", "members", member.id, "bodies", index)
