"""The state of a warehouse as one value: what must be equal after a clean run and after one that was broken off."""

from __future__ import annotations

import hashlib

from tests.support import lookout

from kinbridge.warehouse.connection import Dsn

# When something happened and which number it got may differ between two runs; nothing else may.
_PASSING = (
    "array['delivery_id', 'known_from', 'loaded_at', 'quarantined_at', 'collected_at', 'settled_at', "
    "'resolved_by', 'resolved_at', 'replay_id']"
)
_LEDGER = ("ledger.account", "ledger.rule_result", "ledger.finding", "ledger.load", "quarantine.source_row")
# A decision's number and time are passing, who decided what is not.
_DELIVERY = "partner, feed, file_name, size_bytes, sha256, period, as_of, contract_version, state, state_reason"


def state_of(dsn: Dsn) -> dict[str, str]:
    """A hash for each table of the record, the ledger and the quarantine; deliveries go by their file, not number."""
    with lookout.looking(dsn) as cursor:
        cursor.execute(
            "SELECT format('record.%I', table_name) FROM information_schema.tables WHERE table_schema = 'record'"
        )
        tables = sorted(name for (name,) in cursor.fetchall()) + list(_LEDGER)
        found = {}
        for table in tables:
            cursor.execute(
                f"""
                SELECT (
                    to_jsonb(t) - {_PASSING}
                    || jsonb_build_object(
                        'file', d.file_name,
                        'known_to', to_jsonb(t) ->> 'known_to' IS NULL,
                        'resolved_by_file', r.file_name
                    )
                )::text AS line
                FROM {table} AS t
                LEFT JOIN ledger.delivery AS d ON d.delivery_id = t.delivery_id
                LEFT JOIN ledger.delivery AS r ON r.delivery_id::text = to_jsonb(t) ->> 'resolved_by'
                ORDER BY line
                """
            )
            found[table] = _hash(cursor.fetchall())
        cursor.execute(f"SELECT ({_DELIVERY})::text AS line FROM ledger.delivery ORDER BY line")
        found["ledger.delivery"] = _hash(cursor.fetchall())
        cursor.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'landing'::regnamespace")
        found["landing"] = str(cursor.fetchone()[0])
        return found


def unbalanced(dsn: Dsn) -> list[tuple[object, ...]]:
    """Deliveries whose rows do not all have one fate, or are loaded without standing in the record."""
    with lookout.looking(dsn) as cursor:
        cursor.execute(
            """
            SELECT d.delivery_id, d.state, a.*
            FROM ledger.delivery AS d
            LEFT JOIN ledger.account AS a USING (delivery_id)
            WHERE d.state NOT IN ('duplicate', 'collected')
                AND a.source_rows IS DISTINCT FROM
                    a.loaded + a.unchanged + a.quarantined + a.duplicate + a.undecided
            """
        )
        return list(cursor.fetchall())


def _hash(rows: list[tuple[str]]) -> str:
    return f"{len(rows)} rows {hashlib.sha256(repr(rows).encode()).hexdigest()[:16]}"
