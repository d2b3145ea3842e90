"""What a use case says, as plain values. Nothing here reads files or decides anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kinbridge.declaration.clause import Clause
from kinbridge.declaration.document import Key, Where

STATUSES = ("proposed", "approved", "retired")


@dataclass(frozen=True)
class ConsentNeed:
    """Whether people are asked for this use: `rule` is a rung of the ladder of consent, empty where each agreement says
    it; `form` is the form that covers the use; `what` says it in words."""

    rule: str = ""
    form: str = ""
    what: str = ""


@dataclass(frozen=True)
class UseCase:
    """A purpose: the question, the common-schema elements that it needs, and the tables that it may
    publish.

    `benefits` says what each partner gains. `digest` is the SHA-256 of what was declared; `lines` tells where each
    value stands. `version` is empty where the file names none.
    """

    id: str
    question: str
    status: str
    elements: tuple[str, ...]
    outputs: tuple[str, ...]
    path: Path
    version: str = ""
    goals: tuple[str, ...] = ()
    benefits: Mapping[str, str] = field(default_factory=dict)
    population: str = ""
    consent: ConsentNeed = ConsentNeed()
    digest: str = ""
    lines: Mapping[Where, int] = field(default_factory=dict, repr=False, compare=False)

    def clause(self, *where: Key) -> Clause:
        """Where something of the use case stands."""
        at = where
        while at and at not in self.lines:
            at = at[:-1]
        name = ".".join(str(key) for key in where)
        return Clause(self.id, self.version, name, self.path, self.lines.get(at, 1))
