"""Skeletons of paper decisions: complete but for what people decide, and no approval by themselves."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinbridge.cli.main import app
from kinbridge.decision.draft import draft
from kinbridge.decision.paper import counted_decisions, judge, read_papers
from kinbridge.errors import KinbridgeError
from kinbridge.governance.reader import read_charters
from kinbridge.settings import home

INCLUDE = home() / "include"
DAY = date(2026, 3, 2)


def test_a_draft_has_the_digest_and_whom_to_ask_and_approves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "governance" / "decisions" / "snap.yaml"
    written = draft("agreement", "dsa-snap", DAY, out=out, folders=[INCLUDE])
    assert written.files == (out,)
    assert len(written.decisions) == 10
    [paper], problems = read_papers([tmp_path])
    assert problems == []
    assert paper.proposal.partners == ("snap",)
    assert len(paper.asked) == 7
    assert judge(paper, read_charters([INCLUDE])).decided is None
    assert counted_decisions([INCLUDE]) == counted_decisions([INCLUDE, tmp_path])
    with pytest.raises(KinbridgeError, match=r"^KB-G23:"):
        draft("agreement", "dsa-snap", DAY, out=out, folders=[INCLUDE])


def test_filled_in_it_is_what_the_ballots_make_of_it(tmp_path: Path) -> None:
    out = tmp_path / "governance" / "decisions" / "household_size.yaml"
    draft("element", "snap/participation_v1.household_size", DAY, out=out, folders=[INCLUDE])
    text = out.read_text(encoding="utf-8")
    out.write_text(text.replace("choice: abstain", "choice: approve").replace("outcome: lapsed", "outcome: approved"))
    [paper], _ = read_papers([tmp_path])
    judged = judge(paper, read_charters([INCLUDE]))
    assert judged.problems == ()
    assert judged.decided is not None
    assert judged.decided.partners == {"snap"}


@pytest.mark.parametrize(
    ("kind", "subject"),
    [("agreement", "dsa-nobody"), ("element", "snap/nothing_v1.a"), ("element", "x"), ("use_case", "")],
)
def test_of_nothing_there_is_no_draft(tmp_path: Path, kind: str, subject: str) -> None:
    with pytest.raises(KinbridgeError, match=r"^KB-G22:"):
        draft(kind, subject, DAY, out=tmp_path / "x.yaml", folders=[INCLUDE])


def test_the_command_prints_digests_by_which_decisions_name_texts() -> None:
    for file, kind in ((INCLUDE / "agreements" / "snap.yaml", "agreement"), (INCLUDE / "standards", "standard")):
        done = CliRunner().invoke(app, ["decision", "digest", str(file)])
        papers, _ = read_papers([INCLUDE])
        assert done.output.strip() in {one.proposal.digest for one in papers if one.proposal.kind == kind}
    bad = CliRunner().invoke(app, ["decision", "digest", "nowhere.yaml"])
    assert isinstance(bad.exception, KinbridgeError)
