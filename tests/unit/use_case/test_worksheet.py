"""The worksheet tells what is asked for, who gives it, and what nobody has agreed to share yet."""

from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

from kinbridge.agreement.force import force
from kinbridge.agreement.reader import read_agreements, read_use_cases
from kinbridge.contract.odcs import feeds
from kinbridge.decision.approvals import read_approvals
from kinbridge.use_case.model import UseCase
from kinbridge.use_case.worksheet import Worksheet, render, worksheet

DAY = date(2026, 9, 1)


class Page(HTMLParser):
    """The page's text, and whether its tags close."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def sheet(name: str = "unduplicated_counts", **changes: object) -> Worksheet:
    use_case: UseCase = next(one for one in read_use_cases() if one.id == name)
    every = force(read_agreements(), read_approvals(None, day=DAY))
    return worksheet(replace(use_case, **changes), DAY, every, feeds().values(), {})  # type: ignore[arg-type]


def test_what_an_amendment_took_back_is_agreed_by_nobody() -> None:
    found = sheet()
    assert [row.element for row in found.not_agreed] == ["program_exit.exit_date", "service_event.duration_minutes"]
    [source] = found.not_agreed[1].sources
    assert (source.feed, source.why) == ("home_visiting/visits_v1", "not listed: duration_minutes")
    assert "dsa-home-visiting 1.1.0" in source.clause


def test_an_element_is_given_by_every_feed_whose_transform_fills_it() -> None:
    rows = {row.element: row for row in sheet().elements}
    assert {source.feed for source in rows["person.birth_date"].sources} == {
        "early_intervention/services_v1",
        "home_visiting/enrollments_v1",
        "medicaid/eligibility_v1",
        "snap/participation_v1",
    }
    # A constant of the transform comes from no column.
    assert {source.columns for source in rows["program_enrollment.program"].sources} == {()}


def test_what_is_given_for_another_use_is_not_agreed_for_this_one() -> None:
    rows = sheet(id="something_new", elements=("person.birth_date", "person.phone", "person.shoe_size")).elements
    assert [row.agreed for row in rows] == [False] * 3
    assert {source.why for source in rows[0].sources} == {"given, but not for this use"}
    assert rows[2].sources == ()


def test_the_page_stands_by_itself() -> None:
    page = render(sheet(question="Is <b>this</b> safe?"))
    read = Page(page)
    assert read.open == []
    assert "Is <b>this</b> safe?" in read.text
    for said in ("Nobody has agreed to share these yet", "42 U.S.C. 711", "hv-consent-2024", "Initials", "feeds."):
        assert said in read.text
    assert not [value for name, value in read.attributes if name in {"src", "href", "onclick"}]
    assert ("lang", "en") in read.attributes
    assert "program_exit.exit_date" in Page(render(sheet("who_and_where"))).text
