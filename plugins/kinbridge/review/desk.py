"""What a reviewer works with: the steward's way in, who it is, and what is declared and in force today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kinbridge.consent.gates import Gates, read_gates
from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import Member
from kinbridge.linkage.model import Model, read_model
from kinbridge.review.terms import Terms, read_terms
from kinbridge.warehouse.connection import Dsn, transaction


@dataclass(frozen=True)
class Desk:
    """One reviewer at work, on the day of the gates."""

    dsn: Dsn
    reviewer: Member
    model: Model
    terms: Terms
    gates: Gates

    @property
    def partners(self) -> frozenset[str]:
        """Those of which a feed may be linked today."""
        return frozenset(feed.partition("/")[0] for feed in self.gates.linkable)


def desk_of(dsn: Dsn, reviewer: Member, terms: Terms | None = None) -> Desk:
    """The reviewer's desk of today.

    Raises `KinbridgeError`: KB-K62 a role that may not look at pairs, KB-K60 terms and KB-K01 a model that cannot be
    used, and what `read_gates` raises.
    """
    with transaction(dsn) as connection:
        stewards_only(connection, dsn)
        gates = read_gates(connection, datetime.now(UTC).date())
    return Desk(dsn, reviewer, read_model(), terms or read_terms(), gates)


def stewards_only(connection: Any, dsn: Dsn) -> None:
    """Raise KB-K62 unless the role may look at pairs."""
    with connection.cursor() as cursor:
        # One question after the other: a function cannot be asked about whose schema is closed.
        for question in (
            "SELECT has_schema_privilege('identity', 'USAGE')",
            "SELECT has_function_privilege('identity.show_look(bigint, text[], date)', 'EXECUTE')",
        ):
            cursor.execute(question)
            if not cursor.fetchone()[0]:
                raise KinbridgeError("KB-K62", role=dsn.user)
