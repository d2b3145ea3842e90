"""Golden cases of the estimator: bands with labels, and the precision and recall that follow from them by hand.

Each folder below `evaluation` is one case, data only. `README.md` shows the arithmetic. `bands.csv` (band, linked,
pairs, expected) says how many pairs there are and how many the model takes for true; `labels.csv` (band, same, weight,
times) what people said; `searched.csv` (records, missed, weight, times), where it is there, records that were searched
for mates outside the bands. `expect.csv` (figure, value) has the figures, to four digits.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kinbridge.evaluation.estimate import Band, Estimate, Labels, Lost, estimate

CASES = sorted(path for path in (Path(__file__).parent / "evaluation").iterdir() if path.is_dir())


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV, those with `times` as often as it says."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as text:
        return [row for row in csv.DictReader(text) for _ in range(int(row.get("times") or 1))]


def figures(found: Estimate) -> dict[str, float | None]:
    low_p, high_p = found.bounds_precision or (None, None)
    low_r, high_r = found.bounds_recall or (None, None)
    return {
        "precision": found.precision.value,
        "recall": found.recall.value,
        "f1": found.f1.value,
        "blocking": found.blocking.value,
        "precision_at_least": low_p,
        "precision_at_most": high_p,
        "recall_at_least": low_r,
        "recall_at_most": high_r,
        "bands_without_labels": float(len(found.unseen)),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_golden(case: Path) -> None:
    assert (case / "README.md").is_file()
    labels = rows(case / "labels.csv")
    bands = []
    for row in rows(case / "bands.csv"):
        own = [label for label in labels if label["band"] == row["band"]]
        same = np.array([float(label["same"] == "true") for label in own])
        weight = np.array([2 * float(label["weight"]) for label in own])
        pairs = float(row["pairs"])
        given = Labels(same, weight, np.full(len(own), 2.0))
        bands.append(Band(row["band"], row["linked"] == "true", 2 * pairs, 2 * float(row["expected"]), given))
    searched = rows(case / "searched.csv")
    lost = (
        Lost(
            float(searched[0]["records"]),
            np.array([float(row["missed"]) for row in searched]),
            np.array([float(row["weight"]) for row in searched]),
        )
        if searched
        else None
    )
    found = figures(estimate(bands, lost))
    for row in rows(case / "expect.csv"):
        assert found[row["figure"]] == pytest.approx(float(row["value"]), abs=0.00005), row["figure"]
