"""What `kinbridge rules explain` is asked about, and the rule for it, action by action.

Reads declarations only; no value of data is ever looked at. What is not declared is refused (KB-J02): a rule for a
misspelt name would be the fallback, and would mislead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from kinbridge.agreement.model import AgreementKind
from kinbridge.agreement.reader import read_use_cases
from kinbridge.contract.odcs import feeds as declared_feeds
from kinbridge.errors import KinbridgeError
from kinbridge.law.demand import ACTIONS
from kinbridge.law.model import Trait
from kinbridge.release.elements import integrated_elements
from kinbridge.rule.effective import feeds_of_element, for_feed, for_program, for_release, for_use_case
from kinbridge.rule.model import Effective
from kinbridge.rule.sources import RELEASE, Grounds
from kinbridge.standards import code_set, common_schema
from kinbridge.use_case.model import UseCase


@dataclass(frozen=True)
class Explained:
    """The rule for one target on one day. `what` says what it is; `rules` are by action; `trait` what an element can
    tell, None for anything else; `notes` what a reader should know besides."""

    target: str
    what: str
    day: date
    rules: Mapping[str, Effective]
    trait: Trait | None = None
    notes: tuple[str, ...] = ()


def explain(target: str, day: date, grounds: Grounds) -> Explained:
    """The rule for the target. Raises `KinbridgeError` KB-J02 when nothing of that name is declared."""
    if target.startswith("release:"):
        return _release(target, day, grounds)
    feed, _, column = target.partition(".")
    feeds = declared_feeds()
    if feed in feeds and (not column or any(column == one.name for one in feeds[feed].columns)):
        classes = grounds.laws.classification.of_feed(feed)
        named = any(agreement.laws for agreement, _ in grounds.over(feed, day))
        return Explained(
            target,
            "a column of a feed" if column else "a feed",
            day,
            _each(lambda action: for_feed(feed, day, grounds, actions=(action,), column=column or None)),
            notes=() if classes or named else (_no_class(feed),),
        )
    elements = _elements(target)
    if elements:
        return _element(target, elements, day, grounds)
    if target in code_set("program").codes:
        classes = grounds.laws.classification.programs.get(target, frozenset())
        rules = _each(lambda action: for_program(target, grounds, actions=(action,)))
        return Explained(target, "a program", day, rules, notes=() if classes else (_no_class(target),))
    use_case = next((one for one in read_use_cases() if one.id == target), None)
    if use_case is not None:
        return _use_case(use_case, day, grounds)
    raise KinbridgeError("KB-J02", target=target)


def _elements(target: str) -> tuple[str, ...]:
    """The elements of the common schema that the target is, or that a column of `integrated` is made of."""
    if any(target == element.name for elements in common_schema().values() for element in elements):
        return (target,)
    found = integrated_elements().get(target)
    return found.elements if found else ()


def _element(target: str, elements: tuple[str, ...], day: date, grounds: Grounds) -> Explained:
    filling = sorted({feed for element in elements for feed in feeds_of_element(element)})
    classification = grounds.laws.classification
    notes = [f"Feeds that fill it: {', '.join(filling) or 'none'}."]
    notes += [_no_class(one) for one in elements if classification.of_element(one) is None]
    if elements != (target,):
        notes.append(f"A column of integrated, made of {', '.join(elements)}.")
    return Explained(
        target,
        "an element",
        day,
        _each(lambda action: for_use_case(elements, filling, day, grounds, actions=(action,))),
        classification.of_element(target) if elements == (target,) else None,
        tuple(notes),
    )


def _use_case(use_case: UseCase, day: date, grounds: Grounds) -> Explained:
    naming = sorted(_feeds_naming(use_case.id, grounds))
    notes = (f"Feeds whose agreements name it: {', '.join(naming) or 'none'}.",)
    rules = _each(
        lambda action: for_use_case(use_case.elements, naming, day, grounds, actions=(action,), use_case=use_case)
    )
    return Explained(use_case.id, "a use case", day, rules, notes=notes)


def _release(target: str, day: date, grounds: Grounds) -> Explained:
    """What would bind a release to the recipient for the use case, whether or not the agreement is in force today."""
    recipient, _, use_case = target.removeprefix("release:").partition("/")
    naming = [
        one
        for one in grounds.agreements.agreements
        if one.kind is AgreementKind.RELEASE and one.recipient.code == recipient and use_case in one.releases
    ]
    if not naming:
        raise KinbridgeError("KB-J02", target=target)
    standing = {one.name: grounds.agreements.standing(one, day) for one in naming}
    newest = max(naming, key=lambda one: (standing[one.name].in_force, one.effective, one.version))
    feeds = sorted(
        feed
        for feed in _feeds_naming(use_case, grounds)
        if any(recipient in one.redisclosure.recipients for one, _ in grounds.over(feed, day))
    )
    elements = {part for name in newest.releases[use_case] for part in _elements(name) or (name,)}
    rule = for_release(elements, feeds, recipient, day, grounds, agreement=newest)
    notes = [f"Under {newest.name}, which is {standing[newest.name].state.value} on that day."]
    notes.append(f"Feeds whose agreements let rows go to {recipient}: {', '.join(feeds) or 'none'}.")
    return Explained(target, "a release", day, {RELEASE: rule}, notes=tuple(notes))


def _feeds_naming(use_case: str, grounds: Grounds) -> Iterable[str]:
    return {feed for one in grounds.agreements.agreements if use_case in one.use_cases for feed in one.feeds}


def _each(rule: Callable[[str], Effective]) -> dict[str, Effective]:
    return {action: rule(action) for action in ACTIONS}


def _no_class(name: str) -> str:
    return f"No class of data is declared for {name}, so the fallback of include/laws/classes.yaml binds it."
