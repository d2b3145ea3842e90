"""The page of policies: every test of tests/spec is on it, as a sentence that reads."""

from __future__ import annotations

import ast
import re

import pytest

from kinbridge.documentation.rule_pages import rules_page, sentence_of
from kinbridge.settings import home

SPECS = sorted((home() / "tests" / "spec").glob("test_*.py"))

SOURCE = '''
"""Policy: what we keep.

Over two paragraphs.
"""
import nothing_that_exists
def helper(): ...
def test_a_row_of_snap_is_kept(): ...
def test_odd_name():
    """Policy: a row is kept
    for a year."""
def test_a_file_is_held():
    """Its rows wait

    for what only programmers read."""
def test_housekeeping():
    """Not a policy: it cleans up."""
class TestMore:
    def test_part_c_needs_consent(self): ...
'''


def test_names_and_docstrings_become_sentences() -> None:
    page = rules_page({"test_row_keeping.py": SOURCE, "test_empty.py": "def helper(): ...\n"})
    assert page.split("## Row keeping\n")[1].split("\n") == [
        "",
        "What we keep. Over two paragraphs.",
        "",
        "- A row of SNAP is kept.",
        "- A row is kept for a year.",
        "- A file is held. Its rows wait.",
        "- Part C needs consent.",
        "",
        "Shown by [test_row_keeping.py](../tests/spec/test_row_keeping.py).",
        "",
    ]
    assert "Empty" not in page


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_every_policy_reads(path: object) -> None:
    """A module says its policy, and each test is a sentence: words, no codes of programmers, not too short or long."""
    module = ast.parse(path.read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    assert ast.get_docstring(module)
    tests = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert tests
    for test in tests:
        sentence = sentence_of(test)
        assert re.match(r"[A-Z]", sentence), sentence
        assert 3 <= len(sentence.split()) <= 70, sentence
