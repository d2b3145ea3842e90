"""The linkage model as people declare it, in `include/linkage/*.yaml`.

Input: one YAML file, read with line numbers, so that every mistake is named by file and line. The model says which
values are no values, which records are compared, how agreement is weighed, and what no evidence can outweigh. It must
never hold anything taken from a partner's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from kinbridge.declaration.document import read_document
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.model_check import check_model, model_path

__all__ = ["Comparison", "Contradiction", "Level", "Model", "check_model", "model_path", "read_model"]

Duplicates = Literal["none", "rare", "common"]


@dataclass(frozen=True)
class Level:
    """One degree of agreement: `m` is its share among records of one person, `u` among those of two people.

    What is learnt for `m` never passes `most`: where relatives outnumber true pairs, learning would take them for one.
    """

    label: str
    when: str
    m: float
    u: float
    rare_values_of: str | None = None
    most: float = 1.0


@dataclass(frozen=True)
class Comparison:
    """One piece of evidence: its levels from the closest agreement to none, and when it is `missing`."""

    name: str
    needs: tuple[str, ...]
    missing: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Contradiction:
    """What two records of one person cannot show, as a condition in SQL."""

    name: str
    when: str


@dataclass(frozen=True)
class Model:
    """A declared linkage model; see `include/linkage/person.yaml` for the meaning of each part."""

    id: str
    version: str
    thresholds: dict[str, float]
    limits: dict[str, float]
    clusters: dict[str, float]
    duplicates_default: Duplicates
    duplicates_by_source: dict[str, Duplicates]
    training_passes: tuple[tuple[str, ...], ...]
    certain_rules: tuple[tuple[str, ...], ...]
    certain_recall: float
    prior_pairs: float
    placeholders: dict[str, tuple[str, ...]]
    comparisons: tuple[Comparison, ...]
    blocking: tuple[tuple[str, ...], ...]
    blocking_of_few: tuple[tuple[str, ...], ...]
    contradictions: tuple[Contradiction, ...]
    doubts: tuple[Contradiction, ...]
    unrelated: dict[str, float]
    lifted_if_unrelated: frozenset[str]

    def duplicates(self, source: str) -> Duplicates:
        """How often `source` lists one person under two ids of its own."""
        return self.duplicates_by_source.get(source, self.duplicates_default)

    @cached_property
    def title(self) -> str:
        """Name and version, as it is written beside every run."""
        return f"{self.id} {self.version}"


def read_model(path: Path | None = None) -> Model:
    """Read and check a model; without `path`, the person model.

    Raises `KinbridgeError` KB-K01 with the first mistake's file and line and the count of all.
    """
    path = path or model_path()
    problems = check_model(path)
    if problems:
        first = problems[0]
        raise KinbridgeError("KB-K01", path=path, line=first.line, problem=first.text, count=len(problems))
    return _build(read_document(path).data)


def _build(data: dict[str, Any]) -> Model:
    training = data["training"]
    return Model(
        id=data["id"],
        version=str(data["version"]),
        thresholds={name: float(value) for name, value in data["thresholds"].items()},
        limits={name: float(value) for name, value in data["limits"].items()},
        clusters={name: float(value) for name, value in data["clusters"].items()},
        duplicates_default=data["duplicates"]["default"],
        duplicates_by_source=dict(data["duplicates"].get("sources") or {}),
        training_passes=tuple(tuple(keys) for keys in training["passes"]),
        certain_rules=tuple(tuple(keys) for keys in training["certain"]["rules"]),
        certain_recall=float(training["certain"]["recall"]),
        prior_pairs=float(training["prior_pairs"]),
        placeholders={name: tuple(map(str, values)) for name, values in data["placeholders"].items()},
        comparisons=tuple(
            Comparison(
                name=entry["name"],
                needs=tuple(entry["needs"]),
                missing=entry["missing"],
                levels=tuple(Level(**level) for level in entry["levels"]),
            )
            for entry in data["comparisons"]
        ),
        blocking=tuple(tuple(keys) for keys in data["blocking"]),
        blocking_of_few=tuple(tuple(keys) for keys in data["blocking_of_few"]),
        contradictions=tuple(Contradiction(entry["name"], entry["when"]) for entry in data["contradictions"]),
        doubts=tuple(Contradiction(entry["name"], entry["when"]) for entry in data["doubts"]),
        unrelated={name: float(value) for name, value in data["unrelated"].items() if name != "lifts"},
        lifted_if_unrelated=frozenset(data["unrelated"]["lifts"]),
    )
