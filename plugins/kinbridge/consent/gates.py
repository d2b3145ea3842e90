"""The gates of one day: which feeds may be linked, which may serve which output, and what consent each of them needs.

Pure values made of declarations and decisions; `read_gates` reads them. It fails closed: a feed that is not found
permitted is barred, with the clause for which it is. Never holds a person or a count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinbridge.agreement.comparable import bar, partner_of
from kinbridge.consent.form import Form, read_forms
from kinbridge.consent.ladder import Asked, Rule, known, strictest

if TYPE_CHECKING:
    from kinbridge.agreement.uses import Uses
    from kinbridge.rule.sources import Grounds


@dataclass(frozen=True)
class Served:
    """One use case on one day: its outputs; the feeds that may serve it, and those that may not, each with the clause.

    `refused` is why nothing may serve it, None where it is approved. `uncovered` has the clause for each output that is
    made of an element which the use case does not name.
    """

    use_case: str
    outputs: tuple[str, ...]
    permitted: Mapping[str, str]
    barred: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None
    uncovered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gates:
    """What may be linked, and what may be counted for which use case, on one day.

    `linkable` are feeds; `unlinkable` the others that are declared, each with the clause. `apart` has the clause for
    each feed and another with which its agreement bars linking, `unlinked` by feed the use cases that it serves and
    for which it may not be linked. `programs` are the codes of programs that there are. `without` has, for each feed,
    the elements of the common schema that its mapping fills and its agreement does not give (any more), each with the
    clause.
    """

    day: date
    linkable: frozenset[str]
    served: Mapping[str, Served]
    rules: tuple[Rule, ...] = ()
    forms: tuple[Form, ...] = ()
    programs: tuple[str, ...] = ()
    unlinkable: Mapping[str, str] = field(default_factory=dict)
    apart: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unlinked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    without: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def linked_for(self, feed: str) -> frozenset[str]:
        """The use cases for which the feed's records may be linked; none where it may not be linked."""
        if feed not in self.linkable:
            return frozenset()
        served = {name for name, one in self.served.items() if feed in one.permitted}
        return frozenset(served - set(self.unlinked.get(feed, ())))

    def barred(self, one: str, other: str) -> str | None:
        """The clause by which either feed's agreement keeps the two apart."""
        return self.apart.get((one, other)) or self.apart.get((other, one))

    def comparable(self, one: str, other: str) -> bool:
        """Whether records of the two feeds may be compared."""
        if not {one, other} <= self.linkable or self.barred(one, other):
            return False
        return partner_of(one) == partner_of(other) or bool(self.linked_for(one) & self.linked_for(other))

    def without_of(self, feeds: Iterable[str]) -> frozenset[tuple[str, str]]:
        """Feeds with the elements that are not counted of them."""
        return frozenset((feed, element) for feed in feeds for element in self.without.get(feed, ()))

    def of_output(self, output: str) -> Served | None:
        """The use case that the table answers; None when none names it."""
        return next((one for one in self.served.values() if output in one.outputs), None)

    def purposes_digest(self) -> str:
        """SHA-256 of which feeds may be compared with which: where it is another, everybody has to be linked anew."""
        plain = self.plain()
        return hashlib.sha256(json.dumps([plain["linkable"], plain["apart"]], sort_keys=True).encode()).hexdigest()

    def plain(self) -> dict[str, Any]:
        """What matters of it, for the fingerprint: no clauses, whose lines move when a comment is written."""
        return {
            "linkable": {feed: sorted(self.linked_for(feed)) for feed in self.linkable},
            "apart": sorted(self.apart),
            "served": {
                name: [sorted(one.permitted), sorted(one.outputs), sorted(one.uncovered)]
                for name, one in self.served.items()
            },
            "without": {feed: sorted(elements) for feed, elements in self.without.items()},
            "rules": sorted([rule.use_case, rule.feed, rule.rule, rule.form] for rule in self.rules),
            "forms": sorted([form.name, form.use_cases, form.programs, form.valid_months] for form in self.forms),
        }


def gates_of(  # noqa: PLR0917 - the parts of which gates are made
    answer: Uses,
    feeds: Iterable[str],
    rules: Iterable[Rule],
    forms: Iterable[Form],
    programs: Iterable[str],
    uncovered: Mapping[str, Mapping[str, str]] = {},
    without: Mapping[str, Mapping[str, str]] = {},
) -> Gates:
    """The gates that follow from one day's answer on uses. `feeds` are all that are declared; `uncovered` has, by use
    case, the clause for each output that is made of more than the use case names."""
    every = sorted(feeds)
    served = {}
    for name, use_case in sorted(answer.use_cases.items()):
        permitted = {feed: str(clause) for feed, clause in answer.feeds_of(name).items()}
        reasons = {feed: answer.why_not(feed, name) for feed in every if feed not in permitted}
        refused = answer.why_not_served(name)
        served[name] = Served(
            name,
            use_case.outputs,
            permitted,
            {feed: str(error.facts.get("clause", error.code)) for feed, error in reasons.items() if error},
            str(refused.facts.get("clause", refused.code)) if refused else None,
            uncovered.get(name, {}),
        )
    linkable = answer.linkable()
    unlinkable = {feed: answer.why_not_linked(feed) for feed in every if feed not in linkable}
    return Gates(
        answer.day,
        linkable,
        served,
        tuple(sorted(rules)),
        tuple(forms),
        tuple(programs),
        {feed: str(error.facts.get("clause", error.code)) for feed, error in unlinkable.items() if error},
        {(x, y): str(clause) for x in linkable for y in linkable if (clause := bar(answer, x, y)) is not None},
        {feed: _unlinked(answer, feed) for feed in linkable},
        {feed: found for feed, found in without.items() if found},
    )


def _unlinked(answer: Uses, feed: str) -> dict[str, str]:
    """The use cases that the feed serves and for which it may not be linked, each with the clause."""
    served = (name for name in answer.approved() if feed in answer.feeds_of(name))
    reasons = {name: answer.why_not_linked_for(feed, name) for name in served}
    return {name: str(error.facts["clause"]) for name, error in reasons.items() if error is not None}


def read_gates(
    connection: Any, day: date | None = None, folders: Sequence[Path] | None = None, grounds: Grounds | None = None
) -> Gates:
    """Today's gates: declarations of the include folders with the decisions in the register.

    `grounds` are laws, agreements and decisions, where they were read already. Raises `KinbridgeError` KB-A06, KB-G01,
    KB-J01, KB-M03 or KB-N01 when a declaration cannot be read whole: then nothing is linked or published.
    """
    from kinbridge.agreement.reader import read_use_cases
    from kinbridge.agreement.uses import uses
    from kinbridge.contract.odcs import contract_paths
    from kinbridge.integration.coverage import uncovered_outputs
    from kinbridge.rule.grounds import read_grounds
    from kinbridge.standards import code_set

    day = day or datetime.now(UTC).date()
    grounds = grounds or read_grounds(connection, folders=folders)
    agreements = grounds.agreements.agreements
    answer = uses(day, agreements, read_use_cases(folders), grounds.agreements.approvals)
    feeds = {f"{path.parents[2].name}/{path.parent.name}" for path in contract_paths()}
    feeds |= {feed for agreement in agreements for feed in agreement.feeds}
    forms = read_forms(folders)
    return gates_of(
        answer,
        feeds,
        consent_rules(answer, grounds),
        forms.values(),
        code_set("program").codes,
        {name: uncovered_outputs(use_case) for name, use_case in answer.use_cases.items()},
        not_given(answer),
    )


def not_given(answer: Uses) -> dict[str, dict[str, str]]:
    """For each feed under an agreement, the elements that its mapping fills of a column which is not allowed that day,
    with the clause. What was received of it before counts no more than what would come now."""
    from kinbridge.contract.odcs import feeds
    from kinbridge.load.origin import origins_of

    found: dict[str, dict[str, str]] = {}
    for name, feed in feeds().items():
        agreement = answer.agreement_of(name)
        if agreement is not None:
            allowed, clause = answer.columns(name), str(agreement.clause("feeds", name, "elements"))
            missing = {one.element for one in origins_of(feed) if one.column not in allowed}
            found[name] = dict.fromkeys(sorted(missing), clause)
    return found


def consent_rules(answer: Uses, grounds: Grounds) -> list[Rule]:
    """For each approved use case and feed that serves it: the strictest rule of agreement, use case and laws."""
    from kinbridge.law.demand import Kind
    from kinbridge.rule.effective import for_feed

    found = []
    by_law: dict[str, list[Asked]] = {}
    for name in answer.approved():
        use_case = answer.use_cases[name]
        for feed in answer.feeds_of(name):
            agreement = answer.agreement_of(feed)
            assert agreement is not None  # it serves the use case
            if feed not in by_law:
                outcome = for_feed(feed, answer.day, grounds)
                by_law[feed] = [Asked(outcome.consent, str(source)) for source in outcome.won(Kind.CONSENT)]
            own = Asked(agreement.consent.rule, str(agreement.clause("consent")), agreement.consent.form)
            asked = [own, *by_law[feed]]
            if use_case.consent.rule:
                asked.append(Asked(use_case.consent.rule, str(use_case.clause("consent")), use_case.consent.form))
            won = strictest(asked)
            form = won.form or next((one.form for one in asked if one.form), "")
            found.append(Rule(name, feed, known(won.rule), form, won.clause))
    return found


def fingerprint(gates: Gates, statements: str) -> str:
    """SHA-256 of the gates and of the digest of what is said of consent."""
    text = json.dumps([gates.plain(), statements], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
