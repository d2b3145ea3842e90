"""The common schema: every element of the `record` tables, with its type, its CEDS element and its meaning.

Reads `standards/common_schema.csv` of the project's include folder, which a site cannot replace: the
tables are made by our own migrations. Provenance columns are not elements; they are the same on every
table.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

Identifying = Literal["direct", "quasi", "none"]

_HEADER = ["entity", "column", "type", "key", "nullable", "ceds_global_id", "identifying", "meaning"]
# Postgres types, as the migrations use them.
_TYPES = ("text", "date", "integer", "jsonb")
_IDENTIFYING: dict[str, Identifying] = {"direct": "direct", "quasi": "quasi", "none": "none"}


@dataclass(frozen=True)
class Element:
    """One column of one `record` table.

    `type` is its Postgres type; `key` says whether it is part of the table's key; `ceds_global_id` is
    None where CEDS has no element; `identifying` is `direct` (names a person), `quasi` (may, with others)
    or `none`.
    """

    entity: str
    column: str
    type: str
    key: bool
    nullable: bool
    ceds_global_id: str | None
    identifying: Identifying
    meaning: str

    @property
    def name(self) -> str:
        """How use cases name the element: `person.birth_date`."""
        return f"{self.entity}.{self.column}"


def common_schema() -> dict[str, list[Element]]:
    """Elements by entity, in the order of the file, which is the order of the table's columns.

    Raises `KinbridgeError` KB-C29 with the line when the file cannot be read as what it should be.
    """
    return read_common_schema(include_folders()[0] / "standards" / "common_schema.csv")


def read_common_schema(path: Path) -> dict[str, list[Element]]:
    """Read one common schema. Raises like `common_schema`."""
    try:
        with path.open(encoding="utf-8", newline="") as text:
            reader = csv.reader(text, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise KinbridgeError("KB-C29", path=path, line=1, problem="there is no such file") from None
    except (UnicodeDecodeError, csv.Error):
        raise KinbridgeError("KB-C29", path=path, line=1, problem="not readable as CSV in UTF-8") from None
    if not rows or rows[0][1] != _HEADER:
        raise KinbridgeError("KB-C29", path=path, line=1, problem=f"expected {', '.join(_HEADER)}")
    elements: dict[str, list[Element]] = {}
    for line, row in rows[1:]:
        problem = _problem(row, elements)
        if problem:
            raise KinbridgeError("KB-C29", path=path, line=line, problem=problem)
        entity, column, type_, key, nullable, ceds, identifying, meaning = row
        elements.setdefault(entity, []).append(
            Element(
                entity,
                column,
                type_,
                key == "PK",
                nullable == "yes",
                ceds or None,
                _IDENTIFYING[identifying],
                meaning,
            )
        )
    return elements


def _problem(row: list[str], elements: dict[str, list[Element]]) -> str | None:
    if len(row) != len(_HEADER):
        return f"expected {len(_HEADER)} columns, found {len(row)}"
    entity, column, type_, key, nullable, _, identifying, meaning = row
    if any(e.column == column for e in elements.get(entity, [])):
        return f"{entity}.{column} stands twice"
    checks = {
        f"type must be one of {', '.join(_TYPES)}": type_ in _TYPES,
        "key must be PK or empty": key in {"PK", ""},
        "nullable must be yes or no": nullable in {"yes", "no"},
        "identifying must be direct, quasi or none": identifying in _IDENTIFYING,
        "meaning must say what the element is": bool(meaning.strip()),
    }
    return next((text for text, holds in checks.items() if not holds), None)
