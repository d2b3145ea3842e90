"""Periods are plain calendar arithmetic: leap years, weeks over New Year, quarters, and no gap between any two."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.declared import column, contract, site_of, write_feed

from kinbridge.calendar.period import DAY, Unit, period_of, periods
from kinbridge.calendar.terms import Terms, term_problems, terms_of
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import feeds, read_feed
from kinbridge.declaration.document import read_document
from kinbridge.errors import KinbridgeError

FEED = "atlas/visits_v1"
SLA = """\
slaProperties:
  - { property: frequency, value: 1, unit: m }
  - { property: latency, value: 10, unit: d }
"""


@pytest.mark.parametrize(
    ("day", "every", "unit", "days", "label"),
    [
        ("2024-02-29", 1, "m", "2024-02-01/2024-02-29", "2024-02"),
        ("2026-02-03", 1, "m", "2026-02-01/2026-02-28", "2026-02"),
        ("1900-02-03", 1, "m", "1900-02-01/1900-02-28", "1900-02"),
        ("2026-12-31", 1, "m", "2026-12-01/2026-12-31", "2026-12"),
        ("2026-05-15", 3, "m", "2026-04-01/2026-06-30", "2026-Q2"),
        ("2026-12-31", 3, "m", "2026-10-01/2026-12-31", "2026-Q4"),
        ("2026-03-01", 2, "m", "2026-03-01/2026-04-30", "2026-03-01 to 2026-04-30"),
        ("2024-02-29", 1, "y", "2024-01-01/2024-12-31", "2024"),
        # The last days of 2024 belong to the first ISO week of 2025, the first of 2027 to the last of 2026.
        ("2024-12-31", 1, "w", "2024-12-30/2025-01-05", "2025-W01"),
        ("2027-01-01", 1, "w", "2026-12-28/2027-01-03", "2026-W53"),
        ("2026-07-14", 1, "d", "2026-07-14/2026-07-14", "2026-07-14"),
    ],
)
def test_a_day_lies_in_its_period(day: str, every: int, unit: Unit, days: str, label: str) -> None:
    period = period_of(date.fromisoformat(day), every, unit)
    assert (f"{period.first}/{period.last}", period.label) == (days, label)


@given(
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.integers(0, 400),
    st.integers(1, 14),
    st.sampled_from(["d", "w", "m", "y"]),
)
def test_periods_follow_each_other_without_a_gap(start: date, days: int, every: int, unit: Unit) -> None:
    end = start + days * DAY
    found = list(periods(start, end, every, unit))
    assert found[0].first <= start <= found[0].last
    assert found[-1].first <= end <= found[-1].last
    assert all(before.last + DAY == after.first for before, after in pairwise(found))
    assert all(period_of(day, every, unit) == one for one in found for day in (one.first, one.last))
    assert len({one.label for one in found}) == len(found)


@pytest.mark.parametrize(
    ("terms", "day", "due"),
    [
        (Terms(1, "m", 10), "2024-02-10", "2024-03-10"),
        (Terms(1, "m", 29), "2024-01-10", "2024-02-29"),
        (Terms(1, "m", 29), "2026-01-10", "2026-03-01"),
        # New Year's Day, a Thursday: a due day is a calendar day, holiday or not.
        (Terms(1, "m", 1), "2025-12-10", "2026-01-01"),
        (Terms(1, "w", 0), "2026-07-15", "2026-07-19"),
        (Terms(3, "m", 45), "2026-08-01", "2026-11-14"),
    ],
)
def test_due_days_are_calendar_days_after_the_period(terms: Terms, day: str, due: str) -> None:
    assert terms.due(terms.period_of(date.fromisoformat(day))) == date.fromisoformat(due)


def test_every_feed_of_the_project_says_when_it_is_due() -> None:
    found = {feed.id: terms_of(feed) for feed in feeds().values()}
    assert found["medicaid/eligibility_v1"] == Terms(1, "m", 15)
    assert found["snap/participation_v1"] == Terms(1, "m", 12)
    assert None not in found.values()


def feed_with(folder: Path, sla: str) -> Feed:
    with site_of(folder) as include:
        text = contract(FEED, column("id", "string", "primaryKey: true")) + sla
        return read_feed(write_feed(include, FEED, text) / "contract.odcs.yaml")


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, Terms(1, "m", 10)),
        ({"value: 1, unit: m": "value: '1', unit: Months"}, Terms(1, "m", 10)),
        ({"value: 1, unit: m": "value: 2, unit: w", "10, unit: d": "1, unit: w"}, Terms(2, "w", 7)),
        ({"value: 1, unit: m": "value: 1, unit: q"}, Terms(3, "m", 10)),
        ({"10, unit: d": "0, unit: day"}, Terms(1, "m", 0)),
    ],
)
def test_terms_are_read_from_the_contract(tmp_path: Path, changes: dict[str, str], terms: Terms) -> None:
    text = SLA
    for old, new in changes.items():
        text = text.replace(old, new)
    assert terms_of(feed_with(tmp_path, text)) == terms


def test_a_contract_without_terms_owes_nothing(tmp_path: Path) -> None:
    assert terms_of(feed_with(tmp_path, "")) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value: 1, unit: m", "value: 0, unit: m", "frequency needs a whole number from 1"),
        ("value: 1, unit: m", "value: often, unit: m", "frequency needs a whole number"),
        ("value: 1, unit: m", "value: 1, unit: fortnight", "frequency needs a unit"),
        ("value: 10, unit: d", "value: -1, unit: d", "latency needs a whole number from 0"),
        ("value: 10, unit: d", "value: 10, unit: m", "latency is in days"),
        ("value: 10, unit: d", "value: 10", "latency needs a unit"),
        ("property: latency", "property: availability", "go together"),
        ("property: latency", "property: frequency", "stands twice"),
    ],
)
def test_terms_that_cannot_be_used_are_named_with_their_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    feed = feed_with(tmp_path, SLA.replace(old, new))
    with pytest.raises(KinbridgeError, match="KB-E01") as caught:
        terms_of(feed)
    assert said in str(caught.value)
    lines = feed.path.read_text(encoding="utf-8").splitlines()
    assert lines[int(caught.value.facts["line"]) - 1].strip().startswith(("- { property:", "slaProperties"))
    [problem] = term_problems(read_document(feed.path))
    assert (problem.code, problem.line) == ("KB-E01", caught.value.facts["line"])
