"""The register of decisions in a real warehouse: proposals, who is asked, ballots, outcomes, minutes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from tests.conftest import Warehouse
from typer.testing import CliRunner

from kinbridge.cli.main import app
from kinbridge.decision.approvals import read_approvals
from kinbridge.decision.asking import ask_of, mail_of, to_be_asked
from kinbridge.decision.ballot import cast
from kinbridge.decision.draft import write_down
from kinbridge.decision.item import items
from kinbridge.decision.minutes import as_html, as_markdown
from kinbridge.decision.model import Proposal
from kinbridge.decision.paper import judge, read_papers
from kinbridge.decision.proposal import propose
from kinbridge.decision.register import registered
from kinbridge.decision.standing import settle_due, standing
from kinbridge.errors import KinbridgeError
from kinbridge.governance.reader import read_charters
from kinbridge.settings import home
from kinbridge.warehouse.connection import connect

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = NOW.date()
LATER = NOW + timedelta(days=15)
COUNCIL = ("adeyemi_hart", "brightwater", "castellanos", "oyelaran")
ELEMENT = Proposal(
    kind="element",
    subject="snap/participation_v1.household_size",
    version="",
    digest="sha256:1",
    title="Reading the size of households",
    reasons="To tell large families from small ones.",
    proposed_by="Cassius Wetherby",
    options=("Read it", "Leave it"),
)


def refused(code: str) -> pytest.RaisesExc[KinbridgeError]:
    return pytest.raises(KinbridgeError, match=f"^{code}:")


@pytest.fixture
def register(warehouse: Warehouse) -> Iterator[Connection]:
    """The register, empty, as the pipeline; nothing of a test stays."""
    connection = connect(warehouse.pipeline)
    yield connection
    connection.rollback()
    connection.close()


def approve_all(register: Connection, number: int, *members: str, at: datetime = NOW) -> str:
    state = ""
    for member in members:
        state = cast(register, number, member, "approve", at).state
    return state


def test_a_proposal_asks_all_who_have_a_vote_and_families_but_not_the_one_who_proposes(register: Connection) -> None:
    number = propose(register, ELEMENT, at=NOW)
    one = registered(register, number)
    assert set(one.asked) == {*COUNCIL, "amari_lund", "teague"}
    assert (one.closes_on, one.body, one.charter_version) == (date(2026, 3, 16), "data_governance_council", "1.0.0")
    assert one.proposal.partners == ("snap",)


def test_the_same_text_is_one_proposal_and_another_text_another(register: Connection) -> None:
    number = propose(register, ELEMENT, at=NOW)
    assert propose(register, replace(ELEMENT, reasons="Once more."), at=NOW) == number
    assert propose(register, replace(ELEMENT, digest="sha256:2"), at=NOW) != number


def test_nothing_is_proposed_that_nobody_could_approve(register: Connection) -> None:
    with refused("KB-G16"):
        propose(register, replace(ELEMENT, proposed_by="brightwater"), at=NOW)
    with refused("KB-G16"):
        propose(register, replace(ELEMENT, reasons=" "), at=NOW)
    with refused("KB-G10"):
        propose(register, ELEMENT, at=datetime(2024, 1, 1, tzinfo=UTC))


def test_the_last_ballot_that_is_needed_decides_and_what_comes_after_is_refused(register: Connection) -> None:
    number = propose(register, ELEMENT, at=NOW)
    assert approve_all(register, number, "castellanos", "adeyemi_hart", "brightwater") == "open"
    found = cast(register, number, "teague", "reject", NOW, "Our families were not asked.")
    assert (found.state, found.effective) == ("approved", TODAY)
    with refused("KB-G14"):
        cast(register, number, "oyelaran", "approve", NOW)
    approvals = read_approvals(register, day=TODAY)
    text = (ELEMENT.kind, ELEMENT.subject, ELEMENT.version)
    assert approvals.standing(*text, ELEMENT.digest, partners=["snap"]) == "approved"
    assert approvals.standing(*text, "sha256:2") == "changed"


def test_without_the_partners_own_approval_it_is_none(register: Connection) -> None:
    number = propose(register, ELEMENT, at=NOW)
    approve_all(register, number, "castellanos", "adeyemi_hart", "oyelaran", "teague")
    assert cast(register, number, "brightwater", "reject", NOW, "We cannot give it.").state == "rejected"
    approvals = read_approvals(register, day=TODAY)
    assert approvals.rejected_elements("snap/participation_v1") == {"household_size", "benefit_amount"}


def test_a_proposal_that_nobody_answers_lapses_and_may_be_made_again(register: Connection) -> None:
    number = propose(register, ELEMENT, at=NOW)
    assert settle_due(register, NOW)[number].state == "open"
    assert settle_due(register, LATER)[number].state == "lapsed"
    assert settle_due(register, LATER) == {}
    assert read_approvals(register).standing("element", ELEMENT.subject, "", ELEMENT.digest) == "missing"
    assert propose(register, ELEMENT, at=LATER) == number
    again = propose(register, ELEMENT, at=LATER, again=True)
    assert again != number
    assert propose(register, ELEMENT, at=LATER, again=True) == again


def test_an_approval_for_later_counts_from_its_first_day_on(register: Connection) -> None:
    first = TODAY + timedelta(days=30)
    number = propose(register, replace(ELEMENT, effective=first), at=NOW)
    approve_all(register, number, *COUNCIL, at=NOW)
    cast(register, number, "amari_lund", "abstain", NOW)
    assert standing(register, number, TODAY).state == "open"
    assert standing(register, number, first).state == "approved"
    one = read_approvals(register)
    text = ("element", ELEMENT.subject, "", ELEMENT.digest)
    assert [one.standing(*text, day=day) for day in (TODAY, first)] == ["missing", "approved"]
    with refused("KB-G14"):
        cast(register, number, "teague", "approve", NOW)


def test_who_enters_anothers_ballot_names_the_evidence(register: Connection) -> None:
    number = propose(register, ELEMENT, at=NOW)
    with refused("KB-G18"):
        cast(register, number, "castellanos", "approve", NOW, recorded_by="wetherby")
    cast(register, number, "castellanos", "approve", NOW, recorded_by="wetherby", evidence="Minutes, item 1")
    cast(register, number, "brightwater", "approve", NOW, recorded_by="data.snap@example.org")
    with refused("KB-G18"):
        cast(register, number, "oyelaran", "perhaps", NOW)
    entered = {one.ballot.member: one.recorded_by for one in registered(register, number).entered}
    assert entered == {"castellanos": "wetherby", "brightwater": "data.snap@example.org"}


def test_under_changed_rules_an_open_proposal_is_not_decided(register: Connection, tmp_path: Path) -> None:
    number = propose(register, ELEMENT, at=NOW)
    folder = tmp_path / "governance"
    folder.mkdir()
    text = (home() / "include" / "governance" / "charter.yaml").read_text(encoding="utf-8")
    (folder / "charter.yaml").write_text(text.replace("quorum: 3", "quorum: 1"), encoding="utf-8")
    with refused("KB-G19"):
        cast(register, number, "castellanos", "approve", NOW, folders=[tmp_path])
    (folder / "charter.yaml").write_text(text.replace("Octavian Brightwater", "Somebody Else"), encoding="utf-8")
    assert cast(register, number, "castellanos", "approve", NOW, folders=[tmp_path]).state == "open"


def test_the_database_takes_no_second_ballot_none_of_the_proposer_and_no_change(warehouse: Warehouse) -> None:
    connection = connect(warehouse.pipeline)
    number = propose(connection, ELEMENT, at=NOW)
    connection.commit()
    insert = (
        "INSERT INTO ledger.ballot (proposal_id, member, choice, cast_at, recorded_by) VALUES (%s, %s, %s, now(), 'x')"
    )
    attempts: list[tuple[str, tuple[Any, ...]]] = [
        (insert, (number, "wetherby", "approve")),
        (insert, (number, "castellanos", "reject")),
        ("UPDATE ledger.ballot SET choice = 'approve'", ()),
        ("DELETE FROM ledger.ballot", ()),
        ("UPDATE ledger.outcome SET state = 'approved'", ()),
        ("UPDATE ledger.proposal SET digest = 'x'", ()),
    ]
    for statement, parameters in attempts:
        with pytest.raises(psycopg2.Error), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
        connection.rollback()
    connection.close()
    warehouse.query("TRUNCATE ledger.proposal, ledger.event CASCADE")


def test_members_with_a_log_in_are_asked_once_and_shown_what_to_answer(register: Connection) -> None:
    number = propose(register, replace(ELEMENT, kind="use_case", subject="who_and_where"), at=NOW)
    asked = to_be_asked(register, "run 1")
    assert [one["member"] for one in asked] == [
        "achterberg",
        "amari_lund",
        "marchetti",
        "nguyen_sato",
        "okonjo_reyes",
        "vasquez_tull",
    ]
    assert to_be_asked(register, "run 1") == asked
    assert to_be_asked(register, "run 2") == []
    one, ask = ask_of(register, number, "marchetti")
    assert ask is not None
    assert ask.options == ("approve", "reject", "abstain", "recuse")
    assert "You answer as **Evangeline Marchetti**" in ask.body
    mail = mail_of(one, ask.member, "the desk", "desk@example.org")
    assert (mail.to, "Required Actions" in mail.body) == (("officer.data@example.org",), True)
    cast(register, number, "marchetti", "approve", NOW)
    assert ask_of(register, number, "marchetti")[1] is None


def test_of_two_runs_that_begin_in_one_moment_one_asks(warehouse: Warehouse) -> None:
    one, other = connect(warehouse.pipeline), connect(warehouse.pipeline)
    try:
        propose(one, replace(ELEMENT, kind="use_case", subject="who_and_where"), at=NOW)
        one.commit()
        assert len(to_be_asked(one, "run 1")) == 6
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(to_be_asked, other, "run 2")
            with pytest.raises(TimeoutError):
                second.result(timeout=1)
            one.commit()
            assert second.result(timeout=30) == []
    finally:
        one.close()
        other.close()
        warehouse.query("TRUNCATE ledger.proposal, ledger.event CASCADE")


def test_releases_and_destructions_are_asked_for_by_their_own_dags(register: Connection) -> None:
    release = replace(ELEMENT, kind="release", subject="an_extract#1")
    number = propose(register, release, at=NOW)
    assert to_be_asked(register, "run 1") == []
    assert [one["member"] for one in to_be_asked(register, "run 1", proposals=[number])] == ["farrokhzad"]


def test_minutes_tell_paper_register_and_overrides_and_hold_no_markup(register: Connection) -> None:
    number = propose(register, replace(ELEMENT, title="Size | of <b>households</b>"), at=NOW)
    cast(register, number, "castellanos", "reject", NOW, "No | question `needs` it.", evidence="x", recorded_by="w")
    with register.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.delivery (
                partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id, agreement_version
            )
            VALUES ('snap', 'snap/participation_v1', 'a.csv', 1, 'x', '2026-02-28', '1', 'dsa-snap', '1')
            RETURNING delivery_id
            """
        )
        cursor.execute(
            "INSERT INTO ledger.decision (delivery_id, outcome, decided_by, decided_at, reason) "
            "VALUES (%s, 'approved', 'admin', %s, 'It is the usual gap.')",
            (cursor.fetchone()[0], NOW),
        )
    found = items(register, TODAY, first=date(2026, 1, 1), last=date(2026, 3, 31))
    assert [(item.kind, item.outcome) for item in found] == [("override", "approved"), ("element", "open")]
    assert len(items(register, TODAY, body="stewards")) == 1
    markdown = as_markdown(found, None, None)
    assert "Size \\| of \\<b\\>households\\</b\\>" in markdown
    assert (
        "| Wilhelmina Castellanos (home\\_visiting) | reject | 2026-03-02 | No \\| question \\`needs\\` it." in markdown
    )
    assert "It is the usual gap." in markdown
    page = as_html(found, None, None)
    assert "Size | of &lt;b&gt;households&lt;/b&gt;" in page
    assert "<b>" not in page
    on_paper = as_markdown(items(None, TODAY), None, None)
    assert "snap/participation\\_v1.benefit\\_amount" in on_paper
    assert "outcome: rejected" in on_paper


def test_a_decision_of_the_register_can_be_written_down_and_then_counts_where_no_database_is(
    register: Connection, tmp_path: Path
) -> None:
    number = propose(register, ELEMENT, at=NOW)
    with refused("KB-G26"):
        write_down(registered(register, number), "wetherby", folders=[tmp_path])
    approve_all(register, number, "amari_lund", "castellanos", "adeyemi_hart", "brightwater")
    path = write_down(registered(register, number), "wetherby", folders=[tmp_path])
    [paper], problems = read_papers([tmp_path])
    assert (paper.document.path, problems) == (path, [])
    judged = judge(paper, read_charters())
    assert judged.problems == ()
    assert judged.decided is not None
    with refused("KB-G23"):
        write_down(registered(register, number), "wetherby", folders=[tmp_path])


def test_the_command_line_takes_a_decision_from_proposal_to_minutes(warehouse: Warehouse, tmp_path: Path) -> None:
    url = ["--url", warehouse.pipeline.to_url()]

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["decision", *words, *url], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    run("propose", "element", ELEMENT.subject, "--reasons", "To tell.", "--option", "Read it", "--by", "wetherby")
    [[number]] = warehouse.query("SELECT proposal_id FROM ledger.proposal")
    for member in (*COUNCIL[:3], "teague"):
        said = run("vote", str(number), member, "approve", "--evidence", "Minutes of 2026-03-02", "--by", "wetherby")
    assert "approved" in said
    assert "oyelaran                 has not answered" in run("show", str(number))
    assert "approved  element    snap/participation_v1.household_size" in run("list")
    out = tmp_path / "minutes.html"
    run("minutes", "--out", str(out), "--body", "data_governance_council")
    assert "Minutes of 2026-03-02" in out.read_text(encoding="utf-8")
    run("paper", str(number), "--out", str(tmp_path / "household_size.yaml"))
    warehouse.query("TRUNCATE ledger.proposal, ledger.event CASCADE")
