"""A trained model as a declared file: written, read back, and every mistake told with its line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.keys import Block
from kinbridge.linkage.model import Model, read_model
from kinbridge.linkage.trained import TrainedModel, Weighed, content_digest, model_digest
from kinbridge.linkage.trained_check import CODE, said_digest, trained_problems
from kinbridge.linkage.trained_file import (
    TrainedFile,
    declared_trained,
    read_trained,
    trained_file_problems,
    write_trained,
)


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model()


@pytest.fixture
def written(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in an include folder of a site."""
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    path = tmp_path / "linkage" / "trained" / "person-1.yaml"
    write_trained(made(model), path)
    return path


def made(model: Model) -> TrainedFile:
    trained = TrainedModel(
        model=model.title,
        digest=model_digest(model),
        records=100,
        sources=("medicaid", "0123", "no"),
        comparisons=tuple(
            Weighed(
                entry.name,
                tuple(level.label for level in entry.levels),
                tuple(level.m for level in entry.levels),
                tuple(level.u for level in entry.levels),
            )
            for entry in model.comparisons[:-1]
        ),
        share=1e-9,
        priors={("medicaid", "no"): 1.5, ("medicaid", "medicaid"): 0.1 + 0.2},
        within=-2.25,
        between=1.5,
        blocks=(Block(model.blocking[0], 40), Block(model.blocking[1], 7)),
        unrelated=False,
        unseen={"first_name": -6.643856189774724, "last_name": -6.5},
        left_out=(model.comparisons[-1].name,),
        passes=("ssn",),
        heaps=(("medicaid", "0101"), ("no", "20190704")),
    )
    return TrainedFile("1", date(2026, 11, 30), {"training": 9, "held_out": 3}, trained)


def test_what_was_written_is_read_back_bit_by_bit_and_found_for_its_model(written: Path, model: Model) -> None:
    file = made(model)
    assert read_trained(written) == file
    assert list(trained_file_problems()) == []
    found = declared_trained(model)
    assert found == file.trained
    assert found is not None
    assert content_digest(found) == content_digest(file.trained)
    assert declared_trained(replace(model, version="9.9.9")) is None


def test_the_last_file_by_name_counts(written: Path, model: Model) -> None:
    newer = replace(made(model), version="2", trained=replace(made(model).trained, records=200))
    write_trained(newer, written.with_name("person-2.yaml"))
    assert declared_trained(model) == newer.trained


def test_file_is_never_overwritten_nor_put_elsewhere(written: Path, model: Model, tmp_path: Path) -> None:
    for path in (written, tmp_path / "person-1.yaml"):
        with pytest.raises(KinbridgeError) as refused:
            write_trained(made(model), path)
        assert refused.value.code == "KB-K35"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("records: 100", "records: 101", "digest"),
        ("version: '1'", "version: '2'", "digest"),
        ("share: 1.0e-09", "share: 0.7", "share lies between"),
        ("within: -2.25", "within: .nan", "no number of bits"),
        ("records: 100", "records: many", "'records' is absent or not a int"),
        ("passes: [ssn]", "passes: [ssn]\nnames: [a]", "'names' is not known"),
        ("passes: [ssn]", "passes: [[ssn]]", "a pass is a name"),
        ("size: 40", "size: large", "cleaned columns and a size"),
        ("last_name: -6.5", "no_column: -6.5", "unseen has a number"),
        ("['no', '20190704']", "['no', July]", "a heap has a source and a day"),
        ("bits: 1.5", "bits: much", "a prior has left, right and bits"),
        ("training: 9", "training: -9", "two counts"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_used_by_no_run(
    written: Path, model: Model, before: str, after: str, told: str
) -> None:
    text = written.read_text(encoding="utf-8")
    assert before in text
    written.write_text(text.replace(before, after, 1), encoding="utf-8")
    [problem] = [problem for problem in trained_problems(written) if told in problem.text]
    assert problem.code == CODE
    line = written.read_text(encoding="utf-8").splitlines()[problem.line - 1]
    wanted = {"digest": "sha256: ", "cleaned columns and a size": "- columns: "}
    assert wanted.get(told, after.rsplit("\n", maxsplit=1)[-1].split(":", maxsplit=1)[0]) in line
    with pytest.raises(KinbridgeError) as refused:
        declared_trained(model)
    assert refused.value.code == "KB-K44"
    assert f"person-1.yaml:{trained_problems(written)[0].line}: " in str(refused.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda plain: plain.update(model="person 0.9.0"), "it was trained from person 0.9.0"),
        (lambda plain: plain.update(left_out=[]), "weighed or left out, once"),
        (lambda plain: plain["unseen"].pop("last_name"), "unseen says nothing of last_name"),
        (lambda plain: plain["blocks"][0].update(columns=["sex"]), "no such blocking rule"),
        (lambda plain: plain["comparisons"][0]["levels"].__setitem__(0, "alike"), "no comparison with these levels"),
        (lambda plain: plain["comparisons"][0]["m"].__setitem__(0, 0.9), "the m of the levels add up to"),
    ],
)
def test_a_file_with_a_right_digest_has_to_fit_the_declared_model(written: Path, change: object, told: str) -> None:
    plain = yaml.safe_load(written.read_text(encoding="utf-8"))
    assert callable(change)
    change(plain)
    written.write_text(yaml.safe_dump({**plain, "sha256": said_digest(plain)}, sort_keys=False), encoding="utf-8")
    assert [problem.code for problem in trained_file_problems() if told in problem.text] == [CODE]


def test_two_files_of_one_version_are_told(written: Path) -> None:
    written.with_name("person-other.yaml").write_bytes(written.read_bytes())
    assert [problem.text for problem in trained_file_problems()] == ["person-1.yaml has this version already"]


def test_what_cannot_be_read_is_told(written: Path) -> None:
    written.write_text("a: [", encoding="utf-8")
    assert [problem.code for problem in trained_problems(written)] == [CODE]
    with pytest.raises(KinbridgeError) as refused:
        read_trained(written)
    assert refused.value.code == "KB-K44"
