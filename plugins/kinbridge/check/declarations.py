"""All checks of all declarations, in one sorted list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kinbridge.agreement.check import check_agreements
from kinbridge.agreement.reader import read_declared
from kinbridge.calendar.terms import term_problems
from kinbridge.check.authority import authorised_columns
from kinbridge.check.crosswalks import crosswalk_problems
from kinbridge.check.decisions import decision_problems
from kinbridge.check.suites import suite_problems
from kinbridge.check.transforms import transform_problems
from kinbridge.consent.check import consent_problems
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import ContractError, contract_paths, declared_twice, read_feed
from kinbridge.decision.check import governance_problems
from kinbridge.declaration.document import DocumentError, Problem, read_document
from kinbridge.integration.coverage import output_problems
from kinbridge.linkage.habits import habit_problems
from kinbridge.linkage.model import check_model
from kinbridge.linkage.trained_file import trained_file_problems
from kinbridge.partner.intermediary import intermediary_problems
from kinbridge.partner.reminders import reminder_problems
from kinbridge.release.check import release_problems
from kinbridge.retention.check import check_retention
from kinbridge.review.terms import review_problems
from kinbridge.rule.check import check_laws
from kinbridge.settings import include_folders


def check() -> list[Problem]:
    """All problems of all declarations, sorted by file and line; empty when everything holds."""
    problems: list[Problem] = []
    feeds: dict[str, Feed] = {}
    columns: dict[str, set[str]] = {}
    allowed = authorised_columns()
    for path in contract_paths():
        try:
            feed = read_feed(path)
        except ContractError as error:
            problems.extend(error.problems)
            feed_id = f"{path.parents[2].name}/{path.parent.name}"
            # What cannot be read at all is taken to have what agreements name: one mistake is told once.
            columns.setdefault(feed_id, _column_names(path) or set(allowed.get(feed_id, ())))
            continue
        if feed.id in feeds:
            problems.append(Problem("KB-C02", path, 1, declared_twice(feeds[feed.id])))
            continue
        feeds[feed.id] = feed
        columns[feed.id] = {c.name for c in feed.columns}
    problems.extend(check_agreements(columns))
    problems.extend(governance_problems())
    problems.extend(consent_problems())
    for partner_folder in sorted({feed.folder.parents[1] for feed in feeds.values()}):
        problems.extend(_profile(partner_folder))
    undecided = [problem for folder in include_folders() for problem in decision_problems(folder)]
    problems.extend(undecided)
    for feed in feeds.values():
        problems.extend(term_problems(read_document(feed.path)))
        problems.extend(_references(feed, columns, allowed))
        problems.extend(crosswalk_problems(feed))
        problems.extend(transform_problems(feed, allowed.get(feed.id, frozenset())))
        # A suite is compiled when all is decided; before, that it is missing says nothing new.
        if not any(problem.path.is_relative_to(feed.folder) for problem in undecided):
            problems.extend(suite_problems(feed, allowed.get(feed.id, frozenset())))
    problems.extend(check_model())
    problems.extend(trained_file_problems())
    problems.extend(review_problems())
    problems.extend(check_laws(columns))
    problems.extend(check_retention())
    problems.extend(release_problems(feeds))
    problems.extend(output_problems(use_case for use_case, _ in read_declared().use_cases))
    return sorted(problems, key=lambda p: (str(p.path), p.line, p.code, p.text))


def _column_names(path: Path) -> set[str]:
    """The column names of a contract with mistakes; none when they cannot be told."""
    try:
        properties = read_document(path).data["schema"][0]["properties"]
        return {str(item["name"]) for item in properties}
    except (DocumentError, KeyError, IndexError, TypeError):
        return set()


def _profile(folder: Path) -> Iterator[Problem]:
    path, partner = folder / "profile.yaml", folder.name
    if not path.is_file():
        yield Problem("KB-C31", path, 1, f"the partner {partner} has no profile")
        return
    try:
        document = read_document(path)
    except DocumentError as error:
        yield error.problem
        return
    if document.data.get("partner") != partner:
        yield document.problem("KB-C31", f"`partner` is not {partner}, the name of the folder", "partner")
    if not document.data.get("name"):
        yield document.problem("KB-C31", "a partner has a name", "name")
    contacts = document.data.get("contacts")
    if not (isinstance(contacts, list) and contacts):
        yield document.problem("KB-C31", "a partner has at least one contact", "contacts")
        contacts = []
    for index, contact in enumerate(contacts):
        if not (isinstance(contact, dict) and all(contact.get(name) for name in ("role", "name", "email"))):
            yield document.problem("KB-C31", "a contact has role, name and email", "contacts", index)
    yield from habit_problems(document)
    yield from reminder_problems(document)
    yield from intermediary_problems(document)


def _references(feed: Feed, columns: dict[str, set[str]], allowed: dict[str, frozenset[str]]) -> Iterator[Problem]:
    for reference in feed.references:
        known = columns.get(reference.feed)
        if known is None:
            text = f"it refers to the feed {reference.feed}, which no contract declares"
            yield Problem("KB-C32", feed.path, reference.line, text)
            continue
        for column in reference.their_columns:
            if column not in known:
                text = f"it refers to {column} of {reference.feed}, which has no such column"
                yield Problem("KB-C32", feed.path, reference.line, text)
            elif column not in allowed.get(reference.feed, frozenset()):
                text = f"it refers to {column} of {reference.feed}, which no agreement covers"
                yield Problem("KB-C37", feed.path, reference.line, text)
