"""Consent at release: rows about people may need more of it than figures do, by a law that binds releases alone. Pure.

The day's gates have a rule of consent for each use case and feed; for a release the strictest rule over it counts where
that is stricter. Whoever is withheld follows from it, at building, before sending, and when a release is recalled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from kinbridge.consent.gates import Gates
from kinbridge.consent.ladder import RULES
from kinbridge.law.demand import Kind
from kinbridge.rule.model import Effective


@dataclass(frozen=True)
class ReleaseConsent:
    """The rung of the ladder of consent that a release needs, and by which clause."""

    rule: str
    clause: str

    def plain(self) -> dict[str, str]:
        """As the ledger keeps it with the release."""
        return {"rule": self.rule, "clause": self.clause}


def consent_of(rule: Effective) -> ReleaseConsent:
    """What the strictest rule asks; what is not on the ladder counts as its strictest rung."""
    found = rule.consent if rule.consent in RULES else RULES[-1]
    return ReleaseConsent(found, clauses(rule, Kind.CONSENT))


def kept_consent(sources: dict[str, Any]) -> ReleaseConsent:
    """What the ledger keeps with a release; the strictest where it keeps nothing."""
    kept = sources.get("consent") or {}
    return ReleaseConsent(str(kept.get("rule", RULES[-1])), str(kept.get("clause", "no rule is on record")))


def stricter(gates: Gates, use_case: str, feeds: Iterable[str], needed: ReleaseConsent) -> Gates:
    """The gates with the release's rule in place of each looser one of its use case and feeds."""
    concerned = frozenset(feeds)
    rules = tuple(
        replace(one, rule=needed.rule, clause=needed.clause)
        if one.use_case == use_case and one.feed in concerned and RULES.index(one.rule) < RULES.index(needed.rule)
        else one
        for one in gates.rules
    )
    return replace(gates, rules=rules)


def clauses(rule: Effective, kind: Kind) -> str:
    """The clauses that won, each once."""
    return "; ".join(dict.fromkeys(str(source) for source in rule.won(kind)))
