"""Breaches on a small warehouse: the runbook's drill as it is typed, what is counted, and what never appears."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.retained import ATLAS, BOREAS, Retained, retained_site
from typer.testing import CliRunner, Result

from kinbridge.agreement.reader import read_agreements
from kinbridge.cli.main import app
from kinbridge.errors import KinbridgeError
from kinbridge.incident.affected import Affected, affected_by
from kinbridge.incident.book import SENT, close_incident, incidents, late, open_incident, take_step
from kinbridge.incident.deadline import read_deadlines
from kinbridge.settings import home, state_folder
from kinbridge.warehouse.connection import transaction

RUNBOOK = home() / "docs" / "breach-runbook.md"
FOUND = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with retained_site(tmp_path_factory.mktemp("retained")) as include:
        yield include


@pytest.fixture
def retained(site: Path, new_warehouse: Callable[[], Any], tmp_path: Path) -> Retained:
    store = Retained(new_warehouse(), tmp_path)
    store.fill()
    return store


def _affected(retained: Retained, what: str) -> Affected:
    with transaction(retained.warehouse.owner) as connection:
        return affected_by(connection, what, read_agreements())


def test_the_runbooks_drill_works_as_it_is_typed(retained: Retained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINBRIDGE_OWNER_URL", retained.warehouse.owner.to_url())
    commands = re.findall(r"^\$ kinbridge (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["open", "list", "show", "sent", "acknowledged", "close"]
    said: list[str] = []
    for command in commands:
        result: Result = CliRunner().invoke(app, shlex.split(command))
        assert result.exit_code == 0, (command, result.output, result.exception)
        said.append(result.output)
    assert "Drill 1: delivery 1, found out 2026-11-23 09:00 UTC" in said[0]
    assert "Affected: 20 people" in said[0]
    assert "2026-11-24 09:00 UTC  partner atlas  drafted" in said[0]
    assert "breach.within_hours (include/agreements/atlas.yaml" in said[0]
    folder = state_folder() / "incidents" / "1"
    drafts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert "01_partner_atlas.txt" in drafts
    assert any(name.endswith("families.txt") for name in drafts)
    assert all(text.startswith("DRILL") for text in drafts.values())
    everything = "\n".join([*said, *drafts.values()]).casefold()
    assert "atqz" not in everything
    assert [name for name in retained.holding("atqz") if name.startswith("ledger.")] == []
    steps = retained.warehouse.query("SELECT what FROM ledger.incident_step WHERE notice_id = 1 ORDER BY step_id")
    assert steps == [("drafted",), ("sent",), ("acknowledged",)]


def test_everybody_of_whom_a_feed_told_counts_once_even_through_two_partners(retained: Retained) -> None:
    assert _affected(retained, "delivery 1").persons_by_feed == {ATLAS: 20}
    assert _affected(retained, "outbox boreas").persons_by_feed == {BOREAS: 20}
    assert _affected(retained, "role kb_pipeline").persons == 40
    retained.warehouse.query(
        """
        UPDATE identity.person_link SET person_id = other.person_id
        FROM identity.person_link AS other
        WHERE person_link.source_person_id = 'atqz0005id' AND other.source_person_id = 'boqz0005id'
        """
    )
    found = _affected(retained, "role kb_pipeline")
    assert (found.persons, found.persons_by_feed) == (39, {ATLAS: 20, BOREAS: 20})
    assert found.elements["internal"][0] == f"{ATLAS}.family"
    assert _affected(retained, "role kb_analyst").persons == 0


@pytest.mark.parametrize(
    "what", ["delivery 99", "delivery x", "file nothing.csv", "release none", "role postgres", "backup none", "x", ""]
)
def test_what_is_not_known_here_opens_nothing(retained: Retained, what: str) -> None:
    with pytest.raises(KinbridgeError, match="KB-I01"):
        _affected(retained, what)


def test_an_incident_is_closed_when_everybody_was_told(retained: Retained) -> None:
    owner = retained.warehouse.owner
    opened = open_incident(
        owner, "delivery 1", FOUND, "x", agreements=read_agreements(), deadlines=read_deadlines(), classes={}
    )
    assert [notice.due_at for notice in opened.notices] == sorted(notice.due_at for notice in opened.notices)
    first, *others = opened.notices
    assert late(first, FOUND + timedelta(hours=25))
    assert not late(first, FOUND + timedelta(hours=23))
    take_step(owner, 1, first.notice_id, SENT, "x")
    assert not late(incidents(owner, 1)[0].notices[0], FOUND + timedelta(hours=25))
    with pytest.raises(KinbridgeError, match="KB-I05"):
        close_incident(owner, 1, "x")
    for notice in others:
        take_step(owner, 1, notice.notice_id, SENT, "x")
    assert close_incident(owner, 1, "x").closed
    with pytest.raises(KinbridgeError, match="KB-I06"):
        take_step(owner, 1, first.notice_id, SENT, "x")
    open_incident(owner, "delivery 1", FOUND, "x", agreements=read_agreements(), deadlines=read_deadlines(), classes={})
    with pytest.raises(KinbridgeError, match="KB-I04"):
        take_step(owner, 2, first.notice_id, SENT, "x")
    with pytest.raises(KinbridgeError, match="KB-I02"):
        incidents(owner, 99)
