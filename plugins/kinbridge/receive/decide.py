"""Step 3: what a person needs to decide on a held delivery, and the decision in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kinbridge.contract.model import Kind
from kinbridge.errors import KinbridgeError, catalogue
from kinbridge.ledger.deliveries import get, set_state
from kinbridge.ledger.events import latest_facts, record_event
from kinbridge.ledger.states import State
from kinbridge.receive.work import Work, locked, work_on
from kinbridge.warehouse.connection import Dsn, transaction

APPROVE = "Load the sound rows"
REJECT = "Reject the file"
READABLE, HEADER = f"file.{Kind.READABLE}", f"file.{Kind.HEADER}"


@dataclass(frozen=True)
class Hold:
    """A held delivery as the person who decides sees it: counts and rules, no values; and the answers there are."""

    subject: str
    body: str
    options: tuple[str, ...]


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
        hopeless = without_sound_rows(connection, work)
        validated = latest_facts(connection, delivery_id, "validated") or {}
    share = f"{bad / rows:.1%}" if rows else "none"
    lines = [
        f"**{delivery.feed}**, file `{delivery.file_name}`, delivery {delivery_id}, as of {delivery.as_of}.",
        "",
        f"- rows in the file: {rows:,}",
        f"- rows that break a critical rule: {bad:,} ({share}; the contract allows {work.feed.max_bad_row_share:.1%})",
        f"- held by: {delivery.state_reason}",
        *_compared(validated),
        "",
        "| rule | what | severity | count |",
        "|---|---|---|---|",
        *(
            f"| `{rule}` | {catalogue()[code].title} ({code}) | {severity} | {found:,} |"
            for rule, code, severity, found in results
        ),
        "",
        f"The file has no sound row to load, since it broke `{hopeless}`. "
        if hopeless
        else f"**{APPROVE}**: rows without a critical finding are loaded, the others go to quarantine. ",
        f"**{REJECT}**: nothing is loaded; the partner is asked to send the file again.",
    ]
    options = (REJECT,) if hopeless else (APPROVE, REJECT)
    return Hold(f"Held: {delivery.feed} {delivery.file_name}", "\n".join(lines), options)


def _compared(validated: dict[str, Any]) -> list[str]:
    """What changed since the last good delivery, in lines."""
    closing = [
        f"- current rows of `{name}` that the file no longer holds, and would close: {absent:,} of {current:,}"
        for name, (absent, current) in validated.get("absent", {}).items()
    ]
    before = validated.get("compared_with")
    if not before:
        return closing
    last = f"the last good file, `{before['file']}` (delivery {before['delivery']})"
    lines = [f"- rows in {last}: {before['rows']:,}; in this one, without repeats: {validated['distinct_rows']:,}"]
    return closing + lines + [f"- changed since then: {change}" for change in validated.get("changes", [])]


def without_sound_rows(connection: Any, work: Work) -> str | None:
    """The file rule by whose breach the delivery can have no sound row, or None when it may have some.

    A file that cannot be read to its end was not staged; in one that lacks a required column every row breaks the
    critical rule of that column. Where its presence is a warning, the column is left empty and a person may approve.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rule FROM ledger.rule_result WHERE delivery_id = %s AND found > 0 AND rule = ANY(%s)",
            (work.delivery.delivery_id, [READABLE, HEADER]),
        )
        broken = {rule for (rule,) in cursor.fetchall()}
    if READABLE in broken:
        return READABLE
    staged = latest_facts(connection, work.delivery.delivery_id, "staged") or {}
    missing = (c for c in work.columns if c.name in staged.get("missing_required", ()))
    if HEADER in broken and any(c.severity_of(Kind.PRESENCE) == "critical" for c in missing):
        return HEADER
    return None


def record_decision(  # noqa: PLR0917 - the task that calls it hands its values on in this order
    dsn: Dsn, delivery_id: int, choice: str, decided_by: str, decided_at: datetime, reason: str
) -> str:
    """Write the decision once; returns `approved` or `rejected`. A second answer to the question changes nothing.

    Raises `KinbridgeError`: KB-L06 when nothing was decided yet and the delivery does not wait for anybody, KB-Q03 when
    a file without a sound row is approved.
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
        hopeless = without_sound_rows(connection, work_on(connection, delivery_id))
        if outcome == "approved" and hopeless:
            raise KinbridgeError("KB-Q03", feed=delivery.feed, delivery=delivery_id, rule=hopeless)
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
