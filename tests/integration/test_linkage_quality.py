"""How well the shipped model links data that it was not made for. Pairs are those within people, over all sources.

The floors are what the project promises; docs/linkage.md has the figures that are reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from kinbridge.linkage.link import link
from kinbridge.linkage.model import read_model

pytestmark = pytest.mark.shared_data

PSEUDOPEOPLE_DATES = {
    "decennial_census": "%m/%d/%Y",
    "women_infants_and_children": "%m%d%Y",
    "social_security": "%Y%m%d",
}
Truth = Mapping[tuple[str, str], str]


def pairs_within(groups: Iterable[Any]) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(groups).values())


def scores(records: pd.DataFrame, truth: Truth) -> tuple[float, float, float]:
    """Precision, recall and F1 of the pairs within the people that the shipped model makes of `records`."""
    found = link(pa.Table.from_pandas(records, preserve_index=False), read_model(), seed=1).clusters.to_pylist()
    people = [row["cluster"] for row in found]
    true = [truth[row["source"], row["source_person_id"]] for row in found]
    right = pairs_within(zip(people, true, strict=True))
    precision, recall = right / pairs_within(people), right / pairs_within(true)
    return precision, recall, 2 * precision * recall / (precision + recall)


def column(table: pd.DataFrame, *names: str) -> pd.Series:
    """The first of the columns that the table has, or nothing."""
    found = next((table[name] for name in names if name in table), None)
    return found if found is not None else pd.Series([None] * len(table), dtype=object)


def dates(values: pd.Series, form: str) -> pd.Series:
    return pd.to_datetime(values, format=form, errors="coerce").dt.date


def pseudopeople(folder: Path) -> tuple[pd.DataFrame, Truth]:
    frames, truth = [], {}
    for source, form in PSEUDOPEOPLE_DATES.items():
        table = pd.read_csv(folder / "feeds" / f"{source}.csv", dtype=str)
        address = [column(table, name).fillna("") for name in ("street_number", "street_name", "unit_number")]
        frames.append(
            pd.DataFrame(
                {
                    "source": source,
                    "source_person_id": table["row_id"],
                    "first_name": table["first_name"],
                    "middle_name": column(table, "middle_name", "middle_initial"),
                    "last_name": table["last_name"],
                    "birth_date": dates(table["date_of_birth"], form),
                    "sex": table["sex"],
                    "ssn": column(table, "ssn"),
                    "address_line": address[0].str.cat(address[1:], sep=" "),
                    "city": column(table, "city"),
                    "postal_code": column(table, "zipcode"),
                }
            )
        )
        known = pd.read_csv(folder / "truth" / f"{source}.csv", dtype=str)
        truth |= {(source, row): person for row, person in zip(known["row_id"], known["simulant_id"], strict=True)}
    return pd.concat(frames, ignore_index=True), truth


def febrl(path: Path) -> tuple[pd.DataFrame, Truth]:
    table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    records = pd.DataFrame(
        {
            "source": "febrl",
            "source_person_id": table["rec_id"],
            "first_name": table["given_name"],
            "last_name": table["surname"],
            "birth_date": dates(table["date_of_birth"], "%Y%m%d"),
            "ssn": table["soc_sec_id"],
            "address_line": table["street_number"].fillna("") + " " + table["address_1"].fillna(""),
            "city": table["suburb"],
            "postal_code": table["postcode"],
        }
    )
    return records, {("febrl", record): record.split("-")[1] for record in table["rec_id"]}


def test_pseudopeople_census_wic_and_social_security(shared_data: Path) -> None:
    precision, _, f1 = scores(*pseudopeople(shared_data / "pseudopeople"))
    assert precision >= 0.995
    assert f1 >= 0.985


def test_febrl3(shared_data: Path) -> None:
    precision, _, f1 = scores(*febrl(shared_data / "linkage" / "febrl3.csv"))
    assert precision >= 0.99
    assert f1 >= 0.998


def test_fake_1000(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "linkage" / "fake_1000.csv", dtype=str)
    records = table.rename(columns={"unique_id": "source_person_id", "surname": "last_name"}).drop(columns="cluster")
    records["birth_date"] = dates(records.pop("dob"), "%Y-%m-%d")
    records["source"] = "fake"
    truth = {("fake", row): person for row, person in zip(table["unique_id"], table["cluster"], strict=True)}
    precision, _, f1 = scores(records, truth)
    assert precision >= 0.99
    assert f1 >= 0.93
