"""How declared agreements hang together: amendments, memoranda, feeds that two of them cover, feeds kept apart. Pure.

Every mistake becomes a problem with file and line; nothing is decided here for a day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from kinbridge.agreement.force import Force, force
from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.agreement.reader import Declared
from kinbridge.decision.approvals import Approvals
from kinbridge.declaration.document import Document, Problem


def tie_problems(declared: Declared, feeds: Collection[str]) -> Iterator[Problem]:
    """What is wrong between agreements; `feeds` are those that contracts declare.

    KB-C27 two agreements contradict each other; KB-C54 an amendment of nothing; KB-C55 a memorandum that is not there
    or does not name the contributor; KB-C57 a feed kept apart from one that nobody declares; KB-C58 linked for a use
    case that the agreement does not name.
    """
    every = force((agreement for agreement, _ in declared.agreements), Approvals())
    for agreement, document in declared.agreements:
        yield from _amends(agreement, document, every)
        yield from _under(agreement, document, every)
        for index, feed in enumerate(agreement.linkage.not_with):
            if feed not in feeds:
                yield document.problem("KB-C57", f"no contract declares {feed}", "linkage", "not_with", index)
        for index, use_case in enumerate(agreement.linkage.use_cases or ()):
            if use_case not in agreement.use_cases:
                text = f"use_cases does not name {use_case}"
                yield document.problem("KB-C58", text, "linkage", "use_cases", index)
    yield from _conflicts(declared, every)


def _amends(agreement: Agreement, document: Document, every: Force) -> Iterator[Problem]:
    if agreement.amends is None:
        return
    if agreement.amends == agreement.version:
        yield document.problem("KB-C54", "a version does not amend itself", "amends")
        return
    amended = [one for one in every.versions(agreement) if one.version == agreement.amends]
    if not amended:
        yield document.problem("KB-C54", f"there is no {agreement.id} {agreement.amends}", "amends")
    for one in amended:
        if one.kind is not agreement.kind or one.contributor.code != agreement.contributor.code:
            yield document.problem("KB-C54", f"{one.name} is of another kind or another contributor", "amends")
        elif one.recipient.code != agreement.recipient.code:
            yield document.problem("KB-C54", f"{one.name} has another recipient", "amends")
        elif agreement.effective < one.effective:
            yield document.problem("KB-C54", f"it begins before {one.name}, which it amends", "effective")
    if agreement.version in every.ancestors(agreement, itself=True):
        yield document.problem("KB-C54", "its versions amend each other in a circle", "amends")


def _under(agreement: Agreement, document: Document, every: Force) -> Iterator[Problem]:
    if agreement.under is None:
        return
    found = [one for one in every.of(agreement.under) if one.kind is AgreementKind.MEMORANDUM]
    if agreement.kind is AgreementKind.MEMORANDUM:
        yield document.problem("KB-C55", "a memorandum stands under no other", "under")
    elif not found:
        yield document.problem("KB-C55", f"there is no memorandum {agreement.under}", "under")
    elif not any(agreement.contributor.code in {party.code for party in one.parties} for one in found):
        text = f"the contributor {agreement.contributor.code} is no party of {agreement.under}"
        yield document.problem("KB-C55", text, "under")


def _conflicts(declared: Declared, every: Force) -> Iterator[Problem]:
    """Two agreements that would shut the gate together (KB-A05), and two files of one name."""
    seen: dict[str, list[Agreement]] = {}
    versions: dict[tuple[str, str], Path] = {}
    for agreement, document in declared.agreements:
        version = (agreement.id, agreement.version)
        if version in versions:
            text = f"{agreement.name} is declared in {versions[version].name} already"
            yield document.problem("KB-C27", text, "id")
        versions.setdefault(version, agreement.path)
        for subject, where in _subjects(agreement):
            for other in seen.get(subject, []):
                overlap = other.effective <= agreement.expires and agreement.effective <= other.expires
                if overlap and not every.related(agreement, other):
                    text = f"{subject} is covered for some of the same days by {other.name}"
                    yield document.problem("KB-C27", text, *where)
            seen.setdefault(subject, []).append(agreement)


def _subjects(agreement: Agreement) -> Iterator[tuple[str, tuple[str, str]]]:
    for feed in agreement.feeds:
        yield feed, ("feeds", feed)
    for use_case in agreement.releases:
        yield f"the release to {agreement.recipient.code} for {use_case}", ("releases", use_case)
