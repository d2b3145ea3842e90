"""The commands: what they refuse before any work, and a labelled sample from files from end to end."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinbridge.cli.main import app


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two files of 60 people, told apart by name and birth date, with a column of the kind of home."""
    chance = random.Random(2)
    for source in ("one", "other"):
        with (tmp_path / f"{source}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "first", "last", "born", "home"])
            for person in range(60):
                chance.seed(person)
                first, last = ("".join(chance.sample(["ka", "lo", "mi", "ren", "sa", "tu"], 3)) for _ in range(2))
                writer.writerow([person, first, last, f"201{person % 10}-0{1 + person % 9}-1{person % 8}", "farm"])
    columns = "columns: {first_name: first, last_name: last, birth_date: born}"
    path = tmp_path / "link.yaml"
    path.write_text(
        f"sources:\n  one: {{file: one.csv, id: id, {columns}}}\n  other: {{file: other.csv, id: id, {columns}}}\n",
        encoding="utf-8",
    )
    return path


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["link", *map(str, words)])
    return done.exit_code, done.output


def test_nothing_to_evaluate_against_is_said(config: Path, tmp_path: Path) -> None:
    code, said = run("evaluate", "--config", config, "--out", tmp_path / "report")
    assert (code, "KB-K34" in said) == (2, True)


@pytest.mark.parametrize("column", ["first", "id", "absent"])
def test_people_are_not_grouped_by_who_they_are(config: Path, tmp_path: Path, column: str) -> None:
    code, said = run("evaluate", "--config", config, "--by", column, "--draw", "30", "--out", tmp_path)
    assert (code, "KB-K33" in said) == (2, True)


def test_model_is_trained_into_its_own_folder_only(config: Path, tmp_path: Path) -> None:
    code, said = run("train", "--config", config, "--version", "1", "--into", tmp_path / "model.yaml")
    assert (code, "KB-K35" in said) == (2, True)


def test_sample_is_drawn_labelled_and_trained_on(config: Path, tmp_path: Path) -> None:
    code, said = run("evaluate", "--config", config, "--by", "home", "--draw", "60", "--out", tmp_path)
    assert code == 0, said
    path = tmp_path / "sample.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = "same" if row["row_id_left"] == row["row_id_right"] else "different"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    code, said = run("evaluate", "--config", config, "--by", "home", "--labels", path, "--out", tmp_path / "report")
    assert code == 0, said
    assert "Precision 1.0000" in said
    assert (tmp_path / "report" / "evaluation.html").is_file()
    into = tmp_path / "linkage" / "trained" / "person.yaml"
    code, said = run("train", "--config", config, "--labels", path, "--version", "1", "--into", into)
    assert code == 0, said
    assert "It is not in use" in said
    assert into.with_suffix(".html").is_file()
