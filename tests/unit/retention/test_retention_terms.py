"""Terms, office rules and a feed's rules, without a database."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinbridge.errors import KinbridgeError
from kinbridge.retention.office import check_office_rules, read_office_rules
from kinbridge.retention.term import Kind, Term, months_before, strictest
from kinbridge.settings import home


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 15), 13, date(2024, 12, 15)),
        (date(2026, 12, 31), -2, date(2027, 2, 28)),
        (date(2026, 12, 31), 12, date(2025, 12, 31)),
    ],
)
def test_months_back_end_with_the_month(day: date, months: int, expected: date) -> None:
    assert months_before(day, months) == expected


DAYS = st.dates(date(2015, 1, 1), date(2035, 1, 1))
TERMS = st.one_of(
    st.builds(lambda n: Term("c", days=n), st.integers(0, 4000)),
    st.builds(lambda n: Term("c", months=n), st.integers(0, 120)),
)


@given(TERMS, DAYS)
def test_something_is_due_from_one_day_on_and_not_on_the_day_before(term: Term, last: date) -> None:
    due = term.due_on(last)
    assert term.cutoff(due) > last
    assert term.cutoff(due.fromordinal(due.toordinal() - 1)) <= last


@given(st.lists(TERMS, min_size=1), DAYS)
def test_the_strictest_term_keeps_nothing_longer_than_any_other(terms: list[Term], day: date) -> None:
    assert strictest(terms, day).cutoff(day) == max(term.cutoff(day) for term in terms)


def test_the_offices_own_rules_hold_and_name_their_lines() -> None:
    rules = read_office_rules()
    assert check_office_rules() == []
    assert set(rules.terms) == set(Kind) - {Kind.IDENTITY}
    assert rules.terms[Kind.FILE].clause == "office rule file (include/retention.yaml:3)"
    assert rules.kept["ledger"]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("  days: 30\n", "  days: many\n", "file.days is a whole number from 0"),
        ("  months: 84\n", "  months: 84\n  days: 3\n", "record says either `days` or `months`"),
        ("backup:\n", "bckup:\n", "backup says either"),
        ("within_days: 30", "within_days: -1", "`within_days` is a whole number"),
        ("kept:\n", "letters: {days: 3, why: x}\nkept:\n", "letters is no kind of thing"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_nothing_is_destroyed_by_it(
    tmp_path: Path, old: str, new: str, text: str
) -> None:
    content = (home() / "include" / "retention.yaml").read_text(encoding="utf-8")
    assert old in content
    (tmp_path / "retention.yaml").write_text(content.replace(old, new, 1), encoding="utf-8")
    problems = check_office_rules([tmp_path])
    assert any(text in problem.text and problem.line > 0 for problem in problems), problems
    with pytest.raises(KinbridgeError, match="KB-U01"):
        read_office_rules([tmp_path])


def test_without_a_file_there_are_no_rules(tmp_path: Path) -> None:
    with pytest.raises(KinbridgeError, match="KB-U01"):
        read_office_rules([tmp_path])
    assert [problem.code for problem in check_office_rules([tmp_path])] == ["KB-U01"]
