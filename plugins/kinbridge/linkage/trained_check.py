"""What is wrong with the file of a trained model: its shape, its numbers, its digest, and whether it fits.

Input: a file as `trained_file.write_trained` wrote it, or as somebody changed it; output: problems with file and line.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.linkage.columns import CLEANED_COLUMNS
from kinbridge.linkage.model import Model

CODE = "KB-C79"
VERSION = re.compile(r"[0-9a-z][0-9a-z.-]*")
FIELDS: dict[str, type] = {
    "version": str,
    "day": date,
    "decided": dict,
    "model": str,
    "digest": str,
    "records": int,
    "sources": list,
    "comparisons": list,
    "share": float,
    "priors": list,
    "within": float,
    "between": float,
    "blocks": list,
    "unrelated": bool,
    "unseen": dict,
    "left_out": list,
    "passes": list,
    "heaps": list,
    "sha256": str,
}


def said_digest(plain: Mapping[str, Any]) -> str:
    """SHA-256 of all that a file says but its digest."""
    own = {name: value for name, value in plain.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


def trained_problems(path: Path) -> list[Problem]:
    """What is wrong with a file by itself; without any, `trained.from_plain` reads its data."""
    try:
        document = read_document(path)
    except DocumentError as error:
        return [Problem(CODE, path, error.problem.line, error.problem.text)]
    except OSError:
        return [Problem(CODE, path, 1, "the file cannot be read")]
    problems = [*_parts(document), *_entries(document)]
    if problems:
        return problems
    problems = list(_numbers(document))
    if document.data["sha256"] != said_digest(document.data):
        text = "the digest is not that of what the file says: somebody has changed it"
        problems.append(document.problem(CODE, text, "sha256"))
    return problems


def fit_problems(document: Document, model: Model) -> Iterator[Problem]:
    """What does not fit the declared model, where the file without problems of its own was trained from it."""
    data = document.data
    if data["model"].partition(" ")[0] != model.id:
        return
    if data["model"] != model.title:
        yield document.problem(CODE, f"it was trained from {data['model']}, and {model.title} is declared", "model")
        return
    known = {entry.name: entry for entry in model.comparisons}
    for index, own in enumerate(data["comparisons"]):
        levels = known[own["name"]].levels if own["name"] in known else ()
        if [level.label for level in levels] != own["levels"]:
            yield document.problem(CODE, "the model has no comparison with these levels", "comparisons", index)
        for column in {level.rare_values_of for level in levels} - {None} - data["unseen"].keys():
            yield document.problem(CODE, f"unseen says nothing of {column}, which is weighed", "unseen")
    named = [entry["name"] for entry in data["comparisons"]]
    if sorted([*named, *data["left_out"]]) != sorted(known):
        yield document.problem(CODE, "each comparison of the model is weighed or left out, once", "left_out")
    for index, block in enumerate(data["blocks"]):
        if tuple(block["columns"]) not in model.blocking:
            yield document.problem(CODE, "the model has no such blocking rule", "blocks", index)


def _parts(document: Document) -> Iterator[Problem]:
    data = document.data
    for name in data.keys() - FIELDS.keys():
        yield document.problem(CODE, f"the part {name!r} is not known", name)
    for name, kind in FIELDS.items():
        if not isinstance(data.get(name), kind):
            yield document.problem(CODE, f"the part {name!r} is absent or not a {kind.__name__}", name)
    if isinstance(data.get("version"), str) and not VERSION.fullmatch(data["version"]):
        yield document.problem(CODE, "a version has small letters, digits, dots and hyphens", "version")
    decided = data.get("decided")
    if isinstance(decided, dict) and not (
        decided.keys() == {"training", "held_out"} and all(map(_is_count, decided.values()))
    ):
        yield document.problem(CODE, "decided has training and held_out, two counts", "decided")
    unseen = data.get("unseen")
    if isinstance(unseen, dict) and not all(
        name in CLEANED_COLUMNS and _is_number(bits) for name, bits in unseen.items()
    ):
        yield document.problem(CODE, "unseen has a number of bits for each cleaned column", "unseen")


def _entries(document: Document) -> Iterator[Problem]:
    for name, (fits, wanted) in _ENTRIES.items():
        entries = document.data.get(name)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if not fits(entry):
                yield document.problem(CODE, wanted, name, index)


def _numbers(document: Document) -> Iterator[Problem]:
    data = document.data
    if not 0 < data["share"] <= 0.5:
        yield document.problem(CODE, "share lies between 0 and 0.5", "share")
    for name in ("within", "between"):
        if not math.isfinite(data[name]):
            yield document.problem(CODE, f"{name} is no number of bits", name)
    for index, entry in enumerate(data["comparisons"]):
        for name in ("m", "u"):
            if not all(0 < value <= 1 for value in entry[name]):
                yield document.problem(CODE, f"{name} must lie between 0 and 1", "comparisons", index, name)
            total = sum(entry[name])
            if abs(total - 1) > 0.001:
                text = f"the {name} of the levels add up to {total:.4f}, not 1"
                yield document.problem(CODE, text, "comparisons", index, name)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are(fits: Callable[[object], bool], values: object) -> bool:
    return isinstance(values, list) and all(map(fits, values))


def _is_comparison(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"name", "levels", "m", "u"}
        and _is_text(entry["name"])
        and _are(_is_text, entry["levels"])
        and all(_are(_is_number, entry[name]) and len(entry[name]) == len(entry["levels"]) for name in ("m", "u"))
    )


def _is_prior(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"left", "right", "bits"}
        and _is_text(entry["left"])
        and _is_text(entry["right"])
        and _is_number(entry["bits"])
    )


def _is_block(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"columns", "size"}
        and _are(lambda name: name in CLEANED_COLUMNS, entry["columns"])
        and _is_count(entry["size"])
    )


def _is_heap(entry: Any) -> bool:
    """A source, and a day of every year (mmdd) or of one (yyyymmdd)."""
    return _are(_is_text, entry) and len(entry) == 2 and re.fullmatch(r"\d{4}(\d{4})?", entry[1]) is not None


# What each list of the file holds, and how that is told.
_ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "sources": (_is_text, "a source is a name"),
    "comparisons": (_is_comparison, "a comparison has name, levels, and m and u for each level"),
    "priors": (_is_prior, "a prior has left, right and bits"),
    "blocks": (_is_block, "a block has cleaned columns and a size"),
    "left_out": (_is_text, "what is left out is a name"),
    "passes": (_is_text, "a pass is a name"),
    "heaps": (_is_heap, "a heap has a source and a day, mmdd or yyyymmdd"),
}
