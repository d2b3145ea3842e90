"""Whether a use case names all of which its outputs are made.

Input: the SQL below `include/sql/integrated` and `include/sql/mart`, the common schema, the use cases. Reads files
only. `kinbridge check` tells every element that is missing; at publish an output with one is not published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from kinbridge.declaration.clause import near
from kinbridge.declaration.document import Problem
from kinbridge.integration.ingredients import Ingredients, Made
from kinbridge.integration.parameters import sql_folder
from kinbridge.integration.population import TABLES
from kinbridge.integration.statements import NotUnderstood, fillings
from kinbridge.standards import common_schema
from kinbridge.use_case.model import UseCase

CODE, NOT_READ = "KB-M04", "KB-M03"


def made_of(output: str) -> Made:
    """The elements of the common schema of which a table of the mart is made, each with the place in the SQL that reads
    it; none of a table that no SQL fills. Raises `NotUnderstood` when it cannot be told."""
    return _ingredients(_texts()).of(f"mart.{output}")


def uncovered_outputs(use_case: UseCase) -> dict[str, str]:
    """The outputs that the use case does not cover, each with the clause and what is missing. It fails closed: so is an
    output of which it cannot be told what it is made of."""
    found = {}
    for output in use_case.outputs:
        try:
            missing = _missing(use_case, output)
        except NotUnderstood as error:
            found[output] = f"{error.text} ({near(error.path)}:{error.line})"
            continue
        if missing:
            element, (path, line) = next(iter(missing.items()))
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            clause = use_case.clause("elements")
            found[output] = f"{clause}: {element}, which {near(path)}:{line} reads, is not named{more}"
    return found


def output_problems(use_cases: Iterable[UseCase]) -> Iterator[Problem]:
    """KB-M04 for every element that an output is made of and its use case does not name; KB-M03 for SQL of which that
    cannot be told, once."""
    for use_case in use_cases:
        for output in use_case.outputs:
            try:
                missing = _missing(use_case, output)
            except NotUnderstood as error:
                yield Problem(NOT_READ, error.path, error.line, error.text)
                return
            for element, (path, line) in missing.items():
                text = f"{output} is made of {element} ({near(path)}:{line}), which {use_case.id} does not name"
                yield Problem(CODE, use_case.path, use_case.clause("elements").line, text)


def _missing(use_case: UseCase, output: str) -> Made:
    return {name: place for name, place in sorted(made_of(output).items()) if name not in use_case.elements}


def _texts() -> tuple[tuple[Path, str], ...]:
    paths = [path for schema in ("integrated", "mart") for path in sorted((sql_folder() / schema).glob("[0-9]*.sql"))]
    return tuple((path, path.read_text(encoding="utf-8")) for path in paths)


@lru_cache(maxsize=8)
def _ingredients(texts: tuple[tuple[Path, str], ...]) -> Ingredients:
    filled = [one for path, text in texts for one in fillings(path, text)]
    elements = [element.name for one in common_schema().values() for element in one]
    return Ingredients(filled, elements, TABLES)
