"""What was decided on agreements, standards, use cases, elements and releases, as the gates ask for it.

`Approvals` is pure. It fails closed: what it does not find approved for a day is not approved. `read_approvals` reads
the register in the database and the decisions that were taken on paper; a paper decision that does not satisfy the
charter counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from kinbridge.governance.digest import digest_of, digest_of_declaration

__all__ = ["Approvals", "Decided", "Found", "digest_of", "digest_of_declaration", "read_approvals"]

Found = Literal["approved", "changed", "rejected", "missing"]


@dataclass(frozen=True)
class Decided:
    """One decision that was taken and counts: `approved` from `effective` on, or rejected.

    `partners` are those whose representatives were among the approving; `place` is the proposal's number in the
    register, or the file and line of a paper decision.
    """

    kind: str
    subject: str
    version: str
    digest: str
    approved: bool
    effective: date
    decided_on: date
    place: str
    partners: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Approvals:
    """Every decision that counts. `day` is the day for which is asked when a question names none."""

    decisions: tuple[Decided, ...] = ()
    day: date = field(default_factory=lambda: datetime.now(UTC).date())

    def standing(
        self,
        kind: str,
        subject: str,
        version: str,
        digest: str,
        *,
        day: date | None = None,
        partners: Iterable[str] = (),
    ) -> Found:
        """How this text stands on that day.

        `approved`; `rejected`; `changed`: the version was approved, but with another text; `missing`: no decision, or
        one that takes effect later, or (with `partners`) one that a partner concerned has not approved itself. The
        last decision on a text counts.
        """
        last = self.decision(kind, subject, version, digest, day=day)
        if last is not None and not last.approved:
            return "rejected"
        if last is not None:
            return "approved" if last.partners.issuperset(partners) else "missing"
        others = self._in_effect(kind, subject, day)
        if any(one.version == version and one.approved and one.digest != digest for one in others):
            return "changed"
        return "missing"

    def decision(
        self, kind: str, subject: str, version: str, digest: str, *, day: date | None = None
    ) -> Decided | None:
        """The last decision on exactly this text that is in effect on that day."""
        same = [d for d in self._in_effect(kind, subject, day) if d.version == version and d.digest == digest]
        return max(same, key=lambda one: (one.decided_on, one.effective, not one.approved), default=None)

    def rejected_elements(self, feed: str, day: date | None = None) -> frozenset[str]:
        """Contract names of the feed's columns whose last decision on them, as elements, was a rejection.

        Version and digest do not count here: a column that was refused stays unread until a later decision approves it.
        """
        return frozenset(
            subject.rsplit(".", 1)[1]
            for kind, subject in self._by_subject
            if kind == "element"
            and subject.rpartition(".")[0] == feed
            and (last := self._last(kind, subject, day)) is not None
            and not last.approved
        )

    def rejection_of(self, feed: str, element: str, day: date | None = None) -> Decided | None:
        """The decision by which this element of the feed stays unread, or None."""
        last = self._last("element", f"{feed}.{element}", day)
        return None if last is None or last.approved else last

    @cached_property
    def _by_subject(self) -> dict[tuple[str, str], tuple[Decided, ...]]:
        grouped: dict[tuple[str, str], list[Decided]] = {}
        for one in self.decisions:
            grouped.setdefault((one.kind, one.subject), []).append(one)
        return {key: tuple(found) for key, found in grouped.items()}

    def _in_effect(self, kind: str, subject: str, day: date | None) -> list[Decided]:
        on = day or self.day
        return [one for one in self._by_subject.get((kind, subject), ()) if one.effective <= on]

    def _last(self, kind: str, subject: str, day: date | None) -> Decided | None:
        found = self._in_effect(kind, subject, day)
        return max(found, key=lambda one: (one.decided_on, one.effective, not one.approved), default=None)


def read_approvals(
    connection: Any | None, folders: Sequence[Path] | None = None, *, day: date | None = None
) -> Approvals:
    """All decisions that count: of the register, and those on paper below `governance/decisions/` of the folders.

    Without a connection only those on paper. `day` is the day asked for where a question names none; today by default.
    Raises `KinbridgeError` KB-G01 when the charter or a paper decision cannot be read whole.
    """
    from kinbridge.decision.paper import counted_decisions
    from kinbridge.decision.register import decided_in_register

    decisions = [*counted_decisions(folders), *(decided_in_register(connection) if connection is not None else ())]
    return Approvals(tuple(decisions), day or datetime.now(UTC).date())
