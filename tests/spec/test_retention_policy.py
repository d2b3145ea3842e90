"""How long things are kept.

The strictest of three holds: the agreement's clause, a law's, the office's own rule; and the list of what is due names
the one that won. When an agreement ends and none follows, everything under it is due, within the days that it sets. A
renewal that is signed and follows in time keeps it; one that nobody signed does not. An amendment takes the place of
what it amends. Nothing is destroyed without a person's approval, or while a hold stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.support.declared import site_of, write_agreement

from kinbridge.agreement.model import Agreement
from kinbridge.agreement.reader import read_agreements
from kinbridge.retention.hold import Hold, held
from kinbridge.retention.office import OfficeRules, read_office_rules
from kinbridge.retention.rule import FeedRules, rules_of
from kinbridge.retention.term import Kind, Term
from kinbridge.settings import home

FEED = "atlas/visits_v1"
REAL = home() / "include"
IN_FORCE, LAST, AFTER = date(2026, 7, 1), date(2026, 12, 31), date(2027, 1, 1)


@pytest.fixture
def include(tmp_path: Path) -> Iterator[Path]:
    with site_of(tmp_path / "site") as folder:
        write_agreement(folder, "atlas", {FEED: ["visit_id"]})
        yield folder


@pytest.fixture
def office() -> OfficeRules:
    return read_office_rules([REAL])


def _second(include: Path, *changes: tuple[str, str]) -> None:
    """One more version of the agreement, with these changes to its text."""
    text = (include / "agreements" / "atlas.yaml").read_text(encoding="utf-8")
    for old, new in (("version: 1.0.0", "version: 1.1.0"), *changes):
        assert old in text
        text = text.replace(old, new)
    (include / "agreements" / "atlas_2.yaml").write_text(text, encoding="utf-8")


def _rules(office: OfficeRules, day: date, law: Term | None = None) -> FeedRules:
    return rules_of(FEED, day, read_agreements(), office, law)


def test_the_agreements_clause_holds_where_it_is_the_strictest_and_is_named(include: Path, office: OfficeRules) -> None:
    rules = _rules(office, IN_FORCE)
    assert rules.terms[Kind.RECORD].months == 36
    assert (
        "dsa-atlas 1.0.0, retention.records_months (include/agreements/atlas.yaml:" in rules.terms[Kind.RECORD].clause
    )
    assert rules.terms[Kind.FILE].days == 30


def test_a_laws_clause_holds_where_it_is_stricter(include: Path, office: OfficeRules) -> None:
    rules = _rules(office, IN_FORCE, Term("a law of Jefferson", months=12))
    assert rules.terms[Kind.RECORD].clause == "a law of Jefferson"
    assert rules.terms[Kind.QUARANTINE].days == 180
    looser = _rules(office, IN_FORCE, Term("a law of Jefferson", months=120))
    assert looser.terms[Kind.RECORD].months == 36


def test_the_offices_own_rule_holds_where_the_agreement_is_silent(include: Path, office: OfficeRules) -> None:
    assert "agreement" not in _rules(office, IN_FORCE).terms[Kind.QUARANTINE].clause
    assert _rules(office, IN_FORCE).terms[Kind.QUARANTINE].clause.startswith("office rule quarantine")


def test_nothing_has_ended_on_the_agreements_last_day(include: Path, office: OfficeRules) -> None:
    assert _rules(office, LAST).ended is None


def test_on_the_day_after_everything_is_due_within_the_days_that_the_agreement_sets(
    include: Path, office: OfficeRules
) -> None:
    ended = _rules(office, AFTER).ended
    assert ended is not None
    assert (ended.since, ended.deadline) == (AFTER, LAST + timedelta(days=30))
    assert "destruction.within_days" in ended.clause


def test_a_signed_renewal_that_follows_in_time_keeps_what_is_there(include: Path, office: OfficeRules) -> None:
    _second(include, ("effective: 2025-01-01", "effective: 2027-01-10"), ("expires: 2026-12-31", "expires: 2028-12-31"))
    assert _rules(office, AFTER).ended is None
    assert _rules(office, date(2027, 2, 1)).ended is None


def test_a_renewal_that_nobody_signed_keeps_nothing(include: Path, office: OfficeRules) -> None:
    _second(
        include,
        ("effective: 2025-01-01", "effective: 2027-01-10"),
        ("expires: 2026-12-31", "expires: 2028-12-31"),
        ("signed: 2024-12-02", "signed:"),
    )
    assert _rules(office, AFTER).ended is not None
    assert _rules(office, date(2027, 1, 10)).ended is not None


def test_a_renewal_that_follows_too_late_keeps_nothing(include: Path, office: OfficeRules) -> None:
    _second(include, ("effective: 2025-01-01", "effective: 2027-06-01"), ("expires: 2026-12-31", "expires: 2028-12-31"))
    assert _rules(office, AFTER).ended is not None


def test_an_amendment_that_leaves_the_feed_out_ends_it(include: Path, office: OfficeRules) -> None:
    _second(
        include,
        ("version: 1.1.0", "version: 1.1.0\namends: 1.0.0"),
        ("effective: 2025-01-01", "effective: 2026-06-01"),
        (FEED, "atlas/notes_v1"),
    )
    assert _rules(office, date(2026, 5, 31)).ended is None
    ended = _rules(office, IN_FORCE).ended
    assert ended is not None
    assert ended.since == date(2026, 6, 1)


def test_an_agreement_of_another_partner_keeps_nothing(include: Path, office: OfficeRules) -> None:
    agreements: list[Agreement] = read_agreements()
    assert rules_of("boreas/visits_v1", IN_FORCE, agreements, office).ended is not None


def test_a_hold_keeps_its_feed_and_what_is_asked_of_the_whole_partner() -> None:
    from datetime import UTC, datetime

    standing = [Hold(FEED, "A court.", "A Steward", datetime(2026, 1, 1, tzinfo=UTC))]
    assert held(standing, "atlas", FEED)
    assert held(standing, "atlas", None)
    assert held(standing, "atlas", "atlas/notes_v1") is None
    assert held(standing, "boreas", None) is None
