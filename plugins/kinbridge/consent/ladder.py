"""The rungs of consent, and which of several rules is the strictest. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Loosest first. Under `opt_out` and `attested` a person is in until a limit or a revocation is known; under `opt_in`
# and `written` a grant on record is needed, on a form that covers the use.
RULES = ("not_required", "opt_out", "attested", "opt_in", "written")


@dataclass(frozen=True, order=True)
class Rule:
    """What one feed's people must have been asked for one use case. `form` is the id of the form that alone counts,
    empty where any form does that covers the use; `clause` is where it is written."""

    use_case: str
    feed: str
    rule: str
    form: str
    clause: str


@dataclass(frozen=True)
class Asked:
    """One clause's demand of consent, on its way to the strictest."""

    rule: str
    clause: str
    form: str = ""


def strictest(demands: Iterable[Asked]) -> Asked:
    """The strictest demand; of equals the one that names a form, then the first. An unknown rule counts as `written`.

    Raises `ValueError` when there is none: without any, nobody knows what was agreed.
    """
    return max(demands, key=lambda asked: (_rung(asked.rule), bool(asked.form)))


def _rung(rule: str) -> int:
    return RULES.index(rule) if rule in RULES else len(RULES) - 1


def known(rule: str) -> str:
    """The rule, or `written` for a word that is none."""
    return rule if rule in RULES else RULES[-1]
