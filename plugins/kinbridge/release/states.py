"""The states of a release. From `sending` on it may have left the house, whatever happens to us."""

from __future__ import annotations

from enum import StrEnum


class ReleaseState(StrEnum):
    """Where a release stands.

    requested: asked for, and waits for two people. approved, rejected: what they said. built: made and encrypted, not
    yet sent. sending: on its way. issued: in the recipient's outbox. withdrawn: given up before it left. destroyed: the
    recipient has certified that it is gone.
    """

    REQUESTED = "requested"
    REJECTED = "rejected"
    APPROVED = "approved"
    BUILT = "built"
    SENDING = "sending"
    ISSUED = "issued"
    WITHDRAWN = "withdrawn"
    DESTROYED = "destroyed"


# Those of which a recipient may hold a file.
OUT = (ReleaseState.SENDING, ReleaseState.ISSUED)
