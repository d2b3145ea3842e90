"""What one version of an agreement says otherwise than another, clause by clause, in plain words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from kinbridge.agreement.model import Agreement
from kinbridge.declaration.clause import Clause


@dataclass(frozen=True)
class Change:
    """One difference: the clause as the older and the newer version have it, and what changes, in words."""

    old: Clause
    new: Clause
    text: str


def difference(old: Agreement, new: Agreement) -> list[Change]:
    """What the newer version changes: feeds and elements first, then the other clauses."""
    return [
        *_named(old, new, "feeds"),
        *_named(old, new, "releases"),
        *_lists(old, new),
        *_values(old, new),
    ]


def removed_elements(old: Agreement, new: Agreement) -> dict[str, frozenset[str]]:
    """The elements of each feed that the older version allows and the newer does not."""
    found = {feed: elements - new.feeds.get(feed, frozenset()) for feed, elements in old.feeds.items()}
    return {feed: elements for feed, elements in found.items() if elements}


def _named(old: Agreement, new: Agreement, where: str) -> Iterator[Change]:
    verb, before, after = (
        ("read", old.feeds, new.feeds) if where == "feeds" else ("released", _released(old), _released(new))
    )
    for name in [*before, *(name for name in after if name not in before)]:
        gone, more = (
            before.get(name, frozenset()) - after.get(name, frozenset()),
            after.get(name, frozenset()) - before.get(name, frozenset()),
        )
        places = (old.clause(where, name), new.clause(where, name))
        if name not in after:
            yield Change(*places, f"{name}: nothing of it is {verb} any more ({len(gone)} elements)")
            continue
        if name not in before:
            yield Change(*places, f"{name}: {verb} from now on, {_listed(more)}")
            continue
        if gone:
            yield Change(*places, f"{name}: no longer {verb}: {_listed(gone)}")
        if more:
            yield Change(*places, f"{name}: {verb} from now on: {_listed(more)}")


def _released(agreement: Agreement) -> dict[str, frozenset[str]]:
    return {use_case: frozenset(elements) for use_case, elements in agreement.releases.items()}


# Clause, what it lists, and how to read it.
_LISTS: tuple[tuple[str, str, Callable[[Agreement], Collection[str]]], ...] = (
    ("use_cases", "use cases", lambda a: a.use_cases if not a.releases else ()),
    ("parties", "parties", lambda a: [f"{p.code} ({p.role})" for p in a.parties]),
    ("legal_basis", "legal basis", lambda a: [basis.citation for basis in a.legal_basis]),
    ("laws", "laws", lambda a: a.laws),
    ("redisclosure", "who may be given rows", lambda a: a.redisclosure.recipients),
    ("linkage", "feeds not to be linked with", lambda a: a.linkage.not_with),
    ("linkage", "use cases to be linked for", lambda a: a.use_cases if (u := a.linkage.use_cases) is None else u),
    ("transmission", "keys that may sign", lambda a: a.openpgp.signed_by if a.openpgp else ()),
    ("transmission", "keys it is encrypted to", lambda a: a.transmission.encrypted_to),
    ("purposes", "purposes", lambda a: a.purposes),
    ("commitments", "commitments", lambda a: a.commitments),
)
_VALUES: tuple[tuple[str, str, Callable[[Agreement], object]], ...] = (
    ("title", "title", lambda a: a.title),
    ("effective", "first day", lambda a: a.effective),
    ("expires", "last day", lambda a: a.expires),
    ("under", "stands under", lambda a: a.under),
    ("consent.rule", "consent", lambda a: a.consent.rule.replace("_", " ")),
    ("consent.form", "consent form", lambda a: a.consent.form),
    ("consent.what", "consent, in words", lambda a: a.consent.what),
    ("redisclosure", "redisclosure, in words", lambda a: a.redisclosure.what),
    ("linkage.allowed", "may be linked", lambda a: a.linkage.allowed),
    ("retention.files_days", "days that files are kept", lambda a: a.retention.files_days),
    ("retention.records_months", "months that records are kept", lambda a: a.retention.records_months),
    ("retention.quarantine_days", "days that quarantined rows are kept", lambda a: a.retention.quarantine_days),
    ("retention.releases_days", "days that a release is kept", lambda a: a.retention.releases_days),
    ("destruction.within_days", "days to destroy", lambda a: a.destruction.within_days),
    ("destruction.method", "how data are destroyed", lambda a: a.destruction.method),
    ("destruction.certificate", "a certificate of destruction", lambda a: a.destruction.certificate),
    ("breach.contact", "whom to tell of a breach", lambda a: a.breach.contact),
    ("breach.email", "address for a breach", lambda a: a.breach.email),
    ("breach.within_hours", "hours to tell of a breach", lambda a: a.breach.within_hours),
    ("small_cells.minimum", "smallest count", lambda a: a.small_cell_minimum),
    ("transmission.channel", "channel", lambda a: a.transmission.channel),
    ("transmission.outbox", "outbox", lambda a: a.transmission.outbox),
    ("transmission.openpgp", "files are encrypted", lambda a: a.openpgp.encrypted if a.openpgp else None),
    ("deidentification", "de-identification", lambda a: a.deidentification),
)


def _lists(old: Agreement, new: Agreement) -> Iterator[Change]:
    for where, what, of in _LISTS:
        before, after = list(of(old)), list(of(new))
        parts = []
        if gone := [one for one in before if one not in after]:
            parts.append(f"without {'; '.join(gone)}")
        if more := [one for one in after if one not in before]:
            parts.append(f"now with {'; '.join(more)}")
        if parts:
            yield Change(old.clause(where), new.clause(where), f"{what}: {', '.join(parts)}")


def _values(old: Agreement, new: Agreement) -> Iterator[Change]:
    for where, what, of in _VALUES:
        before, after = of(old), of(new)
        if before != after:
            text = f"{what}: {_said(before)} becomes {_said(after)}"
            yield Change(old.clause(where), new.clause(where), text)


def _said(value: object) -> str:
    if value is None or value == "":
        return "(nothing)"
    return {True: "yes", False: "no"}.get(value, f"{value}") if isinstance(value, bool) else str(value)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
