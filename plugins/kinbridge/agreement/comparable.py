"""Whether records of two feeds may be compared, and for which use cases. Pure; `Uses` says what each feed may serve.

Two feeds of different partners may be compared when some approved use case is served by both, both may be linked for
it, and neither agreement bars the other feed. Feeds of one partner are compared under that partner's own agreement.
"""

from __future__ import annotations

from kinbridge.agreement.uses import Uses
from kinbridge.declaration.clause import Clause
from kinbridge.errors import KinbridgeError


def partner_of(feed: str) -> str:
    """The partner whose feed it is."""
    return feed.split("/", maxsplit=1)[0]


def why_not_compared(answer: Uses, one: str, other: str) -> KinbridgeError | None:
    """Why records of the two feeds may not be compared, naming the clause; None when they may.

    KB-A13 an agreement bars it; KB-A22 no use case is served by both; else why one of the feeds may not be linked.
    """
    for feed in (one, other):
        refused = answer.why_not_linked(feed)
        if refused is not None:
            return refused
    for feed, from_ in ((one, other), (other, one)):
        clause = bar(answer, feed, from_)
        if clause is not None:
            facts = {"agreement": clause.agreement_id, "version": clause.version, "clause": str(clause)}
            return KinbridgeError("KB-A13", feed=feed, why=f"not with {from_}", **facts)
    if partner_of(one) == partner_of(other) or shared_uses(answer, one, other):
        return None
    clauses = "; ".join(str(_terms(answer, feed)) for feed in (one, other))
    return KinbridgeError("KB-A22", feed=one, other=other, clause=clauses)


def explain(answer: Uses, one: str, other: str) -> list[str]:
    """Whether records of the two feeds may be linked on that day, for what, and by which clauses, as lines of text."""
    refused = why_not_compared(answer, one, other)
    if refused is not None:
        return [f"{one} may not be linked with {other} on {answer.day}. {refused}"]
    shared = shared_uses(answer, one, other)
    if not shared:
        return [f"{one} may be linked with {other} on {answer.day}: both are {partner_of(one)}'s own."]
    lines = [f"{one} may be linked with {other} on {answer.day}, for {', '.join(shared)}:"]
    lines += [f"    {name}: {'; '.join(sorted({str(clause) for clause in both}))}" for name, both in shared.items()]
    lines.append("Whom consent withholds from all of these is not compared across the two (docs/consent.md).")
    return lines


def in_brief(answer: Uses, one: str, other: str) -> str:
    """The same in one line, about the other feed."""
    refused = why_not_compared(answer, one, other)
    if refused is not None:
        return f"not linked with {other}: {refused.facts.get('clause', refused.code)}"
    return f"linked with {other}: {', '.join(shared_uses(answer, one, other)) or 'of one partner'}"


def shared_uses(answer: Uses, one: str, other: str) -> dict[str, tuple[Clause, Clause]]:
    """The use cases for which records of both may be linked, each with the clauses that name it."""
    shared = answer.linked_for(one) & answer.linked_for(other)
    return {name: (answer.feeds_of(name)[one], answer.feeds_of(name)[other]) for name in sorted(shared)}


def bar(answer: Uses, feed: str, other: str) -> Clause | None:
    """The clause by which the agreement over `feed` keeps it apart from `other`."""
    agreement = answer.agreement_of(feed)
    if agreement is None or feed == other or other not in agreement.linkage.not_with:
        return None
    return agreement.clause("linkage", "not_with", agreement.linkage.not_with.index(other))


def _terms(answer: Uses, feed: str) -> Clause:
    """What an agreement says of the purposes for which the feed is linked."""
    agreement = answer.agreement_of(feed)
    assert agreement is not None  # the feed may be linked
    where = ("use_cases",) if agreement.linkage.use_cases is None else ("linkage", "use_cases")
    return agreement.clause(*where)
