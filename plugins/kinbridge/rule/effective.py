"""The effective rule for a feed, a column, an element, a program, a use case, a publication or a release.

Each is the meet of all that touches it. `grounds` is what was declared; it is read where none is given, without the
register of decisions (an agreement that was approved there only still binds, but lifts nothing).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date

from kinbridge.agreement.model import Agreement
from kinbridge.contract.odcs import feeds as declared_feeds
from kinbridge.load.transform import read_transform
from kinbridge.rule.grounds import read_grounds
from kinbridge.rule.model import Demand, Effective, Lifted, effective
from kinbridge.rule.sources import (
    INSIDE,
    RELEASE,
    Grounds,
    Subject,
    demands_of_agreement,
    demands_of_fallback,
    demands_of_laws,
    demands_of_release_agreement,
    demands_of_use_case,
    demands_without_agreement,
)
from kinbridge.use_case.model import UseCase

PUBLISH = "publish"


def for_feed(
    feed: str,
    day: date,
    grounds: Grounds | None = None,
    *,
    actions: Collection[str] = INSIDE,
    column: str | None = None,
) -> Effective:
    """The rule for a feed, or for one column of it, over the actions: by default all but releases."""
    grounds = grounds or read_grounds()
    return _met(entry for action in actions for entry in _of_feed(feed, day, grounds, action, column=column))


def for_publication(feeds: Iterable[str], day: date, grounds: Grounds | None = None) -> Effective:
    """The rule for figures that are counted from these feeds. There is always a minimum cell: the office's own."""
    grounds = grounds or read_grounds()
    entries = [entry for feed in sorted(set(feeds)) for entry in _of_feed(feed, day, grounds, PUBLISH)]
    return _met([*entries, *_of_office(grounds, PUBLISH)])


def for_release(
    elements: Iterable[str],
    feeds: Iterable[str],
    recipient: str,
    day: date,
    grounds: Grounds | None = None,
    *,
    agreement: Agreement | None = None,
) -> Effective:
    """The rule for rows of these elements, from these feeds, that go to the recipient (a party's code).

    An element that other feeds bring and none of these does not count: nothing of it is in the rows.
    `agreement` is the release agreement; without it those in force with the recipient are taken. Exceptions that a law
    makes count where that agreement stands on them. Of a recipient without one no role is known, and every role's
    clauses bind.
    """
    grounds, feeds = grounds or read_grounds(), sorted(set(feeds))
    under = (agreement,) if agreement else grounds.to(recipient, day)
    role = under[0].recipient.role or None if len(under) == 1 else None
    # Several agreements: an exception would have to stand in the one that is used, and that is not known.
    claiming = under if len(under) == 1 else ()
    entries: list[Demand | Lifted] = []
    for feed in feeds:
        entries += _of_feed(feed, day, grounds, RELEASE, role=role, claiming=claiming)
    for element in _brought(elements, feeds):
        entries += _of_element(element, grounds, RELEASE, role=role, claiming=claiming)
    for one in under:
        entries += demands_of_release_agreement(one)
        entries += _of_named(one, grounds, role, claiming)
    return _met([*entries, *_of_office(grounds, RELEASE)])


def for_element(element: str, day: date, grounds: Grounds | None = None, *, actions: Collection[str]) -> Effective:
    """The rule for an element of the common schema or of `integrated`, with that of every feed that fills it."""
    return for_use_case([element], feeds_of_element(element), day, grounds, actions=actions)


def for_program(program: str, grounds: Grounds | None = None, *, actions: Collection[str]) -> Effective:
    """The rule for records of a program, whichever feed brings them. No agreement is asked."""
    grounds = grounds or read_grounds()
    classes = grounds.laws.classification.programs.get(program, frozenset())
    return _met(entry for action in actions for entry in _of_laws(program, classes, grounds, action))


def for_use_case(
    elements: Iterable[str],
    feeds: Iterable[str],
    day: date,
    grounds: Grounds | None = None,
    *,
    actions: Collection[str],
    use_case: UseCase | None = None,
) -> Effective:
    """The rule for these elements as these feeds bring them, and what the use case itself asks, where one is given.

    An element that none of the feeds fills counts by itself.
    """
    grounds = grounds or read_grounds()
    chosen, targets = frozenset(feeds), _targets()
    filling = {element: sorted(chosen & _filling(element, targets)) for element in elements}
    entries: list[Demand | Lifted] = []
    for action in actions:
        for element, found in filling.items():
            for feed in found:
                entries += _of_feed(feed, day, grounds, action, element=element)
            if not found:
                entries += _of_element(element, grounds, action)
        entries += _of_office(grounds, action)
        entries += demands_of_use_case(use_case, action) if use_case else ()
    return _met(entries)


def feeds_of_element(element: str) -> tuple[str, ...]:
    """The feeds whose transforms fill the element's table; every feed, where no transform fills it."""
    return tuple(sorted(_filling(element, _targets())))


def _targets() -> dict[str, set[str]]:
    """The tables of the record that each declared feed fills."""
    return {
        feed.id: {statement.target for statement in read_transform(feed.folder / "transform.sql")[0]}
        for feed in declared_feeds().values()
    }


def _filling(element: str, targets: Mapping[str, set[str]]) -> frozenset[str]:
    entity = element.split(".", 1)[0]
    return frozenset(feed for feed, entities in targets.items() if entity in entities) or frozenset(targets)


def _brought(elements: Iterable[str], feeds: Collection[str]) -> list[str]:
    """Those elements that one of the feeds brings. A feed that is not declared may bring any."""
    targets = _targets()
    if not targets.keys() >= set(feeds):
        return sorted(set(elements))
    return sorted(element for element in set(elements) if not _filling(element, targets).isdisjoint(feeds))


def _met(entries: Iterable[Demand | Lifted]) -> Effective:
    found = list(entries)
    return effective(
        (entry for entry in found if isinstance(entry, Demand)),
        (entry for entry in found if isinstance(entry, Lifted)),
    )


def _of_feed(
    feed: str,
    day: date,
    grounds: Grounds,
    action: str,
    *,
    column: str | None = None,
    element: str | None = None,
    role: str | None = None,
    claiming: Iterable[Agreement] | None = None,
) -> Iterator[Demand | Lifted]:
    classification = grounds.laws.classification
    over = grounds.over(feed, day)
    named = frozenset(law for agreement, _ in over for law in agreement.laws)
    governed = [law.governs for law in grounds.laws.laws if law.id in named]
    classes = classification.of_feed(feed).union(*governed)
    if column:
        classes |= classification.columns.get(f"{feed}.{column}", frozenset())
    # Inside the house an exception is claimed by the agreement under which the feed comes; for a release by its own.
    if claiming is None:
        claiming = tuple(agreement for agreement, in_force in over if in_force)
    about = f"{feed}.{column}" if column else feed
    if element:
        trait = classification.of_element(element)
        if trait is None or not trait.classes:
            # The feed's classes say nothing of an element that nobody has classified.
            yield from _of_laws(element, frozenset(), grounds, action, role=role)
        else:
            classes |= trait.classes
    yield from _of_laws(about, classes, grounds, action, named=named, role=role, claiming=claiming)
    for agreement, _ in over:
        yield from demands_of_agreement(agreement, action, feed)
    if not over:
        yield from demands_without_agreement(action, feed)


def _of_element(
    element: str, grounds: Grounds, action: str, *, role: str | None = None, claiming: Iterable[Agreement] = ()
) -> Iterator[Demand | Lifted]:
    trait = grounds.laws.classification.of_element(element)
    classes = trait.classes if trait else frozenset()
    yield from _of_laws(element, classes, grounds, action, role=role, claiming=claiming)


def _of_named(
    agreement: Agreement, grounds: Grounds, role: str | None, claiming: Iterable[Agreement]
) -> Iterator[Demand | Lifted]:
    """What the laws demand that a release agreement binds its extract to."""
    named = frozenset(agreement.laws)
    if named:
        governed = [law.governs for law in grounds.laws.laws if law.id in named]
        classes = frozenset[str]().union(*governed)
        subject = Subject(agreement.name, RELEASE, classes, named, role, tuple(claiming))
        yield from demands_of_laws(grounds.laws, subject)


def _of_laws(
    about: str,
    classes: frozenset[str],
    grounds: Grounds,
    action: str,
    *,
    named: frozenset[str] = frozenset(),
    role: str | None = None,
    claiming: Iterable[Agreement] = (),
) -> Iterator[Demand | Lifted]:
    subject = Subject(about, action, classes, named, role, tuple(claiming))
    yield from demands_of_laws(grounds.laws, subject)
    if not classes:
        yield from demands_of_fallback(grounds.laws, subject)


def _of_office(grounds: Grounds, action: str) -> Iterator[Demand]:
    for actions, demand in grounds.office:
        if action in actions:
            yield demand
