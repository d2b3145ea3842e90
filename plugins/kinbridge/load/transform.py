"""A feed's `transform.sql`: one SELECT per target table of `record`, split and read with the line each begins on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kinbridge.declaration.document import Problem

TARGET = re.compile(r"^--\s*target:\s*(?P<target>[a-z_]+)\s*$")


@dataclass(frozen=True)
class Statement:
    """One SELECT of a transform: the table it fills, its text, and where it stands."""

    target: str
    sql: str
    path: Path
    line: int


def read_transform(path: Path) -> tuple[list[Statement], list[Problem]]:
    """The statements of a transform file, and what is wrong with its shape."""
    if not path.is_file():
        return [], [Problem("KB-C30", path, 1, "the feed has no transform.sql")]
    statements: list[Statement] = []
    problems: list[Problem] = []
    target: str | None = None
    start = 1
    body: list[str] = []

    def close() -> None:
        lead = next((n for n, line in enumerate(body) if line.strip()), 0)
        while body and (not body[-1].strip() or body[-1].lstrip().startswith("--")):
            body.pop()  # a note about the next statement
        text = "\n".join(body).strip().rstrip(";").strip()
        if target is not None and target in {s.target for s in statements}:
            problems.append(Problem("KB-C30", path, start, f"the target {target} stands twice; one SELECT fills it"))
        elif target is not None:
            statements.append(Statement(target, text, path, start + lead))
        elif re.sub(r"--.*", "", text).strip():
            problems.append(Problem("KB-C30", path, start, "a statement without a `-- target:` line above it"))

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = TARGET.match(line)
        if found:
            close()
            target, start, body = found["target"], number, []
        else:
            body.append(line)
    close()
    if not statements and not problems:
        problems.append(Problem("KB-C30", path, 1, "the transform has no statement"))
    return statements, problems
