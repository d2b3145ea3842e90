"""Integrations in the ledger: which loads have been linked, built and published, and whether more are under way."""

from __future__ import annotations

from kinbridge.warehouse.connection import Dsn, transaction

# Work that will still load, but no hold: a held delivery may wait for days.
_IN_FLIGHT = ("collected", "staged", "validated", "approved")


def in_flight(dsn: Dsn, within_seconds: int) -> int:
    """How many deliveries, collected in the last `within_seconds`, are still on their way to the record."""
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*)
            FROM ledger.delivery
            WHERE state = ANY(%s) AND collected_at > clock_timestamp() - make_interval(secs => %s)
            """,
            (list(_IN_FLIGHT), within_seconds),
        )
        return int(cursor.fetchone()[0])


def begin_integration(dsn: Dsn, gates: str | None = None) -> int | None:
    """Open an integration over all loads so far; None when the last finished one has seen them all.

    A replay that loaded rows counts as a load. `gates` is the fingerprint of what may be used today
    (`consent.changed.gates_now`), kept with the integration: where it is another than that of the last finished one,
    an integration is due without a load. An open integration that a killed worker left is taken up again.
    """
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM ledger.load) + (SELECT count(*) FROM ledger.replay WHERE loaded > 0)"
        )
        loads = int(cursor.fetchone()[0])
        cursor.execute(
            """
            SELECT coalesce(max(loads), 0), (array_agg(gates ORDER BY integration_id DESC))[1]
            FROM ledger.integration
            WHERE finished_at IS NOT NULL
            """
        )
        seen, last_gates = cursor.fetchone()
        same_gates = gates is None or gates == last_gates
        if loads <= seen and (same_gates or loads == 0):
            return None
        cursor.execute(
            """
            SELECT integration_id
            FROM ledger.integration
            WHERE finished_at IS NULL
            ORDER BY integration_id DESC
            LIMIT 1
            """
        )
        open_one = cursor.fetchone()
        if open_one:
            cursor.execute(
                """
                UPDATE ledger.integration
                SET loads = %s, gates = %s, started_at = clock_timestamp()
                WHERE integration_id = %s
                """,
                (loads, gates, open_one[0]),
            )
            return int(open_one[0])
        cursor.execute(
            """
            INSERT INTO ledger.integration (started_at, loads, gates)
            VALUES (clock_timestamp(), %s, %s)
            RETURNING integration_id
            """,
            (loads, gates),
        )
        return int(cursor.fetchone()[0])


def finish_integration(dsn: Dsn, integration_id: int) -> None:
    """Close the integration: its result is published."""
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE ledger.integration
            SET finished_at = clock_timestamp()
            WHERE integration_id = %s AND finished_at IS NULL
            """,
            (integration_id,),
        )
