"""Holds declared extracts against recipients, use cases, agreements, contracts and the SELECTs that fill them. Pure but
for reading declarations; it never connects to anything.

`kinbridge check` collects every mistake, whatever the day and whatever was approved. The gate asks again at run time,
and then dates, signatures and approvals count too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.agreement.reader import read_declared
from kinbridge.contract.model import Feed
from kinbridge.declaration.document import Problem
from kinbridge.errors import KinbridgeError
from kinbridge.load.transform import Statement
from kinbridge.openpgp.keys import pinned
from kinbridge.release.elements import ElementKind, elements_of_feed, integrated_elements
from kinbridge.release.forms import FORMS
from kinbridge.release.model import Extract, ExtractColumn
from kinbridge.release.query import PERSON, Query, understand
from kinbridge.release.reader import read_extracts
from kinbridge.release.recipient import recipient_paths, recipient_problems
from kinbridge.standards import code_set
from kinbridge.use_case.model import UseCase


@dataclass(frozen=True)
class Declarations:
    """What extracts are held against."""

    agreements: Sequence[Agreement]
    use_cases: Mapping[str, UseCase]
    feeds: Mapping[str, Feed]
    recipients: frozenset[str]


def release_problems(feeds: Mapping[str, Feed], folders: Sequence[Path] | None = None) -> list[Problem]:
    """Every mistake in the recipients and extracts of the folders (by default the include folders).

    `feeds` are those whose contracts could be read.

    Codes: KB-C01 unreadable; KB-T01 shape; KB-T02 the list of elements; KB-T03 recipient; KB-T06 the SELECT; KB-T08 the
    agreement; KB-T09 an element that is not covered; KB-T10 a feed whose agreement does not allow it; KB-T11 a form
    that the column cannot have; KB-H16 a key that is not pinned.
    """
    paths = recipient_paths(folders)
    problems = [problem for path in paths for problem in recipient_problems(path)]
    declared = read_extracts(folders)
    problems += declared.problems
    if declared.extracts:
        found = read_declared(folders)
        against = Declarations(
            [agreement for agreement, _ in found.agreements],
            {use_case.id: use_case for use_case, _ in found.use_cases},
            feeds,
            frozenset(path.stem for path in paths),
        )
        try:
            integrated_elements()
        except KinbridgeError as error:
            return [*problems, Problem(error.code, Path(error.facts["path"]), 1, error.facts["problem"])]
        for extract in declared.extracts:
            problems += [*extract_problems(extract), *covered_problems(extract, against)]
            problems += _keys(extract, against, folders)
    return sorted(set(problems), key=lambda p: (str(p.path), p.line, p.code, p.text))


def extract_problems(extract: Extract) -> list[Problem]:
    """What is wrong with the extract by itself: its SELECT, its columns, their forms."""
    query, found = understand(statement_of(extract))
    problems = list(found)
    known = integrated_elements()
    for column in extract.columns:
        problems += _column(extract, column)
    if query is None or any(element not in known for element in extract.elements):
        return problems
    return [*problems, *_outputs(extract, query)]


def statement_of(extract: Extract) -> Statement:
    """The extract's SELECT, as lineage reads it."""
    # Lines are counted from the one before the text.
    return Statement(extract.name, extract.sql.rstrip().rstrip(";"), extract.sql_path, 0)


def elements_read(extract: Extract) -> dict[str, int]:
    """Every column of `integrated` that leaves, or that decides what leaves, with a line of the SELECT; no identifiers.

    What a condition reads is disclosed too: who is in the file tells it.
    """
    query, _ = understand(statement_of(extract))
    known = integrated_elements()
    reads = dict(query.reads) if query else {}
    for element in extract.elements:
        reads.setdefault(element, 1)
    return {
        name: line for name, line in reads.items() if name in known and known[name].kind is not ElementKind.IDENTIFIER
    }


def covered(name: str, elements: Iterable[str]) -> bool:
    """Whether a list of elements covers the column of `integrated`: by its own name, or all that it is made of."""
    allowed = set(elements)
    parts = integrated_elements()[name].elements
    return name in allowed or (bool(parts) and allowed.issuperset(parts))


def covered_problems(extract: Extract, against: Declarations) -> Iterator[Problem]:
    """What no agreement covers, whatever the day: recipient, use case, elements, feeds."""
    if extract.recipient not in against.recipients:
        yield extract.problem("KB-T03", f"there is no recipient {extract.recipient}", "recipient")
    use_case = against.use_cases.get(extract.use_case)
    if use_case is None:
        yield extract.problem("KB-T08", f"there is no use case {extract.use_case}", "use_case")
    named = [one for one in against.agreements if one.id == extract.agreement and one.kind is AgreementKind.RELEASE]
    fitting = [one for one in named if one.recipient.code == extract.recipient and extract.use_case in one.releases]
    if not fitting:
        text = f"no release agreement {extract.agreement} is with {extract.recipient} for {extract.use_case}"
        yield extract.problem("KB-T08", text, "agreement")
    for name, line in sorted(elements_read(extract).items()):
        for agreement in fitting[-1:]:
            if not covered(name, agreement.releases[extract.use_case]):
                clause = agreement.clause("releases", extract.use_case, "elements")
                yield Problem("KB-T09", extract.sql_path, line, f"{name} is not covered by {clause}")
        if use_case is not None:
            given = {
                e for feed in extract.feeds if feed in against.feeds for e in elements_of_feed(against.feeds[feed])
            }
            for part in integrated_elements()[name].elements:
                if part in given and part not in use_case.elements:
                    text = f"{name} is made of {part}, which the use case {use_case.clause('elements')} does not name"
                    yield Problem("KB-T09", extract.sql_path, line, text)
    yield from _feeds(extract, against)


def _feeds(extract: Extract, against: Declarations) -> Iterator[Problem]:
    given: set[str] = set()
    for index, feed in enumerate(extract.feeds):
        where = ("feeds", index)
        if feed not in against.feeds:
            yield extract.problem("KB-T10", f"no contract declares the feed {feed}", *where)
            continue
        given |= elements_of_feed(against.feeds[feed])
        naming = [one for one in against.agreements if feed in one.feeds]
        if not any(extract.recipient in one.redisclosure.recipients for one in naming):
            clause = f", {naming[-1].clause('redisclosure')}" if naming else ""
            yield extract.problem("KB-T10", f"{feed} may not be given to {extract.recipient}{clause}", *where)
        elif not any(extract.use_case in one.use_cases for one in naming):
            clause = str(naming[-1].clause("use_cases"))
            yield extract.problem("KB-T10", f"{feed} may not serve {extract.use_case}, {clause}", *where)
    for column in extract.columns:
        for element in column.elements:
            parts = integrated_elements()[element].elements if element in integrated_elements() else ()
            if parts and not given & set(parts):
                text = f"none of the feeds gives {element}: the column would be empty"
                yield extract.problem("KB-T10", text, "columns", column.name)


def _column(extract: Extract, column: ExtractColumn) -> Iterator[Problem]:
    where = ("columns", column.name)
    known = integrated_elements()
    found = [known[element] for element in column.elements if element in known]
    if len(found) < len(column.elements):
        missing = next(element for element in column.elements if element not in known)
        yield extract.problem("KB-T11", f"integrated has no column {missing}", *where)
        return
    if any(one.kind is ElementKind.IDENTIFIER for one in found):
        yield extract.problem(
            "KB-T11", f"{column.name} would give an identifier; a code of its own stands for it", *where
        )
        return
    # A column that is computed of several is counted or compared, and what it tells is a number or a code.
    forms = (
        FORMS[found[0].kind] if len(found) == 1 else ("number", "ranges", "code", "year", "quarter", "month", "exact")
    )
    if found and column.form.name not in {*forms, "number", "ranges"}:
        text = f"{found[0].name} can be given as {', '.join(forms)}, not as {column.form.name}"
        yield extract.problem("KB-T11", text, *where, "form")
    if any(one.may_identify for one in found) and not column.quasi_identifier:
        text = f"{column.name} may tell, with others, who somebody is: it is a quasi_identifier"
        yield extract.problem("KB-T11", text, *where)
    if column.code_set is not None:
        try:
            code_set(column.code_set)
        except KinbridgeError:
            yield extract.problem("KB-T11", f"there is no code set {column.code_set}", *where, "code_set")


def _outputs(extract: Extract, query: Query) -> Iterator[Problem]:
    known = integrated_elements()
    declared = {column.name: column for column in extract.columns}
    if PERSON not in query.outputs or query.made_of.get(PERSON) not in _persons():
        text = f"the SELECT gives {PERSON}, as it stands in a table of integrated: a code of its own takes its place"
        yield Problem("KB-T06", extract.sql_path, 1, text)
    for output in query.outputs:
        if output != PERSON and output not in declared:
            yield Problem("KB-T06", extract.sql_path, 1, f"the column {output} is not declared")
    for name, column in declared.items():
        if name not in query.outputs:
            yield extract.problem("KB-T06", f"the SELECT gives no column {name}", "columns", name)
            continue
        made_of = {e for e in query.made_of[name] if known[e].kind is not ElementKind.IDENTIFIER}
        if not made_of <= set(column.elements):
            undeclared = ", ".join(sorted(made_of - set(column.elements)))
            text = f"{name} is made of {undeclared} too, which the declaration does not say"
            yield extract.problem("KB-T06", text, "columns", name)
        elif not set(column.elements) <= set(query.reads):
            unread = ", ".join(sorted(set(column.elements) - set(query.reads)))
            yield extract.problem(
                "KB-T06", f"{name} is said to be made of {unread}, which the SELECT does not read", "columns", name
            )


def _persons() -> tuple[frozenset[str], ...]:
    return tuple(frozenset({e.name}) for e in integrated_elements().values() if e.column == PERSON)


def _keys(extract: Extract, against: Declarations, folders: Sequence[Path] | None) -> Iterator[Problem]:
    for agreement in against.agreements:
        if agreement.id != extract.agreement or agreement.kind is not AgreementKind.RELEASE:
            continue
        try:
            pinned(extract.recipient, agreement.transmission.encrypted_to, folders)
        except KinbridgeError as error:
            clause = agreement.clause("transmission", "openpgp", "encrypted_to")
            cause = f"{error.facts.get('fingerprint', '')} of {extract.recipient}: {error.facts.get('cause', '')}"
            yield Problem("KB-H16", agreement.path, clause.line, cause)
