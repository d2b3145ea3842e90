"""What agreements allow on a day, and why a column is or is not read, as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from kinbridge.agreement.force import Force, Standing, State
from kinbridge.agreement.gate import agreement_for
from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.contract.model import Feed
from kinbridge.errors import KinbridgeError
from kinbridge.load.origin import Origin

NEAR = 90  # days before the last day from which on it is told
WIDTH = 24


def state_in_words(standing: Standing, day: date) -> str:
    """The state with what a person wants to know beside it: in force, expires in 20 days; not signed by …"""
    facts = standing.facts
    left = (standing.agreement.expires - day).days
    match standing.state:
        case State.IN_FORCE:
            ending = "" if left > NEAR else f", expires in {left} day{'s' * (left != 1)}"
            return f"in force until {standing.agreement.expires}{ending}"
        case State.REPLACED:
            return f"replaced by {facts['successor']} since {facts['since']}"
        case State.NOT_YET:
            return f"not yet in force, from {facts['effective']}"
        case State.EXPIRED:
            return f"expired on {facts['expires']}"
        case State.UNSIGNED:
            return f"not signed by {facts['parties']}"
        case State.NO_MEMORANDUM:
            return f"its memorandum {facts['memorandum']} does not hold: {facts['why']}"
        case _:
            return standing.state.value


def table(every: Force, day: date) -> list[str]:
    """One line for each agreement: id, version, kind, state, and how many feeds or releases it carries."""
    rows = []
    for agreement in sorted(every.agreements, key=lambda one: (one.id, one.effective, one.version)):
        carried = len(agreement.feeds) or len(agreement.releases)
        what = "" if not carried else f"{carried} {'feed' if agreement.feeds else 'release'}{'s' * (carried != 1)}"
        state = state_in_words(every.standing(agreement, day), day)
        rows.append((agreement.id, agreement.version, agreement.kind.value, what, state))
    widths = [max(len(row[at]) for row in rows) for at in range(4)] if rows else []
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def details(agreements: Iterable[Agreement], every: Force, day: date) -> list[str]:
    """What each of these agreements allows on that day, feed by feed, clause by clause."""
    return [line for agreement in agreements for line in _details(agreement, every, day)]


def _details(agreement: Agreement, every: Force, day: date) -> Iterator[str]:
    standing = every.standing(agreement, day)
    yield f"{agreement.name}: {state_in_words(standing, day)}"
    yield f"  {agreement.title}"
    yield f"  {agreement.kind.value.replace('_', ' ')}, {agreement.effective} to {agreement.expires}" + (
        f", amends {agreement.amends}" if agreement.amends else ""
    )
    if agreement.under:
        yield f"  stands under {agreement.under}"
    if not standing.in_force:
        yield f"  nothing is allowed by it: {standing.clause}"
    for party in agreement.parties:
        signed = [one for one in agreement.signatures if one.party == party.code and one.counts(day)]
        how = f"signed {signed[0].signed} by {signed[0].name}, {signed[0].authority}" if signed else "not signed"
        yield f"  {party.role or 'party'} {party.code}: {how if party.signs else 'does not sign'}"
    if agreement.kind is AgreementKind.DATA_USE:
        yield f"  for {', '.join(agreement.use_cases)}"
    for feed, elements in agreement.feeds.items():
        rejected = elements & every.approvals.rejected_elements(feed, day)
        read = elements - rejected if standing.in_force else frozenset()
        yield f"  {feed}: {len(read)} column{'s' * (len(read) != 1)} read ({agreement.clause('feeds', feed).place})"
        if read:
            yield f"    {', '.join(sorted(read))}"
        for element in sorted(rejected):
            yield f"    {element} is not read: a decision rejected it"
    for use_case, elements_ in agreement.releases.items():
        yield f"  releases for {use_case}: {', '.join(elements_)} ({agreement.clause('releases', use_case).place})"
    for name, text in _terms(agreement):
        yield f"  {name + ':':<{WIDTH}} {text} ({agreement.clause(name.replace(' ', '_')).place})"


def _terms(agreement: Agreement) -> Iterator[tuple[str, str]]:
    if agreement.kind is AgreementKind.MEMORANDUM:
        yield "purposes", str(len(agreement.purposes))
        yield "commitments", str(len(agreement.commitments))
        return
    yield "consent", " ".join(filter(None, (agreement.consent.rule.replace("_", " "), agreement.consent.form)))
    yield "redisclosure", ", ".join(agreement.redisclosure.recipients) or "to nobody"
    kept = agreement.retention
    spans = ((kept.files_days, "days of files"), (kept.records_months, "months of records"))
    more = ((kept.quarantine_days, "days of quarantined rows"), (kept.releases_days, "days of releases"))
    yield "retention", ", ".join(f"{count} {what}" for count, what in (*spans, *more) if count is not None)
    yield "destruction", f"within {agreement.destruction.within_days} days"
    yield "breach", f"{agreement.breach.contact}, within {agreement.breach.within_hours} hours"
    yield "small cells", f"no count below {agreement.small_cell_minimum}"
    linkage = agreement.linkage
    if not linkage.allowed:
        yield "linkage", "barred"
    elif linkage.not_with or linkage.use_cases is not None:
        only = f"for {', '.join(linkage.use_cases)}" if linkage.use_cases is not None else ""
        yield "linkage", "; ".join(filter(None, (only, ", ".join(f"not with {one}" for one in linkage.not_with))))


def explain(feed: Feed, column: str | None, day: date, every: Force, origins: Iterable[Origin]) -> list[str]:
    """Why the feed, or one column of it, is or is not read on that day, with the clause for each answer."""
    chosen: Agreement | None = None
    refusal: KinbridgeError | None = None
    try:
        chosen = agreement_for(feed.id, day, every)
    except KinbridgeError as error:
        refusal = error
    names = [column] if column else [one.name for one in feed.columns]
    lines = [_feed_line(feed, chosen, refusal, day)]
    known = list(origins)
    for name in names:
        lines.extend(_column(feed, name, chosen, day, every, known))
    return lines


def _feed_line(feed: Feed, chosen: Agreement | None, refusal: KinbridgeError | None, day: date) -> str:
    if chosen is None:
        return f"{feed.id} is not read on {day}. {refusal}"
    return f"{feed.id} is read on {day} under {chosen.clause('feeds', feed.id)}, until {chosen.expires}."


def _column(  # noqa: PLR0917
    feed: Feed, name: str, chosen: Agreement | None, day: date, every: Force, origins: list[Origin]
) -> Iterator[str]:
    if name not in {one.name for one in feed.columns}:
        yield f"{name}: not read; the contract of {feed.id} has no such column"
        return
    naming = [one for one in every.agreements if name in one.feeds.get(feed.id, ())]
    rejected = every.approvals.rejection_of(feed.id, name, day)
    if chosen is not None and name in chosen.feeds[feed.id] and rejected is None:
        goes = sorted(one.element for one in origins if one.column == name)
        yield f"{name}: read; {chosen.element_clause(feed.id, name)}"
        yield f"    goes to {', '.join(goes)}" if goes else "    the transform writes it to no table of the record"
    elif rejected is not None:
        yield f"{name}: not read; a decision of {rejected.decided_on} rejected it ({rejected.place})"
    elif chosen is not None:
        yield f"{name}: not read; {chosen.clause('feeds', feed.id, 'elements')} does not list it"
    else:
        yield f"{name}: not read; no agreement over {feed.id} is in force"
    for one in naming:
        if one is not chosen:
            state = state_in_words(every.standing(one, day), day)
            yield f"    listed by {one.element_clause(feed.id, name)}: {state}"
