"""A decision that a draft left open is found where it stands, in every kind of declaration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_agreement, write_feed

from kinbridge.check.declarations import check
from kinbridge.check.suites import compile_suites

PEOPLE = "atlas/people_v1"
SQL = "-- target: person\nSELECT line_no, id AS source_person_id FROM source;\n"
CODES = {"mode.csv": "code,delivery_method,note\nH,InPerson,\n"}


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Path]:
    with site_of(tmp_path) as include:
        text = contract(PEOPLE, column("id", "string", "primaryKey: true"))
        folder = write_feed(include, PEOPLE, text, SQL, CODES)
        write_agreement(include, "atlas", {PEOPLE: ["id"]})
        compile_suites()
        yield folder


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("contract.odcs.yaml", "status: active", "# DECIDE: the key\nstatus: active"),
        ("contract.odcs.yaml", "status: active", "status: active # DECIDE: the key"),
        ("transform.sql", "-- target", "-- DECIDE: the key\n-- target"),
        ("codes/mode.csv", "InPerson,", "InPerson,DECIDE: the key"),
        ("../../profile.yaml", "name: The", "# DECIDE: the key\nname: The"),
        ("../../../../agreements/atlas.yaml", "title:", "# DECIDE: the key\ntitle:"),
    ],
)
def test_a_mark_is_the_only_problem_and_has_its_line(feed: Path, file: str, old: str, new: str) -> None:
    assert check() == []
    path = (feed / file).resolve()
    text = path.read_text(encoding="utf-8").replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "DECIDE:" in one)
    [problem] = check()
    assert (problem.code, problem.path.resolve(), problem.line) == ("KB-P10", path, line)
    assert problem.text == "not decided yet: the key"


def test_a_suite_is_asked_for_once_all_is_decided(feed: Path) -> None:
    path = feed / "contract.odcs.yaml"
    text = path.read_text(encoding="utf-8").replace("primaryKey: true", "primaryKey: true\n        required: true")
    path.write_text(text + "# DECIDE: more\n", encoding="utf-8")
    assert {p.code for p in check()} == {"KB-P10"}
    path.write_text(text, encoding="utf-8")
    assert {p.code for p in check()} == {"KB-C38"}


def test_a_readme_may_speak_of_marks(feed: Path) -> None:
    (feed / "README.md").write_text("DECIDE: is what a draft writes\n", encoding="utf-8")
    assert check() == []
