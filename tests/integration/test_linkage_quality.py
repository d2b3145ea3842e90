"""How well `kinbridge link files` links data that it was not made for. Pairs are those within people, over all sources.

The floors are what the project promises; docs/linkage.md has the figures that are reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from kinbridge.linkage.files import link_files

pytestmark = pytest.mark.shared_data

ADDRESS = {
    "address_line": ["street_number", "street_name", "unit_number"],
    "city": "city",
    "state": "state",
    "postal_code": "zipcode",
}
PSEUDOPEOPLE = {
    "decennial_census": ("%m/%d/%Y", {"middle_name": "middle_initial", **ADDRESS}),
    "women_infants_and_children": ("%m%d%Y", {"middle_name": "middle_initial", **ADDRESS}),
    "social_security": ("%Y%m%d", {"middle_name": "middle_name", "ssn": "ssn"}),
}
FEBRL = {
    "first_name": "given_name",
    "last_name": "surname",
    "birth_date": {"column": "date_of_birth", "format": "%Y%m%d"},
    "ssn": "soc_sec_id",
    "address_line": ["street_number", "address_1", "address_2"],
    "city": "suburb",
    "state": "state",
    "postal_code": "postcode",
}
FAKE = {
    "first_name": "first_name",
    "last_name": "surname",
    "birth_date": {"column": "dob", "format": "%Y-%m-%d"},
    "city": "city",
    "email": "email",
}
Truth = Mapping[tuple[str, str], str]


def pairs_within(groups: Iterable[Any]) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(groups).values())


def scores(sources: dict[str, Any], truth: Truth, folder: Path) -> tuple[float, float]:
    """Precision and F1 of the pairs within the people that the command makes of `sources`."""
    config = folder / "link.yaml"
    config.write_text(yaml.safe_dump({"sources": sources, "engine": "duckdb"}), encoding="utf-8")
    done = link_files(config, folder / "out")
    found = pd.read_csv(done.people_file, dtype=str, keep_default_na=False)
    true = [truth[key] for key in zip(found["source"], found["row_id"], strict=True)]
    assert len(found) == len(truth)
    right = pairs_within(zip(found["person_id"], true, strict=True))
    precision, recall = right / pairs_within(found["person_id"]), right / pairs_within(true)
    return precision, 2 * precision * recall / (precision + recall)


def test_pseudopeople_census_wic_and_social_security(shared_data: Path, tmp_path: Path) -> None:
    sources: dict[str, Any] = {}
    truth: dict[tuple[str, str], str] = {}
    for name, (form, columns) in PSEUDOPEOPLE.items():
        born = {"column": "date_of_birth", "format": form}
        names = {"first_name": "first_name", "last_name": "last_name", "sex": "sex"}
        file = shared_data / "pseudopeople" / "feeds" / f"{name}.csv"
        ours = {**names, "birth_date": born, **columns}
        sources[name] = {"file": str(file), "id": "row_id", "duplicates": "rare", "columns": ours}
        known = pd.read_csv(shared_data / "pseudopeople" / "truth" / f"{name}.csv", dtype=str)
        truth |= {(name, row): person for row, person in zip(known["row_id"], known["simulant_id"], strict=True)}
    precision, f1 = scores(sources, truth, tmp_path)
    assert precision >= 0.995
    assert f1 >= 0.985


@pytest.mark.parametrize("name", ["febrl1", "febrl2", "febrl3"])
def test_febrl(shared_data: Path, tmp_path: Path, name: str) -> None:
    file = shared_data / "linkage" / f"{name}.csv"
    records = pd.read_csv(file, dtype=str)["rec_id"]
    truth = {("list", record): record.split("-")[1] for record in records}
    precision, f1 = scores({"list": {"file": str(file), "id": "rec_id", "columns": FEBRL}}, truth, tmp_path)
    assert precision >= 0.995
    assert f1 >= 0.998


def test_fake_1000(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "linkage" / "fake_1000.csv"
    table = pd.read_csv(file, dtype=str)
    truth = {("list", row): person for row, person in zip(table["unique_id"], table["cluster"], strict=True)}
    precision, f1 = scores({"list": {"file": str(file), "id": "unique_id", "columns": FAKE}}, truth, tmp_path)
    assert precision >= 0.99
    assert f1 >= 0.93
