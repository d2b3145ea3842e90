"""A trained model as a declared file: written, read back, and every mistake told with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.model import Model, read_model
from kinbridge.linkage.trained_file import TrainedFile, file_problems, read_trained, write_trained


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model()


@pytest.fixture
def written(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "linkage" / "trained" / "person-1.yaml"
    write_trained(trained(model), model, path)
    return path


def trained(model: Model) -> TrainedFile:
    return TrainedFile(
        version="1",
        model=model.title,
        day=date(2026, 11, 30),
        records=100,
        sources=("medicaid", "snap"),
        decided={"training": 9, "held_out": 3},
        share=0.001,
        priors={("medicaid", "snap"): 1.5},
        m={entry.name: tuple(level.m for level in entry.levels) for entry in model.comparisons[:-1]},
        u={entry.name: tuple(level.u for level in entry.levels) for entry in model.comparisons[:-1]},
        left_out=(model.comparisons[-1].name,),
        passes=("ssn",),
    )


def test_what_was_written_is_read_back(written: Path, model: Model) -> None:
    found = read_trained(written)
    assert found == trained(model)
    again = found.trained(model)
    assert again.weighed == tuple(entry.name for entry in model.comparisons[:-1])
    assert again.m[0] == tuple(level.m for level in model.comparisons[0].levels)


def test_file_is_never_overwritten_nor_put_elsewhere(written: Path, model: Model, tmp_path: Path) -> None:
    for path in (written, tmp_path / "person-1.yaml"):
        with pytest.raises(KinbridgeError) as refused:
            write_trained(trained(model), model, path)
        assert refused.value.code == "KB-K35"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("share: 0.001", "share: 0.002", "digest"),
        ("version: '1'", "version: '2'", "digest"),
        ("share: 0.001", "share: 0.7", "share lies between"),
        ("m: 0.71,", "m: 0.81,", "the m of the levels add up to"),
        ("records: 100", "records: many", "'records' is absent or not a int"),
        ("passes: [ssn]", "passes: [ssn]\nnames: [a]", "'names' is not known"),
        ("model: person 1.1.0", "model: person 0.9.0", "it was trained from person 0.9.0"),
    ],
)
def test_mistakes_are_told_with_their_line(written: Path, before: str, after: str, told: str) -> None:
    text = written.read_text(encoding="utf-8")
    assert before in text
    written.write_text(text.replace(before, after, 1), encoding="utf-8")
    problems = list(file_problems(written))
    [problem] = [problem for problem in problems if told in problem.text]
    assert problem.code == "KB-C79"
    wanted = "digest: " if told == "digest" else after.rsplit("\n", maxsplit=1)[-1].split(":", maxsplit=1)[0]
    line = written.read_text(encoding="utf-8").splitlines()[problem.line - 1]
    assert wanted in line or "levels" in line or "name:" in line


def test_file_holds_no_value_but_numbers_and_names(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    assert "frequency" not in text
    assert text.startswith("# A trained linkage model")
