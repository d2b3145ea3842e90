"""The project's own declarations hold together, and its suites are what its contracts compile to."""

from kinbridge.check.declarations import check
from kinbridge.check.suites import compile_suites


def test_every_declaration_of_the_project_holds() -> None:
    assert [str(problem) for problem in check()] == []


def test_no_suite_of_the_project_would_change() -> None:
    assert compile_suites() == []
