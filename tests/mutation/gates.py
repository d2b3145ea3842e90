"""The gates that can be taken out, as `gates.yaml` declares them: where each stands, and which tests see it go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

DECLARED = Path(__file__).with_name("gates.yaml")


@dataclass(frozen=True)
class Gate:
    """One gate: what it keeps from happening, where it stands, and how the code reads without it.

    `find` stands exactly once in `file`, a path below the project's folder; `tests` are paths that pytest takes.
    """

    name: str
    stage: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def removed_from(self, text: str) -> str:
        """The file's text without the gate. Raises `ValueError` when the gate is not there, or not once."""
        if text.count(self.find) != 1:
            raise ValueError(f"{self.name}: its text stands {text.count(self.find)} times in {self.file}")
        return text.replace(self.find, self.replace)


def declared_gates(path: Path = DECLARED) -> list[Gate]:
    """All gates, in the order in which data meets them. Raises `TypeError` for one with other fields."""
    gates = []
    for given in yaml.safe_load(path.read_text(encoding="utf-8")):
        gates.append(Gate(**{**given, "tests": tuple(given["tests"])}))
    return gates
