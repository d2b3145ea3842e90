"""Reading a charter, its earlier versions and the members that folders add; and what the check says of one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.governance.check import charter_problems
from kinbridge.governance.reader import charter_on, read_charters, voters_on
from kinbridge.settings import home

CHARTER = """\
version: 1.0.0
effective: 2026-01-01
bodies:
  council:
    name: Council
    quorum: 2
    members: [ada, ben]
members:
  ada: { name: Ada, partner: snap, email: ada@example.org, login: ada, from: 2026-01-01 }
  ben: { name: Ben, partner: medicaid, email: ben@example.org, from: 2026-01-01, until: 2026-12-31 }
  eve: { name: Eve, represents: families, email: eve@example.org, from: 2026-01-01 }
needs:
  agreement: { body: council, rule: two_thirds, days: 10, own_partner: true, families: true }
  standard: { body: council, rule: simple_majority, days: 10 }
  use_case: { body: council, rule: unanimous, days: 10 }
  element: { body: council, rule: two_thirds, days: 10 }
  release: { body: council, rule: approvals, approvals: 2, different: partners, days: 10 }
  override: { body: council, rule: approvals, approvals: 1, different: people, days: 10 }
  destruction: { body: council, rule: approvals, approvals: 1, different: people, days: 10 }
"""
KNOWN = {"snap", "medicaid"}
DAY = date(2026, 6, 1)
Edit = Callable[[str, str], list[tuple[str, int, str]]]


@pytest.fixture
def governance(tmp_path: Path) -> Path:
    folder = tmp_path / "governance"
    (folder / "members").mkdir(parents=True)
    (folder / "charter.yaml").write_text(CHARTER, encoding="utf-8")
    return folder


@pytest.fixture
def edited(governance: Path) -> Edit:
    """Says what the check finds after an edit of the charter, as code, line and words."""

    def edit(old: str, new: str) -> list[tuple[str, int, str]]:
        assert old in CHARTER
        (governance / "charter.yaml").write_text(CHARTER.replace(old, new), encoding="utf-8")
        return [(p.code, p.line, p.text) for p in charter_problems(KNOWN, DAY, [governance.parent])]

    return edit


def test_the_charter_says_who_is_asked_and_who_votes(governance: Path) -> None:
    charter = charter_on(DAY, [governance.parent])
    assert [m.id for m in charter.asked_for(charter.needs["agreement"], DAY)] == ["ada", "ben", "eve"]
    assert [m.id for m in charter.asked_for(charter.needs["element"], date(2027, 1, 1))] == ["ada"]
    assert [m.id for m in voters_on("override", DAY, [governance.parent])] == ["ada", "ben"]
    assert charter.needs["release"].in_words == "2 approval(s) by different partners"
    assert charter_problems(KNOWN, DAY, [governance.parent]) == []


def test_a_sound_charter_is_the_projects_own() -> None:
    assert charter_on(date.today(), [home() / "include"]).version == "1.0.0"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("partner: medicaid", "partner: nobody", 10, "nobody is no partner"),
        ("members: [ada, ben]", "members: [ada, ben, zoe]", 7, "there is no member zoe"),
        ("quorum: 2", "quorum: 3", 6, "needs 3 people and has 2"),
        ("until: 2026-12-31", "until: 2026-03-31", 6, "needs 2 people and has 1"),
        ("until: 2026-12-31", "until: 2025-12-31", 10, "until lies before from"),
        ("approvals: 2", "approvals: 3", 17, "approvals by 3 partners, and Council has 2"),
        ("standard: { body: council", "standard: { body: board", 14, "there is no body board"),
        (
            "  standard: { body: council, rule: simple_majority, days: 10 }\n",
            "",
            12,
            "nobody decides on the kind standard",
        ),
        ("represents: families", "partner: snap", 13, "nobody in office represents them"),
        (
            "ben: { name: Ben, partner: medicaid, email: ben@",
            "ben: { name: Ben, partner: snap, email: ada@",
            7,
            "one person, seated twice for snap",
        ),
    ],
)
def test_what_could_not_work_is_said_with_its_line(edited: Edit, old: str, new: str, line: int, words: str) -> None:
    found = edited(old, new)
    assert any(code == "KB-G02" and at == line and words in text for code, at, text in found), found


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("effective: 2026-01-01", "effective: soon", 2),
        ("quorum: 2", "quorum: 0", 6),
        ("represents: families", "represents: everybody", 11),
        ("rule: unanimous", "rule: loudest", 15),
        ("rule: unanimous", "rule: unanimous, approvals: 2", 15),
        ("  element:", "  elephant:", 16),
    ],
)
def test_a_charter_that_cannot_be_read_whole_is_not_read(
    governance: Path, edited: Edit, old: str, new: str, line: int
) -> None:
    assert ("KB-G01", line) in [(code, at) for code, at, _ in edited(old, new)]
    with pytest.raises(KinbridgeError, match=r"^KB-G01:"):
        read_charters([governance.parent])


def test_folders_add_members_and_replace_none(governance: Path) -> None:
    ours = "members:\n  fay: { name: Fay, partner: wic, email: fay@example.org, from: 2026-01-01, bodies: [council] }\n"
    (governance / "members" / "wic.yaml").write_text(ours, encoding="utf-8")
    charter = charter_on(DAY, [governance.parent])
    assert charter.bodies["council"].members == ("ada", "ben", "fay")
    assert [p.text for p in charter_problems(KNOWN, DAY, [governance.parent])] == [
        "wic is no partner, and no party of an agreement"
    ]
    taken = ours.replace("fay:", "ada:").replace("[council]", "[board]")
    (governance / "members" / "wic.yaml").write_text(taken, encoding="utf-8")
    assert charter_on(DAY, [governance.parent]).members["ada"].name == "Ada"
    texts = [p.text for p in charter_problems({*KNOWN, "wic"}, DAY, [governance.parent])]
    assert texts == ["there is a member ada already", "there is no body board"]


def test_earlier_versions_stand_beside_the_charter(governance: Path) -> None:
    newer = CHARTER.replace("version: 1.0.0\neffective: 2026-01-01", "version: 2.0.0\neffective: 2026-07-01")
    (governance / "charter-1.0.0.yaml").write_text(CHARTER, encoding="utf-8")
    (governance / "charter.yaml").write_text(newer, encoding="utf-8")
    assert charter_on(DAY, [governance.parent]).version == "1.0.0"
    assert charter_on(date(2026, 7, 1), [governance.parent]).version == "2.0.0"
    with pytest.raises(KinbridgeError, match=r"^KB-G10:"):
        charter_on(date(2025, 12, 31), [governance.parent])


def test_rules_and_quorums_make_the_digest_and_seats_do_not(governance: Path) -> None:
    def digest(old: str = "", new: str = "") -> str:
        (governance / "charter.yaml").write_text(CHARTER.replace(old, new), encoding="utf-8")
        return charter_on(DAY, [governance.parent]).digest

    assert digest("name: Ben", "name: Bert") == digest()
    assert digest("quorum: 2", "quorum: 1") != digest()
    assert digest("rule: unanimous", "rule: two_thirds") != digest()


def test_a_person_is_one_in_all_seats_however_named(governance: Path) -> None:
    text = CHARTER.replace("email: ben@example.org", "email: BEN@example.org, login: Ada")
    (governance / "charter.yaml").write_text(text, encoding="utf-8")
    charter = charter_on(DAY, [governance.parent])
    assert {charter.person(name) for name in ("ada", "ben", "Ada", "ben@example.org", "ada@example.org")} == {"ada"}
    assert charter.person("somebody else") == "somebody else"
    assert [seat.id for seat in charter.seats_of("ben@example.org")] == ["ada", "ben"]
