"""The states of a delivery, and the steps that lead from one to the next.

A settled state is left in one way only: a replay may load the last rows that a partly accepted delivery had in
quarantine. Otherwise a corrected file is a new delivery. Work before the load may be done again (a retried or cleared
task), so those steps also lead back; nothing leads back from a decision or from a load.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What has become of a delivery so far."""

    COLLECTED = "collected"
    STAGED = "staged"
    VALIDATED = "validated"
    HELD = "held"
    APPROVED = "approved"
    ACCEPTED = "accepted"
    ACCEPTED_WITH_FINDINGS = "accepted_with_findings"
    PARTLY_ACCEPTED = "partly_accepted"
    REFUSED = "refused"
    DUPLICATE = "duplicate"

    @property
    def settled(self) -> bool:
        """Whether the delivery is done with; only a person's replay can still better it."""
        return self in SETTLED


ACCEPTED = frozenset({State.ACCEPTED, State.ACCEPTED_WITH_FINDINGS, State.PARTLY_ACCEPTED})
# Worked on to the end. A duplicate is settled too, but it was never worked on.
WORKED_OFF = ACCEPTED | {State.REFUSED}
SETTLED = WORKED_OFF | {State.DUPLICATE}

STEPS: dict[State, frozenset[State]] = {
    State.COLLECTED: frozenset({State.STAGED, State.REFUSED}),
    State.STAGED: frozenset({State.VALIDATED, State.HELD, State.REFUSED}),
    State.VALIDATED: frozenset({State.STAGED, State.HELD, State.REFUSED}) | ACCEPTED,
    State.HELD: frozenset({State.STAGED, State.VALIDATED, State.APPROVED, State.REFUSED}),
    State.APPROVED: frozenset({State.REFUSED}) | ACCEPTED,
    State.PARTLY_ACCEPTED: frozenset({State.ACCEPTED, State.ACCEPTED_WITH_FINDINGS}),
}


def may_become(state: State, wanted: State) -> bool:
    """Whether a delivery in `state` may become `wanted`."""
    return wanted in STEPS.get(state, frozenset())


def before(wanted: State) -> list[str]:
    """The states from which `wanted` may be reached, sorted."""
    return sorted(state.value for state in STEPS if may_become(state, wanted))
