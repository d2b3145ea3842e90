"""What a law's file says, as plain values: its clauses, what each applies to, and what it demands.

Pure. Nothing here reads files or decides which clause wins.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from kinbridge.law.demand import Kind, Value


@dataclass(frozen=True)
class Scope:
    """What a clause applies to: classes of data and roles of recipients (none named: all of them), and actions.

    `unless_cited`: the clause gives way where the agreement that governs the action stands on one of these citations.
    `where_cited`: it applies only where the agreement stands on one of these.
    """

    classes: frozenset[str]
    actions: frozenset[str]
    roles: frozenset[str] = frozenset()
    unless_cited: tuple[str, ...] = ()
    where_cited: tuple[str, ...] = ()

    def touches(self, classes: Collection[str], action: str, role: str | None = None) -> bool:
        """Whether data of these classes are concerned. Of a recipient whose role is not told, every role is assumed."""
        return (
            action in self.actions
            and (not self.classes or not self.classes.isdisjoint(classes))
            and (not self.roles or role is None or role in self.roles)
        )


@dataclass(frozen=True)
class LawClause:
    """One clause: where it is written, what it says in our own words, and what it demands.

    `force` is `law`, `guidance` (an agency's policy that binds by custom or grant) or `office` (our own fallback).
    `lines` tells where each demand stands.
    """

    law_id: str
    id: str
    citation: str
    summary: str
    force: str
    scope: Scope
    demands: Mapping[Kind, Value]
    path: Path
    line: int
    lines: Mapping[Kind, int] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Law:
    """One law's file. `governs` are the classes of data that an agreement gives its feeds by naming the law.

    `as_of` is the day up to which its text was read; `reviewed` who of counsel reviewed it, empty while nobody has.
    """

    id: str
    title: str
    citation: str
    as_of: date
    reviewed: str
    note: str
    governs: frozenset[str]
    clauses: tuple[LawClause, ...]
    path: Path


@dataclass(frozen=True)
class Trait:
    """What an element can tell of a person: classes of data, how fine a place or date, and whether it tells an age."""

    classes: frozenset[str] = frozenset()
    geography: str | None = None
    dates: str | None = None
    ages: bool = False


@dataclass(frozen=True)
class Classification:
    """Which classes of data touch what. `feeds` may name a whole partner; `elements` a whole entity.

    `fallback` are the clauses for whatever has no class: nobody has said yet which law binds it.
    """

    meanings: Mapping[str, str]
    feeds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    programs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    elements: Mapping[str, Trait] = field(default_factory=dict)
    fallback: tuple[LawClause, ...] = ()

    def of_feed(self, feed: str) -> frozenset[str]:
        """Classes of a feed: its own and those of its partner's feeds in general."""
        return self.feeds.get(feed, frozenset()) | self.feeds.get(feed.split("/", 1)[0], frozenset())

    def of_element(self, element: str) -> Trait | None:
        """What the element can tell: its own entry, or its entity's; None when neither is declared."""
        entity = element.split(".", 1)[0]
        own, whole = self.elements.get(element), self.elements.get(entity)
        if own is None or whole is None:
            return own or whole
        return Trait(own.classes | whole.classes, own.geography, own.dates, own.ages)


@dataclass(frozen=True)
class Laws:
    """All laws and the classification, as read together."""

    laws: tuple[Law, ...]
    classification: Classification

    @property
    def by_id(self) -> dict[str, Law]:
        """The laws by their id."""
        return {law.id: law for law in self.laws}


def cited(citations: Collection[str], wanted: Collection[str]) -> str | None:
    """The first of the wanted citations that is among those given, or is the paragraph above one; None without one.

    `34 CFR 99.31(a)(6)` is met by itself and by `34 CFR 99.31(a)(6)(iii)`, not by `34 CFR 99.31(a)`.
    """
    given = [_plain(citation) for citation in citations]
    for want in wanted:
        plain = _plain(want)
        if any(one == plain or one.startswith(f"{plain}(") for one in given):
            return want
    return None


def _plain(citation: str) -> str:
    return re.sub(r"\s+", " ", citation.replace("§", " ")).strip().casefold()
