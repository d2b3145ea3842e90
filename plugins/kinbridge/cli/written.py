"""What commands that draft declarations say in the end: which files they wrote, and what a person has to decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from kinbridge.draft.unsigned import Written


def tell(written: Written, then: str) -> None:
    """List the files and the decisions with their places; `then` is what to do once they are taken."""
    for path in written.files:
        typer.echo(f"wrote {_near(path)}")
    typer.echo("")
    for problem in written.decisions:
        typer.echo(f"{_near(problem.path)}:{problem.line}: {problem.text}")
    typer.echo(f"{len(written.decisions)} decision(s) to take. Decide each, remove its mark, then {then}.")


def _near(path: Path) -> Path:
    """The path as seen from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
