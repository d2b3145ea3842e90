"""Which classes of data each feed has, by include/laws/classes.yaml: what decides which deadlines bind."""

from __future__ import annotations

from kinbridge.contract.odcs import feeds as declared_feeds
from kinbridge.law.reader import read_laws


def classes_of_feeds() -> dict[str, frozenset[str]]:
    """The classes of every declared feed: its partner's, its own, and those of its columns; none where none is known.

    Raises `KinbridgeError` KB-J01 when the laws cannot be read.
    """
    classification = read_laws().classification
    found: dict[str, frozenset[str]] = {}
    for feed in declared_feeds():
        own = classification.feeds.get(feed.split("/", 1)[0], frozenset()) | classification.feeds.get(feed, frozenset())
        for column, classes in classification.columns.items():
            if column.startswith(f"{feed}."):
                own |= classes
        found[feed] = own
    return found
