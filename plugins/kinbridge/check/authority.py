"""Which columns any agreement names: what declarations may speak of, whatever the dates."""

from __future__ import annotations

from kinbridge.agreement.reader import read_declared


def authorised_columns() -> dict[str, frozenset[str]]:
    """The columns that any agreement names, by feed, whatever its dates: what declarations may speak of."""
    found: dict[str, frozenset[str]] = {}
    for agreement, _ in read_declared().agreements:
        for feed_id, elements in agreement.feeds.items():
            found[feed_id] = found.get(feed_id, frozenset()) | frozenset(elements)
    return found
