"""Rule results that are known before a file is read: something about the whole file, with its code of the catalogue.

The receipt shows them like every other result, which is how the partner learns of them.
"""

from __future__ import annotations

from typing import Any, Literal


def note_file_rule(
    connection: Any, delivery_id: int, rule: str, code: str, severity: Literal["critical", "warning"]
) -> None:
    """Write one result in place of all that the delivery had; the caller commits."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger.rule_result WHERE delivery_id = %s", (delivery_id,))
        cursor.execute(
            """
            INSERT INTO ledger.rule_result (delivery_id, rule, code, severity, scope, found)
            VALUES (%s, %s, %s, %s, 'file', 1)
            """,
            (delivery_id, rule, code, severity),
        )
