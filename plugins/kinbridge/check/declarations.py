"""All checks of all declarations, in one sorted list."""

from __future__ import annotations

from collections.abc import Iterator

from kinbridge.agreement.check import check_agreements
from kinbridge.check.authority import authorised_columns
from kinbridge.check.crosswalks import crosswalk_problems
from kinbridge.check.suites import suite_problems
from kinbridge.check.transforms import transform_problems
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import ContractError, contract_paths, read_feed
from kinbridge.declaration.document import DocumentError, Problem, read_document
from kinbridge.linkage.habits import habit_problems
from kinbridge.linkage.model import check_model


def check() -> list[Problem]:
    """All problems of all declarations, sorted by file and line; empty when everything holds."""
    problems: list[Problem] = []
    feeds: dict[str, Feed] = {}
    for path in contract_paths():
        try:
            feed = read_feed(path)
            feeds[feed.id] = feed
        except ContractError as error:
            problems.extend(error.problems)
    problems.extend(check_agreements({feed.id: {c.name for c in feed.columns} for feed in feeds.values()}))
    allowed = authorised_columns()
    for feed in feeds.values():
        problems.extend(_profile(feed))
        problems.extend(_references(feed, feeds))
        problems.extend(crosswalk_problems(feed))
        problems.extend(transform_problems(feed, allowed.get(feed.id, frozenset())))
        problems.extend(suite_problems(feed, allowed.get(feed.id, frozenset())))
    problems.extend(check_model())
    return sorted(problems, key=lambda p: (str(p.path), p.line, p.code, p.text))


def _profile(feed: Feed) -> Iterator[Problem]:
    path = feed.folder.parents[1] / "profile.yaml"
    if not path.is_file():
        yield Problem("KB-C31", path, 1, f"the partner {feed.partner} has no profile")
        return
    try:
        document = read_document(path)
    except DocumentError as error:
        yield error.problem
        return
    if document.data.get("partner") != feed.partner:
        yield document.problem("KB-C31", f"`partner` is not {feed.partner}, the name of the folder", "partner")
    if not document.data.get("contacts"):
        yield document.problem("KB-C31", "a partner has at least one contact", "contacts")
    yield from habit_problems(document)


def _references(feed: Feed, feeds: dict[str, Feed]) -> Iterator[Problem]:
    for reference in feed.references:
        other = feeds.get(reference.feed)
        if other is None:
            yield Problem("KB-C32", feed.path, 1, f"it refers to the feed {reference.feed}, which no contract declares")
            continue
        names = {c.name for c in other.columns}
        for column in reference.their_columns:
            if column not in names:
                yield Problem("KB-C32", feed.path, 1, f"it refers to {column} of {reference.feed}, which has no such column")
