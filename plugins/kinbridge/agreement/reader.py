"""Reads `agreements/*.yaml` and `use_cases/*.yaml` of every include folder.

A file that cannot be read whole is never read in part: it yields problems and no agreement. `read_declared`
collects the problems; `read_agreements` and `read_use_cases` raise the first, since a run must not go on
without knowing all that was agreed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from kinbridge.agreement.model import Agreement, OpenPgp, Party, Signature, UseCase
from kinbridge.declaration.document import Document, DocumentError, Key, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

AGREEMENT_KINDS = ("data_use_agreement",)
# OpenPGP keys of version 4 and of version 6 (RFC 9580, 5.5.4).
FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
USE_CASE_STATUSES = ("proposed", "approved", "retired")


@dataclass(frozen=True)
class Declared:
    """What was read: each agreement and use case with its document, and every problem with the shape of a
    file."""

    agreements: list[tuple[Agreement, Document]]
    use_cases: list[tuple[UseCase, Document]]
    problems: list[Problem]


def read_agreements(folders: Sequence[Path] | None = None) -> list[Agreement]:
    """Every agreement of the include folders, sorted by path within each.

    Raises `KinbridgeError` KB-A06 naming the first file and line that is not a whole agreement: a run that
    cannot read all of what was agreed does not know what is forbidden.
    """
    declared = read_declared(folders)
    _raise_first("agreements", declared)
    return [agreement for agreement, _ in declared.agreements]


def read_use_cases(folders: Sequence[Path] | None = None) -> list[UseCase]:
    """Every use case of the include folders, sorted by path within each. Raises like `read_agreements`."""
    declared = read_declared(folders)
    _raise_first("use_cases", declared)
    return [use_case for use_case, _ in declared.use_cases]


def read_declared(folders: Sequence[Path] | None = None) -> Declared:
    """Agreements and use cases of the folders (by default the include folders) with all problems of shape."""
    declared = Declared([], [], [])
    for folder in include_folders() if folders is None else folders:
        for path in sorted((folder / "agreements").glob("*.yaml")):
            reader = _reader(path, declared)
            agreement = _agreement(reader) if reader else None
            if reader and agreement and not reader.problems:
                declared.agreements.append((agreement, reader.document))
            declared.problems.extend(reader.problems if reader else [])
        for path in sorted((folder / "use_cases").glob("*.yaml")):
            reader = _reader(path, declared)
            use_case = _use_case(reader) if reader else None
            if reader and use_case and not reader.problems:
                declared.use_cases.append((use_case, reader.document))
            declared.problems.extend(reader.problems if reader else [])
    return declared


def _raise_first(folder: str, declared: Declared) -> None:
    for problem in declared.problems:
        if problem.path.parent.name == folder:
            raise KinbridgeError("KB-A06", path=problem.path, line=problem.line, problem=problem.text)


def _reader(path: Path, declared: Declared) -> _Reader | None:
    try:
        return _Reader(read_document(path))
    except DocumentError as error:
        declared.problems.append(error.problem)
        return None


@dataclass
class _Reader:
    """Takes required values out of one document; what is missing or of the wrong kind becomes a problem
    (KB-C20)."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def value(self, *where: Key) -> Any:
        found: Any = self.document.data
        for key in where:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def refuse(self, text: str, *where: Key) -> None:
        self.problems.append(self.document.problem("KB-C20", text, *where))

    def text(self, *where: Key) -> str:
        found = self.value(*where)
        if isinstance(found, str) and found.strip():
            return found.strip()
        self.refuse(f"{_name(where)} is required, as text", *where)
        return ""

    def texts(self, *where: Key) -> tuple[str, ...]:
        found = self.value(*where)
        if isinstance(found, list) and found and all(isinstance(item, str) for item in found):
            for index, item in enumerate(found):
                if item in found[:index]:
                    self.refuse(f"{_name(where)} names {item!r} twice", *where, index)
            return tuple(found)
        self.refuse(f"{_name(where)} is required, as a list of names", *where)
        return ()

    def day(self, *where: Key) -> date:
        found = self.value(*where)
        if isinstance(found, date) and not isinstance(found, datetime):
            return found
        self.refuse(f"{_name(where)} is required, as a day such as 2026-01-31", *where)
        return date.min

    def whole(self, *where: Key, least: int) -> int:
        found = self.value(*where)
        if isinstance(found, int) and not isinstance(found, bool) and found >= least:
            return found
        self.refuse(f"{_name(where)} is required, as a whole number from {least}", *where)
        return 0

    def choice(self, options: tuple[str, ...], *where: Key) -> str:
        found = self.text(*where)
        if found and found not in options:
            self.refuse(f"{_name(where)} must be one of {', '.join(options)}", *where)
        return found

    def items(self, *where: Key) -> Iterator[int]:
        found = self.value(*where)
        if isinstance(found, list) and found:
            yield from range(len(found))
        else:
            self.refuse(f"{_name(where)} is required, as a list", *where)


def _name(where: tuple[Key, ...]) -> str:
    return ".".join(str(key) for key in where)


def _agreement(read: _Reader) -> Agreement:
    read.choice(AGREEMENT_KINDS, "kind")
    for index in read.items("legal_basis"):
        read.text("legal_basis", index, "citation")
        read.text("legal_basis", index, "what")
    read.text("transmission", "channel")
    read.whole("retention", "files_days", least=0)
    read.whole("retention", "records_months", least=0)
    read.whole("destruction", "within_days", least=0)
    read.text("destruction", "method")
    read.text("redisclosure")
    read.text("breach", "contact")
    read.text("breach", "email")
    read.whole("breach", "within_hours", least=1)
    read.text("consent", "rule")
    return Agreement(
        id=read.text("id"),
        version=read.text("version"),
        title=read.text("title"),
        contributor=_party(read, "contributor"),
        recipient=_party(read, "recipient"),
        use_cases=read.texts("use_cases"),
        feeds=_feeds(read),
        effective=read.day("effective"),
        expires=read.day("expires"),
        signatures=tuple(_signature(read, index) for index in read.items("signatures")),
        small_cell_minimum=read.whole("small_cells", "minimum", least=1),
        path=read.document.path,
        openpgp=_openpgp(read),
    )


def _party(read: _Reader, role: str) -> Party:
    return Party(read.text("parties", role, "code"), read.text("parties", role, "name"))


def _openpgp(read: _Reader) -> OpenPgp | None:
    """`transmission.openpgp`. A mistake there must never leave files unprotected, so the agreement is not read."""
    where: tuple[Key, ...] = ("transmission", "openpgp")
    if not isinstance(read.value("transmission"), dict) or "openpgp" not in read.value("transmission"):
        return None
    given = read.value(*where)
    if not isinstance(given, dict) or set(given) != {"signed_by", "encrypted"}:
        read.refuse("transmission.openpgp is {signed_by: [fingerprints], encrypted: true or false}", *where)
        return None
    fingerprints = tuple(re.sub(r"\s", "", text).upper() for text in read.texts(*where, "signed_by"))
    for index, fingerprint in enumerate(fingerprints):
        if not FINGERPRINT.fullmatch(fingerprint):
            text = "a full fingerprint has 40 or 64 hexadecimal digits; shorter key ids can be forged"
            read.refuse(text, *where, "signed_by", index)
    if not isinstance(given["encrypted"], bool):
        read.refuse("transmission.openpgp.encrypted is true or false", *where, "encrypted")
    return OpenPgp(fingerprints, bool(given["encrypted"]))


def _feeds(read: _Reader) -> dict[str, frozenset[str]]:
    feeds = read.value("feeds")
    if not isinstance(feeds, dict) or not feeds:
        read.refuse("feeds is required, as a mapping of feeds to their elements", "feeds")
        return {}
    return {str(feed): frozenset(read.texts("feeds", feed, "elements")) for feed in feeds}


def _signature(read: _Reader, index: int) -> Signature:
    where: tuple[Key, ...] = ("signatures", index)
    # A signature that is still wanted is written down with `signed` empty, and the gate stays shut.
    wanted = isinstance(read.value(*where), dict) and read.value(*where, "signed") is None
    return Signature(
        party=read.text(*where, "party"),
        name=read.text(*where, "name"),
        title=read.text(*where, "title"),
        authority=read.text(*where, "authority"),
        signed=None if wanted else read.day(*where, "signed"),
    )


def _use_case(read: _Reader) -> UseCase:
    read.texts("goals")
    read.text("population")
    read.text("consent")
    benefits = read.value("benefits")
    if not isinstance(benefits, dict) or not benefits:
        read.refuse("benefits is required, as a mapping of partners to what they gain", "benefits")
    else:
        for partner in benefits:
            read.text("benefits", partner)
    return UseCase(
        id=read.text("id"),
        question=read.text("question"),
        status=read.choice(USE_CASE_STATUSES, "status"),
        elements=read.texts("elements"),
        outputs=read.texts("outputs"),
        path=read.document.path,
    )
