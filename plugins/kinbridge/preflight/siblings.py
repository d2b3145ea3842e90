"""Files of sibling feeds that are given along, in the order in which they have to be loaded.

A feed may refer to keys that a sibling feed has delivered. Which siblings were given decides which of these rules can
be checked at all. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kinbridge.contract.model import Feed, Reference
from kinbridge.errors import KinbridgeError


@dataclass(frozen=True)
class Sibling:
    """A file of a sibling feed."""

    feed: Feed
    path: Path


def in_order(feed: Feed, given: Iterable[Sibling]) -> list[Sibling]:
    """The siblings, those that others refer to first, files of one feed as given.

    Raises `KinbridgeError` KB-P02 for a file of a feed to which neither `feed` nor another given one refers.
    """
    waiting = list(given)
    of_interest = {r.feed for one in (feed, *(s.feed for s in waiting)) for r in one.references}
    for sibling in waiting:
        if sibling.feed.id not in of_interest:
            raise KinbridgeError("KB-P02", feed=feed.id, sibling=sibling.feed.id)
    ordered: list[Sibling] = []
    while waiting:
        open_feeds = {s.feed.id for s in waiting}
        ready = [s for s in waiting if not open_feeds & ({r.feed for r in s.feed.references} - {s.feed.id})]
        # Feeds that refer to each other in a circle have no order; then the given one has to do.
        for sibling in ready or waiting[:1]:
            ordered.append(sibling)
            waiting.remove(sibling)
    return ordered


def unknowable(feed: Feed, loaded: Iterable[str]) -> tuple[Reference, ...]:
    """The references of the feed to feeds of which no file was loaded."""
    known = set(loaded)
    return tuple(r for r in feed.references if r.feed not in known)
