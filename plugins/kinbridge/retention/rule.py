"""The rules of a feed: which term holds for each kind, and whether the agreement over the feed has ended. Pure.

The strictest of three holds: what the agreement says, what a law asks for, what the office does by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.retention.office import OfficeRules
from kinbridge.retention.term import Kind, Term, strictest

# Which clause of an agreement speaks of which kind, and whether in days or months.
_CLAUSES: Mapping[Kind, tuple[str, str]] = {
    Kind.FILE: ("files_days", "days"),
    Kind.STAGED: ("files_days", "days"),
    Kind.QUARANTINE: ("quarantine_days", "days"),
    Kind.RECORD: ("records_months", "months"),
    Kind.RELEASE: ("releases_days", "days"),
}


@dataclass(frozen=True)
class End:
    """An agreement that ended and was not renewed: the first day without it, the last on which its data may be here."""

    since: date
    deadline: date
    clause: str


@dataclass(frozen=True)
class FeedRules:
    """What holds for a feed: a term for each kind, the days that destruction may take, and the agreement's end."""

    feed: str
    terms: Mapping[Kind, Term]
    within_days: int
    ended: End | None = None

    @property
    def partner(self) -> str:
        """Whose feed it is."""
        return self.feed.split("/", 1)[0]


def rules_of(
    feed: str, day: date, agreements: Iterable[Agreement], office: OfficeRules, law: Term | None = None
) -> FeedRules:
    """The rules of a feed on that day. `law` is the strictest term for records that a law asks for, if any does."""
    versions = _versions(feed, day, agreements)
    newest = max(versions, key=lambda one: (one.effective, one.expires, one.version), default=None)
    terms: dict[Kind, Term] = {}
    for kind, ours in office.terms.items():
        found = [_of_agreement(newest, kind), law if kind in {Kind.RECORD, Kind.QUARANTINE} else None, ours]
        terms[kind] = strictest([term for term in found if term is not None], day)
    within = newest.destruction.within_days if newest else office.within_days
    return FeedRules(feed, terms, within, _end(feed, day, versions, agreements))


def _of_agreement(agreement: Agreement | None, kind: Kind) -> Term | None:
    if agreement is None or kind not in _CLAUSES:
        return None
    name, unit = _CLAUSES[kind]
    value = getattr(agreement.retention, name)
    if value is None:
        return None
    clause = str(agreement.clause("retention", name))
    return Term(clause, days=value) if unit == "days" else Term(clause, months=value)


def _versions(feed: str, day: date, agreements: Iterable[Agreement]) -> list[Agreement]:
    """The versions that have ever allowed the feed up to that day. Only the contributor can give what is its own."""
    return [
        one
        for one in agreements
        if one.kind is AgreementKind.DATA_USE
        and feed in one.feeds
        and one.contributor.code == feed.split("/", 1)[0]
        and one.effective <= day
        and not one.unsigned(min(day, one.expires))
    ]


def _last_day(agreement: Agreement, day: date, agreements: Iterable[Agreement]) -> date:
    """The last day of a version: its own, or the one before an amendment takes its place."""
    amended = [
        later.effective - timedelta(days=1)
        for later in agreements
        if later.id == agreement.id
        and later.amends == agreement.version
        and later.effective <= day
        and not later.unsigned(day)
    ]
    return min([agreement.expires, *amended])


def _end(feed: str, day: date, versions: list[Agreement], agreements: Iterable[Agreement]) -> End | None:
    """The end of the agreement over a feed; None while one is in force, or follows before destruction is due."""
    everything = list(agreements)
    if not versions:
        return End(day, day, f"no agreement over {feed} was ever in force")
    last, newest = max(((_last_day(one, day, everything), one) for one in versions), key=lambda pair: pair[0])
    if last >= day:
        return None
    deadline = last + timedelta(days=newest.destruction.within_days)
    renewed = any(
        one.kind is AgreementKind.DATA_USE
        and feed in one.feeds
        and one.contributor.code == newest.contributor.code
        and day < one.effective <= deadline
        and not one.unsigned(day)
        for one in everything
    )
    clause = newest.clause("destruction", "within_days")
    return None if renewed else End(last + timedelta(days=1), deadline, f"{clause}; it ended on {last.isoformat()}")
