"""Linkage on Spark, in a session on this machine: what DuckDB finds, Spark finds."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from tests.support import spark

from kinbridge.linkage.clean import clean
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.engine.on_spark import SparkEngine
from kinbridge.linkage.engine.spark_session import Session
from kinbridge.linkage.link import Linkage, link
from kinbridge.linkage.model import Model, read_model
from kinbridge.simulator.layout import LAYOUTS
from kinbridge.simulator.simulation import simulate

FIRST = ["Olivia", "Liam", "Emma", "Noah", "Ava", "Elijah", "Sophia", "Mateo", "Katherine", "Lucas", "Camila", "Bob"]
LAST = ["Hartwell", "O'Connor", "Delgado-Ruiz", "Nguyen", "Brandt", "Castellano", "de la Cruz", "Abdi", "Kowalski"]
STREETS = ["Oak Street", "Maple Avenue", "Cedar Lane", "Birch Road", "North Willow Drive Apt 4", "PO Box"]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    yield from spark.session()


def misspelt(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) - 1)
    slips = (
        text[:at] + text[at + 1 :],
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        text[:at] + "k" + text[at:],
    )
    return chance.choice(slips)


def list_of_strangers() -> pa.Table:
    """One list, as FEBRL makes them: 90 people of up to three records, with anything misspelt or missing."""
    chance = random.Random(7)
    rows: list[Row] = []
    for number in range(90):
        person: Row = {
            "first_name": chance.choice(FIRST),
            "last_name": chance.choice(LAST),
            "birth_date": date(1930, 1, 1) + timedelta(days=chance.randrange(30_000)),
            "ssn": f"{chance.randrange(100_000_000, 660_000_000)}",
            "address_line": f"{chance.randrange(1, 400)} {chance.choice(STREETS)}",
            "city": chance.choice(["Alder", "Birchfield"]),
            "postal_code": f"0{chance.randrange(2100, 2130)}",
        }
        for copy in range(1 + chance.randrange(3)):
            row = dict(person)
            for name in chance.sample(sorted(row), 2) if copy else []:
                text = row[name]
                row[name] = misspelt(chance, text) if isinstance(text, str) and chance.random() < 0.8 else None
            rows.append({"source": "list", "source_person_id": f"{number}-{copy}", **row})
    return pa.Table.from_pylist(rows)


def two_agencies(folder: Path) -> pa.Table:
    """Families of the simulator, as two of its agencies write them down."""
    simulate(folder, families=130, seed=5, months=1, held=None)
    eligible, served = LAYOUTS["medicaid/eligibility_v1"], LAYOUTS["snap/participation_v1"]
    medicaid = eligible.read(folder / "medicaid" / "eligibility_202607.txt").rename(
        columns={
            "MEMBER_ID": "source_person_id",
            "CASE_ID": "family_key",
            "FIRST_NAME": "first_name",
            "MIDDLE_INIT": "middle_name",
            "LAST_NAME": "last_name",
            "DOB": "birth_date",
            "SEX": "sex",
            "SSN": "ssn",
            "ADDR1": "address_line",
            "CITY": "city",
            "ZIP": "postal_code",
        }
    )
    snap = served.read(folder / "snap" / "participation_202607.tsv").rename(
        columns={
            "individual_id": "source_person_id",
            "case_number": "family_key",
            "dob": "birth_date",
            "street": "address_line",
            "zip": "postal_code",
        }
    )
    both = pd.concat([medicaid.assign(source="medicaid"), snap.assign(source="snap", middle_name="")])
    both["sex"] = both["sex"].replace({"1": "M", "2": "F"})
    both["birth_date"] = pd.to_datetime(both["birth_date"], format="mixed", errors="coerce").dt.date
    both = both.drop_duplicates(["source", "source_person_id"]).astype(object)
    columns = {name: both[name].where(both[name].notna(), None).tolist() for name in medicaid if name.islower()}
    return pa.table({"source": both["source"].tolist(), **columns})


def on_both(records: pa.Table, model: Model, session: Session) -> tuple[Linkage, Linkage]:
    def spark_engine() -> AbstractContextManager[Engine]:
        return SparkEngine(session)

    return link(records, model), link(records, model, open_engine=spark_engine)


def assert_same(one: Linkage, other: Linkage) -> None:
    assert other.clusters.to_pylist() == one.clusters.to_pylist()
    for name in ("edges", "review"):
        expected, found = (getattr(linkage, name).to_pylist() for linkage in (one, other))
        pairs = [{**row, "match_probability": pytest.approx(row["match_probability"], abs=1e-6)} for row in expected]
        assert found == pairs
    assert {**other.facts, "largest_prior_correction_bits": None} == {
        **one.facts,
        "largest_prior_correction_bits": None,
    }


def test_few_records_that_broad_rules_find(session: Session) -> None:
    one, other = on_both(list_of_strangers(), read_model(), session)
    assert one.edges.num_rows > 50
    assert_same(one, other)


def test_families_of_two_agencies_found_by_blocking(session: Session, tmp_path: Path) -> None:
    model = read_model()
    habits = {"medicaid": "none", "snap": "rare"}
    model = replace(model, limits={**model.limits, "few_records": 0}, duplicates_by_source=habits)
    one, other = on_both(two_agencies(tmp_path), model, session)
    assert one.edges.num_rows > 50
    assert len(one.facts["pairs_by_rule"]) > 5
    assert_same(one, other)


AWKWARD = [
    "",
    "A",
    "AB",
    "BA",
    "ABCDEFGHIJKLMNOP",
    "ABCDEFGHIJKLMNPO",
    "DIXON",
    "DICKSONX",
    "BRYBANT",
    "BRBAYNT",
    "SZOCINSKI",
    "SZSOCINSKI",
    "MARTHA",
    "MARHTA",
    "ÉMILE",
    "EMILE",
    "王伟",
    "王维",
    "Ивано́в",
    "ИВАНОВ",
    "İSTANBUL",
    "ﬁnn",
    "straße",
    "'; DROP",
    "\\1$1",
    "x" * 300,
    None,
]


@pytest.mark.parametrize(
    "expression",
    [
        "jaro_winkler_similarity(a, b)",
        "levenshtein(a, b)",
        "damerau_levenshtein(a, b)",
        "jaccard(nullif(a, ''), nullif(b, ''))",
        "list_has_any(CASE WHEN a IS NOT NULL THEN [a, 'AB'] END, CASE WHEN b IS NOT NULL THEN [b] END)",
        "list_contains(CASE WHEN a IS NOT NULL THEN [a, 'AB'] END, b)",
        "upper(strip_accents(a))",
        "lower(b)",
        "translate(upper(strip_accents(a)), 'ØŁ', 'OL')",
        "md5(a || b)",
        "left(a, 3) || right(b, 2)",
        "regexp_replace(a, '(.)[AEIOU]+$', '\\1')",
        "regexp_extract(a, '^[^A]+')",
        "array_to_string(list_filter(regexp_split_to_array(a, '[^\\p{L}]+'), lambda word: word <> b), ' ')",
        "a SIMILAR TO '(.* )?DROP'",
        "CASE WHEN a < b THEN 1 ELSE 0 END",
    ],
)
def test_function_gives_the_same_for_awkward_texts(session: Session, expression: str) -> None:
    rows = pa.table({"a": pa.array([a for a in AWKWARD for _ in AWKWARD]), "b": pa.array(AWKWARD * len(AWKWARD))})
    query = f"SELECT a, b, {expression} AS found FROM awkward ORDER BY a, b"
    with DuckDBEngine() as duckdb, SparkEngine(session) as engine:
        for one in (duckdb, engine):
            one.give("awkward", rows)
        expected = duckdb.rows(query)
        found = engine.rows(query)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    different = [
        (row[0], row[1], row[2], other[2]) for row, other in zip(expected, found, strict=True) if row[2] != other[2]
    ]
    assert different == []


def test_cleaning_gives_the_same_for_awkward_records(session: Session) -> None:
    names = [
        *AWKWARD,
        "BABY BOY",
        "Mc Donald Jr.",
        "O’Brien-Núñez III",
        "de la Cruz",
        "Sm1th",
        "J.",
        "Kate-Lynn",
        "N/A",
    ]
    numbers = ["", "123-45-6789", "012345679", "999-99-9999", "6789", "666-12-3456", "x", "+1 (303) 555-0142", None]
    homes = [
        "12B North Main Street, Apt. 4",
        "P.O. Box 77",
        "Homeless",
        "APT 3",
        "PO BOX",
        "4 Saint Mary's Rd Unit 2",
        "",
        None,
    ]
    born = [date(1900, 1, 1), date(2020, 12, 3), date(1879, 5, 5), date(2999, 1, 1), None]
    texts = ["20201303", "20200231", "00000000", "garbage", None]
    rows = [
        {
            "source": "list",
            "source_person_id": f"{number:04}",
            "first_name": names[number % len(names)],
            "last_name": names[number * 7 % len(names)],
            "middle_name": names[number * 11 % len(names)],
            "name_suffix": ["Jr", None, "II"][number % 3],
            "birth_date": born[number % len(born)],
            "birth_text": texts[number * 3 % len(texts)] if born[number % len(born)] is None else None,
            "sex": ["m", "Female", "X", None][number % 4],
            "ssn": numbers[number % len(numbers)],
            "phone": numbers[number * 5 % len(numbers)],
            "email": ["Ann+wic@Example.org ", "none@example.org", "a@b@c", "a b@c", "é@x.org\n", None][number % 6],
            "address_line": homes[number % len(homes)],
            "postal_code": ["80203-1234", "02139", "", None][number % 4],
            "local_id": ["00A-17", "9999", "x1", None][number % 4],
            "mother_first_name": names[number * 3 % len(names)],
            "family_key": f"F{number // 3}" if number % 5 else None,
        }
        for number in range(400)
    ]
    found = []
    with DuckDBEngine() as duckdb, SparkEngine(session) as engine:
        for one in (duckdb, engine):
            clean(one, pa.Table.from_pylist(rows), read_model())
            found.append([comparable(row) for row in one.arrow("SELECT * FROM cleaned ORDER BY record").to_pylist()])
    assert found[1] == found[0]


def comparable(row: Row) -> Row:
    """Lists stand for sets: no order of theirs counts."""
    return {name: sorted(value) if isinstance(value, list) else value for name, value in row.items()}


def test_nothing_is_left_of_an_engine_and_nobody_else_may_look(session: Session) -> None:
    tables = Path(session.tables.removeprefix("file:"))
    before = {path.name for path in tables.iterdir()}
    assert tables.stat().st_mode & 0o077 == 0
    assert tables.parent.stat().st_mode & 0o077 == 0
    with SparkEngine(session) as engine:
        engine.make("kept", "SELECT 1 AS one")
        engine.append("kept", "SELECT 2 AS one")
        assert sorted(engine.rows("SELECT one FROM kept")) == [(1,), (2,)]
        assert {path.name for path in tables.iterdir()} > before
    assert {path.name for path in tables.iterdir()} == before


def test_command_leaves_its_results_and_nothing_else(session: Session, tmp_path: Path) -> None:
    files, temporary = tmp_path / "files", tmp_path / "temporary"
    files.mkdir()
    temporary.mkdir()
    rows = [f"{number},Xanthippe{number},Quarrelsome,2019-03-{number:02}" for number in range(1, 9)] * 2
    rows = [f"{number}-{row}" for number, row in enumerate(rows)]
    (files / "a.csv").write_text("\n".join(["id,first,last,born", *rows]) + "\n", encoding="utf-8")
    columns = {"first_name": "first", "last_name": "last", "birth_date": "born"}
    config = {
        "sources": {"list": {"file": "a.csv", "id": "id", "columns": columns}},
        "engine": "spark",
        "spark": {"master": spark.SMALL.master, "settings": spark.SMALL.settings},
    }
    (files / "link.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "kinbridge", "link", "files", "--config", files / "link.yaml", "--out", files],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    people = pd.read_csv(files / "people.csv", dtype=str)
    assert len(people) == len(rows)
    assert people.groupby("person_id").size().tolist() == [2] * 8
    assert [path.name for path in temporary.iterdir() if not path.name.startswith("hsperfdata")] == []
    assert "xanthippe" not in (done.stdout + done.stderr).lower()
