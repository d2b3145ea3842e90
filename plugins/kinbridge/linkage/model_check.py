"""What can be wrong with a declared linkage model, each mistake with file and line.

Input: the YAML of a model; output: problems with codes KB-C42 (shape), C43 (numbers), C44 (duplicates), C45
(placeholders), C46 (comparisons), C47 (blocking and training rules) and C48 (conditions). Nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import sqlglot
from sqlglot import exp

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.linkage.columns import CLEANED_COLUMNS, INPUT_COLUMNS, LIST_COLUMNS
from kinbridge.settings import include_folders

DUPLICATES = ("none", "rare", "common")
TOO_BROAD = {"city", "postal_code", "sex", "birth_year", "first_initial", "middle_initial", "generation"}
SECTIONS = {
    "thresholds": {"link", "review"},
    "limits": {
        "block_size",
        "few_records",
        "pairs_per_record",
        "pairs_at_most",
        "pairs_at_once",
        "commonplace",
        "ssn_birth_dates",
        "heap_least",
        "heap_times",
        "sample_pairs",
        "training_pairs",
        "filled",
    },
    "clusters": {"strongest_pair", "strongest_against", "unscored_pair", "rare_duplicate"},
    "unrelated": {"pairs", "two_people", "years"},
}


def model_path(name: str = "person") -> Path:
    """The file of the model called `name`: a site's own folder wins over ours."""
    places = [folder / "linkage" / f"{name}.yaml" for folder in reversed(include_folders())]
    return next((place for place in places if place.is_file()), places[-1])


def check_model(path: Path | None = None) -> list[Problem]:
    """Everything that is wrong with a model file, with codes KB-C42 to KB-C48; empty when it can be used."""
    try:
        document = read_document(path or model_path())
    except (DocumentError, OSError) as error:
        if isinstance(error, DocumentError):
            return [error.problem]
        return [Problem("KB-C42", path or model_path(), 1, "the model's file cannot be read")]
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
        "blocking_of_few": list,
        "contradictions": list,
        "doubts": list,
        "unrelated": dict,
    }
    data = document.data
    for name in data.keys() - kinds.keys():
        yield document.problem("KB-C42", f"the part {name!r} is not known", name)
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind):
            yield document.problem("KB-C42", f"the part {name!r} is absent or not a {kind.__name__}", name)
    entries: dict[str, dict[str, type]] = {
        "comparisons": {"name": str, "needs": list, "missing": str, "levels": list},
        "contradictions": {"name": str, "when": str},
        "doubts": {"name": str, "when": str},
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
                optional={"rare_values_of", "most"},
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
            "KB-C42",
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
        yield document.problem("KB-C42", f"expected the fields {', '.join(fields)}", *where)
        return
    for name in entry.keys() - fields.keys() - optional:
        yield document.problem("KB-C42", f"the field {name!r} is not known", *where, name)
    for name, kind in fields.items():
        if not isinstance(entry.get(name), kind):
            yield document.problem("KB-C42", f"the field {name!r} is absent or not a {kind.__name__}", *where, name)


def _number_problems(document: Document) -> Iterator[Problem]:
    data = document.data
    for section, names in SECTIONS.items():
        for name in sorted(names):
            if not isinstance(data[section].get(name), (int, float)):
                yield document.problem("KB-C43", f"{section} needs the number {name!r}", section)
        for name in data[section].keys() - names - {"lifts"}:
            yield document.problem("KB-C43", f"{section} knows no {name!r}", section, name)
    link, review = data["thresholds"].get("link"), data["thresholds"].get("review")
    if isinstance(link, float) and isinstance(review, float) and not 0 < review <= link < 1:
        yield document.problem("KB-C43", "thresholds must be 0 < review <= link < 1", "thresholds")


def _duplicates_problems(document: Document) -> Iterator[Problem]:
    declared = document.data["duplicates"]
    words: dict[tuple[str, ...], object] = {("default",): declared.get("default")}
    words |= {("sources", source): word for source, word in (declared.get("sources") or {}).items()}
    for where, word in words.items():
        if word not in DUPLICATES:
            yield document.problem("KB-C44", f"duplicates must be one of {', '.join(DUPLICATES)}", "duplicates", *where)


def _placeholder_problems(document: Document) -> Iterator[Problem]:
    for element, values in document.data["placeholders"].items():
        if element not in INPUT_COLUMNS or not isinstance(values, list):
            yield document.problem(
                "KB-C45", f"{element!r} is no column of a source record, or has no list", "placeholders", element
            )
            continue
        for index, value in enumerate(values):
            if not isinstance(value, str | date):
                # YAML reads NULL and NO as something else than the words.
                yield document.problem("KB-C45", "the value needs quotes", "placeholders", element, index)


def _comparison_problems(document: Document) -> Iterator[Problem]:
    for index, comparison in enumerate(document.data["comparisons"]):
        place = ("comparisons", index)
        for column in comparison["needs"]:
            if column not in CLEANED_COLUMNS:
                yield document.problem("KB-C46", f"{column!r} is no cleaned column", *place, "needs")
        yield from _condition_problems(document, comparison["missing"], *place, "missing")
        levels = comparison["levels"]
        for number, level in enumerate(levels):
            where = (*place, "levels", number)
            last = number == len(levels) - 1
            if (level["when"].strip().upper() == "ELSE") != last:
                yield document.problem("KB-C46", "ELSE must be the last level, and only that", *where)
            elif not last:
                yield from _condition_problems(document, level["when"], *where)
            rare = level.get("rare_values_of")
            if rare is not None and level["when"].replace(" ", "") != f"{rare}_l={rare}_r":
                yield document.problem("KB-C46", "rare_values_of needs an equality of that column", *where)
            if not (0 < level["m"] <= level.get("most", 1) <= 1 and level["m"] < 1 and 0 < level["u"] < 1):
                yield document.problem("KB-C46", "m and u must lie between 0 and 1, and m not above most", *where)
        for name in ("m", "u"):
            total = sum(level[name] for level in levels)
            if abs(total - 1) > 0.001:
                yield document.problem("KB-C46", f"the {name} of the levels add up to {total:.4f}, not 1", *place)


def _condition_problems(document: Document, condition: str, *where: str | int) -> Iterator[Problem]:
    try:
        tree = sqlglot.parse_one(condition, read="duckdb")
    except sqlglot.errors.SqlglotError:
        yield document.problem("KB-C48", "the condition is not readable as SQL", *where)
        return
    for column in sorted({column.name for column in tree.find_all(exp.Column)}):
        # A lambda's own parameter has no side.
        side = re.fullmatch(r"(\w+)_[lr]", column)
        if side is None or side[1] not in CLEANED_COLUMNS:
            yield document.problem("KB-C48", f"{column!r} is no cleaned column of a side (_l or _r)", *where)


def _key_problems(document: Document) -> Iterator[Problem]:
    training = document.data["training"]
    lists: dict[tuple[str, ...], list[object]] = {
        ("blocking",): document.data["blocking"],
        ("blocking_of_few",): document.data["blocking_of_few"],
        ("training", "passes"): training["passes"],
        ("training", "certain", "rules"): training["certain"]["rules"],
    }
    for where, rules in lists.items():
        for index, keys in enumerate(rules):
            if not isinstance(keys, list) or not keys:
                yield document.problem("KB-C47", "a rule is a list of cleaned columns", *where, index)
                continue
            for column in keys:
                if column not in CLEANED_COLUMNS:
                    yield document.problem("KB-C47", f"{column!r} is no cleaned column", *where, index)
                elif column in LIST_COLUMNS:
                    yield document.problem("KB-C47", f"{column!r} holds several values: no key", *where, index)
            if where != ("blocking_of_few",) and set(keys) <= TOO_BROAD:
                yield document.problem("KB-C47", "the rule names no person: too broad", *where, index)


def _contradiction_problems(document: Document) -> Iterator[Problem]:
    known = {entry["name"] for part in ("contradictions", "doubts") for entry in document.data[part]}
    lifts = document.data["unrelated"].get("lifts")
    if not isinstance(lifts, list) or not set(map(str, lifts)) <= known:
        yield document.problem("KB-C42", "lifts is a list of contradictions and doubts by name", "unrelated", "lifts")
    for part in ("contradictions", "doubts"):
        for index, entry in enumerate(document.data[part]):
            if not re.fullmatch(r"[a-z ]+", entry["name"]):
                yield document.problem("KB-C48", "a name has small letters and blanks only", part, index)
            yield from _condition_problems(document, entry["when"], part, index, "when")
