"""A trained model as a declared file, `include/linkage/trained/*.yaml`: what people approve before it is used.

It holds a `TrainedModel` in its plain form (`trained.to_plain`), and what its reader wants to know of the training. It
must never hold anything taken from a record: no name, no term frequency. What it says has a digest, so that a number
that was edited by hand is seen, by a run (KB-K44) and by `kinbridge check` (KB-C79), both with file and line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from kinbridge.declaration.document import Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.model import Model, check_model, read_model
from kinbridge.linkage.trained import TrainedModel, from_plain, to_plain
from kinbridge.linkage.trained_check import CODE, VERSION, fit_problems, said_digest, trained_problems
from kinbridge.settings import include_folders

FOLDER = ("linkage", "trained")
HEADER = "# A trained linkage model: numbers that `kinbridge link train` learnt, for a person to approve.\n"


@dataclass(frozen=True)
class TrainedFile:
    """What a file says: the `version` and `day` of a training, how many decided pairs it learnt from and was tried on
    (`training` and `held_out`), and the trained model."""

    version: str
    day: date
    decided: Mapping[str, int]
    trained: TrainedModel

    @property
    def title(self) -> str:
        """Model and version of the training: `person 1.1.0, trained 2026-11`."""
        return f"{self.trained.model}, trained {self.version}"


def file_content(file: TrainedFile) -> dict[str, Any]:
    """What stands in the file, as plain values, with their digest."""
    plain = {"version": file.version, "day": file.day, "decided": dict(file.decided), **to_plain(file.trained)}
    return {**plain, "sha256": said_digest(plain)}


def write_trained(file: TrainedFile, path: Path) -> None:
    """Write a new file. Raises `KinbridgeError` KB-K35 as `check_place` does, and when it cannot be written."""
    check_place(path, file.version)
    text = HEADER + yaml.safe_dump(
        file_content(file), sort_keys=False, width=120, default_flow_style=None, allow_unicode=True
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise KinbridgeError("KB-K35", path=path, problem="it is there already") from None
    except OSError:
        raise KinbridgeError("KB-K35", path=path, problem="it cannot be written to") from None


def check_place(path: Path, version: str) -> None:
    """Whether a model of this version may be written there. Raises `KinbridgeError` KB-K35."""
    if path.suffix != ".yaml" or path.resolve().parent.parts[-2:] != FOLDER:
        raise KinbridgeError("KB-K35", path=path, problem="expected a .yaml file in a folder linkage/trained")
    if not VERSION.fullmatch(version):
        raise KinbridgeError("KB-K35", path=path, problem="a version has small letters, digits, dots and hyphens")
    if path.exists():
        raise KinbridgeError("KB-K35", path=path, problem="it is there already")


def read_trained(path: Path) -> TrainedFile:
    """Read and check a file. Raises `KinbridgeError` KB-K44 with the first mistake and how many there are.

    Whether it fits a declared model is for `TrainedModel.declared` to say.
    """
    problems = trained_problems(path)
    if problems:
        first = problems[0]
        raise KinbridgeError("KB-K44", path=path, line=first.line, problem=first.text, count=len(problems))
    data = read_document(path).data
    return TrainedFile(data["version"], data["day"], dict(data["decided"]), from_plain(data))


def declared_trained(model: Model) -> TrainedModel | None:
    """The last by name of the declared trained models for this model, a site's own after ours; None without any.

    Raises `KinbridgeError` KB-K44 when a file is no trained model, KB-K43 when it does not fit.
    """
    found = None
    for path in trained_files():
        trained = read_trained(path).trained
        if trained.model == model.title:
            trained.declared(model)
            found = trained
    return found


def trained_files() -> list[Path]:
    """The trained models of every include folder."""
    return [path for folder in include_folders() for path in sorted(folder.joinpath(*FOLDER).glob("*.yaml"))]


def trained_file_problems() -> Iterator[Problem]:
    """What is wrong with any of them, also beside the declared model, and two with one version."""
    model = None if check_model() else read_model()
    seen: dict[tuple[object, object], Path] = {}
    for path in trained_files():
        problems = trained_problems(path)
        yield from problems
        if problems:
            continue
        document = read_document(path)
        if model is not None:
            yield from fit_problems(document, model)
        key = (document.data["model"], document.data["version"])
        if key in seen:
            yield document.problem(CODE, f"{seen[key].name} has this version already", "version")
        seen.setdefault(key, path)
