"""What laws ask for of the keeping of records, feed by feed, as terms. Reads declarations only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from kinbridge.contract.odcs import feeds as declared_feeds
from kinbridge.law.demand import Kind
from kinbridge.retention.term import Term
from kinbridge.rule.effective import for_feed
from kinbridge.rule.grounds import read_grounds


def law_terms(day: date, feeds: Iterable[str] | None = None) -> dict[str, Term]:
    """The strictest term for records of each declared feed, and the clauses that won. A feed without one is left out.

    Raises `KinbridgeError` when declarations cannot be read.
    """
    grounds = read_grounds()
    terms: dict[str, Term] = {}
    for feed in sorted(set(feeds or declared_feeds()) & set(declared_feeds())):
        found = for_feed(feed, day, grounds)
        if found.retention_months is not None:
            clause = "; ".join(str(source) for source in found.won(Kind.RETENTION_MONTHS))
            terms[feed] = Term(clause, months=found.retention_months)
    return terms
