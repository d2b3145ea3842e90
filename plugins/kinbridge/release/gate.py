"""The gate of releases: whether a named extract may go to its recipient today, and how coarse it has to be. Fails
closed.

Asked when a release is requested, when it is built and before it is sent: what has changed in between counts. Every
refusal names the clause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pysequoia import Cert

from kinbridge.agreement.reader import read_agreements, read_use_cases
from kinbridge.agreement.uses import ReleasePermit, release_permit
from kinbridge.contract.odcs import feeds as all_feeds
from kinbridge.decision.approvals import Approvals
from kinbridge.declaration.clause import Clause
from kinbridge.disclosure.table import MINIMUM_CELL
from kinbridge.errors import KinbridgeError
from kinbridge.law.demand import LADDERS, Kind
from kinbridge.openpgp.keys import pinned
from kinbridge.release.check import covered, elements_read, extract_problems
from kinbridge.release.consent import clauses
from kinbridge.release.elements import ElementKind, elements_of_feed, integrated_elements, supplied
from kinbridge.release.forms import finer
from kinbridge.release.model import Extract, ExtractColumn, Recipient
from kinbridge.release.reader import read_extract
from kinbridge.release.recipient import read_recipient
from kinbridge.release.seal import usable
from kinbridge.rule.effective import for_release
from kinbridge.rule.grounds import read_grounds
from kinbridge.rule.model import Effective


@dataclass(frozen=True)
class Disclosed:
    """One line of the disclosure ledger to be: a column of the file, an element in it, the feed that gives it, the
    form, and the clause of that feed's agreement that lets it go."""

    column: str
    element: str
    feed: str
    form: str
    clause: Clause


@dataclass(frozen=True)
class Clearance:
    """The gate's yes. `minimum_group` persons at least share every combination of quasi-identifiers; `oldest` is the
    first month of birth that is told; `keys` are those it is encrypted to; `expires` is the recipient's last day with
    it.
    """

    extract: Extract
    recipient: Recipient
    permit: ReleasePermit
    rule: Effective
    minimum_group: int
    minimum_clause: str
    oldest: date | None
    keys: tuple[Cert, ...]
    expires: date
    disclosed: tuple[Disclosed, ...]


def clear(name: str, day: date, approvals: Approvals) -> Clearance:
    """Hold the named extract against everything that binds it on that day.

    Raises `KinbridgeError`: KB-T03 to KB-T06 and KB-T09 to KB-T11 as `kinbridge check` says; KB-A.. and KB-T08 the
    agreement; KB-T07 the extract's last day is over; KB-T14 no key that can be used; what reading declarations raises.
    """
    extract = read_extract(name)
    for problem in extract_problems(extract):
        raise KinbridgeError("KB-T05", name=name, path=problem.path, line=problem.line, problem=problem.text)
    if day > extract.until:
        raise KinbridgeError("KB-T07", name=name, until=extract.until, path=extract.path)
    recipient = read_recipient(extract.recipient)
    permit = release_permit(extract.recipient, extract.use_case, day, read_agreements(), read_use_cases(), approvals)
    if permit.agreement.id != extract.agreement:
        raise KinbridgeError(
            "KB-T08", name=name, problem=f"{permit.agreement.name} is in force, not {extract.agreement}"
        )
    _covered(extract, permit)
    disclosed = _disclosed(extract, permit)
    rule = _rule(extract, permit, day, approvals)
    oldest = _forms(extract, rule, day)
    minimum, clause = _minimum(rule, permit)
    _redisclosed(extract, permit, rule)
    return Clearance(
        extract=extract,
        recipient=recipient,
        permit=permit,
        rule=rule,
        minimum_group=minimum,
        minimum_clause=clause,
        oldest=oldest,
        keys=_keys(extract, permit),
        expires=_expires(day, permit),
        disclosed=disclosed,
    )


def _covered(extract: Extract, permit: ReleasePermit) -> None:
    """Every element that leaves, or decides who is in the file, is one of the agreement and of the use case."""
    known = integrated_elements()
    given = {element for feed in extract.feeds for element in _given(feed)}
    for name, line in sorted(elements_read(extract).items()):
        place = f"{extract.sql_path}:{line}"
        if not covered(name, permit.elements):
            raise KinbridgeError(
                "KB-T09", name=extract.name, element=name, place=place, clause=permit.clauses["elements"]
            )
        for part in known[name].elements:
            if part in given and part not in permit.use_case.elements:
                clause = permit.use_case.clause("elements")
                raise KinbridgeError("KB-T09", name=extract.name, element=part, place=place, clause=clause)


def _given(feed: str) -> frozenset[str]:
    found = all_feeds().get(feed)
    return elements_of_feed(found) if found else frozenset()


def _disclosed(extract: Extract, permit: ReleasePermit) -> tuple[Disclosed, ...]:
    """What the ledger will say; KB-T10 for a feed whose agreement does not let its rows go to this recipient."""
    found: list[Disclosed] = []
    for feed in extract.feeds:
        if feed not in permit.feeds or feed not in all_feeds():
            why = permit.left_out.get(feed)
            raise KinbridgeError(
                "KB-T10",
                name=extract.name,
                feed=feed,
                recipient=extract.recipient,
                clause=why.facts.get("clause", why.code) if why else permit.clauses["elements"],
            )
        for column in extract.columns:
            found += [
                Disclosed(column.name, element, feed, str(column.form), permit.feeds[feed])
                for element in sorted(supplied(column.elements, all_feeds()[feed]))
            ]
    return tuple(found)


def _rule(extract: Extract, permit: ReleasePermit, day: date, approvals: Approvals) -> Effective:
    """The strictest rule over the elements that leave and the feeds that give them."""
    known = integrated_elements()
    given = {element for feed in extract.feeds for element in _given(feed)}
    # What another feed would have given is not in it, and does not bind it.
    parts = {part for name in elements_read(extract) for part in known[name].elements if part in given}
    grounds = read_grounds(approvals=approvals)
    return for_release(parts, extract.feeds, extract.recipient, day, grounds, agreement=permit.agreement)


def _forms(extract: Extract, rule: Effective, day: date) -> date | None:
    """No column is finer than the strictest rule allows (KB-T11); the first month of birth that may be told."""
    top = rule.age_top_code
    for column in extract.columns:
        kinds = {integrated_elements()[element].kind for element in column.elements}
        if kinds & {ElementKind.BIRTH, ElementKind.DATE} and column.form.name in LADDERS[Kind.DATES]:
            _refuse_finer(extract, column, rule, Kind.DATES)
        if ElementKind.GEOGRAPHY in kinds:
            _refuse_finer(extract, column, rule, Kind.GEOGRAPHY)
        if top is not None and column.form.name == "age" and column.form.groups[-1] > top + 1:
            _refuse(extract, column, str(top), rule, Kind.AGE_TOP_CODE)
    return None if top is None else date(day.year - top - 1, day.month, 1)


def _refuse_finer(extract: Extract, column: ExtractColumn, rule: Effective, kind: Kind) -> None:
    allowed = str(rule.value(kind))
    if finer(LADDERS[kind], column.form.name, allowed):
        _refuse(extract, column, allowed, rule, kind)


def _refuse(extract: Extract, column: ExtractColumn, allowed: str, rule: Effective, kind: Kind) -> None:
    raise KinbridgeError(
        "KB-T11",
        name=extract.name,
        column=column.name,
        form=column.form.name,
        kind=kind.value.replace("_", " "),
        allowed=allowed,
        clause=clauses(rule, kind) or "no clause allows more",
    )


def _minimum(rule: Effective, permit: ReleasePermit) -> tuple[int, str]:
    """The smallest group, and the clause that asks for it: never below the figure that nothing may undercut."""
    candidates: Mapping[int, str] = {
        MINIMUM_CELL: "the smallest group that Kinbridge knows",
        permit.small_cell_minimum: str(permit.clauses["small_cell_minimum"]),
        rule.minimum_cell: clauses(rule, Kind.MINIMUM_CELL) or "no clause",
    }
    minimum = max(candidates)
    return minimum, candidates[minimum]


def _redisclosed(extract: Extract, permit: ReleasePermit, rule: Effective) -> None:
    """The strictest rule lets rows about people go to this recipient at all (KB-T16)."""
    refusals = (
        (Kind.REDISCLOSURE, rule.redisclosure == "none"),
        (Kind.NAMED_RECIPIENTS, rule.named_recipients is not None and extract.recipient not in rule.named_recipients),
        (Kind.RECIPIENTS, rule.recipients is not None and not rule.recipients & _roles(permit, extract.recipient)),
        (Kind.LINKAGE, rule.linkage == "forbidden"),
    )
    for kind, refused in refusals:
        if refused:
            clause = clauses(rule, kind)
            raise KinbridgeError(
                "KB-T16",
                name=extract.name,
                recipient=extract.recipient,
                kind=kind.value.replace("_", " "),
                clause=clause,
            )


def _roles(permit: ReleasePermit, recipient: str) -> frozenset[str]:
    """The roles that the recipient has in the release agreement."""
    return frozenset({"recipient"} | {p.role for p in permit.agreement.parties if p.code == recipient and p.role})


def _keys(extract: Extract, permit: ReleasePermit) -> tuple[Cert, ...]:
    """The recipient's keys; one that was revoked or has expired opens nothing for anybody (KB-T14)."""
    found = pinned(extract.recipient, permit.encrypted_to) if permit.encrypted_to else []
    bad: Iterable[Cert] = [key for key in found if not usable(key)]
    if not found or bad:
        raise KinbridgeError(
            "KB-T14",
            name=extract.name,
            recipient=extract.recipient,
            clause=permit.clauses["encrypted_to"],
            keys=", ".join(key.fingerprint.upper() for key in bad) or "none is named",
        )
    return tuple(found)


def _expires(day: date, permit: ReleasePermit) -> date:
    return min(permit.expires, date.fromordinal(day.toordinal() + permit.keep_days))
