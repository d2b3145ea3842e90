"""The configuration of `kinbridge link files`: mistakes are told with their line, and files are read as they are."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.file_records import read_records
from kinbridge.linkage.file_sources import FileSource, read_file_sources

GOOD = """\
sources:
  clinic:
    file: clinic.csv
    id: number
    duplicates: rare
    columns:
      first_name: given
      birth_date: {column: born, format: "%m/%d/%Y"}
      address_line: [house, street]
engine: duckdb
"""
ROWS = "number,given,born,house,street\n1,Ann,02/28/2020,12,Oak St\n2,Bo,13/05/2019,,Elm St\n"


def source(folder: Path, yaml: str = GOOD, rows: bytes = ROWS.encode()) -> FileSource:
    (folder / "clinic.csv").write_bytes(rows)
    (folder / "link.yaml").write_text(yaml, encoding="utf-8")
    return read_file_sources(folder / "link.yaml").sources[0]


def failure(folder: Path, yaml: str = GOOD, rows: bytes = ROWS.encode()) -> KinbridgeError:
    with pytest.raises(KinbridgeError) as caught:
        read_records(source(folder, yaml, rows), folder / "link.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("clinic.csv", "elsewhere.csv", 3, "elsewhere.csv"),
        ("id: number", "", 2, "needs 'id'"),
        ("rare", "seldom", 5, "none, rare, common"),
        ("first_name", "firstname", 7, "did you mean 'first_name'"),
        ("given", "[]", 7, "name of a column"),
        ('"%m/%d/%Y"', "american", 8, "format of a date"),
        ("engine: duckdb", "engine: mysql", 10, "duckdb, spark"),
        ("engine: duckdb", "spark: {master: local}", 10, "the engine is duckdb"),
        ("engine: duckdb", "engine: spark\nspark: {masters: local}", 11, "did you mean 'master'"),
        ("engine: duckdb", "engine: spark\nspark:\n  master: yarn", 12, "a cluster needs `checkpoint`"),
        ("engine: duckdb", "engine: spark\nspark:\n  settings:\n    spark.ui.enabled: 'true'", 13, "set by Kinbridge"),
        ("engine: duckdb", "engine: spark\nspark:\n  settings:\n    executor.memory: 2g", 13, "no setting of Spark's"),
    ],
)
def test_mistake_has_its_line(tmp_path: Path, old: str, new: str, line: int, word: str) -> None:
    error = failure(tmp_path, GOOD.replace(old, new))
    assert error.code == "KB-K02"
    assert error.facts["line"] == line
    assert word in error.facts["problem"]


def test_spark_is_read_as_it_is_declared(tmp_path: Path) -> None:
    yaml = GOOD.replace("duckdb", "spark") + "spark:\n  master: yarn\n  checkpoint: hdfs:///secure\n  settings:\n"
    source(tmp_path, f"{yaml}    spark.executor.instances: 4\n")
    choice = read_file_sources(tmp_path / "link.yaml").engine
    assert (choice.name, choice.spark.master, choice.spark.checkpoint) == ("spark", "yarn", "hdfs:///secure")
    assert choice.spark.settings == {"spark.executor.instances": "4"}


def test_all_mistakes_are_counted(tmp_path: Path) -> None:
    error = failure(tmp_path, GOOD.replace("rare", "seldom").replace("duckdb", "mysql"))
    assert (error.facts["line"], error.facts["count"]) == (5, 2)


def test_column_that_the_file_has_not(tmp_path: Path) -> None:
    error = failure(tmp_path, GOOD.replace("[house, street]", "[house, road]"))
    assert (error.code, error.facts["line"], error.facts["column"]) == ("KB-K04", 9, "road")


@pytest.mark.parametrize("second", ["1", ""])
def test_row_ids_tell_rows_apart(tmp_path: Path, second: str) -> None:
    error = failure(tmp_path, rows=ROWS.replace("\n2,", f"\n{second},").encode())
    assert (error.code, error.facts["line"], error.facts["count"]) == ("KB-K05", 4, 1)


def test_format_that_reads_no_date(tmp_path: Path) -> None:
    error = failure(tmp_path, GOOD.replace("%m/%d/%Y", "%Y-%m-%d"))
    assert (error.code, error.facts["line"], error.facts["read"]) == ("KB-K06", 8, 0)


@pytest.mark.parametrize("rows", [b"", b"number,given\n1,Ann,more\n", b"\0\1\2\3"])
def test_file_that_does_not_hold_together_is_refused(tmp_path: Path, rows: bytes) -> None:
    assert failure(tmp_path, rows=rows).code == "KB-K03"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    rows = ROWS.replace("Ann", "Zoë").encode(encoding)
    found = read_records(source(tmp_path, rows=rows), tmp_path / "link.yaml")
    assert found["first_name"].to_pylist() == ["Zoë", "Bo"]


def test_values_are_text_and_what_means_nothing_is_nothing(tmp_path: Path) -> None:
    yaml = GOOD.replace("first_name: given", "ssn: given")
    rows = ROWS.replace("Ann", "00123").replace("Bo", "NaN").replace(",", ";")
    found = read_records(source(tmp_path, yaml, rows.encode()), tmp_path / "link.yaml")
    assert found["ssn"].to_pylist() == ["00123", None]
    assert found["address_line"].to_pylist() == ["12 Oak St", "Elm St"]


def test_what_is_almost_a_date_keeps_its_digits(tmp_path: Path) -> None:
    found = read_records(source(tmp_path), tmp_path / "link.yaml")
    assert found["birth_date"].to_pylist() == [date(2020, 2, 28), None]
    assert found["birth_text"].to_pylist()[1] == "20191305"


def test_format_is_found_where_none_is_given(tmp_path: Path) -> None:
    yaml = GOOD.replace('{column: born, format: "%m/%d/%Y"}', "born")
    found = read_records(source(tmp_path, yaml), tmp_path / "link.yaml")
    assert found["birth_date"].to_pylist()[0] == date(2020, 2, 28)
