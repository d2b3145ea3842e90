"""A clause: the place of what was agreed, so that every refusal can name it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinbridge.settings import home


@dataclass(frozen=True, order=True)
class Clause:
    """One clause of an agreement (or of a use case, whose `version` may be empty): its name, file and line.

    As text: `dsa-snap 1.0.0, expires (include/agreements/snap.yaml:44)`.
    """

    agreement_id: str
    version: str
    name: str
    path: Path
    line: int

    @property
    def place(self) -> str:
        """File and line, the file as seen from the project's folder."""
        return f"{near(self.path)}:{self.line}"

    def __str__(self) -> str:
        return f"{' '.join(filter(None, (self.agreement_id, self.version)))}, {self.name} ({self.place})"


def near(path: Path) -> Path:
    """The path as seen from the project's folder, where it lies below."""
    return path.relative_to(home()) if path.is_relative_to(home()) else path
