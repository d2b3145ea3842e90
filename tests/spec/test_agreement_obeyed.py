"""The gate on the way of real deliveries.

Without an agreement in force no connection is made, and the ledger says which clause refused. What an amendment takes
back is not read from the next run on, and the ledger says, once, what holds it already. People are warned of an ending
90, 30 and 7 days before, and when it has come, each once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.support.approving import approve
from tests.support.calendars import Post
from tests.support.deliveries import TODAY, VISITS, Intake, visit
from typer.testing import CliRunner

from kinbridge.agreement.expiry import warn
from kinbridge.agreement.holdings import TOLD, holdings
from kinbridge.cli.main import app
from kinbridge.errors import KinbridgeError
from kinbridge.receive.collect import gate
from kinbridge.warehouse.connection import transaction

LAST = date(2026, 12, 31)


@pytest.fixture
def agreement(visits_folder: Path) -> Iterator[Path]:
    """The site's agreement; whatever a test declares beside it is taken away again."""
    path = visits_folder.parents[3] / "agreements" / "atlas.yaml"
    text = path.read_text(encoding="utf-8")
    yield path
    path.write_text(text, encoding="utf-8")
    for other in path.parent.glob("atlas_*.yaml"):
        other.unlink()
    approve(path.parents[1])


def amend(agreement: Path, *changes: tuple[str, str], first: str = "2026-07-01") -> None:
    """Declare an amendment with these changes, and approve it."""
    text = agreement.read_text(encoding="utf-8")
    for old, new in (
        ("version: 1.0.0", "version: 1.1.0\namends: 1.0.0"),
        ("effective: 2025-01-01", f"effective: {first}"),
        *changes,
    ):
        assert old in text
        text = text.replace(old, new)
    agreement.with_name("atlas_1_1.yaml").write_text(text, encoding="utf-8")
    approve(agreement.parents[1])


def events(intake: Intake, what: str) -> list[dict[str, object]]:
    return [facts for (facts,) in intake.warehouse.query("SELECT facts FROM ledger.event WHERE what = %s", (what,))]


@pytest.mark.case(38)
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("expires: 2026-12-31", "expires: 2026-07-09", "KB-A03"),
        ("effective: 2025-01-01", "effective: 2026-07-11", "KB-A02"),
        ("signed: 2024-12-02", "signed:", "KB-A04"),
        ("authority: U, signed: 2024-12-02", "signed: 2024-12-02", "KB-A04"),
        ("kind: data", "under: nothing\nkind: data", "KB-A09"),
        ("atlas/visits_v1:", "atlas/other_v1:", "KB-A01"),
    ],
)
def test_without_an_agreement_in_force_no_connection_is_made(
    intake: Intake, agreement: Path, old: str, new: str, code: str
) -> None:
    text = agreement.read_text(encoding="utf-8")
    assert old in text
    agreement.write_text(text.replace(old, new), encoding="utf-8")
    approve(agreement.parents[1])
    with pytest.raises(KinbridgeError) as caught:
        gate(intake.warehouse.pipeline, VISITS, TODAY)
    assert caught.value.code == code
    assert {"code": code} in events(intake, "refused to connect")


def test_a_text_that_nobody_approved_opens_nothing_at_collect_or_stage(intake: Intake, agreement: Path) -> None:
    text = agreement.read_text(encoding="utf-8")
    agreement.write_text(text.replace(" zip,", " zip, secret,"), encoding="utf-8")
    with pytest.raises(KinbridgeError, match="KB-A08"):
        gate(intake.warehouse.pipeline, VISITS, TODAY)
    with pytest.raises(KinbridgeError, match="KB-A08"):
        intake.load(visit(1))
    assert intake.holding("canary-secret") == []


@pytest.mark.case(38)
def test_what_an_amendment_takes_back_is_not_read_from_the_next_run_on(intake: Intake, agreement: Path) -> None:
    intake.load(visit(1, "P1", "06/01/2026", 60, "00501", "H", ""))
    amend(agreement, (" zip,", ""))
    assert "zip" not in gate(intake.warehouse.pipeline, VISITS, TODAY).columns
    intake.load(visit(2, "P2", "06/02/2026", 60, "00777", "H", ""))
    # The feed goes on, without the element: nothing of the new file's is anywhere.
    assert ("V2", 60) in intake.current()
    assert intake.holding("00777") == []
    assert ("P1", "00501") in intake.current("source_person_id, postal_code", "person_address")


def test_what_holds_a_taken_back_element_is_told_once(intake: Intake, agreement: Path) -> None:
    intake.load(
        visit(1, "P1", "06/01/2026", 60, "00501", "H", ""), visit(2, "P2", "bad", 60, "00501", "H", ""), visit(3)
    )
    amend(agreement, (" zip,", ""))
    for _ in range(2):
        gate(intake.warehouse.pipeline, VISITS, TODAY)
    [told] = [facts for facts in events(intake, TOLD) if facts["elements"] == ["zip"]]
    assert told == {"agreement": "dsa-atlas", "from": "1.0.0", "to": "1.1.0", "elements": ["zip"]}
    held = events(intake, f"{TOLD}: held")[-1]["held"]
    assert {(one["name"], one["count"]) for one in held} >= {  # type: ignore[index, attr-defined]
        ("record.person_address.postal_code", 1),
        ("quarantine.source_row", 1),
    }
    with transaction(intake.warehouse.pipeline) as connection:
        # Of a column that was never read, at most the file as the partner sent it.
        assert {one.place for one in holdings(connection, {VISITS: ["secret"]})} <= {"files"}


def test_a_difference_is_shown_with_what_holds_what_is_taken_back(intake: Intake, agreement: Path) -> None:
    intake.load(visit(1, "P1", "06/01/2026", 60, "00501", "H", ""))
    amend(agreement, (" zip,", ""))
    words = ["agreement", "diff", "dsa-atlas", "1.0.0", "1.1.0", "--holdings"]
    shown = (
        CliRunner().invoke(app, [*words, "--url", intake.warehouse.pipeline.to_url()], catch_exceptions=False).output
    )
    assert "atlas/visits_v1: no longer read: zip" in shown
    assert "atlas/visits_v1 zip: 1 in record.person_address.postal_code (record)" in shown
    assert "00501" not in shown


def test_before_its_first_day_an_amendment_changes_and_tells_nothing(intake: Intake, agreement: Path) -> None:
    before = len(events(intake, TOLD))
    amend(agreement, (" zip,", ""), first="2026-07-11")
    assert "zip" in gate(intake.warehouse.pipeline, VISITS, TODAY).columns
    assert len(events(intake, TOLD)) == before


def test_people_are_warned_of_an_ending_each_time_once(intake: Intake, agreement: Path) -> None:
    agreement.write_text(
        agreement.read_text(encoding="utf-8").replace("title: Agreement", "title: Of its own"), encoding="utf-8"
    )
    approve(agreement.parents[1])
    post, told = Post(), []
    for days in (91, 90, 89, 30, 29, 7, 0, -1, -2):
        told.append(warn(intake.warehouse.pipeline, LAST - timedelta(days=days), post))
    assert told == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    subjects = [mail.subject for mail in post.mails]
    assert subjects == ["Agreement dsa-atlas 1.0.0 ends on 2026-12-31"] * 3 + ["Agreement dsa-atlas 1.0.0 has ended"]
    assert all(mail.to == ("desk@example.org",) for mail in post.mails)
    [ended] = [facts for facts in events(intake, "agreement ended") if facts["agreement"] == "dsa-atlas"]
    assert ended["stops"] == ["atlas/notes_v1", "atlas/visits_v1"]


def test_a_warning_that_could_not_be_sent_is_told_at_the_next_run(intake: Intake, agreement: Path) -> None:
    amend(agreement, ("expires: 2026-12-31", "expires: 2027-12-31"))
    day = date(2027, 12, 30)
    failing = Post(failure=KinbridgeError("KB-E08", count=1, cause="refused"))
    with pytest.raises(KinbridgeError, match="KB-E08"):
        warn(intake.warehouse.pipeline, day, failing)
    post = Post()
    assert warn(intake.warehouse.pipeline, day, post) == 1
    assert [mail.partner for mail in post.mails] == ["atlas"]
