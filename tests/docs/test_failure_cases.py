"""Every failure case of docs/failure-cases.md has a test, and the page names the files in which it is."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from kinbridge.errors import catalogue
from kinbridge.settings import home

# Those of governance, beside those of intake.
ALL = (*range(1, 33), 38, 39, 40)
ROW = re.compile(r"^\| (\d+) \|.*\| ([^|]+) \|$", re.MULTILINE)
TESTS = home() / "tests"


def marked() -> dict[int, set[str]]:
    """The files whose tests are marked with each case."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case":
                for number in node.args:
                    found[ast.literal_eval(number)].add(path.name)
    return found


def test_every_case_has_a_test_that_the_page_names() -> None:
    page = (home() / "docs" / "failure-cases.md").read_text(encoding="utf-8")
    named = {int(number): set(re.findall(r"`(test_\w+\.py)`", files)) for number, files in ROW.findall(page)}
    assert sorted(named) == list(ALL)
    tests = marked()
    assert [number for number in ALL if not tests[number]] == []
    assert {number: files - named[number] for number, files in tests.items() if files - named[number]} == {}
    there = {path.name for path in TESTS.rglob("test_*.py")}
    assert set().union(*named.values()) - there == set()
    assert set(re.findall(r"KB-[A-Z]\d\d", page)) - set(catalogue()) == set()
