"""How often a source lists one person under two ids of its own, as the partner's profile says.

Input: `linkage.duplicates` (none, rare or common) in `partners/<partner>/profile.yaml` of every include folder. A site
adds a source beside the model without copying it; for a partner that both name, its own profile counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.model import Duplicates, Model
from kinbridge.partner.profile import partners, profile_path

WORDS: tuple[Duplicates, ...] = get_args(Duplicates)


def with_partner_habits(model: Model) -> Model:
    """The model with what the partners' profiles say of their sources.

    Raises `KinbridgeError` KB-K01 when a profile says it in another word: who is one person is not decided on a guess.
    """
    declared: dict[str, Duplicates] = {}
    for partner in partners():
        try:
            document = read_document(profile_path(partner))
        except DocumentError as error:
            raise _unusable(error.problem) from None
        for problem in habit_problems(document):
            raise _unusable(problem)
        word = _word(document)
        if word is not None:
            declared[partner] = word
    return replace(model, duplicates_by_source={**model.duplicates_by_source, **declared})


def habit_problems(document: Document) -> Iterator[Problem]:
    """What is wrong with `linkage` in a profile, if it has it."""
    if "linkage" in document.data and _word(document) is None:
        yield document.problem("KB-C31", f"linkage.duplicates must be one of {', '.join(WORDS)}", "linkage")


def _word(document: Document) -> Duplicates | None:
    linkage = document.data.get("linkage")
    said = linkage.get("duplicates") if isinstance(linkage, dict) else None
    return next((word for word in WORDS if word == said), None)


def _unusable(problem: Problem) -> KinbridgeError:
    return KinbridgeError("KB-K01", path=problem.path, line=problem.line, problem=problem.text, count=1)
