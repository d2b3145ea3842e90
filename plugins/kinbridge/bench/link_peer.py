"""A bare Splink model of the records that `kinbridge link files` is given, run as a process of its own.

It is what Splink's tutorial shows: exact and Jaro-Winkler levels for names, its comparison of birth dates, exact
agreement for the rest; five comparisons and three blocking rules at most, of those whose columns all sources have. u
from a million random pairs, two passes of expectation maximisation, clusters at 0.9. Values are stripped and put in
small letters, dates brought to one format, and nothing else is done to them.

Arguments: the sources as JSON (name, file, id, columns, format), and the file to write.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

COMPARISONS = {
    "first_name": cl.NameComparison,
    "last_name": cl.NameComparison,
    "birth_date": lambda name: cl.DateOfBirthComparison(name, input_is_string=True),
    "middle_name": cl.ExactMatch,
    "sex": cl.ExactMatch,
    "ssn": cl.ExactMatch,
    "email": cl.ExactMatch,
    "city": cl.ExactMatch,
    "postal_code": cl.ExactMatch,
}
BLOCKING = (
    ("first_name", "last_name"),
    ("birth_date",),
    ("last_name", "substr(birth_date, 1, 4)"),
    ("ssn",),
    ("email",),
    ("last_name", "postal_code"),
)
COMPARED, BLOCKED, THRESHOLD = 5, 3, 0.9


def read(source: dict[str, Any]) -> pd.DataFrame:
    """One source as text, its columns under our names."""
    with Path(source["file"]).open(encoding="utf-8-sig") as file:
        header = file.readline()
    table = pd.read_csv(source["file"], dtype=str, sep=max(",\t;|", key=header.count), skipinitialspace=True)
    given = pd.DataFrame({"unique_id": source["name"] + " " + table[source["id"]]})
    for ours, theirs in source["columns"].items():
        joined = table[theirs[0]] if len(theirs) == 1 else table[theirs].fillna("").agg(" ".join, axis=1)
        given[ours] = joined.str.strip().str.lower().replace("", None)
    if "birth_date" in given:
        days = pd.to_datetime(given["birth_date"], format=source["format"], errors="coerce")
        given["birth_date"] = days.dt.strftime("%Y-%m-%d")
    if "middle_name" in given:
        given["middle_name"] = given["middle_name"].str[:1]
    return given


def link(table: pd.DataFrame, shared: set[str]) -> pd.DataFrame:
    """The cluster of each row; `shared` are the columns that every source has."""
    compared = [name for name in COMPARISONS if name in shared][:COMPARED]
    rules = [rule for rule in BLOCKING if all(name.split("(")[-1].split(",")[0] in shared for name in rule)][:BLOCKED]
    blocks = [block_on(*rule) for rule in rules]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[COMPARISONS[name](name) for name in compared],
        blocking_rules_to_generate_predictions=blocks,
    )
    api = DuckDBAPI()
    linker = Linker(api.register(table), settings)
    linker.training.estimate_probability_two_random_records_match(blocks[:1], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for block in blocks[:2]:
        linker.training.estimate_parameters_using_expectation_maximisation(block)
    pairs = linker.inference.predict(threshold_match_probability=THRESHOLD)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, THRESHOLD)
    return clusters.as_pandas_dataframe()[["cluster_id", "unique_id"]]


def main(sources: str, out: str) -> None:
    """Link the sources and write the clusters."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    tables = [read(source) for source in json.loads(sources)]
    shared = set.intersection(*(set(table.columns) for table in tables))
    link(pd.concat(tables, ignore_index=True), shared).to_csv(Path(out), index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
