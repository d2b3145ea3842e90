"""Agreements as values, and decisions that approve them, for tests of what the gates make of both."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from kinbridge.agreement.model import Agreement, AgreementKind, Party, Signature
from kinbridge.decision.approvals import Approvals, Decided
from kinbridge.use_case.model import UseCase

FEED = "medicaid/eligibility_v1"
SIGNED = date(2024, 12, 1)
LONG_AGO = date(2024, 1, 1)
MEDICAID = Party("medicaid", "Medicaid Agency", "contributor")
OFFICE = Party("data_office", "Data Office", "recipient")

AGREEMENT = Agreement(
    id="dsa-medicaid",
    version="1.0.0",
    title="Eligibility",
    contributor=MEDICAID,
    recipient=OFFICE,
    use_cases=("counts",),
    feeds={FEED: frozenset({"member_id", "dob"})},
    effective=date(2025, 1, 1),
    expires=date(2026, 12, 31),
    signatures=(
        Signature("medicaid", "A", "Director", "statute", SIGNED),
        Signature("data_office", "B", "Officer", "statute", SIGNED),
    ),
    small_cell_minimum=11,
    path=Path("include/agreements/medicaid.yaml"),
    digest="text of 1.0.0",
    lines={
        (): 1,
        ("version",): 2,
        ("feeds",): 9,
        ("feeds", FEED): 10,
        ("effective",): 20,
        ("expires",): 21,
        ("signatures",): 22,
        ("redisclosure",): 30,
        ("use_cases",): 40,
    },
)
USE_CASE = UseCase("counts", "How many?", "approved", ("person.birth_date",), ("children_served",), Path("counts.yaml"))


def version(number: str, **changes: object) -> Agreement:
    """Another version of the agreement, with a text of its own."""
    return replace(AGREEMENT, version=number, digest=f"text of {number}", **changes)  # type: ignore[arg-type]


def memorandum(**changes: object) -> Agreement:
    """A memorandum to which the contributor is a party."""
    one = replace(AGREEMENT, id="mou", kind=AgreementKind.MEMORANDUM, feeds={}, use_cases=(), digest="memorandum")
    return replace(one, **changes)  # type: ignore[arg-type]


def decided(one: Agreement | UseCase, *, approved: bool = True, **changes: object) -> Decided:
    """A decision on this text."""
    kind = "use_case" if isinstance(one, UseCase) else "agreement"
    own = frozenset() if isinstance(one, UseCase) else frozenset(one.contributors)
    decision = Decided(kind, one.id, one.version, one.digest, approved, LONG_AGO, LONG_AGO, "minutes.yaml:1", own)
    return replace(decision, **changes)  # type: ignore[arg-type]


def approved(*declared: Agreement | UseCase) -> Approvals:
    """Decisions that approve each of them."""
    return Approvals(tuple(decided(one) for one in declared))
