"""Begins a new agreement from a template: everything that can be known is filled in, and what people have to decide is
marked. It never writes over a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from string import Template

from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.agreement.reader import Declared, read_declared
from kinbridge.contract.model import Feed
from kinbridge.draft.contract import scalar
from kinbridge.draft.unsigned import Written, write_all
from kinbridge.errors import KinbridgeError
from kinbridge.partner.profile import partners, read_profile
from kinbridge.settings import home

TEMPLATES = Path("include") / "agreements" / "templates"
YEARS = 3


@dataclass(frozen=True)
class Wanted:
    """What the new agreement is to be about: its kind and id; feeds for a data use agreement; recipient and use case
    for a release agreement."""

    kind: AgreementKind
    id: str
    feeds: tuple[Feed, ...] = ()
    recipient: str = ""
    use_case: str = ""


def write_agreement(wanted: Wanted, out: Path, today: date) -> Written:
    """Write the draft. Raises `KinbridgeError` KB-A19 when the file is there, KB-A18 when there is no such use case."""
    if out.exists():
        raise KinbridgeError("KB-A19", path=out)
    return write_all({out: agreement_text(wanted, read_declared(), today)})


def agreement_text(wanted: Wanted, declared: Declared, today: date) -> str:
    """The text of the new agreement, beginning on the first day of a month on which nothing else covers its feeds."""
    template = (home() / TEMPLATES / f"{wanted.kind.value}.yaml").read_text(encoding="utf-8")
    agreements = [agreement for agreement, _ in declared.agreements]
    office = next((one.recipient for one in agreements if one.kind is AgreementKind.DATA_USE), None)
    office_code, office_name = (office.code, office.name) if office else ("data_office", "Not written yet")
    contributors = sorted({feed.partner for feed in wanted.feeds})
    approved = [one.id for one, _ in declared.use_cases if one.status == "approved"]
    known = [one.id for one, _ in declared.use_cases]
    if wanted.kind is AgreementKind.RELEASE and wanted.use_case not in known:
        raise KinbridgeError("KB-A18", name=wanted.use_case, known=", ".join(known) or "none")
    giving = {
        AgreementKind.MEMORANDUM: partners(),
        AgreementKind.DATA_USE: contributors,
        AgreementKind.RELEASE: [office_code],
    }[wanted.kind]
    taking = wanted.recipient if wanted.kind is AgreementKind.RELEASE else office_code
    first = _first_day(wanted, agreements, today)
    return Template(template).substitute(
        id=scalar(wanted.id),
        version=_version(wanted.id, agreements),
        office_code=office_code,
        office_name=scalar(office_name),
        contributors="\n".join(f"    - {{ code: {one}, name: {scalar(_name(one))} }}" for one in partners()),
        contributor_code=contributors[0] if contributors else "",
        contributor_name=scalar(_name(contributors[0])) if contributors else "",
        use_cases=", ".join(approved) or "not_chosen_yet",
        use_case=wanted.use_case,
        recipient=wanted.recipient,
        feeds="\n".join(_feed(feed, agreements) for feed in wanted.feeds),
        effective=first.isoformat(),
        expires=(first.replace(year=first.year + YEARS) - timedelta(days=1)).isoformat(),
        signatures="\n".join(_signature(party) for party in [*giving, taking]),
    )


def _version(agreement_id: str, agreements: Iterable[Agreement]) -> str:
    """1.0.0, or the next whole number where there are versions of it."""
    known = [one.version.split(".", 1)[0] for one in agreements if one.id == agreement_id]
    return f"{max((int(major) for major in known if major.isdecimal()), default=0) + 1}.0.0"


def _name(partner: str) -> str:
    try:
        return read_profile(partner).name
    except KinbridgeError:
        return "Not written yet"


def _signature(party: str) -> str:
    return (
        f"  - {{ party: {party}, name: Not written yet, title: Not written yet, authority: Not written yet, signed: }}"
    )


def _feed(feed: Feed, agreements: Iterable[Agreement]) -> str:
    """The columns that were agreed on before, or all of the contract's where none were."""
    before = [one.listed[feed.id] for one in agreements if feed.id in one.listed]
    names: Sequence[str] = before[-1] if before else [column.name for column in feed.columns]
    listed = "\n".join(f"      - {scalar(name)}" for name in names)
    return f"""\
  {feed.id}:
    # DECIDE: which columns are needed for the use cases; a column that is not listed is never read
    elements:
{listed}"""


def _first_day(wanted: Wanted, agreements: Iterable[Agreement], today: date) -> date:
    """The first of next month, or the day after what covers the same today has ended."""
    covering = [
        one.expires
        for one in agreements
        if any(feed.id in one.feeds for feed in wanted.feeds)
        or (wanted.recipient and wanted.recipient == one.recipient.code and wanted.use_case in one.releases)
    ]
    month = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    return max([month, *(last + timedelta(days=1) for last in covering)])
