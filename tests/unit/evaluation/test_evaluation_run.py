"""Evaluation from end to end, in memory: truth, a drawn sample with true labels, and what the report may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.evaluation.evaluation import Evaluation, draw_sample, evaluate_labels, evaluate_truth, linked_tables
from kinbridge.evaluation.given import Given, with_verdicts
from kinbridge.evaluation.labels import read_labels
from kinbridge.evaluation.report import render
from kinbridge.evaluation.sample import allocate, draw, write_sample
from kinbridge.evaluation.subgroup import make_members
from kinbridge.evaluation.tables import make_pairs, rows

Population = tuple[Given, pa.Table]


@pytest.fixture(scope="module")
def on_truth(population: Population) -> Evaluation:
    return evaluate_truth(*population)


@pytest.fixture(scope="module")
def pairs(population: Population) -> tuple[int, list[dict[str, Any]]]:
    """How many pairs are in bands, and forty that are not linked."""
    with linked_tables(population[0]) as (connection, _):
        make_pairs(connection, population[0].model)
        [counted] = rows(connection, "SELECT count(*) AS pairs FROM pair")
        near = rows(
            connection,
            "SELECT a.source AS one, a.source_person_id AS first, b.source AS other, b.source_person_id AS second"
            " FROM pair INNER JOIN cleaned AS a ON a.record = l INNER JOIN cleaned AS b ON b.record = r"
            " WHERE NOT linked ORDER BY l, r LIMIT 40",
        )
    return counted["pairs"], near


@pytest.fixture(scope="module")
def sample(population: Population) -> pa.Table:
    return draw_sample(population[0], 500)


def labelled(sample: pa.Table, truth: pa.Table) -> pa.Table:
    person = {(row["source"], row["row_id"]): row["person"] for row in truth.to_pylist()}
    labels = [
        None
        if row["row_id_right"] is None
        else "same"
        if person[row["source_left"], row["row_id_left"]] == person[row["source_right"], row["row_id_right"]]
        else "different"
        for row in sample.to_pylist()
    ]
    return sample.set_column(sample.schema.get_field_index("label"), "label", pa.array(labels, pa.string()))


def test_truth_is_counted(on_truth: Evaluation) -> None:
    counts = on_truth.counts
    assert counts["records"] == 1500
    assert counts["true_pairs"] == 750
    assert on_truth.precision.value == pytest.approx(counts["right_pairs"] / counts["linked_pairs"])
    assert on_truth.recall.value == pytest.approx(counts["right_pairs"] / 750)
    assert sum(on_truth.lost.values()) == 750 - counts["right_pairs"]
    # The curve's last point is a threshold below all pairs: what blocking brought together.
    assert on_truth.curve[-1]["recall"] == pytest.approx(on_truth.blocking.value)


def test_group_with_more_slips_is_flagged_and_no_other(on_truth: Evaluation) -> None:
    found = [(group.dimension, group.name) for group in on_truth.groups if "recall" in group.flags]
    assert ("group", "b") in found
    assert ("group", "a") not in found
    names = {(group.dimension, group.name) for group in on_truth.groups}
    assert {
        ("last name", "double or hyphenated"),
        ("surname list", "Hispanic surname"),
        ("age", "under one year"),
    } <= names


def test_groups_of_a_dimension_add_up(on_truth: Evaluation) -> None:
    for dimension in ("source", "group", "sex"):
        assert sum(group.records for group in on_truth.groups if group.dimension == dimension) == 1500


def test_sample_holds_its_own_weights(pairs: tuple[int, list[dict[str, Any]]], sample: pa.Table) -> None:
    # The inverse chances of the drawn pairs add up to the pairs that there are, those of records to the records.
    drawn = sample.to_pylist()
    assert sum(row["weight"] for row in drawn if row["part"] == "pair") == pytest.approx(pairs[0], rel=0.001)
    searched = {row["row_id_left"]: row["weight"] for row in drawn if row["part"] == "record"}
    assert sum(searched.values()) == pytest.approx(1500, rel=0.001)


def test_sample_is_drawn_alike_with_one_seed_and_unlike_with_another(population: Population, sample: pa.Table) -> None:
    with linked_tables(population[0]) as (connection, _):
        make_pairs(connection, population[0].model)
        make_members(connection, population[0].groups, population[0].newest)
        assert draw(connection, 500, 1).equals(sample)
        assert not draw(connection, 500, 2).equals(sample)


def test_sample_with_true_labels_comes_near_the_truth(
    population: Population, sample: pa.Table, on_truth: Evaluation
) -> None:
    found = evaluate_labels(population[0], labelled(sample, population[1]))
    assert found.placed is not None
    assert found.placed.outside == 0
    assert found.unseen == ()
    for name in ("precision", "recall"):
        share, true = getattr(found, name), getattr(on_truth, name).value
        assert share.low <= true <= share.high, name
        assert share.value == pytest.approx(true, abs=0.05)


def test_reviewed_pairs_alone_say_what_they_leave_open(
    population: Population, sample: pa.Table, pairs: tuple[int, list[dict[str, Any]]]
) -> None:
    # Only pairs that were not linked were reviewed.
    reviewed = pa.Table.from_pylist(
        [
            {
                "part": "pair",
                "source_left": row["one"],
                "row_id_left": row["first"],
                "source_right": row["other"],
                "row_id_right": row["second"],
                "weight": None,
                "label": None,
            }
            for row in pairs[1]
        ],
        schema=sample.schema,
    )
    found = evaluate_labels(population[0], labelled(reviewed, population[1]), "reviewed")
    assert any(name.startswith("linked") for name in found.unseen)
    assert found.bounds_precision is not None
    assert found.bounds_precision[0] < 0.05
    assert "Nobody labelled anything" in render(found)


def test_report_stands_by_itself_and_holds_no_value(on_truth: Evaluation, population: Population) -> None:
    page = render(on_truth)
    assert "://" not in page
    assert "<script" not in page
    assert page.count("<svg") == 5
    for name in ("Whitfield", "Kowalski", "Lomi", "clinic 7", "Birch"):
        assert name not in page
        assert name not in str(on_truth.as_plain())


def test_labels_come_back_as_they_were_written(tmp_path: Path, population: Population, sample: pa.Table) -> None:
    path = write_sample(labelled(sample, population[1]), tmp_path / "sample.csv")
    assert read_labels(path).num_rows == sample.num_rows
    text = path.read_text(encoding="utf-8").replace("different", "perhaps", 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KinbridgeError) as refused:
        read_labels(path)
    assert refused.value.code == "KB-K31"
    assert "perhaps" not in str(refused.value)


def test_empty_labels_are_taken_from_decisions_either_way_round(sample: pa.Table) -> None:
    first = next(row for row in sample.to_pylist() if row["part"] == "pair")
    turned = {
        **first,
        "source_left": first["source_right"],
        "row_id_left": first["row_id_right"],
        "source_right": first["source_left"],
        "row_id_right": first["row_id_left"],
        "label": "same",
    }
    filled = with_verdicts(sample, pa.Table.from_pylist([turned], schema=sample.schema))
    assert [row["label"] for row in filled.to_pylist()].count("same") == 1


def test_allocation_gives_every_band_some_and_none_more_than_it_has() -> None:
    given = allocate(100, [5, 1000, 10000], [0.5, 0.5, 0.999])
    assert given[0] == 5
    assert min(given[1:]) >= 8
    assert 95 <= sum(given) <= 100
    # √(½·½)·1000 = 500 against √(0.02·0.98)·10000 = 1400.
    assert given[2] > given[1]
