"""Evaluation and training in a real warehouse: reviewed pairs as they stand, purposes obeyed, nothing changed."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2.extras
import pytest
from tests.support.gates import open_gates

from kinbridge.errors import KinbridgeError
from kinbridge.evaluation.evaluation import draw_sample, evaluate_labels, evaluate_truth
from kinbridge.evaluation.given import Given, from_warehouse, read_truth, with_verdicts
from kinbridge.evaluation.report import render_trial
from kinbridge.evaluation.trial import decided_of, run_trial
from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import RunSummary, link_people
from kinbridge.linkage.trained import content_digest, from_plain
from kinbridge.linkage.trained_file import TrainedFile, read_trained, trained_file_problems, write_trained
from kinbridge.review.terms import read_terms
from kinbridge.warehouse.connection import connect

FEEDS = {"medicaid/people_v1", "snap/people_v1"}
GATES = open_gates(FEEDS)
PEOPLE = 350
RACES = ("White", "HispanicOrLatino", "Asian")
HISTORY = "partner, feed, delivery_id, line_no, contract_version, as_of, known_from"
PARTS = ["ka", "lo", "mi", "ren", "sa", "tu", "vel", "dor", "bri", "nos"]


@pytest.fixture(scope="module")
def filled(warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """350 people whom two partners know, with slips; linked once. The truth is the file that is returned."""
    chance = random.Random(5)
    rows: dict[str, list[tuple[Any, ...]]] = {"medicaid": [], "snap": []}
    truth = ["source,row_id,person"]
    for person in range(PEOPLE):
        first, last = ("".join(chance.choice(PARTS) for _ in range(3)).title() for _ in range(2))
        born = date(2018, 1, 1) + timedelta(days=chance.randrange(3000))
        for partner, people in rows.items():
            slip = partner == "snap" and chance.random() < 0.3
            own = (f"{partner}-{person}", first[:-1] + "x" if slip else first, last)
            day = born + timedelta(days=31) if slip and chance.random() < 0.5 else born
            race = RACES[person % 3] if partner == "snap" else None
            people.append((*own, day, "Female", race))
            truth.append(f"{partner},{partner}-{person},{person}")
    connection = connect(warehouse.superuser)
    with connection, connection.cursor() as cursor:
        for partner, people in rows.items():
            feed = f"{partner}/people_v1"
            cursor.execute(
                """
                INSERT INTO ledger.delivery (
                    partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id,
                    agreement_version
                )
                VALUES (%s, %s, 'people.csv', 1, %s, '2026-07-31', '1.0.0', 'a', '1')
                RETURNING delivery_id
                """,
                (partner, feed, feed),
            )
            [(delivery,)] = cursor.fetchall()
            psycopg2.extras.execute_values(
                cursor,
                "INSERT INTO record.person (source_person_id, first_name, last_name, birth_date, sex, race_ethnicity,"
                f" {HISTORY}) VALUES %s",
                [
                    (*row, partner, feed, delivery, line, "1.0.0", "2026-07-31", "2026-08-01")
                    for line, row in enumerate(people, 2)
                ],
            )
    connection.close()
    link_people(warehouse.linkage, read_model(), GATES)
    path = tmp_path_factory.mktemp("truth") / "truth.csv"
    path.write_text("\n".join(truth) + "\n", encoding="utf-8")
    return path


def decide(warehouse: Any, pairs: list[dict[str, Any]], by: str = "a reviewer", verdict: str | None = None) -> None:
    """Decisions as the steward takes them, right ones unless `verdict` says otherwise."""
    connection = connect(warehouse.steward)
    with connection, connection.cursor() as cursor:
        for pair in pairs:
            ends = sorted([(pair["source_left"], pair["row_id_left"]), (pair["source_right"], pair["row_id_right"])])
            same = ends[0][1].partition("-")[2] == ends[1][1].partition("-")[2]
            cursor.execute(
                "INSERT INTO identity.pair_decision (partner_left, source_person_id_left, partner_right,"
                " source_person_id_right, verdict, reason, decided_by) VALUES (%s, %s, %s, %s, %s, 'looked at', %s)",
                (*ends[0], *ends[1], verdict or ("same" if same else "different"), by),
            )
    connection.close()


@pytest.fixture(scope="module")
def given(warehouse: Any, filled: Path) -> Given:
    """What the warehouse gives once a random sample has been decided on, one pair disputed."""
    before = from_warehouse(warehouse.linkage, [], None, GATES)
    assert before.reviewed is not None
    assert before.reviewed.num_rows == 0
    sample = draw_sample(before, 240).to_pylist()
    pairs = [row for row in sample if row["row_id_right"] is not None]
    decide(warehouse, pairs)
    decide(warehouse, [row for row in pairs if row["part"] == "pair"][:1], by="another", verdict="unsure")
    near = next(row for row in pairs if row["part"] == "pair" and _true(row) == "same")
    decide(warehouse, [near], by="another", verdict="different")
    return from_warehouse(warehouse.linkage, [], None, GATES)


def _true(row: dict[str, Any]) -> str:
    one, other = (row[name].partition("-")[2] for name in ("row_id_left", "row_id_right"))
    return "same" if one == other else "different"


def test_reviewed_pairs_and_truth_agree(given: Given, filled: Path) -> None:
    reviewed = given.reviewed
    assert reviewed is not None
    found = evaluate_labels(given, reviewed, "reviewed")
    truth = evaluate_truth(given, read_truth(filled))
    assert found.placed is not None
    assert found.placed.unsure == 1, "where reviewers disagree nobody knows"
    assert found.placed.given > 50
    assert truth.counts["true_pairs"] == PEOPLE
    for name in ("precision", "recall"):
        share, known = getattr(found, name), getattr(truth, name)
        assert share.low is not None
        assert known.value is not None
        assert share.low - 0.02 <= known.value <= share.high + 0.02, name
    # The newest delivery's day, and race and ethnicity, come from the record.
    assert found.newest == date(2026, 7, 31)
    races = {group.name for group in truth.groups if group.dimension == "race ethnicity"}
    assert races == {*RACES, "not known"}


def test_sample_takes_its_labels_from_decisions(given: Given) -> None:
    sample = draw_sample(given, 240)
    filled_in = with_verdicts(sample, given.reviewed).to_pylist()
    open_ = [row for row in filled_in if row["row_id_right"] is not None and row["label"] is None]
    assert open_ == []


def test_evaluation_changes_no_person_and_no_decision(warehouse: Any, given: Given) -> None:
    count = (
        "SELECT (SELECT count(*) FROM identity.run), (SELECT count(*) FROM identity.person),"
        " (SELECT count(*) FROM identity.pair_decision)"
    )
    before = warehouse.query(count)
    evaluate_labels(from_warehouse(warehouse.linkage, ["language"], None, GATES), given.reviewed, "reviewed")
    assert warehouse.query(count) == before


def test_feeds_that_may_not_be_linked_are_not_evaluated(warehouse: Any, filled: Path) -> None:
    alone = from_warehouse(warehouse.linkage, [], None, open_gates({"snap/people_v1"}))
    assert set(alone.records.column("source").to_pylist()) == {"snap"}


def test_training_learns_from_decisions_and_is_tried_on_others(given: Given, tmp_path: Path) -> None:
    decided = decided_of(given.reviewed, None)
    test = read_terms().test
    trial = run_trial(given, decided, "test-1", date(2026, 11, 30), test=test)
    counts = trial.file.decided
    assert counts["training"] > counts["held_out"] > 5
    # One pair is in dispute, and is no label.
    assert decided.num_rows == sum(counts.values()) + 1
    tried = sum(trial.new.same.values()) + sum(trial.new.different.values())
    assert tried == counts["held_out"]
    assert trial.new.right.value is not None
    assert trial.new.right.value >= 0.6
    path = tmp_path / "linkage" / "trained" / "person.yaml"
    write_trained(trial.file, path)
    again = run_trial(given, decided, "test-2", date(2026, 11, 30), test=test, beside=read_trained(path))
    # The same pairs are held out, and the model that was written does as it did.
    assert again.file.decided == counts
    assert again.old == trial.new
    assert (again.only_new, again.only_old) == (0, 0)
    assert "do not tell the two models apart" in again.verdict
    text = path.read_text(encoding="utf-8") + render_trial(trial)
    for name in given.records.column("last_name").to_pylist()[:50]:
        assert name not in text


def test_a_trained_file_is_used_by_the_next_run(
    warehouse: Any, given: Given, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = link_people(warehouse.linkage, read_model(), GATES)
    into = tmp_path / "linkage" / "trained" / "person-1.yaml"
    decided = decided_of(given.reviewed, None)
    file = run_trial(given, decided, "1", date(2026, 11, 30), test=read_terms().test).file
    write_trained(file, into)
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    assert list(trained_file_problems()) == []
    first = linked_by(warehouse, file)
    assert first.training != learnt.training
    assert first.scope == "whole"
    # The frequencies are counted by the first run that scores with it, and the next one goes on from there.
    counted = "SELECT count(*) FROM identity.term_frequency WHERE training_id = %s"
    [(names,)] = warehouse.query(counted, (first.training,))
    assert names > 0
    again = link_people(warehouse.linkage, read_model(), GATES)
    assert (again.training, again.scope, again.people) == (first.training, "changes", first.people)
    # Its numbers are those that count: a prior of hardly any pair leaves nobody linked whom no decision joins.
    shifted = dict.fromkeys(file.trained.priors, -200.0)
    hardly = replace(file, version="2", trained=replace(file.trained, priors=shifted, between=-200.0, within=-200.0))
    write_trained(hardly, into.with_name("person-2.yaml"))
    second = linked_by(warehouse, hardly)
    assert second.training != first.training
    assert second.people > first.people + PEOPLE // 4
    # An evaluation measures what the warehouse links by, without the decisions that would make it look right.
    measured = evaluate_truth(from_warehouse(warehouse.linkage, [], None, GATES), read_truth(filled))
    assert measured.recall.value == 0
    # A file that was edited stops the run before anything is linked.
    other = into.with_name("person-2.yaml")
    other.write_text(other.read_text(encoding="utf-8").replace("bits: -200.0", "bits: -20.0", 1), encoding="utf-8")
    with pytest.raises(KinbridgeError) as refused:
        link_people(warehouse.linkage, read_model(), GATES)
    assert refused.value.code == "KB-K44"


def test_a_decision_goes_along_when_the_partner_changes_an_id(warehouse: Any, given: Given) -> None:
    assert given.reviewed is not None
    one = next(row for row in given.reviewed.to_pylist() if row["source_left"] == "medicaid")
    warehouse.query(
        """
        INSERT INTO record.person_key_change
        SELECT partner, %s, 'medicaid-new', 'medicaid/renamed_v1', as_of, delivery_id
        FROM ledger.delivery
        WHERE feed = 'medicaid/people_v1'
        """,
        (one["row_id_left"],),
    )
    now = from_warehouse(warehouse.linkage, [], None, GATES)
    assert now.reviewed is not None
    assert {**one, "row_id_left": "medicaid-new"} in now.reviewed.to_pylist()
    assert "medicaid-new" in now.records.column("source_person_id").to_pylist()
    assert one["row_id_left"] not in now.reviewed.column("row_id_left").to_pylist()


def linked_by(warehouse: Any, file: TrainedFile) -> RunSummary:
    """A run that has to score with the file."""
    summary = link_people(warehouse.linkage, read_model(), GATES)
    [found] = warehouse.query(
        """
        SELECT trained_model.learnt_by, trained_model.content_digest, trained_model.content
        FROM identity.run
        INNER JOIN identity.trained_model USING (training_id)
        WHERE run_id = %s
        """,
        (summary.run_id,),
    )
    assert found[:2] == ("declared", content_digest(file.trained))
    assert from_plain(found[2]) == file.trained
    return summary
