"""The hold: a delivery that a person must decide on waits under Required Actions in Airflow's UI."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context
from airflow.sdk.definitions.param import Param

from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import Member
from kinbridge.governance.reader import voters_on
from kinbridge.orchestration.connections import PIPELINE, warehouse
from kinbridge.orchestration.guard import guarded
from kinbridge.orchestration.mail import tell_of
from kinbridge.orchestration.people import answering, assigned
from kinbridge.receive.decide import APPROVE, REJECT, hold_of, record_decision

log = logging.getLogger("kinbridge")


class HoldDecision(HITLOperator):  # type: ignore[misc]
    """Waits for a person when the delivery is held; passes at once when it is not.

    The question holds counts and rules, never a value. Who answered, when and why goes to `ledger.decision`. Where the
    charter names who decides on overrides, nobody else's answer counts.
    """

    template_fields = ("subject", "body", "delivery_id")

    def __init__(self, *, delivery_id: Any, **kwargs: Any) -> None:
        super().__init__(
            subject="Held delivery",
            # What there is at most; which of them are offered depends on the delivery.
            options=[APPROVE, REJECT],
            params={"reason": Param(None, type=["null", "string"], title="Reason", description="Kept in the ledger.")},
            **kwargs,
        )
        self.delivery_id = delivery_id

    @guarded("asking for a decision")
    def execute(self, context: Context) -> Any:
        """Ask, if there is something to decide."""
        hold = hold_of(warehouse(PIPELINE), int(self.delivery_id))
        if hold is None:
            return None
        self.subject, self.body, self.options = hold.subject, hold.body, list(hold.options)
        self.assigned_users = assigned(_entitled())
        tell_of(int(self.delivery_id))
        return super().execute(context)

    @guarded("recording a decision")
    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer. Returns the outcome only: the answer's free text stays out of XCom."""
        answer = super().execute_complete(context, event)
        user = answer["responded_by_user"] or {}
        entitled = _entitled()
        if entitled and answering(user, entitled) is None:
            # Airflow keeps others out where it knows users by name; where it cannot, the question is put again.
            log.warning("%s", KinbridgeError("KB-G25", delivery=int(self.delivery_id)))
            return self.execute(context)
        return record_decision(
            warehouse(PIPELINE),
            int(self.delivery_id),
            answer["chosen_options"][0],
            str(user.get("name") or user.get("id") or "unknown"),
            answer["responded_at"],
            str((answer["params_input"] or {}).get("reason") or ""),
        )


def _entitled() -> list[Member]:
    """Those whom the charter lets decide on a held file; none where it does not say."""
    return voters_on("override", datetime.now(UTC).date())
