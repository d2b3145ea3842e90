"""Forms of columns: which is finer, and what their labels are; the SQL itself is shown by the spec of releases."""

from __future__ import annotations

from datetime import date

import pytest

from kinbridge.law.demand import LADDERS, Kind
from kinbridge.release.elements import ElementKind, elements_of_feed, integrated_elements
from kinbridge.release.forms import FORMS, Form, finer


@pytest.mark.parametrize(
    ("kind", "form", "allowed", "is_finer"),
    [
        (Kind.DATES, "year", "month", False),
        (Kind.DATES, "month", "month", False),
        (Kind.DATES, "exact", "month", True),
        (Kind.GEOGRAPHY, "county", "zip3", True),
        (Kind.GEOGRAPHY, "state", "zip3", False),
        (Kind.GEOGRAPHY, "street", "exact", True),
        (Kind.DATES, "month", "whenever", True),
    ],
)
def test_what_is_finer_than_allowed(kind: Kind, form: str, allowed: str, is_finer: bool) -> None:
    assert finer(LADDERS[kind], form, allowed) is is_finer


def test_groups_are_labelled_and_the_last_is_open() -> None:
    form = Form("age", (0, 1, 3, 6), date(2026, 8, 1))
    assert form.labels() == ("0", "1-2", "3-5", "6+")
    assert str(form) == "age on the last day of 2026-08: 0, 1-2, 3-5, 6+"


def test_every_form_of_a_date_or_place_is_on_the_ladder_of_demands() -> None:
    for kind, ladder in ((ElementKind.DATE, Kind.DATES), (ElementKind.GEOGRAPHY, Kind.GEOGRAPHY)):
        assert set(FORMS[kind]) <= set(LADDERS[ladder])


def test_direct_identifiers_have_no_form_and_nothing_named_is_missing() -> None:
    known = integrated_elements()
    assert FORMS[ElementKind.IDENTIFIER] == ()
    for element in known.values():
        assert (element.kind is ElementKind.IDENTIFIER) == (element.identifying == "direct")
        assert element.elements or element.kind is ElementKind.IDENTIFIER


def test_a_feed_gives_what_its_transform_fills() -> None:
    from kinbridge.contract.odcs import feed_of

    found = elements_of_feed(feed_of("medicaid/eligibility_v1"))
    assert {"person.birth_date", "person_address.county_fips", "program_enrollment.entry_date"} <= found
    assert "service_event.service_date" not in found
