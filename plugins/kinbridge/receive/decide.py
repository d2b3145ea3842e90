"""Step 3: what a person needs to decide on a held delivery, and the decision in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kinbridge.errors import KinbridgeError, catalogue
from kinbridge.ledger.deliveries import get, set_state
from kinbridge.ledger.events import record_event
from kinbridge.ledger.states import State
from kinbridge.receive.work import locked, work_on
from kinbridge.warehouse.connection import Dsn, transaction

APPROVE = "Load the sound rows"
REJECT = "Reject the file"


@dataclass(frozen=True)
class Hold:
    """A held delivery as the person who decides sees it: counts and rules, no values."""

    subject: str
    body: str


def hold_of(dsn: Dsn, delivery_id: int) -> Hold | None:
    """The facts to decide on, or None when the delivery does not wait for anybody."""
    with transaction(dsn) as connection, connection.cursor() as cursor:
        delivery = get(connection, delivery_id)
        if delivery.state is not State.HELD:
            return None
        work = work_on(connection, delivery_id)
        cursor.execute("SELECT source_rows FROM ledger.account WHERE delivery_id = %s", (delivery_id,))
        rows = int(cursor.fetchone()[0])
        cursor.execute(
            """
            SELECT rule, code, severity, found
            FROM ledger.rule_result
            WHERE delivery_id = %s AND found > 0
            ORDER BY severity, found DESC, rule
            LIMIT 20
            """,
            (delivery_id,),
        )
        results = cursor.fetchall()
        cursor.execute(
            """
            SELECT count(DISTINCT f.line_no)
            FROM ledger.finding AS f
            INNER JOIN ledger.rule_result AS r USING (delivery_id, rule)
            WHERE f.delivery_id = %s AND r.severity = 'critical'
            """,
            (delivery_id,),
        )
        bad = int(cursor.fetchone()[0])
    share = f"{bad / rows:.1%}" if rows else "none"
    lines = [
        f"**{delivery.feed}**, file `{delivery.file_name}`, delivery {delivery_id}, as of {delivery.as_of}.",
        "",
        f"- rows in the file: {rows:,}",
        f"- rows that break a critical rule: {bad:,} ({share}; the contract allows {work.feed.max_bad_row_share:.1%})",
        f"- held by: {delivery.state_reason}",
        "",
        "| rule | what | severity | count |",
        "|---|---|---|---|",
        *(
            f"| `{rule}` | {catalogue()[code].title} ({code}) | {severity} | {found:,} |"
            for rule, code, severity, found in results
        ),
        "",
        f"**{APPROVE}**: rows without a critical finding are loaded, the others go to quarantine. "
        f"**{REJECT}**: nothing is loaded; the partner is asked to send the file again.",
    ]
    return Hold(f"Held: {delivery.feed} {delivery.file_name}", "\n".join(lines))


def record_decision(  # noqa: PLR0917 - the task that calls it hands its values on in this order
    dsn: Dsn, delivery_id: int, choice: str, decided_by: str, decided_at: datetime, reason: str
) -> str:
    """Write the decision once; returns `approved` or `rejected`. A second answer to the question changes nothing.

    Raises `KinbridgeError` KB-L06 when nothing was decided yet and the delivery does not wait for anybody.
    """
    outcome = "approved" if choice == APPROVE else "rejected"
    with transaction(dsn) as connection, connection.cursor() as cursor:
        delivery = locked(connection, delivery_id)
        cursor.execute("SELECT outcome FROM ledger.decision WHERE delivery_id = %s", (delivery_id,))
        earlier = cursor.fetchone()
        if earlier:
            return str(earlier[0])
        if delivery.state is not State.HELD:
            raise KinbridgeError("KB-L06", feed=delivery.feed, delivery=delivery_id, state=delivery.state.value)
        cursor.execute(
            """
            INSERT INTO ledger.decision (delivery_id, outcome, decided_by, decided_at, reason)
            VALUES (%s, %s, %s, %s, %s)
            """,
            (delivery_id, outcome, decided_by, decided_at, reason or None),
        )
        record_event(connection, delivery_id, decided_by, "decided", {"outcome": outcome})
        if outcome == "approved":
            set_state(connection, delivery_id, State.APPROVED, None, decided_by)
        return outcome
