"""Code sets and crosswalks: sorted CSVs whose first column is `code` and whose last is `note`.

Reads `standards/code_sets/<name>.csv` of the include folders, and any feed's own `codes/*.csv`. It never
repairs a list: a list that is out of order, repeats a code or has a ragged row is refused, so that a
reviewer sees each change as one line.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders


@dataclass(frozen=True)
class CodeSet:
    """The codes of one CSV, sorted, and the file they stand in."""

    codes: tuple[str, ...]
    path: Path


def code_set(name: str) -> CodeSet:
    """The standard code set of that name; the project's own wins over one that a site adds.

    Raises `KinbridgeError` KB-C28 when no include folder has it, KB-C29 when its file is not a code list.
    """
    for folder in include_folders():
        path = folder / "standards" / "code_sets" / f"{name}.csv"
        if path.is_file():
            return read_code_csv(path)
    raise KinbridgeError("KB-C28", name=name)


def read_code_csv(path: Path) -> CodeSet:
    """Read one code list or crosswalk.

    Raises `KinbridgeError` KB-C29 with the line when the file is missing, is not UTF-8, does not begin with
    `code` and end with `note`, has a row of another width, an empty code, or codes that are not in strictly
    ascending order.
    """
    try:
        with path.open(encoding="utf-8", newline="") as text:
            reader = csv.reader(text, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise KinbridgeError("KB-C29", path=path, line=1, problem="there is no such file") from None
    except (UnicodeDecodeError, csv.Error):
        raise KinbridgeError("KB-C29", path=path, line=1, problem="not readable as CSV in UTF-8") from None
    header = rows[0][1] if rows else []
    if len(header) < 2 or header[0] != "code" or header[-1] != "note":
        raise KinbridgeError("KB-C29", path=path, line=1, problem="the first column must be `code`, the last `note`")
    codes: list[str] = []
    for line, row in rows[1:]:
        if len(row) != len(header):
            problem = f"expected {len(header)} columns, found {len(row)}"
        elif not row[0]:
            problem = "the code is empty"
        elif codes and row[0] <= codes[-1]:
            problem = f"the code {row[0]!r} must come after {codes[-1]!r}: sort the list and drop repeats"
        else:
            codes.append(row[0])
            continue
        raise KinbridgeError("KB-C29", path=path, line=line, problem=problem)
    return CodeSet(tuple(codes), path)
