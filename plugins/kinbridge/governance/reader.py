"""Reads `governance/charter*.yaml`, and `governance/members/*.yaml` by which further members take a seat.

The charter is that of the first include folder that has one; its earlier versions stand beside it, so that an old
decision is held against the charter of its day. Members may be added in every folder: a new partner brings its own. A
file that cannot be read whole is never read in part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.declaration.document import Document, DocumentError, Key, Problem, read_document
from kinbridge.declaration.shape import Shape
from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import (
    APPROVALS,
    FAMILIES,
    KINDS,
    PARTNERS,
    PEOPLE,
    RULES,
    Body,
    Charter,
    Charters,
    Member,
    Need,
)
from kinbridge.governance.digest import digest_of
from kinbridge.settings import include_folders

CODE = "KB-G01"
FOLDER = "governance"


@dataclass(frozen=True)
class DeclaredCharters:
    """What was read, each charter with its document, and every problem of shape."""

    charters: Charters
    documents: dict[str, Document]
    members: tuple[tuple[Member, tuple[str, ...], Document], ...]
    problems: tuple[Problem, ...]


def read_charters(folders: Sequence[Path] | None = None) -> Charters:
    """Every version of the charter; none where no folder has one.

    Raises `KinbridgeError` KB-G01 naming the first file and line that cannot be used.
    """
    declared = read_declared_charters(folders)
    raise_first(declared.problems)
    return declared.charters


def charter_on(day: date, folders: Sequence[Path] | None = None) -> Charter:
    """The charter in force on that day. Raises KB-G01, and KB-G10 when there is none."""
    charter = read_charters(folders).on(day)
    if charter is None:
        raise KinbridgeError("KB-G10", day=day.isoformat())
    return charter


def voters_on(kind: str, day: date, folders: Sequence[Path] | None = None) -> list[Member]:
    """Who may decide on this kind of thing on that day; nobody where the charter does not say. Raises KB-G01."""
    charter = read_charters(folders).on(day)
    need = charter.needs.get(kind) if charter else None
    body = charter.bodies.get(need.body) if charter and need else None
    return charter.voters(body, day) if charter and body else []


def read_declared_charters(folders: Sequence[Path] | None = None) -> DeclaredCharters:
    """Charters and added members of the folders (by default the include folders), with all problems of shape."""
    everywhere = list(include_folders() if folders is None else folders)
    problems: list[Problem] = []
    added = [one for folder in everywhere for one in _added(folder, problems)]
    versions: list[Charter] = []
    documents: dict[str, Document] = {}
    for path in _charter_paths(everywhere):
        document = _document(path, problems)
        if document is None:
            continue
        read = Shape(document, code=CODE)
        charter = _charter(read)
        problems.extend(read.problems)
        if charter.version in documents:
            problems.append(document.problem(CODE, f"the charter {charter.version} is declared twice", "version"))
        elif not read.problems:
            versions.append(_with_added(charter, added))
            documents[charter.version] = document
    return DeclaredCharters(Charters(tuple(versions)), documents, tuple(added), tuple(problems))


def raise_first(problems: Sequence[Problem]) -> None:
    """Raise KB-G01 for the first of the problems, if there is any."""
    for problem in problems:
        raise KinbridgeError(CODE, path=problem.path, line=problem.line, problem=problem.text)


def _charter_paths(folders: Sequence[Path]) -> list[Path]:
    found = (sorted((folder / FOLDER).glob("charter*.yaml")) for folder in folders)
    return next((paths for paths in found if paths), [])


def _document(path: Path, problems: list[Problem]) -> Document | None:
    try:
        return read_document(path)
    except DocumentError as error:
        problems.append(replace(error.problem, code=CODE))
        return None


def _charter(read: Shape) -> Charter:
    return Charter(
        version=read.text("version"),
        effective=read.day("effective"),
        bodies={name: _body(read, name) for name in read.names("bodies")},
        members={name: _member(read, name, "members", name) for name in read.names("members")},
        needs={kind: _need(read, kind) for kind in read.names("needs")},
        digest=digest_of(_constitution(read.document.data)),
        path=read.document.path,
    )


def _constitution(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an open proposal relies on: rules and quorums. Who sits where changes with terms and elections."""
    bodies = data.get("bodies")
    quorums = {
        name: body.get("quorum")
        for name, body in (bodies.items() if isinstance(bodies, dict) else ())
        if isinstance(body, dict)
    }
    return {"version": data.get("version"), "needs": data.get("needs"), "quorums": quorums}


def _body(read: Shape, name: str) -> Body:
    where = ("bodies", name)
    return Body(
        id=name,
        name=read.text(*where, "name"),
        quorum=read.whole(*where, "quorum", least=1),
        members=read.texts(*where, "members"),
        advisers=read.optional_texts(*where, "advisers"),
    )


def _member(read: Shape, name: str, *where: Key) -> Member:
    represents = read.value(*where, "represents")
    if represents not in (None, FAMILIES):
        read.refuse(f"represents is {FAMILIES}, or is left out", *where, "represents")
    return Member(
        id=name,
        name=read.text(*where, "name"),
        partner=(read.optional_text if represents else read.text)(*where, "partner") or None,
        email=read.text(*where, "email"),
        login=read.optional_text(*where, "login") or None,
        first=read.day(*where, "from"),
        last=None if read.value(*where, "until") is None else read.day(*where, "until"),
        represents=represents,
        login_id=read.optional_text(*where, "login_id") or None,
    )


def _need(read: Shape, kind: str) -> Need:
    where = ("needs", kind)
    if kind not in KINDS:
        read.refuse(f"{kind} is no kind of proposal; the kinds are {', '.join(KINDS)}", *where)
    rule = read.choice(RULES, *where, "rule")
    given = read.value(*where)
    known = {"body", "rule", "days", "families", "own_partner"} | (
        {"approvals", "different"} if rule == APPROVALS else set()
    )
    for name in given if isinstance(given, dict) else ():
        if name not in known:
            read.refuse(f"{name} says nothing here", *where, name)
    return Need(
        kind=kind,
        body=read.text(*where, "body"),
        rule=rule,
        days=read.whole(*where, "days", least=1),
        approvals=read.whole(*where, "approvals", least=1) if rule == APPROVALS else 1,
        different=read.choice((PEOPLE, PARTNERS), *where, "different") if rule == APPROVALS else PEOPLE,
        families=read.flag(*where, "families", default=False),
        own_partner=read.flag(*where, "own_partner", default=False),
    )


def _added(folder: Path, problems: list[Problem]) -> Iterator[tuple[Member, tuple[str, ...], Document]]:
    """The members that a folder adds, each with the bodies in which it has a seat."""
    for path in sorted((folder / FOLDER / "members").glob("*.yaml")):
        document = _document(path, problems)
        if document is None:
            continue
        read = Shape(document, code=CODE)
        found = [
            (_member(read, name, "members", name), read.texts("members", name, "bodies"), document)
            for name in read.names("members")
        ]
        problems.extend(read.problems)
        if not read.problems:
            yield from found


def _with_added(charter: Charter, added: Sequence[tuple[Member, tuple[str, ...], Document]]) -> Charter:
    """The charter with the added members seated. A member of the charter itself is never replaced by an added one."""
    members, bodies = dict(charter.members), dict(charter.bodies)
    for member, seats, _ in added:
        if member.id in members:
            continue
        members[member.id] = member
        for seat in seats:
            if seat in bodies:
                bodies[seat] = replace(bodies[seat], members=(*bodies[seat].members, member.id))
    return replace(charter, members=members, bodies=bodies)
