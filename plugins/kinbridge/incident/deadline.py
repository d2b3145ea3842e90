"""Deadlines of notices: `include/incidents/deadlines.yaml`, read, checked, and applied to what is affected.

Not legal advice, and says so: counsel edits the file. Where it cannot be told which law binds, all of them count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from kinbridge.agreement.model import Agreement
from kinbridge.declaration.clause import near
from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

ANY = "any"
ADDRESSEES = ("partner", "families", "regulator", "media")


@dataclass(frozen=True)
class Deadline:
    """One duty to tell: which classes of data it binds, whom it is owed to, within how many days of discovery, and from
    how many persons on."""

    id: str
    citation: str
    what: str
    applies: frozenset[str]
    to: str
    days: int
    persons: int
    regulator: str
    place: str

    @property
    def clause(self) -> str:
        """As notices name it."""
        return f"{self.citation} ({self.place})"


@dataclass(frozen=True)
class Owed:
    """One notice that is owed: to whom (`partner medicaid`, `families`, …), by when, under which clauses."""

    addressee: str
    due_at: datetime
    clauses: tuple[str, ...]


def read_deadlines(folders: list[Path] | None = None) -> list[Deadline]:
    """All deadlines. Raises `KinbridgeError` KB-I03 with file and line."""
    path = _path(folders)
    try:
        document = read_document(path)
    except FileNotFoundError:
        raise KinbridgeError("KB-I03", path=near(path), line=1, problem="there is no such file") from None
    except DocumentError as error:
        raise KinbridgeError("KB-I03", path=near(path), line=error.problem.line, problem=error.problem.text) from None
    for problem in _problems(document):
        raise KinbridgeError("KB-I03", path=near(path), line=problem.line, problem=problem.text)
    return [
        Deadline(
            one["id"],
            one["citation"],
            one["what"],
            frozenset(one["applies"]),
            one["to"],
            one["days"],
            one.get("persons", 1),
            one.get("regulator", ""),
            f"{near(path)}:{document.line('deadlines', index)}",
        )
        for index, one in enumerate(document.data["deadlines"])
    ]


def check_deadlines(classes: Collection[str], folders: list[Path] | None = None) -> list[Problem]:
    """Every mistake in the deadlines, for `kinbridge check`. `classes` are those of include/laws/classes.yaml."""
    path = _path(folders)
    try:
        document = read_document(path)
    except FileNotFoundError:
        return [Problem("KB-I03", path, 1, "there is no such file")]
    except DocumentError as error:
        return [error.problem]
    return list(_problems(document, classes))


def owed(
    deadlines: Iterable[Deadline],
    agreements: Iterable[Agreement],
    persons: Mapping[str, int],
    classes: Mapping[str, frozenset[str]],
    discovered: datetime,
) -> list[Owed]:
    """The notices that are owed, the most urgent first.

    `persons` are counts by feed, `classes` the classes of data of each feed; a feed without a class is bound by all.
    Each partner is told within the hours of its agreement, whatever a law allows besides.
    """
    found: dict[str, list[tuple[datetime, str]]] = {}
    for agreement in agreements:
        if not set(agreement.feeds) & set(persons):
            continue
        hours = agreement.breach.within_hours
        if hours is not None:
            clause = str(agreement.clause("breach", "within_hours"))
            due = (discovered + timedelta(hours=hours), clause)
            found.setdefault(f"partner {agreement.contributor.code}", []).append(due)
    for deadline in deadlines:
        bound = {feed for feed in persons if _binds(deadline, classes.get(feed, frozenset()))}
        if not bound or sum(persons[feed] for feed in bound) < deadline.persons:
            continue
        entry = (discovered + timedelta(days=deadline.days), deadline.clause)
        for addressee in _addressees(deadline, bound):
            found.setdefault(addressee, []).append(entry)
    notices = [
        Owed(addressee, min(due for due, _ in entries), tuple(dict.fromkeys(clause for _, clause in sorted(entries))))
        for addressee, entries in found.items()
    ]
    return sorted(notices, key=lambda notice: (notice.due_at, notice.addressee))


def _binds(deadline: Deadline, classes: frozenset[str]) -> bool:
    return ANY in deadline.applies or not classes or bool(deadline.applies & classes)


def _addressees(deadline: Deadline, feeds: Collection[str]) -> list[str]:
    if deadline.to == "partner":
        return sorted({f"partner {feed.split('/', 1)[0]}" for feed in feeds})
    return [f"regulator {deadline.regulator}"] if deadline.to == "regulator" else [deadline.to]


def _path(folders: list[Path] | None) -> Path:
    given = include_folders() if folders is None else folders
    found = (folder / "incidents" / "deadlines.yaml" for folder in [*given[1:], given[0]])
    return next((path for path in found if path.is_file()), given[0] / "incidents" / "deadlines.yaml")


def _problems(document: Document, classes: Collection[str] | None = None) -> Iterator[Problem]:
    listed = document.data.get("deadlines")
    if not isinstance(listed, list) or not listed:
        yield document.problem("KB-I03", "`deadlines` is a list", "deadlines")
        return
    for index, one in enumerate(listed):
        where = ("deadlines", index)
        if not isinstance(one, dict):
            yield document.problem("KB-I03", "a deadline is a mapping", *where)
            continue
        for name in ("id", "citation", "what"):
            if not isinstance(one.get(name), str) or not one[name].strip():
                yield document.problem("KB-I03", f"a deadline has `{name}`", *where)
        if one.get("to") not in ADDRESSEES:
            yield document.problem("KB-I03", f"`to` is one of {', '.join(ADDRESSEES)}", *where, "to")
        if one.get("to") == "regulator" and not one.get("regulator"):
            yield document.problem("KB-I03", "a notice to a regulator names it as `regulator`", *where)
        for name in ("days", "persons"):
            value = one.get(name, 1 if name == "persons" else None)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                yield document.problem("KB-I03", f"`{name}` is a whole number", *where, name)
        applies = one.get("applies")
        if not isinstance(applies, list) or not applies or not all(isinstance(name, str) for name in applies):
            yield document.problem("KB-I03", "`applies` lists classes of data, or any", *where, "applies")
        elif classes is not None:
            for name in applies:
                if name != ANY and name not in classes:
                    yield document.problem("KB-I03", f"there is no class {name}", *where, "applies")
