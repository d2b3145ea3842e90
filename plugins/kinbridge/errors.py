"""The one error class people see, and the catalogue that words it.

Every expected failure is a `KinbridgeError` with a stable code. The wording lives in `include/catalogue.yaml`, so
documentation, receipts and logs say the same thing. A message names places, rules and counts; it must never hold a
value from a partner's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from kinbridge.settings import include_folders


@dataclass(frozen=True)
class CatalogueEntry:
    """One code's wording: `message` is a format string over facts, `remedy` says what to do next."""

    code: str
    title: str
    message: str
    meaning: str
    remedy: str


@lru_cache(maxsize=1)
def catalogue() -> dict[str, CatalogueEntry]:
    """All codes of `include/catalogue.yaml`, by code."""
    path: Path = include_folders()[0] / "catalogue.yaml"
    entries: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {code: CatalogueEntry(code=code, **fields) for code, fields in entries.items()}


class KinbridgeError(Exception):
    """An expected failure, shown without a traceback.

    `code` is an entry of the catalogue; `facts` fill its message and are limited to names, places, rules and counts.
    """

    def __init__(self, code: str, **facts: Any) -> None:
        self.code = code
        self.facts = facts
        self.entry = catalogue()[code]
        super().__init__(f"{code}: {self.entry.message.format(**facts)} Next: {self.entry.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.code, self.facts))


def _rebuild(code: str, facts: dict[str, Any]) -> KinbridgeError:
    return KinbridgeError(code, **facts)
