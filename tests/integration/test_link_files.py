"""`kinbridge link files` from end to end, on files made here: every row once, relatives apart, awkward columns."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kinbridge.cli.main import app

FIRST = ["Olivia", "Liam", "Emma", "Noah", "Ava", "Elijah", "Sophia", "Mateo", "Mia", "Lucas", "Camila", "Ezra", "Ruth"]
LAST = ["Hartwell", "Okafor", "Delgado", "Nguyen", "Brandt", "Castellano", "Whitfield", "Abdi", "Kowalski", "Pereira"]
STREETS = ["Oak Street", "Maple Avenue", "Cedar Lane", "Birch Road", "Willow Drive", "Aspen Court"]
HEADER = ["id", "first", "last", "born", "house", "street", "city", "empty", "nan"]
Rows = list[list[str]]


def families() -> tuple[Rows, Rows, dict[str, str]]:
    """Two lists of families: siblings, twins, and a parent with a child's name at one address each; and the truth."""
    chance = random.Random(11)
    one: Rows = []
    other: Rows = []
    truth: dict[str, str] = {}

    def add(person: str, first: str, last: str, born: str, home: tuple[str, str]) -> None:
        year, month, day = born.split("-")
        one.append([f"A{person}", first, last, born, *home, "Alder", "", "nan"])
        spelt = first[:-1] if chance.random() < 0.2 and len(first) > 4 else first.upper()
        other.append([f"B{person}", spelt, last, f"{month}/{day}/{year}", *home, "Alder", "", "NaN"])
        truth[f"A{person}"] = truth[f"B{person}"] = person

    for family in range(150):
        last = f"{chance.choice(LAST)}-{chance.choice(LAST)}" if family % 9 == 0 else chance.choice(LAST)
        home = (str(chance.randrange(1, 999)), chance.choice(STREETS))
        given = chance.sample(FIRST, 4)
        parent = f"{1975 + chance.randrange(20)}-{1 + chance.randrange(12):02}-{2 + chance.randrange(26):02}"
        child = f"{2015 + chance.randrange(9)}-{1 + chance.randrange(12):02}-{2 + chance.randrange(26):02}"
        add(f"{family}p", given[0], last, parent, home)
        # In some families the child has the parent's name, in others there are twins.
        add(f"{family}c", given[0] if family % 5 == 0 else given[1], last, child, home)
        if family % 4 == 0:
            add(f"{family}t", given[2], last, child, home)
    return one, other, truth


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("files")
    one, other, truth = families()
    one.append(["A nobody", *[""] * (len(HEADER) - 1)])
    truth["A nobody"] = "nobody"
    for name, rows, encoding in (("one.csv", one, "utf-8-sig"), ("other.csv", other, "cp1252")):
        with (folder / name).open("w", encoding=encoding, newline="") as file:
            csv.writer(file).writerows([HEADER, *rows])
    columns = {
        "first_name": "first",
        "last_name": "last",
        "address_line": ["house", "street"],
        "city": "city",
        "phone": "empty",
        "email": "nan",
    }
    sources = {
        "one": {
            "file": "one.csv",
            "id": "id",
            "duplicates": "rare",
            "columns": {**columns, "birth_date": {"column": "born", "format": "%Y-%m-%d"}},
        },
        "other": {
            "file": "other.csv",
            "id": "id",
            "duplicates": "none",
            "columns": {**columns, "birth_date": {"column": "born", "format": "%m/%d/%Y"}},
        },
    }
    (folder / "link.yaml").write_text(yaml.safe_dump({"sources": sources, "engine": "duckdb"}), encoding="utf-8")
    done = CliRunner().invoke(
        app, ["link", "files", "--config", str(folder / "link.yaml"), "--out", str(folder / "out")]
    )
    assert done.exit_code == 0, done.output
    return folder / "out", truth


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def people(out: Path) -> dict[str, str]:
    return {row["row_id"]: row["person_id"] for row in read(out / "people.csv")}


def test_every_row_is_there_once(linked: tuple[Path, dict[str, str]]) -> None:
    out, truth = linked
    rows = read(out / "people.csv")
    assert list(rows[0]) == ["source", "row_id", "person_id"]
    assert sorted(row["row_id"] for row in rows) == sorted(truth)


def test_people_are_found_and_relatives_stay_apart(linked: tuple[Path, dict[str, str]]) -> None:
    out, truth = linked
    found = people(out)
    wrong = [
        row
        for row in truth
        if row.startswith("A") and any(found[row] == found[other] for other in truth if truth[other] != truth[row])
    ]
    missed = [row for row in truth if row.startswith("B") and found[row] != found["A" + row[1:]]]
    assert wrong == []
    assert len(missed) <= 3


def test_row_without_anything_is_a_person_of_its_own(linked: tuple[Path, dict[str, str]]) -> None:
    found = people(linked[0])
    assert list(found.values()).count(found["A nobody"]) == 1


def test_review_has_scores_and_no_names(linked: tuple[Path, dict[str, str]]) -> None:
    with (linked[0] / "review.csv").open(encoding="utf-8") as file:
        header = file.readline().replace('"', "").strip()
    assert header == "source_left,row_id_left,source_right,row_id_right,score,found_by"


def test_mistake_is_told_with_its_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "link.yaml").write_text("sources:\n  one:\n    file: none.csv\n    id: a\n    columns: {sex: b}\n")
    done = CliRunner().invoke(app, ["link", "files", "--config", str(tmp_path / "link.yaml"), "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "KB-K02" in done.output
    assert "link.yaml:3" in done.output


def test_spark_without_java_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,M\n")
    (tmp_path / "link.yaml").write_text(
        "sources:\n  one:\n    file: a.csv\n    id: a\n    columns: {sex: b}\nengine: spark\n"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    done = CliRunner().invoke(app, ["link", "files", "--config", str(tmp_path / "link.yaml"), "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "KB-K07" in done.output
    assert "docs/linkage.md" in done.output
