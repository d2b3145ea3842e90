"""The tables of `record` as a load needs them: key, columns, types."""

from __future__ import annotations

from dataclasses import dataclass

from kinbridge.contract.sql import ident
from kinbridge.errors import KinbridgeError
from kinbridge.standards import common_schema

PROVENANCE = (
    "partner",
    "feed",
    "delivery_id",
    "line_no",
    "contract_version",
    "as_of",
    "known_from",
    "known_to",
)


@dataclass(frozen=True)
class Target:
    """One table of `record`, as the common schema declares it."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]

    @property
    def table(self) -> str:
        """The table, qualified and quoted."""
        return f"record.{ident(self.name)}"


def target_of(name: str) -> Target:
    """The table of that name. Raises `KinbridgeError` KB-L01 when the common schema has none."""
    elements = common_schema().get(name)
    if not elements:
        raise KinbridgeError("KB-L01", target=name)
    return Target(
        name,
        tuple(e.column for e in elements if e.key),
        {e.column: e.type for e in elements},
    )
