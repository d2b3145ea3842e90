"""What the figures depend on, and how the SQL below `include/sql` is found and read.

Input: `include/sql/parameters.yaml` and `include/sql/<schema>/NN_name.sql`. Reads files only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from kinbridge.declaration.document import DocumentError, read_document
from kinbridge.disclosure.table import MINIMUM_CELL
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders


@dataclass(frozen=True)
class Parameters:
    """What `parameters.yaml` says; the meaning of each stands there."""

    age_limit_months: int
    family_child_years: int
    address_families: int
    family_members: int
    minimum_cell: int


def sql_folder() -> Path:
    """The folder of the SQL that builds and publishes."""
    return include_folders()[0] / "sql"


def sql_files(schema: str) -> list[Path]:
    """The schema's SQL files in the order in which they run. Raises KB-M03 when there are none."""
    files = sorted((sql_folder() / schema).glob("[0-9][0-9]_*.sql"))
    if not files:
        raise KinbridgeError("KB-M03", path=sql_folder() / schema, line=1, problem="there is no SQL to run")
    return files


def read_parameters(path: Path | None = None) -> Parameters:
    """The parameters. Raises KB-M03, with the line, when one is missing, unknown, or not a sensible whole number."""
    path = path or sql_folder() / "parameters.yaml"
    try:
        document = read_document(path)
    except (OSError, DocumentError):
        raise KinbridgeError("KB-M03", path=path, line=1, problem="not readable as YAML") from None
    names = [field.name for field in fields(Parameters)]
    for name in [*names, *document.data]:
        value = document.data.get(name)
        least = MINIMUM_CELL if name == "minimum_cell" else 1
        if name not in names:
            problem = f"{name} is not a parameter"
        elif not isinstance(value, int) or isinstance(value, bool) or value < least:
            problem = f"{name} must be a whole number of {least} or more"
        else:
            continue
        raise KinbridgeError("KB-M03", path=path, line=document.line(name), problem=problem)
    return Parameters(**document.data)
