"""What rules are worked out from, in memory: the real laws, and agreements that a test makes up and approves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.agreement.force import force
from kinbridge.agreement.model import Agreement, AgreementKind, Basis, Party, Signature
from kinbridge.decision.approvals import Approvals, Decided
from kinbridge.law.demand import Kind
from kinbridge.law.model import Laws
from kinbridge.law.reader import read_laws
from kinbridge.rule.model import Demand, Effective, Source
from kinbridge.rule.sources import Grounds

APPROVED = date(2024, 12, 1)
OFFICE = Source("office", "parameters", "minimum_cell", "", Path("parameters.yaml"), 7)


def agreement(feed: str, *citations: str, **others: Any) -> Agreement:
    """An agreement of 2025 and 2026 over the feed, signed, that stands on these citations."""
    partner = feed.split("/", 1)[0]
    return _signed(f"dsa-{partner}", partner, "data_office", citations, feeds={feed: frozenset({"a"})}, **others)


def release_agreement(recipient: str, *citations: str, role: str = "research_partner", **others: Any) -> Agreement:
    """A release agreement of 2025 and 2026 with the recipient, that stands on these citations."""
    others = {"kind": AgreementKind.RELEASE, "releases": {"reach": ("person.birth_date",)}, **others}
    return _signed(f"dra-{recipient}", "data_office", recipient, citations, role=role, **others)


def _signed(name: str, giver: str, taker: str, citations: Iterable[str], role: str = "", **others: Any) -> Agreement:
    fields: dict[str, Any] = {
        "id": name,
        "version": "1.0.0",
        "title": name,
        "contributor": Party(giver, giver),
        "recipient": Party(taker, taker, role),
        "use_cases": ("reach",),
        "feeds": {},
        "effective": date(2025, 1, 1),
        "expires": date(2026, 12, 31),
        "signatures": tuple(Signature(one, "A", "T", "U", APPROVED) for one in (giver, taker)),
        "small_cell_minimum": 11,
        "path": Path(f"{name}.yaml"),
        "legal_basis": tuple(Basis(citation, "why") for citation in citations),
        "digest": name,
    }
    return Agreement(**{**fields, **others})


def grounds(*agreements: Agreement, laws: Laws | None = None, approved: bool = True) -> Grounds:
    """The real laws (or those given) with these agreements; all are approved, or none."""
    decided = [
        Decided("agreement", one.id, one.version, one.digest, True, APPROVED, APPROVED, "here", _codes(one))
        for one in agreements
        if approved
    ]
    office = (frozenset({"publish", "release"}), Demand(Kind.MINIMUM_CELL, 11, OFFICE))
    return Grounds(laws or read_laws(), force(agreements, Approvals(tuple(decided))), (office,))


def _codes(one: Agreement) -> frozenset[str]:
    return frozenset(party.code for party in one.parties)


def winners(rule: Effective, kind: Kind) -> set[str]:
    """The clauses that won, as `law/clause`."""
    return {f"{source.name}/{source.clause}" for source in rule.won(kind)}
