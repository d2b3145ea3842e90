"""A trained model as a declared file, `include/linkage/trained/*.yaml`: what people approve before it is used.

It holds m and u of every level, priors, names and counts. It must never hold anything taken from a record: no name, no
term frequency. Its numbers have a digest, so that a number that was edited by hand is seen; `kinbridge check` names
every mistake with file and line (KB-C79).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.model import Model, check_model, read_model
from kinbridge.linkage.training import Trained
from kinbridge.settings import include_folders

CODE = "KB-C79"
FOLDER = ("linkage", "trained")
VERSION = re.compile(r"[0-9a-z][0-9a-z.-]*")
HEADER = "# A trained linkage model: numbers that `kinbridge link train` learnt, for a person to approve.\n"
FIELDS: dict[str, type] = {
    "id": str,
    "version": str,
    "model": str,
    "day": date,
    "records": int,
    "sources": list,
    "decided": dict,
    "share": float,
    "priors": list,
    "comparisons": list,
    "left_out": list,
    "passes": list,
    "digest": str,
}


@dataclass(frozen=True)
class TrainedFile:
    """What a file says: which declared `model` was trained, on how many records of which sources, with how many
    decided pairs (`training` and `held_out`), and the numbers. `priors` correct the share in bits by two sources."""

    version: str
    model: str
    day: date
    records: int
    sources: tuple[str, ...]
    decided: Mapping[str, int]
    share: float
    priors: Mapping[tuple[str, str], float]
    m: Mapping[str, tuple[float, ...]]
    u: Mapping[str, tuple[float, ...]]
    left_out: tuple[str, ...]
    passes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Model and version of the training: `person 1.1.0, trained 2026-11`."""
        return f"{self.model}, trained {self.version}"

    def trained(self, model: Model) -> Trained:
        """The numbers for the declared model. Raises `KinbridgeError` KB-K01 when it is another one."""
        if self.model != model.title:
            raise KinbridgeError(
                "KB-K01", path=model.id, line=1, problem=f"it is not the model {self.model} that was trained", count=1
            )
        own = tuple(entry for entry in model.comparisons if entry.name in self.m)
        m, u = (tuple(part[entry.name] for entry in own) for part in (self.m, self.u))
        return Trained(own, m, u, self.share, self.left_out, self.passes)


def to_plain(file: TrainedFile, model: Model) -> dict[str, Any]:
    """The file's content, its numbers with the labels of the levels beside them, and with their digest."""
    known = {entry.name: entry for entry in model.comparisons}
    plain: dict[str, Any] = {
        "id": model.id,
        "version": file.version,
        "model": file.model,
        "day": file.day,
        "records": file.records,
        "sources": list(file.sources),
        "decided": dict(file.decided),
        "share": file.share,
        "priors": [{"left": left, "right": right, "bits": bits} for (left, right), bits in sorted(file.priors.items())],
        "comparisons": [
            {
                "name": name,
                "levels": [
                    {"label": level.label, "m": m, "u": u}
                    for level, m, u in zip(known[name].levels, file.m[name], file.u[name], strict=True)
                ],
            }
            for name in file.m
        ],
        "left_out": list(file.left_out),
        "passes": list(file.passes),
    }
    return {**plain, "digest": digest(plain)}


def digest(plain: Mapping[str, Any]) -> str:
    """SHA-256 of all that a file says but its digest."""
    own = {name: value for name, value in plain.items() if name != "digest"}
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


def write_trained(file: TrainedFile, model: Model, path: Path) -> None:
    """Write a new file. Raises `KinbridgeError` KB-K35 as `check_place` does, and when it cannot be written."""
    check_place(path, file.version)
    text = HEADER + yaml.safe_dump(to_plain(file, model), sort_keys=False, width=120, default_flow_style=None)
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
    """Read and check a file. Raises `KinbridgeError` KB-K01 with the first mistake and how many there are."""
    problems = list(file_problems(path))
    if problems:
        first = problems[0]
        raise KinbridgeError("KB-K01", path=path, line=first.line, problem=first.text, count=len(problems))
    data = read_document(path).data
    numbers = {
        name: {entry["name"]: tuple(float(level[name]) for level in entry["levels"]) for entry in data["comparisons"]}
        for name in ("m", "u")
    }
    return TrainedFile(
        version=data["version"],
        model=data["model"],
        day=data["day"],
        records=data["records"],
        sources=tuple(data["sources"]),
        decided=dict(data["decided"]),
        share=float(data["share"]),
        priors={(entry["left"], entry["right"]): float(entry["bits"]) for entry in data["priors"]},
        m=numbers["m"],
        u=numbers["u"],
        left_out=tuple(data["left_out"]),
        passes=tuple(data["passes"]),
    )


def trained_files() -> list[Path]:
    """The trained models of every include folder."""
    return [path for folder in include_folders() for path in sorted(folder.joinpath(*FOLDER).glob("*.yaml"))]


def trained_file_problems() -> Iterator[Problem]:
    """What is wrong with any of them, and two with one version."""
    seen: dict[tuple[object, object], Path] = {}
    for path in trained_files():
        problems = list(file_problems(path))
        yield from problems
        if problems:
            continue
        document = read_document(path)
        key = (document.data["id"], document.data["version"])
        if key in seen:
            yield document.problem(CODE, f"{seen[key].name} has this version already", "version")
        seen.setdefault(key, path)


def file_problems(path: Path) -> Iterator[Problem]:
    """What is wrong with one file: shape, numbers, digest, and whether it fits the declared model."""
    try:
        document = read_document(path)
    except DocumentError as error:
        yield Problem(CODE, path, error.problem.line, error.problem.text)
        return
    except OSError:
        yield Problem(CODE, path, 1, "the file cannot be read")
        return
    problems = list(_shape(document))
    yield from problems
    if problems:
        return
    yield from _numbers(document)
    if document.data["digest"] != digest(document.data):
        yield document.problem(CODE, "the digest is not that of these numbers: somebody has changed them", "digest")
    if not check_model():
        yield from _fit(document, read_model())


def _shape(document: Document) -> Iterator[Problem]:
    data = document.data
    for name in data.keys() - FIELDS.keys():
        yield document.problem(CODE, f"the part {name!r} is not known", name)
    for name, kind in FIELDS.items():
        if not isinstance(data.get(name), kind):
            yield document.problem(CODE, f"the part {name!r} is absent or not a {kind.__name__}", name)
    if isinstance(data.get("version"), str) and not VERSION.fullmatch(data["version"]):
        yield document.problem(CODE, "a version has small letters, digits, dots and hyphens", "version")
    decided = data.get("decided")
    if isinstance(decided, dict) and {name: type(count) for name, count in decided.items()} != {
        "training": int,
        "held_out": int,
    }:
        yield document.problem(CODE, "decided has training and held_out, two counts", "decided")
    for index, entry in enumerate(data.get("priors") or []):
        if not (
            isinstance(entry, dict)
            and entry.keys() == {"left", "right", "bits"}
            and isinstance(entry["left"], str)
            and isinstance(entry["right"], str)
            and isinstance(entry["bits"], int | float)
        ):
            yield document.problem(CODE, "a prior has left, right and bits", "priors", index)
    for index, entry in enumerate(data.get("comparisons") or []):
        levels = entry.get("levels") if isinstance(entry, dict) else None
        if not isinstance(levels, list) or not isinstance(entry.get("name"), str):
            yield document.problem(CODE, "a comparison has name and levels", "comparisons", index)
            continue
        for number, level in enumerate(levels):
            if not (
                isinstance(level, dict)
                and level.keys() == {"label", "m", "u"}
                and all(isinstance(level[name], int | float) for name in ("m", "u"))
            ):
                yield document.problem(CODE, "a level has label, m and u", "comparisons", index, "levels", number)


def _numbers(document: Document) -> Iterator[Problem]:
    data = document.data
    if not 0 < data["share"] <= 0.5:
        yield document.problem(CODE, "share lies between 0 and 0.5", "share")
    for index, entry in enumerate(data["comparisons"]):
        place = ("comparisons", index)
        for number, level in enumerate(entry["levels"]):
            if not (0 < level["m"] < 1 and 0 < level["u"] < 1):
                yield document.problem(CODE, "m and u must lie between 0 and 1", *place, "levels", number)
        for name in ("m", "u"):
            total = sum(level[name] for level in entry["levels"])
            if abs(total - 1) > 0.001:
                yield document.problem(CODE, f"the {name} of the levels add up to {total:.4f}, not 1", *place)


def _fit(document: Document, model: Model) -> Iterator[Problem]:
    data = document.data
    if data["id"] != model.id:
        return
    if data["model"] != model.title:
        yield document.problem(CODE, f"it was trained from {data['model']}, and {model.title} is declared", "model")
        return
    known = {entry.name: [level.label for level in entry.levels] for entry in model.comparisons}
    for index, entry in enumerate(data["comparisons"]):
        if known.get(entry["name"]) != [level["label"] for level in entry["levels"]]:
            yield document.problem(CODE, "the model has no comparison with these levels", "comparisons", index)
    named = [entry["name"] for entry in data["comparisons"]]
    if sorted([*named, *data["left_out"]]) != sorted(known):
        yield document.problem(CODE, "each comparison of the model is weighed or left out, once", "left_out")
