"""One `use_cases/*.yaml` as a use case. It never gives a part of one: what is missing becomes a problem."""

from __future__ import annotations

from kinbridge.decision.approvals import digest_of
from kinbridge.declaration.shape import Shape
from kinbridge.use_case.model import STATUSES, ConsentNeed, UseCase


def use_case_of(read: Shape) -> UseCase:
    """The use case of one document; it holds when `read.problems` stays empty."""
    benefits = {partner: read.text("benefits", partner) for partner in read.names("benefits")}
    return UseCase(
        id=read.text("id"),
        version=read.optional_text("version"),
        question=read.text("question"),
        status=read.choice(STATUSES, "status"),
        elements=read.texts("elements"),
        outputs=read.texts("outputs"),
        path=read.document.path,
        goals=read.texts("goals"),
        benefits=benefits,
        population=read.text("population"),
        consent=_consent(read),
        digest=digest_of(read.document.data),
        lines=read.document.lines,
    )


def _consent(read: Shape) -> ConsentNeed:
    """A text alone, or `{rule, form, what}`: which form covers this use."""
    if not isinstance(read.value("consent"), dict):
        return ConsentNeed(what=read.text("consent"))
    return ConsentNeed(
        rule=read.optional_text("consent", "rule"),
        form=read.optional_text("consent", "form"),
        what=read.optional_text("consent", "what"),
    )
