"""Whom a breach is told to, and by when.

Each partner whose data it is is told within the hours of its agreement. What laws ask for depends on the class of the
data and on how many people it is about; data of which no class is known are bound by every law. Of several deadlines to
one addressee the first holds, and the notice names them all. What goes to families and media names nobody and no small
count.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.declared import site_of, write_agreement

from kinbridge.agreement.reader import read_agreements
from kinbridge.errors import KinbridgeError
from kinbridge.incident.affected import Affected
from kinbridge.incident.deadline import Owed, check_deadlines, owed, read_deadlines
from kinbridge.incident.draft import Facts, draft
from kinbridge.law.reader import read_laws
from kinbridge.settings import home

FEED = "atlas/visits_v1"
FOUND = datetime(2026, 11, 23, 9, tzinfo=UTC)
HEALTH = {FEED: frozenset({"health_record"})}


@pytest.fixture(autouse=True)
def include(tmp_path: Path) -> Iterator[Path]:
    with site_of(tmp_path / "site") as folder:
        write_agreement(folder, "atlas", {FEED: ["visit_id"]})
        yield folder


def _owed(persons: int, classes: dict[str, frozenset[str]] = HEALTH) -> dict[str, Owed]:
    deadlines = read_deadlines([REAL])
    found = owed(deadlines, read_agreements(), {FEED: persons}, classes, FOUND)
    assert [one.due_at for one in found] == sorted(one.due_at for one in found)
    return {one.addressee: one for one in found}


REAL = home() / "include"


def test_the_partner_is_told_within_the_hours_of_its_agreement() -> None:
    notice = _owed(1)["partner atlas"]
    assert notice.due_at == FOUND + timedelta(hours=24)
    assert "breach.within_hours (include/agreements/atlas.yaml" in notice.clauses[0]
    assert any("164.410" in clause for clause in notice.clauses)


def test_families_are_told_by_the_first_of_several_deadlines() -> None:
    notice = _owed(1)["families"]
    assert notice.due_at == FOUND + timedelta(days=45)
    assert len(notice.clauses) > 1


def test_the_secretary_is_told_from_500_people_and_media_from_501() -> None:
    secretary = "regulator Secretary of Health and Human Services"
    assert secretary not in _owed(499)
    assert secretary in _owed(500)
    assert "media" not in _owed(500)
    assert "media" in _owed(501)


def test_a_law_about_health_does_not_bind_other_data() -> None:
    assert "media" not in _owed(5000, {FEED: frozenset({"snap_record"})})


def test_data_of_which_no_class_is_known_are_bound_by_every_law() -> None:
    assert set(_owed(5000, {})) == set(_owed(5000))


def test_every_deadline_holds_and_names_a_class_that_is_declared() -> None:
    assert check_deadlines(read_laws([REAL]).classification.meanings, [REAL]) == []


def test_a_mistake_among_the_deadlines_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "incidents").mkdir()
    text = (REAL / "incidents" / "deadlines.yaml").read_text(encoding="utf-8")
    (tmp_path / "incidents" / "deadlines.yaml").write_text(text.replace("days: 60", "days: soon", 1), encoding="utf-8")
    with pytest.raises(KinbridgeError, match="KB-I03"):
        read_deadlines([tmp_path])


AFFECTED = Affected("delivery 12", 7, {FEED: 9}, {FEED: 7}, {}, (), {"internal": [f"{FEED}.visit_id"]}, "its rows")
FACTS = Facts(3, drill=True, office="Data desk", discovered=FOUND, note="")


def test_a_report_to_a_partner_names_counts_and_elements_of_its_own_feeds() -> None:
    other = Affected(
        "delivery 12",
        8,
        {},
        {FEED: 7, "boreas/x_v1": 1},
        {},
        (),
        {"internal": [f"{FEED}.visit_id", "boreas/x_v1.y"]},
        "r",
    )
    text = draft(Owed("partner atlas", FOUND, ("a clause",)), FACTS, other, "Desk")
    assert "atlas/visits_v1: 7 people" in text
    assert "visit_id" in text
    assert "boreas" not in text


@pytest.mark.parametrize("addressee", ["families", "media"])
def test_what_leaves_for_families_and_media_holds_no_small_count(addressee: str) -> None:
    text = draft(Owed(addressee, FOUND, ("a clause",)), FACTS, AFFECTED, "Everybody")
    assert " 7" not in text
    assert FEED not in text


def test_a_drill_says_so_first() -> None:
    assert draft(Owed("media", FOUND, ()), FACTS, AFFECTED, "Media").startswith("DRILL")
