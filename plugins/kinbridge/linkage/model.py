"""The linkage model as people declare it, in `include/linkage/*.yaml`.

Input: one YAML file, read with line numbers, so that every mistake is named by file and line. The model says which values
are no values, which records are compared, how agreement is weighed, and what no evidence can outweigh. It must never hold
anything taken from a partner's data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import sqlglot
from sqlglot import exp

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.clean import CLEANED_COLUMNS, INPUT_COLUMNS
from kinbridge.settings import include_folders

Duplicates = Literal["none", "rare", "common"]

DUPLICATES: tuple[Duplicates, ...] = ("none", "rare", "common")
TOO_BROAD = {"city", "postal_code", "sex", "birth_year", "first_initial", "middle_initial", "generation"}
SECTIONS = {
    "thresholds": {"link", "review"},
    "limits": {
        "block_size",
        "pairs_per_record",
        "ssn_birth_dates",
        "sample_pairs",
        "training_pairs",
        "filled",
    },
    "clusters": {"strongest_pair", "unscored_pair", "rare_duplicate"},
}


@dataclass(frozen=True)
class Level:
    """One degree of agreement: `m` is its share among records of one person, `u` among those of two people."""

    label: str
    when: str
    m: float
    u: float
    rare_values_of: str | None = None


@dataclass(frozen=True)
class Comparison:
    """One piece of evidence, its levels from the closest agreement to none; `missing` says when it cannot be weighed."""

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
    contradictions: tuple[Contradiction, ...]

    def duplicates(self, source: str) -> Duplicates:
        """How often `source` lists one person under two ids of its own."""
        return self.duplicates_by_source.get(source, self.duplicates_default)

    @cached_property
    def title(self) -> str:
        """Name and version, as it is written beside every run."""
        return f"{self.id} {self.version}"


def model_path(name: str = "person") -> Path:
    """The file of the model called `name`: a site's own folder wins over ours."""
    places = [folder / "linkage" / f"{name}.yaml" for folder in reversed(include_folders())]
    return next((place for place in places if place.is_file()), places[-1])


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


def check_model(path: Path | None = None) -> list[Problem]:
    """Everything that is wrong with a model file, with codes KB-C40 to KB-C46; empty when it can be used."""
    try:
        document = read_document(path or model_path())
    except (DocumentError, OSError) as error:
        if isinstance(error, DocumentError):
            return [error.problem]
        return [Problem("KB-C40", path or model_path(), 1, "the model's file cannot be read")]
    problems = list(_shape_problems(document))
    if problems:
        return problems
    return [
        *_number_problems(document),
        *_duplicates_problems(document),
        *_placeholder_problems(document),
        *_comparison_problems(document),
        *_key_problems(document),
        *_contradiction_problems(document),
    ]


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
        contradictions=tuple(Contradiction(entry["name"], entry["when"]) for entry in data["contradictions"]),
    )


def _shape_problems(document: Document) -> Iterator[Problem]:
    """Parts that are absent, unknown or of the wrong kind; nothing else is looked at until these are mended."""
    kinds: dict[str, type] = {
        "id": str,
        "version": str,
        "thresholds": dict,
        "duplicates": dict,
        "limits": dict,
        "clusters": dict,
        "training": dict,
        "placeholders": dict,
        "comparisons": list,
        "blocking": list,
        "contradictions": list,
    }
    data = document.data
    for name in data.keys() - kinds.keys():
        yield document.problem("KB-C40", f"the part {name!r} is not known", name)
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind):
            yield document.problem("KB-C40", f"the part {name!r} is absent or not a {kind.__name__}", name)
    entries = {
        "comparisons": {"name": str, "needs": list, "missing": str, "levels": list},
        "contradictions": {"name": str, "when": str},
    }
    for part, fields in entries.items():
        for index, entry in enumerate(data.get(part) or []):
            yield from _entry_problems(document, entry, fields, (part, index))
    for index, entry in enumerate(data.get("comparisons") or []):
        for number, level in enumerate((isinstance(entry, dict) and entry.get("levels")) or []):
            where = ("comparisons", index, "levels", number)
            yield from _entry_problems(
                document,
                level,
                {"label": str, "when": str, "m": float, "u": float},
                where,
                optional={"rare_values_of"},
            )
    training = data.get("training")
    certain = training.get("certain") if isinstance(training, dict) else None
    if isinstance(training, dict) and not (
        isinstance(training.get("passes"), list)
        and isinstance(certain, dict)
        and isinstance(certain.get("rules"), list)
        and isinstance(certain.get("recall"), float)
        and isinstance(training.get("prior_pairs"), int)
    ):
        yield document.problem(
            "KB-C40",
            "training needs passes, certain (with recall and rules) and prior_pairs",
            "training",
        )


def _entry_problems(
    document: Document,
    entry: object,
    fields: dict[str, type],
    where: tuple[str | int, ...],
    optional: frozenset[str] | set[str] = frozenset(),
) -> Iterator[Problem]:
    if not isinstance(entry, dict):
        yield document.problem("KB-C40", f"expected the fields {', '.join(fields)}", *where)
        return
    for name in entry.keys() - fields.keys() - optional:
        yield document.problem("KB-C40", f"the field {name!r} is not known", *where, name)
    for name, kind in fields.items():
        if not isinstance(entry.get(name), kind):
            yield document.problem("KB-C40", f"the field {name!r} is absent or not a {kind.__name__}", *where, name)


def _number_problems(document: Document) -> Iterator[Problem]:
    data = document.data
    for section, names in SECTIONS.items():
        for name in sorted(names):
            if not isinstance(data[section].get(name), (int, float)):
                yield document.problem("KB-C41", f"{section} needs the number {name!r}", section)
        for name in data[section].keys() - names:
            yield document.problem("KB-C41", f"{section} knows no {name!r}", section, name)
    link, review = data["thresholds"].get("link"), data["thresholds"].get("review")
    if isinstance(link, float) and isinstance(review, float) and not 0 < review <= link < 1:
        yield document.problem("KB-C41", "thresholds must be 0 < review <= link < 1", "thresholds")


def _duplicates_problems(document: Document) -> Iterator[Problem]:
    declared = document.data["duplicates"]
    words = {("default",): declared.get("default")}
    words |= {("sources", source): word for source, word in (declared.get("sources") or {}).items()}
    for where, word in words.items():
        if word not in DUPLICATES:
            yield document.problem("KB-C42", f"duplicates must be one of {', '.join(DUPLICATES)}", "duplicates", *where)


def _placeholder_problems(document: Document) -> Iterator[Problem]:
    for element, values in document.data["placeholders"].items():
        if element not in INPUT_COLUMNS or not isinstance(values, list):
            yield document.problem(
                "KB-C43", f"{element!r} is no column of a source record, or has no list", "placeholders", element
            )


def _comparison_problems(document: Document) -> Iterator[Problem]:
    for index, comparison in enumerate(document.data["comparisons"]):
        place = ("comparisons", index)
        for column in comparison["needs"]:
            if column not in CLEANED_COLUMNS:
                yield document.problem("KB-C44", f"{column!r} is no cleaned column", *place, "needs")
        yield from _condition_problems(document, comparison["missing"], *place, "missing")
        levels = comparison["levels"]
        for number, level in enumerate(levels):
            where = (*place, "levels", number)
            last = number == len(levels) - 1
            if (level["when"].strip().upper() == "ELSE") != last:
                yield document.problem("KB-C44", "ELSE must be the last level, and only that", *where)
            elif not last:
                yield from _condition_problems(document, level["when"], *where)
            rare = level.get("rare_values_of")
            if rare is not None and level["when"].replace(" ", "") != f"{rare}_l={rare}_r":
                yield document.problem("KB-C44", "rare_values_of needs an equality of that column", *where)
            if not (0 < level["m"] < 1 and 0 < level["u"] < 1):
                yield document.problem("KB-C44", "m and u must lie between 0 and 1", *where)
        for name in ("m", "u"):
            total = sum(level[name] for level in levels)
            if abs(total - 1) > 0.001:
                yield document.problem("KB-C44", f"the {name} of the levels add up to {total:.4f}, not 1", *place)


def _condition_problems(document: Document, condition: str, *where: str | int) -> Iterator[Problem]:
    try:
        tree = sqlglot.parse_one(condition, read="duckdb")
    except sqlglot.errors.SqlglotError:
        yield document.problem("KB-C46", "the condition is not readable as SQL", *where)
        return
    for column in sorted({column.name for column in tree.find_all(exp.Column)}):
        # A lambda's own parameter has no side.
        side = re.fullmatch(r"(\w+)_[lr]", column)
        if side is None or side[1] not in CLEANED_COLUMNS:
            yield document.problem("KB-C46", f"{column!r} is no cleaned column of a side (_l or _r)", *where)


def _key_problems(document: Document) -> Iterator[Problem]:
    training = document.data["training"]
    lists = {("blocking",): document.data["blocking"]}
    lists |= {("training", "passes"): training["passes"]}
    lists |= {("training", "certain", "rules"): training["certain"]["rules"]}
    for where, rules in lists.items():
        for index, keys in enumerate(rules):
            if not isinstance(keys, list) or not keys:
                yield document.problem("KB-C45", "a rule is a list of cleaned columns", *where, index)
                continue
            for column in keys:
                if column not in CLEANED_COLUMNS:
                    yield document.problem("KB-C45", f"{column!r} is no cleaned column", *where, index)
            if set(keys) <= TOO_BROAD:
                yield document.problem("KB-C45", "the rule names no person: too broad", *where, index)


def _contradiction_problems(document: Document) -> Iterator[Problem]:
    for index, entry in enumerate(document.data["contradictions"]):
        yield from _condition_problems(document, entry["when"], "contradictions", index, "when")
