"""Files of sibling feeds that are given along, in the order in which they have to be loaded.

A feed may refer to keys that a sibling feed has delivered. Which siblings were given decides which of these rules can
be checked at all. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
    asking = (feed, *(s.feed for s in waiting))
    of_interest = {r.feed for one in asking for r in one.references} | {one.id for one in asking if looks_back(one)}
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


def in_the_same_zip(feed: Feed, path: Path, given: Iterable[str], known: Mapping[str, Feed]) -> list[Sibling]:
    """The siblings whose files lie in the zip at `path` as well: all to which the feed's references lead.

    `given` are feeds of which a file is given anyway, `known` all feeds by id.
    """
    found: dict[str, Sibling] = {}
    settled, asking = {feed.id, *given}, [feed] if feed.dialect.member is not None else []
    while asking:
        for reference in asking.pop().references:
            other = known.get(reference.feed)
            if other is None or other.id in settled or other.dialect.member is None:
                continue
            settled.add(other.id)
            if re.fullmatch(other.dialect.file_pattern, path.name):
                found[other.id] = Sibling(other, path)
                asking.append(other)
    return list(found.values())


def looks_back(feed: Feed) -> bool:
    """Whether rows of the feed may name keys that its own earlier files have brought."""
    return feed.former_reference is not None or any(r.feed == feed.id for r in feed.references)


def unknowable(feed: Feed, loaded: Iterable[str]) -> tuple[Reference, ...]:
    """The references of the feed to feeds of which no file was loaded; the file itself tells those to its own feed."""
    known = {*loaded, feed.id}
    return tuple(r for r in feed.references if r.feed not in known)
