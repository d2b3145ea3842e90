"""The data sharing worksheet of a use case: one page on which partners see what is asked for and who has agreed.

`worksheet` is pure. Which feeds give an element is read from their transforms, and what is agreed from agreements in
force on the day; nothing is taken from a text that a person would have to keep up. The page holds no data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from kinbridge.agreement.force import Force
from kinbridge.agreement.gate import agreement_for
from kinbridge.agreement.model import Agreement, AgreementKind
from kinbridge.contract.model import Feed
from kinbridge.errors import KinbridgeError
from kinbridge.load.origin import filled_by, origins_of
from kinbridge.use_case.model import UseCase

NOBODY = "nobody"


@dataclass(frozen=True)
class Source:
    """One feed that gives an element: from which of its columns (none for a constant), and whether that is agreed.

    `clause` is the place that covers it, or the one that stands against it; `why` says what is missing.
    """

    feed: str
    columns: tuple[str, ...]
    agreed: bool
    clause: str
    why: str = ""


@dataclass(frozen=True)
class ElementRow:
    """One element that the use case needs, with every feed that gives it. `clause` is where the use case names it."""

    element: str
    sources: tuple[Source, ...]

    @property
    def agreed(self) -> bool:
        """Whether at least one feed may give it."""
        return any(source.agreed for source in self.sources)


@dataclass(frozen=True)
class PartnerRow:
    """What one partner gains, and on what ground it gives: law, consent, the agreement and its state."""

    code: str
    name: str
    benefit: str
    legal_basis: tuple[tuple[str, str], ...]
    consent: str
    agreement: str
    state: str
    agreed: bool


@dataclass(frozen=True)
class Worksheet:
    """What stands on the page. `not_agreed` are the elements that nobody has agreed to share for this use yet."""

    use_case: UseCase
    day: date
    decided: str
    partners: tuple[PartnerRow, ...]
    elements: tuple[ElementRow, ...]

    @property
    def not_agreed(self) -> tuple[ElementRow, ...]:
        """The elements that nobody has agreed to share for this use yet."""
        return tuple(row for row in self.elements if not row.agreed)


def worksheet(use_case: UseCase, day: date, every: Force, feeds: Iterable[Feed], names: Mapping[str, str]) -> Worksheet:
    """What the page says of the use case on that day. `names` are the full names of partners by code."""
    known = sorted(feeds, key=lambda feed: feed.id)
    rows = tuple(_element(element, use_case, day, every, known) for element in use_case.elements)
    giving = {source.feed.split("/", 1)[0] for row in rows for source in row.sources}
    codes = [*use_case.benefits, *sorted(giving - set(use_case.benefits))]
    partners = tuple(_partner(code, use_case, day, every, names) for code in codes)
    decided = every.approvals.standing("use_case", use_case.id, use_case.version, use_case.digest, day=day)
    return Worksheet(use_case, day, decided, partners, rows)


def render(sheet: Worksheet) -> bytes:
    """The page as HTML that stands by itself: no script, nothing from elsewhere; meant for paper as for a screen."""
    return _template().render(sheet=sheet, use_case=sheet.use_case).encode("utf-8")


def _element(element: str, use_case: UseCase, day: date, every: Force, feeds: list[Feed]) -> ElementRow:
    return ElementRow(
        element, tuple(_source(element, feed, use_case, day, every) for feed in feeds if element in filled_by(feed))
    )


def _source(element: str, feed: Feed, use_case: UseCase, day: date, every: Force) -> Source:
    columns = tuple(sorted(origin.column for origin in origins_of(feed) if origin.element == element))
    try:
        agreement = agreement_for(feed.id, day, every)
    except KinbridgeError as error:
        return Source(feed.id, columns, False, str(error.facts.get("clause", "")), _first_sentence(error))
    allowed = agreement.feeds[feed.id] - every.approvals.rejected_elements(feed.id, day)
    missing = [column for column in columns if column not in allowed]
    if missing:
        clause = agreement.clause("feeds", feed.id, "elements")
        return Source(feed.id, columns, False, str(clause), f"not listed: {', '.join(missing)}")
    if use_case.id not in agreement.use_cases:
        return Source(feed.id, columns, False, str(agreement.clause("use_cases")), "given, but not for this use")
    where = agreement.element_clause(feed.id, columns[0]) if columns else agreement.clause("feeds", feed.id)
    return Source(feed.id, columns, True, str(where))


def _first_sentence(error: KinbridgeError) -> str:
    return f"{error.entry.title.lower()} ({error.code})"


def _partner(code: str, use_case: UseCase, day: date, every: Force, names: Mapping[str, str]) -> PartnerRow:
    """By the agreement that is in force; else by the newest there is, so that its ground can be discussed."""
    own = [
        one
        for one in every.agreements
        if one.kind is AgreementKind.DATA_USE and one.contributor.code == code and use_case.id in one.use_cases
    ]
    in_force = [one for one in own if every.standing(one, day).in_force]
    chosen: Agreement | None = (in_force or sorted(own, key=lambda one: one.effective))[-1] if own else None
    return PartnerRow(
        code=code,
        name=names.get(code, code),
        benefit=use_case.benefits.get(code, ""),
        legal_basis=tuple((basis.citation, basis.what) for basis in chosen.legal_basis) if chosen else (),
        consent=" ".join(filter(None, _consent(chosen))) if chosen else "",
        agreement=chosen.name if chosen else "",
        state=every.standing(chosen, day).state.value if chosen else "no agreement names this use",
        agreed=bool(in_force),
    )


def _consent(agreement: Agreement) -> Iterator[str]:
    yield agreement.consent.rule.replace("_", " ")
    if agreement.consent.form:
        yield f"(form {agreement.consent.form})"


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = lambda value: f"{value.day} {value:%B %Y}"
    return environment.get_template("worksheet.html.j2")
