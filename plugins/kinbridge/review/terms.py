"""How pairs are reviewed, as `include/linkage/review.yaml` declares it: who may look, and what a decision is worth.

Reads one YAML file, the last include folder's that has one; every mistake has a line. Nothing of a pair is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.declaration.shape import Shape
from kinbridge.errors import KinbridgeError
from kinbridge.governance.reader import read_declared_charters
from kinbridge.linkage.decision import VERDICTS
from kinbridge.settings import include_folders

CODE = "KB-C49"
WORTH = ("kept_apart", "contradicted", "records", "figures", "partners", "teaching")
SHARES = ("second_opinion", "test")


@dataclass(frozen=True)
class Terms:
    """What `review.yaml` says; the meaning of each number stands there. `worth` has the names of `WORTH`."""

    reviewers: str
    worth: Mapping[str, float]
    second_opinion: float
    test: float
    reasons: Mapping[str, tuple[str, ...]]


def terms_path(folders: Sequence[Path] | None = None) -> Path:
    """The file that counts: a site's own folder wins over ours."""
    places = [folder / "linkage" / "review.yaml" for folder in (folders or include_folders())]
    return next((place for place in reversed(places) if place.is_file()), places[0])


def read_terms(folders: Sequence[Path] | None = None) -> Terms:
    """The terms of review. Raises `KinbridgeError` KB-K60 with the first mistake's file and line."""
    path = terms_path(folders)
    try:
        document = read_document(path)
    except (OSError, DocumentError) as error:
        line = error.problem.line if isinstance(error, DocumentError) else 1
        raise KinbridgeError("KB-K60", path=path, line=line, problem="it cannot be read as YAML") from None
    terms, problems = _terms(document)
    for problem in problems:
        raise KinbridgeError("KB-K60", path=problem.path, line=problem.line, problem=problem.text)
    return terms


def review_problems(folders: Sequence[Path] | None = None) -> list[Problem]:
    """Everything that is wrong with the file, and a body of reviewers that no charter has."""
    path = terms_path(folders)
    try:
        document = read_document(path)
    except DocumentError as error:
        return [error.problem]
    except OSError:
        return [Problem(CODE, path, 1, "nothing is declared about the review of pairs")]
    terms, problems = _terms(document)
    charters = read_declared_charters(folders).charters.versions
    newest = max(charters, key=lambda charter: charter.effective, default=None)
    if terms.reviewers and newest and terms.reviewers not in newest.bodies:
        problems.append(document.problem(CODE, f"the charter has no body {terms.reviewers}", "reviewers"))
    return problems


def _terms(document: Document) -> tuple[Terms, list[Problem]]:
    shape = Shape(document, code=CODE)
    known = {"reviewers", "worth", "reasons", *SHARES}
    for name in document.data:
        if name not in known:
            shape.refuse(f"{name} is nothing that review knows", name)
    for name in shape.names("worth"):
        if name not in WORTH:
            shape.refuse(f"worth.{name} is nothing that review knows", "worth", name)
    for name in shape.names("reasons"):
        if name not in VERDICTS:
            shape.refuse(f"reasons.{name} is no verdict", "reasons", name)
    terms = Terms(
        reviewers=shape.text("reviewers"),
        worth={name: _number(shape, None, "worth", name) for name in WORTH},
        second_opinion=_number(shape, 1.0, "second_opinion"),
        test=_number(shape, 1.0, "test"),
        reasons={verdict: shape.texts("reasons", verdict) for verdict in VERDICTS},
    )
    return terms, shape.problems


def _number(shape: Shape, most: float | None, *where: str) -> float:
    found: Any = shape.value(*where)
    name = ".".join(where)
    if (
        isinstance(found, int | float)
        and not isinstance(found, bool)
        and found >= 0
        and (most is None or found <= most)
    ):
        return float(found)
    shape.refuse(f"{name} is required, as a number from 0{'' if most is None else f' to {most:g}'}", *where)
    return 0.0
