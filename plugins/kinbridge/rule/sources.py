"""Who is bound by what: the demands of laws, agreements and the office on a feed, program or release, by action.

Pure, given what was declared. A law's clause binds a feed by a class of data that the feed has, or because the feed's
agreement names the law; what has no class is bound by the fallback. A clause gives way to an exception only where the
agreement in force over that action stands on it. An agreement that has run out binds what came under it, and lifts
nothing. Adding a law, a clause or a class can only tighten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from kinbridge.agreement.force import Force, State
from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.declaration.clause import Clause
from kinbridge.law.demand import LADDERS, Kind, Value
from kinbridge.law.model import LawClause, Laws, cited
from kinbridge.rule.model import Demand, Lifted, Source
from kinbridge.settings import include_folders
from kinbridge.use_case.model import UseCase

# Actions inside the house, as against giving rows to somebody.
INSIDE = ("collect", "link", "publish")
RELEASE = "release"
# The states of an agreement that once held: what came under it stays bound by it.
ONCE_HELD = (State.EXPIRED, State.UNAPPROVED, State.CHANGED, State.NO_MEMORANDUM)


@dataclass(frozen=True)
class Grounds:
    """All that rules are worked out from: laws, agreements with the decisions on them, and the office's own demands
    (each with the actions to which it applies)."""

    laws: Laws
    agreements: Force
    office: tuple[tuple[frozenset[str], Demand], ...] = ()

    def over(self, feed: str, day: date) -> tuple[tuple[Agreement, bool], ...]:
        """The agreements that bind the feed's data that day, each with whether it is in force.

        Those in force; where none is, those that were signed and have begun, since they bind what came under them.
        """
        partner = feed.split("/", 1)[0]
        naming = [one for one in self.agreements.agreements if feed in one.feeds and one.contributor.code == partner]
        states = [(one, self.agreements.standing(one, day).state) for one in naming]
        held = [(one, True) for one, state in states if state is State.IN_FORCE]
        begun = [
            (one, False)
            for one, state in states
            if state in ONCE_HELD and one.effective <= day and not one.unsigned(min(day, one.expires))
        ]
        return tuple(held or begun)

    def to(self, recipient: str, day: date) -> tuple[Agreement, ...]:
        """The release agreements in force with the recipient."""
        return tuple(
            one
            for one in self.agreements.agreements
            if one.kind is AgreementKind.RELEASE
            and one.recipient.code == recipient
            and self.agreements.standing(one, day).in_force
        )


@dataclass(frozen=True)
class Subject:
    """What is asked about: classes of data, laws named by agreements, whether it has no class, and by whom (`about`).

    `standing_on` are the agreements on whose legal basis an exception may be claimed.
    """

    about: str
    action: str
    classes: frozenset[str]
    named: frozenset[str] = frozenset()
    role: str | None = None
    standing_on: tuple[Agreement, ...] = field(default=(), repr=False)


def demands_of_laws(laws: Laws, subject: Subject) -> Iterator[Demand | Lifted]:
    """What the laws demand of the subject, and which clauses were lifted."""
    for law in laws.laws:
        for clause in law.clauses:
            by_name = law.id in subject.named
            classes = subject.classes | (clause.scope.classes if by_name else frozenset())
            if not clause.scope.touches(classes, subject.action, subject.role):
                continue
            touching = sorted(clause.scope.classes & subject.classes) or (["named by its agreement"] if by_name else [])
            about = f"{subject.about}: {', '.join(touching) or 'any data'}"
            yield from _of_clause(clause, about, subject.standing_on)


def demands_of_fallback(laws: Laws, subject: Subject) -> Iterator[Demand | Lifted]:
    """What holds for something of which nobody has said which law binds it. Nothing lifts it."""
    for clause in laws.classification.fallback:
        if clause.scope.touches(clause.scope.classes, subject.action, subject.role):
            yield from _demands(clause, f"{subject.about}: no class")


def _of_clause(clause: LawClause, about: str, agreements: Iterable[Agreement]) -> Iterator[Demand | Lifted]:
    scope = clause.scope
    if scope.where_cited and _claim(agreements, scope.where_cited) is None:
        return
    claimed = _claim(agreements, scope.unless_cited)
    if claimed is None:
        yield from _demands(clause, about)
        return
    agreement, index, citation = claimed
    by = _agreed(agreement, agreement.clause("legal_basis", index), citation=agreement.legal_basis[index].citation)
    yield Lifted(_source(clause, clause.line, about), citation, by)


def _claim(agreements: Iterable[Agreement], wanted: Collection[str]) -> tuple[Agreement, int, str] | None:
    """The first agreement, and the place in its legal basis, that stands on one of the citations."""
    for agreement in agreements if wanted else ():
        for index, basis in enumerate(agreement.legal_basis):
            found = cited([basis.citation], wanted)
            if found is not None:
                return agreement, index, found
    return None


def _demands(clause: LawClause, about: str) -> Iterator[Demand]:
    for kind, value in clause.demands.items():
        yield Demand(kind, value, _source(clause, clause.lines.get(kind, clause.line), about))


def _source(clause: LawClause, line: int, about: str) -> Source:
    return Source(clause.force, clause.law_id, clause.id, clause.citation, clause.path, line, about)


def demands_of_agreement(agreement: Agreement, action: str, feed: str) -> Iterator[Demand]:
    """What a data use agreement demands of the feed's data under one action."""

    def demand(kind: Kind, value: Value, *where: str | int) -> Demand:
        return Demand(kind, value, _agreed(agreement, agreement.clause(*where), about=feed))

    if action in {"publish", RELEASE}:
        yield demand(Kind.MINIMUM_CELL, agreement.small_cell_minimum, "small_cells", "minimum")
    if action in {"link", "publish", RELEASE} and agreement.consent.rule in LADDERS[Kind.CONSENT]:
        yield demand(Kind.CONSENT, agreement.consent.rule, "consent", "rule")
    if action == "link":
        if not agreement.linkage.allowed:
            yield demand(Kind.LINKAGE, "forbidden", "linkage", "allowed")
        elif agreement.linkage.not_with:
            yield demand(Kind.LINKAGE, "with_agreement", "linkage", "not_with")
    if action == "collect" and agreement.retention.records_months:
        yield demand(Kind.RETENTION_MONTHS, agreement.retention.records_months, "retention", "records_months")
    if action == RELEASE:
        named = agreement.redisclosure.recipients
        yield demand(Kind.REDISCLOSURE, "named_recipients" if named else "none", "redisclosure")
        yield demand(Kind.NAMED_RECIPIENTS, frozenset(named), "redisclosure")


def demands_of_release_agreement(agreement: Agreement) -> Iterator[Demand]:
    """What a release agreement demands of what goes out under it."""
    clause = agreement.clause("small_cells", "minimum")
    yield Demand(Kind.MINIMUM_CELL, agreement.small_cell_minimum, _agreed(agreement, clause, about="the release"))
    if agreement.consent.rule in LADDERS[Kind.CONSENT]:
        clause = agreement.clause("consent", "rule")
        yield Demand(Kind.CONSENT, agreement.consent.rule, _agreed(agreement, clause, about="the release"))


def demands_of_use_case(use_case: UseCase, action: str) -> Iterator[Demand]:
    """What a use case asks of whatever serves it."""
    if action in {"link", "publish", RELEASE} and use_case.consent.rule in LADDERS[Kind.CONSENT]:
        clause = use_case.clause("consent", "rule")
        name = f"{use_case.id} {use_case.version}".strip()
        source = Source("use case", name, clause.name, "", clause.path, clause.line, "the use case")
        yield Demand(Kind.CONSENT, use_case.consent.rule, source)


def demands_without_agreement(action: str, feed: str) -> Iterator[Demand]:
    """What holds for a feed that no agreement ever covered: nothing may be linked or given to anybody."""
    source = Source("office", "no agreement", "KB-A01", "", include_folders()[0] / "agreements", 1, feed)
    if action == "link":
        yield Demand(Kind.LINKAGE, "forbidden", source)
    if action == RELEASE:
        yield Demand(Kind.REDISCLOSURE, "none", source)
        yield Demand(Kind.NAMED_RECIPIENTS, frozenset(), source)


def _agreed(agreement: Agreement, clause: Clause, *, citation: str = "", about: str = "") -> Source:
    return Source("agreement", agreement.name, clause.name, citation, clause.path, clause.line, about)
